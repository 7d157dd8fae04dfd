// Draws the map of ARCHITECTURE.md from walls.json: node cmake/walls-map.mjs
import { readFileSync, writeFileSync } from 'node:fs'

const at = (file) => new URL(`../${file}`, import.meta.url)

/** A table of rooms, in the order in which one may import another: who imports nobody comes last. */
export function map({ rooms }) {
  const left = new Map(Object.entries(rooms))
  const rows = []
  while (left.size > 0) {
    const free = [...left].filter(([name]) => [...left].every(([, { imports }]) => !imports.includes(name)))
    if (free.length === 0) throw new Error(`a circle among ${[...left.keys()].join(', ')}`)
    for (const [name, { knows, imports }] of free) {
      rows.push(`| \`src/${name}\` | ${knows} | ${imports.join(', ') || 'nothing'} |`)
      left.delete(name)
    }
  }
  return ['| room | what it knows | what it imports |', '| --- | --- | --- |', ...rows].join('\n')
}

if (import.meta.filename === process.argv[1]) {
  const page = readFileSync(at('ARCHITECTURE.md'), 'utf8')
  const table = map(JSON.parse(readFileSync(at('walls.json'), 'utf8')))
  writeFileSync(
    at('ARCHITECTURE.md'),
    page.replace(/(<!-- walls -->\n)[\s\S]*?(<!-- \/walls -->)/, `$1\n${table}\n\n$2`),
  )
}
