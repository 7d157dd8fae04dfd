// The walls between rooms, from walls.json: a room imports the rooms and packages that it lists, the common
// files of src/, Node.js itself, and nothing else. A room with an index.ts is entered by it alone.
import { existsSync, readFileSync } from 'node:fs'

const { rooms, common } = JSON.parse(readFileSync(new URL('./walls.json', import.meta.url), 'utf8'))
const names = Object.keys(rooms)
const files = `^src/(?:${common.join('|')})\\.ts$`
const room = (name) => `^src/${name}/`
const escaped = (name) => name.replaceAll('/', '\\/').replaceAll('*', '[^/]+')
// A subpath that a package exports is named as it is imported, without a folder.
const packages = (list) =>
  list.flatMap((name) => [
    `^node_modules/${escaped(name)}/`,
    `^node_modules/@types/${escaped(name)}/`,
    `^${escaped(name)}/`,
  ])

const doors = names.filter((name) => existsSync(new URL(`./src/${name}/index.ts`, import.meta.url)))

export default {
  forbidden: [
    {
      name: 'addon',
      comment: 'native code is loaded by the engine, and by processes apart',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(?:engine|apart)/' },
      to: { path: '^(?:node:)?module$' },
    },
    ...doors.map((name) => ({
      name: `door-of-${name}`,
      comment: `src/${name} is entered by its index.ts`,
      severity: 'error',
      from: { path: '^src/', pathNot: room(name) },
      to: { path: room(name), pathNot: `^src/${name}/index\\.ts$` },
    })),
  ],
  allowed: [
    ...names.map((name) => ({
      from: { path: room(name) },
      to: { path: [room(name), files, ...rooms[name].imports.map(room), ...packages(rooms[name].packages)] },
    })),
    { from: { path: '^src/' }, to: { dependencyTypes: ['core'] } },
    { from: { path: files }, to: { path: [files, ...packages(['pino', 'picocolors'])] } },
    { from: { path: '^src/main\\.ts$' }, to: { path: [files, room('cli')] } },
  ],
  allowedSeverity: 'error',
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
}
