/** Grouped horizontal bars as SVG: one group a case, one bar a contestant, a line at the ceiling. */
export interface ChartGroup {
  readonly name: string
  readonly bars: readonly { readonly name: string; readonly value: number | null }[]
}

const COLOURS = ['#9aa5b1', '#e0a458', '#5b8e7d', '#2f6690', '#81a4cd', '#6b4e71']
const [LEFT, WIDTH, BAR, GAP, TOP] = [150, 620, 14, 18, 56]

export function barChart(title: string, groups: readonly ChartGroup[]): string {
  const most = Math.max(1, ...groups.flatMap((group) => group.bars.map((bar) => bar.value ?? 0)))
  const scale = WIDTH / (most * 1.08)
  const names = groups[0]?.bars.map((bar) => bar.name) ?? []
  const parts: string[] = []
  let y = TOP
  for (const group of groups) {
    const middle = y + (group.bars.length * BAR) / 2 + 4
    parts.push(text(LEFT - 8, middle, group.name, 'end'))
    group.bars.forEach((bar, i) => {
      const value = bar.value ?? 0
      const width = (value * scale).toFixed(1)
      parts.push(
        `<rect x="${LEFT}" y="${y + i * BAR}" width="${width}" height="${BAR - 2}" fill="${COLOURS[i % COLOURS.length] ?? ''}"/>`,
        text(
          LEFT + value * scale + 4,
          y + i * BAR + BAR - 4,
          bar.value === null ? 'does not run' : value.toFixed(2),
        ),
      )
    })
    y += group.bars.length * BAR + GAP
  }
  const ceiling = (LEFT + scale).toFixed(1)
  parts.push(
    `<line x1="${ceiling}" y1="${TOP - 6}" x2="${ceiling}" y2="${y - GAP + 6}" stroke="#c0392b" stroke-dasharray="4 3"/>`,
    ...names.map((name, i) => legend(name, i)),
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 60}" height="${y}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="white"/>',
    text(LEFT, 18, title),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function legend(name: string, index: number): string {
  const x = LEFT + index * 108
  return `<rect x="${x}" y="28" width="10" height="10" fill="${COLOURS[index % COLOURS.length] ?? ''}"/>${text(x + 14, 37, name)}`
}

function text(x: number, y: number, content: string, anchor = 'start'): string {
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped}</text>`
}
