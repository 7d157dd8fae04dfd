/**
 * The population arterial input function of Parker et al., "Experimentally-derived functional form for a
 * population-averaged high-temporal-resolution arterial input function for dynamic contrast-enhanced MRI",
 * Magn Reson Med 2006;56:993-1000 (equation 1 and table 1): two Gaussians and an exponential with a sigmoid.
 */

const GAUSSIANS = [
  { area: 0.809, centre: 0.17046, width: 0.0563 }, // mmol min / l, min, min
  { area: 0.33, centre: 0.365, width: 0.132 },
] as const
const ALPHA = 1.05 // mmol / l
const BETA = 0.1685 // 1 / min
const SIGMOID = { steepness: 38.078, centre: 0.483 } as const // 1 / min, min

/** Share of the blood's volume that cells take, which contrast agent does not enter. */
export const HAEMATOCRIT = 0.42

/**
 * Concentration of contrast agent in whole blood.
 * @param minutes since the bolus arrives
 * @returns mmol / l
 */
export function bloodConcentration(minutes: number): number {
  if (minutes < 0) return 0
  const bolus = GAUSSIANS.reduce(
    (sum, { area, centre, width }) =>
      sum +
      (area / (width * Math.sqrt(2 * Math.PI))) * Math.exp(-((minutes - centre) ** 2) / (2 * width ** 2)),
    0,
  )
  const tail = ALPHA * Math.exp(-BETA * minutes)
  return bolus + tail / (1 + Math.exp(-SIGMOID.steepness * (minutes - SIGMOID.centre)))
}

/** Concentration in plasma, which is what tissue exchanges with. */
export const plasmaConcentration = (minutes: number): number =>
  bloodConcentration(minutes) / (1 - HAEMATOCRIT)
