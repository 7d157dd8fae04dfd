import { SentinodeError } from '../errors.js'
import { type CompiledFile, detachLargeData, embedExternalData, externalTensors } from './external-data.js'
import { Graph } from './graph.js'
import { type GraphProto, type ModelProto, decodeModel, encodeModel } from './onnx.js'
import { explainNodes } from './explain.js'
import { foldConstants } from './passes/fold-constants.js'
import { foldBatchNorm } from './passes/fold-batch-norm.js'
import { inlineFunctions } from './passes/inline-functions.js'
import { assumedShapes } from './passes/region/hints.js'
import { liftSqueezed } from './passes/region/lift.js'
import { REGION_DOMAIN, makeRegions } from './passes/region/regions.js'
import { recogniseFourAxes } from './passes/recognise/recognise.js'
import { hasFourAxes, lowerFourAxes } from './passes/lower-four-axes.js'
import { type CompileReport, type NodeReport, PassReport, type Rewrite } from './report.js'
import type { FileResolver } from './resolver.js'
import { kindOf, targetsWith, type Precision, type Target } from '../targets.js'
import { Shapes } from './shapes.js'

/** Goes into the key of the cache: raised whenever the same model would compile to something else. */
export const COMPILER_VERSION = 12

export interface CompileOptions {
  readonly target: Target
  /** Reads the files that the model names, confined to the model's folder. */
  readonly resolve: FileResolver
  /** Target cpu: keep to the direct algorithm along T. Default false. */
  readonly exactTaps?: boolean
  /**
   * Where 4D convolutions are lowered to three axes: by Toom-Cook along T, fewer multiplications than taps for
   * an error of about 1e-5. Target cpu measures and decides by itself. Default false.
   */
  readonly fastTaps?: boolean
  /** Target cpu: what is computed inside regions of 4D operators. Default fp32. */
  readonly precision?: Precision
  /**
   * Initializers that are listed as inputs as well are constants: nobody will replace them. Default false, and
   * always so before IR version 4, where every one had to be listed.
   */
  readonly constantInitializers?: boolean
  /** Whether loops of 3D convolutions become convolutions over four axes. Default true. */
  readonly recognise?: boolean
  /** Target cpu: sizes [T, D, H, W] of 4D inputs, measured when the model is loaded; usual ones without any. */
  readonly hints?: readonly (readonly number[])[]
}

export interface CompiledModel {
  /** The very bytes that were given where nothing was rewritten. External data is embedded or in `files`. */
  readonly model: Uint8Array
  readonly rewritten: boolean
  /** Whether it holds operators of the domain sentinode. */
  readonly ownOperators: boolean
  readonly files: readonly CompiledFile[]
  readonly report: CompileReport
}

/**
 * Turns a model into one that the target runs. A model without operators over four spatial axes passes
 * through byte for byte, unless it has external data, which compiled models carry with them.
 * Throws MODEL_INVALID, MODEL_UNSUPPORTED_OPERATOR, FILE_OUTSIDE_MODEL, FILE_NOT_FOUND, INVALID_OPTION.
 */
export async function compile(bytes: Uint8Array, options: CompileOptions): Promise<CompiledModel> {
  checkPrecision(options)
  const model = decodeModel(bytes)
  const external = externalTensors(model.graph).length > 0
  if (external) await embedExternalData(model.graph, options.resolve)
  const { rewrites, files, nodes } = rewrite(model, options)
  const report: CompileReport = { target: options.target, rewrites, nodes }
  if (rewrites.length === 0) {
    if (!external) return { model: bytes, rewritten: false, ownOperators: false, files: [], report }
    const whole = decodeModel(bytes)
    await embedExternalData(whole.graph, options.resolve)
    const files = detachLargeData(whole.graph)
    return { model: encodeModel(whole), rewritten: true, ownOperators: false, files, report }
  }
  const ownOperators = model.opsetImport.some((o) => o.domain === REGION_DOMAIN)
  // Regions with the same weights share a side file: it is named after its contents.
  const all = [...new Map([...files, ...detachLargeData(model.graph)].map((f) => [f.name, f])).values()]
  return { model: encodeModel(model), rewritten: true, ownOperators, files: all, report }
}

function checkPrecision({ precision = 'fp32', target }: CompileOptions): void {
  if (kindOf(target).precisions.includes(precision)) return
  const home = targetsWith(precision).join(', ')
  throw new SentinodeError(
    'INVALID_OPTION',
    `Precision ${precision} is offered for target ${home}, not for ${target}`,
  )
}

interface Rewritten {
  readonly rewrites: Rewrite[]
  readonly nodes: readonly NodeReport[]
  readonly files: readonly CompiledFile[]
}

/** Runs the passes over a model in place. Without rewrites it is of no use any more. */
function rewrite(model: ModelProto & { graph: GraphProto }, options: CompileOptions): Rewritten {
  const rewrites: Rewrite[] = []
  const pass = (name: string): PassReport => new PassReport(rewrites, name)
  const listed = options.constantInitializers === true || model.irVersion < 4n
  if (listed) unlistInitializers(model.graph)
  inlineFunctions(model, pass('inline-functions'))
  const graph = Graph.of(model)
  foldConstants(graph, new Shapes(graph), pass('fold-constants'))
  if (options.recognise ?? true) recogniseFourAxes(graph, pass('recognise-four-axes'))
  if (!hasFourAxes(graph, new Shapes(graph))) return { rewrites: [], nodes: [], files: [] }
  if (graph.opset < 7) {
    throw new SentinodeError(
      'MODEL_UNSUPPORTED_OPERATOR',
      `The model has operators over four spatial axes and opset ${graph.opset}; 7 or later is needed to rewrite it`,
    )
  }
  foldBatchNorm(graph, new Shapes(graph), pass('fold-batch-norm'))
  const explain = explainNodes(graph, new Shapes(graph))
  const files = kindOf(options.target).regions ? regions(model, graph, options, pass('regions')) : []
  lowerFourAxes(graph, new Shapes(graph), options.fastTaps ?? false, pass('lower-four-axes'))
  // From this version on initializers need not be listed.
  if (model.irVersion < 4n) model.irVersion = 4n
  return { rewrites, nodes: explain(regionsOf(rewrites)), files }
}

function regions(
  model: ModelProto,
  graph: Graph,
  options: CompileOptions,
  report: PassReport,
): CompiledFile[] {
  const { precision = 'fp32', exactTaps = false, hints = [] } = options
  liftSqueezed(graph, new Shapes(graph), report)
  const assumed = assumedShapes(graph, hints)
  const settings = { precision: precision === 'bf16' ? precision : 'fp32', exactTaps, assumed } as const
  const made = makeRegions(graph, new Shapes(graph), settings, report)
  if (made.count > 0) model.opsetImport.push({ domain: REGION_DOMAIN, version: 1n })
  return made.files
}

/** The region that each node became a part of. */
function regionsOf(rewrites: readonly Rewrite[]): Map<string, string> {
  const parts = rewrites.filter(({ pass }) => pass === 'regions')
  return new Map(parts.map(({ node, what }) => [node, what.replace('part of ', '')]))
}

function unlistInitializers(graph: GraphProto): void {
  const constants = new Set(graph.initializer.map((t) => t.name))
  graph.input = graph.input.filter((v) => !constants.has(v.name))
}
