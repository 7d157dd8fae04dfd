/** What a region of our own operators says about itself (native/core/ops/README.md). */
export interface RegionReport {
  /** What values are computed in: fp32 where bf16 was asked for and the processor has none. */
  readonly precision: 'fp32' | 'bf16'
  readonly threads: number
  readonly planned_bytes: number
  readonly arena_bytes: number
  readonly weights_bytes: number
  /** Of a row, by the direct algorithm's count; absent before the first run. */
  readonly gflop?: number
  readonly layers: readonly LayerReport[]
}

/** One convolution of a region at the size that ran last. */
export interface LayerReport {
  readonly step: number
  /** [C, T, D, H, W] */
  readonly in: readonly number[]
  readonly out?: readonly number[]
  readonly gflop?: number
  /** The form that it takes, e.g. "direct(fp32)" or "tiled(5x4,fp32)". */
  readonly form: string
  readonly why: string
  /** What was measured at this very size. */
  readonly candidates?: readonly {
    readonly form: string
    readonly ms: number | null
    readonly gflops: number | null
    /** Largest error as a share of the output's largest value. */
    readonly error: number | null
  }[]
}
