import { SentinodeError } from '../errors.js'
import { embedExternalData, externalTensors } from './external-data.js'
import { Graph } from './graph.js'
import { decodeModel, encodeModel } from './onnx.js'
import { foldBatchNorm } from './passes/fold-batch-norm.js'
import { inlineFunctions } from './passes/inline-functions.js'
import { hasFourAxes, lowerFourAxes } from './passes/lower-four-axes.js'
import { type CompileReport, PassReport, type Rewrite } from './report.js'
import type { FileResolver } from './resolver.js'
import { Shapes } from './shapes.js'

/** Goes into the key of the cache: raised whenever the same model would compile to something else. */
export const COMPILER_VERSION = 1

export const TARGETS = ['cpu', 'cpu-portable', 'cuda', 'tensorrt'] as const
export type Target = (typeof TARGETS)[number]

export const PRECISIONS = ['fp32', 'bf16'] as const
export type Precision = (typeof PRECISIONS)[number]

export interface CompileOptions {
  readonly target: Target
  /** Reads the files that the model names, confined to the model's folder. */
  readonly resolve: FileResolver
  /** Target cpu: keep to the direct algorithm along T. Default false. */
  readonly exactTaps?: boolean
  /** Target cpu: what is computed inside regions of 4D operators. Default fp32. */
  readonly precision?: Precision
}

/** A file that must stand beside the compiled model. */
export interface CompiledFile {
  readonly name: string
  /** Its bytes, in order. */
  readonly chunks: readonly Uint8Array[]
}

export interface CompiledModel {
  /** The model's own bytes where nothing was rewritten; it then still names its own external data. */
  readonly model: Uint8Array
  readonly rewritten: boolean
  readonly files: readonly CompiledFile[]
  readonly report: CompileReport
}

/**
 * Turns a model into one that the target runs. A model without operators over four spatial axes passes
 * through byte for byte. Throws MODEL_INVALID, MODEL_UNSUPPORTED_OPERATOR, FILE_OUTSIDE_MODEL, FILE_NOT_FOUND.
 */
export async function compile(bytes: Uint8Array, options: CompileOptions): Promise<CompiledModel> {
  const model = decodeModel(bytes)
  // Also for models that pass through: the runtime would follow such a name without asking.
  for (const tensor of externalTensors(model.graph))
    await options.resolve.read(tensor.location, { offset: 0, length: 0 })

  const rewrites: Rewrite[] = []
  const report: CompileReport = { target: options.target, rewrites }
  const unchanged: CompiledModel = { model: bytes, rewritten: false, files: [], report }

  inlineFunctions(model, new PassReport(rewrites, 'inline-functions'))
  let graph = Graph.of(model)
  if (!hasFourAxes(graph, new Shapes(graph))) return { ...unchanged, report: { ...report, rewrites: [] } }

  if (graph.opset < 7) {
    throw new SentinodeError(
      'MODEL_UNSUPPORTED_OPERATOR',
      `The model has operators over four spatial axes and opset ${graph.opset}; 7 or later is needed to rewrite it`,
    )
  }
  await embedExternalData(model.graph, options.resolve)
  graph = Graph.of(model)
  foldBatchNorm(graph, new Shapes(graph), new PassReport(rewrites, 'fold-batch-norm'))
  lowerFourAxes(graph, new Shapes(graph), new PassReport(rewrites, 'lower-four-axes'))
  modernise(model)
  return { model: encodeModel(model), rewritten: true, files: [], report }
}

/**
 * Before IR version 4 every initializer had to be listed as an input as well; the passes do not list theirs.
 * Unlisting them all says the same in a later version.
 */
function modernise(model: {
  irVersion: bigint
  graph: { input: { name: string }[]; initializer: { name: string }[] }
}): void {
  if (model.irVersion >= 4n) return
  const constants = new Set(model.graph.initializer.map((t) => t.name))
  model.graph.input = model.graph.input.filter((v) => !constants.has(v.name))
  model.irVersion = 4n
}
