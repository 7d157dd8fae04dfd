// `npm test`: static checks, GoogleTests of native/core, every ava test, then an exam's whole way on the newest
// line of Node. One line of totals at the end, whatever fails before it: `N passed, N failed`, and `, N skipped`
// where something could not be tried.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environmentOf, fetchNode, lines } from './lib/node-versions.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name) => join(root, 'node_modules', '.bin', name)

/** Runs a command, passing its output on; resolves to its exit code and what it printed. */
function run(command, args, env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      process.stdout.write(chunk)
    })
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

let passed = 0
let failed = 0
let skipped = 0

/** A suite that counts its own tests; one that ends badly without a failed test counts as one failure. */
async function suite(title, command, args, count) {
  console.log(`\n# ${title}`)
  const { code, output } = await run(command, args)
  const counted = count(output)
  passed += counted.passed
  failed += counted.failed + (code !== 0 && counted.failed === 0 ? 1 : 0)
}

const last = (output, pattern) => [...output.matchAll(pattern)].at(-1)
const number = (match) => (match ? Number(match[1]) : 0)

const check = await run('npm', ['run', '--silent', 'check'])
check.code === 0 ? passed++ : failed++
await suite('GoogleTest on native/core', process.execPath, ['tests/native.mjs'], (output) => ({
  passed: number(last(output, /\[\s+PASSED\s+\] (\d+) tests?/g)),
  failed: number(last(output, /\[\s+FAILED\s+\] (\d+) tests?/g)),
}))
await suite('ava', bin('ava'), ['--tap'], (output) => ({
  passed: number(last(output, /^# pass (\d+)/gm)),
  failed: number(last(output, /^# fail (\d+)/gm)),
}))

const newest = lines.at(-1)
const node = fetchNode(newest)
console.log(`\n# demo on Node ${node.version ?? newest}`)
if (node.binary === undefined) {
  console.log(`skipped: ${node.reason}`)
  skipped++
} else {
  const demo = await run(node.binary, [join(root, 'dist/main.js'), 'demo'], environmentOf(node.binary))
  demo.code === 0 ? passed++ : failed++
}

console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 ? 1 : 0
