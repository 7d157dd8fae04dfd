/**
 * Signal of a spoiled gradient echo in steady state (Ernst and Anderson, Rev Sci Instrum 1966;37:93-102;
 * for fast 3D imaging Frahm et al., Magn Reson Med 1986;3:321-327):
 *
 *   S = M0 sin(a) (1 - E1) / (1 - cos(a) E1),   E1 = exp(-TR R1),   R1 = 1 / T1 + r1 C
 *
 * T2* is left out: echo times of 2 ms are short against it.
 */

export interface Sequence {
  readonly repetitionTimeMs: number
  readonly echoTimeMs: number
  readonly flipAngleDegrees: number
}

/**
 * @param r1 relaxation rate, 1 / s
 * @returns signal for M0 = 1
 */
export function spoiledGradientEcho(sequence: Sequence, r1: number): number {
  const angle = (sequence.flipAngleDegrees * Math.PI) / 180
  const e1 = Math.exp((-sequence.repetitionTimeMs / 1000) * r1)
  return (Math.sin(angle) * (1 - e1)) / (1 - Math.cos(angle) * e1)
}

/** Concentrations beyond this do not occur in tissue or blood at phases a minute long. */
const TABLE_MAX = 12
const TABLE_STEP = 0.01

/**
 * Signal by concentration, tabulated: millions of voxels share a few tissues.
 * @param t1S of the tissue without contrast agent, s
 * @param relaxivity of the agent, l / (mmol s)
 * @returns a function of the concentration in mmol / l, exact to 1e-4 of the signal
 */
export function signalTable(
  sequence: Sequence,
  t1S: number,
  relaxivity: number,
): (concentration: number) => number {
  const table = Float64Array.from({ length: TABLE_MAX / TABLE_STEP + 2 }, (_, i) =>
    spoiledGradientEcho(sequence, 1 / t1S + relaxivity * i * TABLE_STEP),
  )
  return (concentration) => {
    const at = Math.min(Math.max(concentration, 0), TABLE_MAX) / TABLE_STEP
    const i = Math.floor(at)
    const low = table[i] ?? 0
    return low + (at - i) * ((table[i + 1] ?? low) - low)
  }
}
