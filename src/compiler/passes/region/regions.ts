import type { CompiledFile } from '../../external-data.js'
import type { Graph } from '../../graph.js'
import { DataType, type NodeProto, type TypeProto, makeNode, subgraphs, ValueInfoProto } from '../../onnx.js'
import type { PassReport } from '../../report.js'
import type { Shapes } from '../../shapes.js'
import { type Region, findRegions } from './find.js'
import { fuse } from './fuse.js'
import { assumedSizes } from './hints.js'
import { joinRuns } from './joined.js'
import { type PlanHeader, PlanWriter } from './plan.js'

export const REGION_OPERATOR = 'Region4D'
export const REGION_DOMAIN = 'sentinode'

export interface RegionOptions {
  readonly precision: 'fp32' | 'bf16'
  readonly exactTaps: boolean
  /** The shapes of the graph's values at the sizes that are measured when it is loaded. */
  readonly assumed: readonly Shapes[]
}

export interface Regions {
  readonly count: number
  /** Their weights; these files must stand beside the compiled model. */
  readonly files: CompiledFile[]
}

const MOST_HINTS = 8
const WHY = 'activations stay in the layout that the operators of target cpu want'

/**
 * Replaces every region of operators over four axes by one node Region4D. What no region can do is
 * left as it is.
 */
export function makeRegions(
  graph: Graph,
  shapes: Shapes,
  options: RegionOptions,
  report: PassReport,
): Regions {
  const files: CompiledFile[] = []
  let count = 0
  for (const node of graph.nodes) {
    for (const body of subgraphs(node)) {
      const inner = graph.subgraph(body)
      const assumed = options.assumed.map((outer) => outer.within(inner))
      const inside = makeRegions(inner, shapes.within(inner), { ...options, assumed }, report)
      files.push(...inside.files)
      count += inside.count
    }
  }
  const readBefore = new Set(graph.nodes.flatMap((n) => n.input))
  const joined = joinRuns(graph, shapes)
  const placed = new Map<NodeProto, NodeProto>()
  const gone = new Set<NodeProto>()
  for (const region of findRegions({ graph, shapes, joined: joined.nodes })) {
    const channels = region.inputs.map((name) => inputChannels(name, region, shapes))
    if (!fits(region, channels, graph)) continue
    const { plan, file } = writePlan(region, channels, shapes, options)
    if (file !== null) files.push(file)
    const name = graph.fresh('region')
    const node = makeNode(
      REGION_OPERATOR,
      region.inputs,
      region.outputs,
      { plan },
      { name, domain: REGION_DOMAIN },
    )
    const members = [...region.nodes.keys()]
    // Behind its last member every input exists; what reads its outputs is moved behind by sorting.
    placed.set(members.at(-1)!, node)
    for (const member of members) {
      gone.add(member)
      report.add(member, `part of ${name}`, WHY)
    }
    for (const output of region.outputs) declare(output, graph, shapes)
  }
  if (placed.size === 0) {
    joined.restore()
    return { files, count }
  }
  graph.nodes = graph.nodes.flatMap((node) => [
    ...(gone.has(node) ? [] : [node]),
    ...(placed.has(node) ? [placed.get(node)!] : []),
  ])
  joined.restore()
  graph.sort()
  graph.prune(new Set(), readBefore)
  return { files, count: count + placed.size }
}

/** Channels of a region's input: what its shape says, else what a convolution that reads it expects. */
function inputChannels(name: string, region: Region, shapes: Shapes): number | null {
  const declared = shapes.dim(name, 1)
  if (typeof declared === 'number') return declared
  for (const [node, step] of region.nodes) {
    if (step.kind !== 'step' || step.word !== 'conv' || step.inputs[0] !== name) continue
    if (node.opType === 'ConvTranspose') {
      const channels = shapes.dim(node.input[1] ?? '', 0)
      if (typeof channels === 'number') return channels
      continue
    }
    const perGroup = shapes.dim(node.input[1] ?? '', 1)
    if (typeof perGroup === 'number') return perGroup * Number(step.keys['groups'])
  }
  return null
}

/** Whether the operator takes such a region: float32, one batch for all, within the plan's limits. */
function fits(region: Region, channels: readonly (number | null)[], graph: Graph): boolean {
  if (region.inputs.length > 64 || region.outputs.length > 64 || region.nodes.size > 4096) return false
  return channels.every((c) => c !== null) && region.outputs.length > 0 && isFloat32(region, graph)
}

/** All operators of a region keep their input's type, so one value or tensor of float32 tells for all. */
function isFloat32(region: Region, graph: Graph): boolean {
  const weighted = [...region.nodes.values()].some(
    (step) => step.kind === 'step' && Object.values(step.tensors).some((t) => t !== undefined),
  )
  if (weighted) return true
  const names = new Set([...region.inputs, ...[...region.nodes.keys()].map((n) => n.output[0] ?? '')])
  const { input, output, valueInfo } = graph.proto
  return [...input, ...output, ...valueInfo].some(
    (v) => names.has(v.name) && elementType(v.type) === DataType.FLOAT,
  )
}

function elementType(type: TypeProto | undefined): number | null {
  return type?.value?.$case === 'tensorType' ? type.value.value.elemType : null
}

function writePlan(
  region: Region,
  channels: readonly (number | null)[],
  shapes: Shapes,
  { precision, exactTaps, assumed }: RegionOptions,
): { plan: string; file: CompiledFile | null } {
  const sizes = assumed.map((at) => assumedSizes(region.inputs, at))
  const hints = [...new Map(sizes.map((size) => [size.join(), size])).values()].slice(0, MOST_HINTS)
  const openFrames = region.inputs.some((name) => typeof shapes.dim(name, 2) !== 'number')
  const header: PlanHeader = { precision, exactTaps, hints, openFrames }
  const plan = new PlanWriter(header)
  region.inputs.forEach((name, i) =>
    plan.line('input', { value: plan.value(name), channels: channels[i] ?? 0 }),
  )
  const fused = fuse(region)
  for (const step of fused.steps) {
    const { word, inputs, output, keys, tensors, residual, activation, shuffle } = step
    const out = shuffle === undefined ? output : `${output} before it is shuffled`
    const offsets = Object.entries(tensors).map(([key, data]) => [
      key,
      data === undefined ? undefined : plan.tensor(data),
    ])
    plan.line(word, {
      in: inputs.map((name) => plan.value(name)),
      out: plan.value(out),
      ...keys,
      ...(Object.fromEntries(offsets) as Record<string, number | undefined>),
      residual: residual === null ? undefined : plan.value(residual),
      ...activation,
    })
    if (shuffle !== undefined)
      plan.line('shuffle', { in: [plan.value(out)], out: plan.value(output), ...shuffle })
  }
  for (const name of fused.outputs) plan.line('output', { value: plan.value(name) })
  return plan.finish()
}

/** Writes down the shape of a region's output, which nobody can infer through an operator of ours. */
function declare(name: string, graph: Graph, shapes: Shapes): void {
  const { output, valueInfo } = graph.proto
  if ([...output, ...valueInfo].some((v) => v.name === name)) return
  const dim = (shapes.of(name) ?? []).map((d) =>
    typeof d === 'number' ? { value: { $case: 'dimValue' as const, value: BigInt(d) } } : {},
  )
  const tensor = { elemType: DataType.FLOAT, shape: { dim } }
  valueInfo.push(
    ValueInfoProto.fromPartial({ name, type: { value: { $case: 'tensorType', value: tensor } } }),
  )
}
