// Loaded into a daemon by `node --import`: measures the longest that its event loop was held, and answers SIGUSR2 by
// writing that, in milliseconds, to the file that BUSY_TURNS names. It counts the processor time of the main
// thread between two beats, not the time that passed: on a machine with more to do than cores, a thread that
// waits for one of them is not held by its work.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'

const file = process.env.BUSY_TURNS
const stat = `/proc/self/task/${process.pid}/schedstat`
const processorMs = () => Number(readFileSync(stat, 'utf8').split(' ')[0]) / 1e6

let last = processorMs()
let longest = 0
setInterval(() => {
  const now = processorMs()
  longest = Math.max(longest, now - last)
  last = now
}, 2).unref()

process.on('SIGUSR2', () => {
  writeFileSync(`${file}.new`, String(longest))
  renameSync(`${file}.new`, file)
  longest = 0
})
