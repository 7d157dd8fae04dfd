import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'

interface Walls {
  readonly rooms: Readonly<Record<string, { readonly knows: string; readonly imports: readonly string[] }>>
}

const at = (file: string): URL => new URL(`../../${file}`, import.meta.url)
const { rooms } = JSON.parse(readFileSync(at('walls.json'), 'utf8')) as Walls

test('walls.json lists every room of src/, and no arrow runs back up', (t) => {
  const folders = readdirSync(at('src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  t.deepEqual(Object.keys(rooms).sort(), folders.map(({ name }) => name).sort())
  const above = new Set<string>()
  const visit = (name: string): void => {
    t.false(above.has(name), `${[...above].join(' > ')} > ${name}`)
    above.add(name)
    rooms[name]?.imports.forEach(visit)
    above.delete(name)
  }
  Object.keys(rooms).forEach(visit)
})

test('ARCHITECTURE.md draws the rooms as walls.json has them', (t) => {
  const page = readFileSync(at('ARCHITECTURE.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `src\/(\w+)` +\| (.+?) +\| (.+?) +\|$/gm)]
  const drawn = Object.fromEntries(rows.map(([, name = '', knows, imports]) => [name, [knows, imports]]))
  const expected = Object.entries(rooms).map(([name, { knows, imports }]) => [
    name,
    [knows, imports.join(', ') || 'nothing'],
  ])
  t.deepEqual(drawn, Object.fromEntries(expected))
})
