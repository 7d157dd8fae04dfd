/** What a configuration tells about sizes that the network leaves open. */
import type { ModelConfig } from '../../generated/model_config.js'

/** Axes of a 4D tensor after batch and channels: T, D, H, W. */
const SPATIAL_AXES = 4

/**
 * Concrete shapes [T, D, H, W] of 4D inputs, from their dims and from warm-up samples, so that the compiler
 * can choose what is fastest for them.
 */
export function shapeHints(config: Readonly<ModelConfig>): number[][] {
  const rank = SPATIAL_AXES + (config.maxBatchSize > 0 ? 1 : 2)
  const shapes = [
    ...config.modelWarmup.flatMap(({ inputs }) => Object.values(inputs).map(({ dims }) => dims)),
    ...config.input.map(({ dims, reshape }) => reshape?.shape ?? dims),
  ]
  return shapes
    .filter((dims) => dims.length === rank && dims.every((dim) => dim > 0n))
    .map((dims) => dims.slice(-SPATIAL_AXES).map(Number))
}
