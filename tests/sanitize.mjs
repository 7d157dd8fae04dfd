// `npm run test:asan` and `npm run test:tsan`: native/core's GoogleTests and the engine's ava tests, built
// with AddressSanitizer and UndefinedBehaviorSanitizer, or with ThreadSanitizer. Any finding fails.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, root, run, runtimeEnv } from './lib/native-build.mjs'

const kinds = {
  asan: { sanitizer: 'address', library: 'libasan.so' },
  tsan: { sanitizer: 'thread', library: 'libtsan.so' },
}
const [name, ...gtestArguments] = process.argv.slice(2)
const kind = kinds[name]
if (kind === undefined) {
  console.error('usage: node tests/sanitize.mjs asan|tsan [--gtest_...]')
  process.exit(2)
}

const folder = `build-${name}`
const addon = join(root, folder, 'Release/sentinode.node')
const suppressions = (file) => `suppressions=${join(root, 'tests/sanitizers', file)}`
const options = {
  // Not detect_stack_use_after_return: GCC 12 then stores vectors of 64 bytes unaligned (GCC bug 110027).
  ASAN_OPTIONS: 'detect_stack_use_after_return=0',
  LSAN_OPTIONS: `print_suppressions=0:${suppressions('lsan.txt')}`,
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  TSAN_OPTIONS: `halt_on_error=1:second_deadlock_stack=1:${suppressions('tsan.txt')}`,
}

/** Of a report: who touched what, without where it came from. */
const accesses = (report) => report.split(/^ {2}(?:Location|Mutex|Thread|As if)/m)[0]

const flags = [`--CDSENTINODE_SANITIZE=${kind.sanitizer}`, '--CDSENTINODE_TESTS=ON']
run('node_modules/.bin/cmake-js', ['configure', '--out', folder, ...flags])
build(folder)
run(`./${folder}/sentinode_tests`, gtestArguments, { ...options, ...runtimeEnv })

const library = execFileSync('gcc', [`-print-file-name=${kind.library}`], { encoding: 'utf8' }).trim()
const reports = mkdtempSync(join(tmpdir(), 'sentinode-sanitize-'))
// Not the comparison of build lists: CMake, which it runs, would be preloaded with the sanitizer too.
const tests = ['tests/engine/**/*.test.ts', '!tests/engine/build-lists.test.ts']
run('node_modules/.bin/ava', ['--serial', ...tests], {
  ...options,
  // Node leaks what it still holds at its end, and tests end processes with runs in flight. They measure
  // memory too, in which what is freed and kept for a while would be found.
  ASAN_OPTIONS: `${options.ASAN_OPTIONS}:detect_leaks=0:quarantine_size_mb=32`,
  // Node is not built with the sanitizer and its own threads are reported too; ours are picked out below.
  TSAN_OPTIONS: `exitcode=0:log_path=${join(reports, 'report')}:${suppressions('tsan.txt')}`,
  LD_PRELOAD: library,
  SENTINODE_ADDON: addon,
})
/** The sanitizer knows no names in libraries that were loaded after its first report. */
function namesOf(report) {
  const [...tops] = accesses(report).matchAll(/#0 .*\(sentinode\.node\+(0x[0-9a-f]+)\)/g)
  if (tops.length === 0) return ''
  return execFileSync('addr2line', ['-Cfe', addon, ...tops.map(([, at]) => at)], { encoding: 'utf8' })
}
const passedOver = [
  ...readFileSync(join(root, 'tests/sanitizers/tsan.txt'), 'utf8').matchAll(/^race_top:(.+)$/gm),
].map(([, name]) => name)
const ours = readdirSync(reports)
  .flatMap((file) => readFileSync(join(reports, file), 'utf8').split(/^={18}$/m))
  .filter((report) => accesses(report).includes('sentinode.node'))
  .map((report) => ({ report, names: namesOf(report) }))
  .filter(({ names }) => !passedOver.some((name) => names.includes(name)))
rmSync(reports, { recursive: true })
for (const { report, names } of ours) console.error(report, names)
if (ours.length > 0) process.exit(1)
console.log(`${name}: no findings`)
