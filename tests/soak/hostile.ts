// How long messages that are made to cost hold the daemon's event loop: `npm run soak:hostile [TITLE|all] [MIB ...]`.
// Prints a row each, plain and compressed: processor milliseconds of the longest turn, seconds to the answer. Exits 1
// where a turn took more than 50 ms.
import { HOSTILE } from '../process/hostile-messages.js'
import { watchedDaemon } from '../process/held.js'
import { residentBytes, temporaryFolder } from '../process/sentinode.js'

async function main(sizes: readonly number[], only: string | undefined): Promise<boolean> {
  const folder = temporaryFolder()
  const watched = await watchedDaemon(folder.path)
  let good = true
  try {
    for (const mebibytes of sizes)
      for (const { title, path, make } of HOSTILE) {
        if (only !== undefined && !title.includes(only)) continue
        const message = make(mebibytes * 2 ** 20 - 4096)
        const row: string[] = []
        let text = ''
        for (const compressed of [false, true]) {
          const begin = performance.now()
          const { error, heldMs } = await watched.send(path, message, compressed)
          row.push(heldMs.toFixed(1).padStart(8), ((performance.now() - begin) / 1000).toFixed(2).padStart(6))
          good &&= heldMs <= 50
          text = error === null ? 'OK' : `${error.code} ${error.details}`
        }
        console.log(
          `${String(mebibytes).padStart(4)} MiB ${row.join(' ')} ${title.padEnd(36)} ${text.slice(0, 100)}`,
        )
      }
    console.log(JSON.stringify({ resident_mb: Math.round(residentBytes(watched.daemon) / 1e6) }))
    return good
  } finally {
    await watched.stop()
    folder.remove()
  }
}

const [only, ...sizes] = process.argv.slice(2)
process.exitCode = (await main(
  sizes.length > 0 ? sizes.map(Number) : [10, 40, 120],
  only === 'all' ? undefined : only,
))
  ? 0
  : 1
