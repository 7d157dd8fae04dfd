/** Bounds on what reading one exam may take, whatever its files say. */

export interface ExamLimits {
  readonly maxFiles: number
  readonly maxFrames: number
  /** Bytes of one file's header, functional groups of a multi-frame object included. */
  readonly maxHeaderBytes: number
  /** Bytes of the whole volume, as stored in memory. */
  readonly maxPixelBytes: number
}

export const DEFAULT_LIMITS: ExamLimits = {
  maxFiles: 50_000,
  maxFrames: 50_000,
  maxHeaderBytes: 64 * 2 ** 20,
  maxPixelBytes: 4 * 2 ** 30,
}
