import type { Volume4D } from '../../exam/volume.js'

/** `inspect --json`: the fields that other programs rely on; more may join. */
export function summary(volume: Volume4D): Record<string, unknown> {
  const rounded = (value: number): number => Number(value.toFixed(9))
  return {
    shape: volume.shape,
    times_s: volume.timesS,
    spacing_mm: volume.spacingMm.map(rounded),
    affine_lps: volume.affineLps.map((row) => row.map(rounded)),
    series: volume.series,
    frames: {
      read: volume.frames.read,
      used: volume.frames.used,
      left_out: volume.frames.leftOut,
    },
    warnings: volume.warnings,
    format: volume.format,
    samples: sampleName(volume),
    phases_from: volume.phasesFrom,
    times_from: volume.timesFrom,
  }
}

export function sampleName({ samples }: Volume4D): string {
  return samples instanceof Int16Array ? 'int16' : samples instanceof Uint16Array ? 'uint16' : 'float32'
}
