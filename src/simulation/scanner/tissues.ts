/**
 * Relaxation times and proton densities. Fat and fibroglandular tissue: Rakow-Penner et al., J Magn Reson
 * Imaging 2006;23:87-91. Relaxivity of gadobutrol in plasma: Rohrer et al., Invest Radiol 2005;40:715-724.
 */

export interface TissueProperties {
  /** By field strength, s. */
  readonly t1S: Readonly<Record<1.5 | 3, number>>
  readonly protonDensity: number
}

export const TISSUES = {
  fat: { t1S: { 1.5: 0.296, 3: 0.366 }, protonDensity: 0.95 },
  gland: { t1S: { 1.5: 1.266, 3: 1.445 }, protonDensity: 0.8 },
  muscle: { t1S: { 1.5: 1.1, 3: 1.4 }, protonDensity: 0.78 },
  skin: { t1S: { 1.5: 0.9, 3: 1.1 }, protonDensity: 0.6 },
  blood: { t1S: { 1.5: 1.44, 3: 1.65 }, protonDensity: 0.9 },
  lesion: { t1S: { 1.5: 1.3, 3: 1.5 }, protonDensity: 0.86 },
} as const satisfies Record<string, TissueProperties>

/** l / (mmol s). */
export const RELAXIVITY: Readonly<Record<1.5 | 3, number>> = { 1.5: 5.2, 3: 5 }

/** What fat suppression leaves of fat's signal. */
export const FAT_LEFT = 0.14
