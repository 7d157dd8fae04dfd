// `npm run test:node [major ...]`: every ava test and the demo on the newest version of each line of Node that
// package.json names, one after the other. Says what it could not get, which fails nothing and is counted.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { environmentOf, fetchNode, lines, root } from './lib/node-versions.mjs'

function run(binary, args) {
  return new Promise((resolve) => {
    const child = spawn(binary, args, {
      cwd: root,
      env: environmentOf(binary),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      process.stdout.write(chunk)
    })
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

const wanted = process.argv.length > 2 ? process.argv.slice(2).map(Number) : lines
const summary = []
let failed = false
for (const major of wanted) {
  const { binary, version, reason } = fetchNode(major)
  if (binary === undefined) {
    summary.push(`Node ${major}: skipped, ${reason}`)
    continue
  }
  console.log(`\n# Node ${version}`)
  const tests = await run(binary, [join(root, 'node_modules/ava/entrypoints/cli.mjs'), '--tap'])
  const count = (name) => [...tests.output.matchAll(new RegExp(`^# ${name} (\\d+)`, 'gm'))].at(-1)?.[1] ?? '?'
  const demo = await run(binary, [join(root, 'dist/main.js'), 'demo'])
  failed ||= tests.code !== 0 || demo.code !== 0
  summary.push(
    `Node ${version}: ${count('pass')} passed, ${count('fail')} failed, demo ${demo.code === 0 ? 'passed' : 'failed'}`,
  )
}
console.log(`\n${summary.join('\n')}`)
process.exitCode = failed ? 1 : 0
