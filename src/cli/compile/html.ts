/** The graph of a compilation as one HTML page: a box a node, a colour a region, without scripts or other files. */
import type { CompileReport, NodeReport } from '../../compiler/report.js'

const [BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y] = [190, 44, 24, 34]
const COLOURS = ['#bfe3c6', '#bcd7f0', '#e0cdf0', '#f3e2b3', '#c8ece9', '#f2cfdc']
const OUTSIDE = '#f0b9a8'

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c)

interface Placed {
  readonly node: NodeReport
  readonly x: number
  readonly y: number
}

/** Rows by the longest way from an input, in the order in which nodes run. */
function layout(nodes: readonly NodeReport[]): Map<string, Placed> {
  const depth = new Map<string, number>()
  const taken: number[] = []
  const placed = new Map<string, Placed>()
  for (const node of nodes) {
    const row = Math.max(-1, ...node.reads.map((name) => depth.get(name) ?? -1)) + 1
    depth.set(node.node, row)
    const column = taken[row] ?? 0
    taken[row] = column + 1
    placed.set(node.node, {
      node,
      x: column * (BOX_WIDTH + GAP_X) + GAP_X,
      y: row * (BOX_HEIGHT + GAP_Y) + GAP_Y,
    })
  }
  return placed
}

/** @param words the report as text, shown above the drawing */
export function asHtml({ nodes, target }: CompileReport, title: string, words: string): string {
  const placed = layout(nodes)
  const regions = [...new Set(nodes.flatMap(({ region }) => region ?? []))]
  const colour = ({ region }: NodeReport): string =>
    region === null ? OUTSIDE : (COLOURS[regions.indexOf(region) % COLOURS.length] ?? OUTSIDE)
  const all = [...placed.values()]
  const width = Math.max(400, ...all.map(({ x }) => x + BOX_WIDTH + GAP_X))
  const height = Math.max(100, ...all.map(({ y }) => y + BOX_HEIGHT + GAP_Y))
  const lines = all.flatMap(({ node, x, y }) =>
    node.reads.flatMap((name) => {
      const from = placed.get(name)
      if (from === undefined) return []
      const [x1, y1, x2] = [from.x + BOX_WIDTH / 2, from.y + BOX_HEIGHT, x + BOX_WIDTH / 2]
      return [`<path d="M${x1} ${y1} C${x1} ${y1 + GAP_Y} ${x2} ${y - GAP_Y} ${x2} ${y}"/>`]
    }),
  )
  const boxes = all.map(({ node, x, y }) => {
    const tip = [node.node, node.region ?? node.why ?? '', node.change ?? '']
      .filter((t) => t !== '')
      .join('\n')
    return (
      `<g><title>${escape(tip)}</title>` +
      `<rect x="${x}" y="${y}" width="${BOX_WIDTH}" height="${BOX_HEIGHT}" rx="6" fill="${colour(node)}"/>` +
      `<text x="${x + 8}" y="${y + 18}" font-weight="bold">${escape(node.op)}</text>` +
      `<text x="${x + 8}" y="${y + 35}" font-size="11">[${escape(node.shape.join(', '))}]</text></g>`
    )
  })
  const legend = [
    ...regions.map((name, i) => [name, COLOURS[i % COLOURS.length] ?? OUTSIDE]),
    ['ONNX Runtime', OUTSIDE],
  ]
    .map(([name = '', fill = '']) => `<span style="background:${fill}">${escape(name)}</span>`)
    .join(' ')
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escape(title)}</title>
<style>body{font:14px system-ui,sans-serif;margin:24px}pre{white-space:pre-wrap}span{padding:3px 8px;border-radius:4px}
path{fill:none;stroke:#777}rect{stroke:#555}svg{font:13px system-ui,sans-serif}</style>
<h1>${escape(title)}, target ${escape(target)}</h1>
<pre>${escape(words)}</pre><p>${legend}</p>
<svg width="${width}" height="${height}" role="img">${lines.join('')}${boxes.join('')}</svg>
</html>
`
}
