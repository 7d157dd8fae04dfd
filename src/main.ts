#!/usr/bin/env node
import { createProgram } from './cli/program.js'
import { EXIT, outputFailure, reportFailure } from './cli/failure.js'
import { untestedNode } from './version.js'

// Whoever asked for output and does not get it is told by the exit code; there is no more to be done.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  outputFailure(error)
  process.exit(EXIT.runtime)
})
// What is said beside the output is worth no failure.
process.stderr.on('error', () => undefined)

const untested = untestedNode(process.versions.node)
if (untested !== null) process.stderr.write(`warning: ${untested}\n`)

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error, process.argv.includes('--json'))
}
