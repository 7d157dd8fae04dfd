/** The report of a compilation for the person who wrote the network. */
import type { CompileReport, NodeReport } from '../../compiler/report.js'
import type { LayerReport, RegionReport } from '../../engine/index.js'

/** What was measured of the compiled model; null where it could not be, and why. */
export interface Measured {
  /** Milliseconds of a row at the hinted sizes. */
  readonly total: number | null
  readonly regions: readonly RegionReport[]
  readonly why: string | null
}

const ms = (value: number): string => `${value.toPrecision(2)} ms`

/** Milliseconds of a layer in the form that it takes; null where that was not measured. */
function layerMs({ form, candidates }: LayerReport): number | null {
  return candidates?.find((candidate) => candidate.form === form)?.ms ?? null
}

function regionMs(region: RegionReport | undefined): number | null {
  const times = region?.layers.map(layerMs) ?? []
  return times.length > 0 && times.every((t) => t !== null) ? times.reduce((a, b) => a + b, 0) : null
}

/** Which parts run where, why, what they cost and what to change. */
export function inWords({ nodes, target, rewrites }: CompileReport, measured: Measured): string {
  if (nodes.length === 0)
    return `The network has no operators over four spatial axes: ONNX Runtime runs it as it is.\n`
  const lines: string[] = []
  const found = rewrites.filter(({ pass }) => pass === 'recognise-four-axes')
  for (const { node, what } of found) lines.push(`${node}: ${what}.`)
  const names = [...new Set(nodes.flatMap(({ region }) => region ?? []))]
  for (const [i, name] of names.entries()) lines.push(...regionLines(name, nodes, measured.regions[i]))
  const outside = nodes.filter(({ region }) => region === null)
  if (outside.length > 0) lines.push('', `Outside of the fast operator, in ONNX Runtime (${outside.length}):`)
  for (const [why, group] of grouped(outside)) {
    lines.push(`  ${group.map(({ op, node, shape }) => `${op} "${node}" [${shape.join(', ')}]`).join(', ')}`)
    lines.push(`    why: ${why}`, `    change: ${group[0]?.change ?? ''}`)
  }
  lines.push('', cost(names, measured), '')
  return [`For target ${target}:`, ...lines].join('\n')
}

function grouped(nodes: readonly NodeReport[]): Map<string, NodeReport[]> {
  const groups = new Map<string, NodeReport[]>()
  for (const node of nodes) groups.set(node.why ?? '', [...(groups.get(node.why ?? '') ?? []), node])
  return groups
}

function regionLines(name: string, nodes: readonly NodeReport[], region: RegionReport | undefined): string[] {
  const members = nodes.filter((n) => n.region === name)
  const time = regionMs(region)
  const counts = new Map<string, number>()
  for (const { op } of members) counts.set(op, (counts.get(op) ?? 0) + 1)
  const what = [...counts].map(([op, count]) => (count === 1 ? op : `${count} ${op}`)).join(', ')
  const head = `In the fast operator, ${name}: ${what}${time === null ? '' : `; its convolutions take ${ms(time)}`}`
  const layers = (region?.layers ?? []).map((layer) => {
    const took = layerMs(layer)
    return `  convolution of [${layer.in.join(', ')}]${took === null ? '' : `: ${ms(took)}`}, ${layer.form}`
  })
  return ['', head, ...layers]
}

function cost(names: readonly string[], { total, regions, why }: Measured): string {
  if (total === null) return `Not measured: ${why ?? 'nothing ran'}`
  const inside = names.map((_, i) => regionMs(regions[i]))
  if (names.length === 0 || inside.some((t) => t === null)) return `A row takes ${ms(total)}.`
  const sum = inside.reduce<number>((a, b) => a + (b ?? 0), 0)
  const rest = Math.max(0, total - sum)
  return `A row takes ${ms(total)}: ${ms(sum)} in convolutions of the fast operator, ${ms(rest)} in all else.`
}
