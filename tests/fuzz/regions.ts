/**
 * Random graphs over four axes, each divided into regions that must be convex: `npm run fuzz:regions --
 * [--graphs 20000] [--seed N]`. A failure prints the seed that makes the graph again. Not part of the tests,
 * which try some hundred.
 */
import { parseArgs } from 'node:util'
import { regionFault } from '../compiler/lib/convex.js'
import { compileFor } from '../compiler/lib/model.js'
import { randomGraph } from '../compiler/lib/random-graph.js'
import { Random } from '../compiler/lib/random.js'

const { values } = parseArgs({
  options: { graphs: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1000' } },
})
const [graphs, first] = [Number(values.graphs), Number(values.seed)]
let failed = 0
for (let seed = first; seed < first + graphs; seed++) {
  const { bytes } = randomGraph(new Random(seed))
  const fault =
    regionFault(bytes) ??
    (await compileFor('cpu', bytes).then(
      () => null,
      (error: unknown) => String(error),
    ))
  if (fault === null) continue
  failed++
  console.error(`seed ${seed}: ${fault}`)
}
console.log(`${graphs} graphs from seed ${first}, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
