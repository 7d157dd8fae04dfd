#!/usr/bin/env node
import { createProgram } from './cli/program.js'
import { EXIT, reportFailure } from './cli/failure.js'

// A reader that has read enough, as `head` has, needs no stack trace; nor was all done that was asked for.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.runtime)
})

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error, process.argv.includes('--json'))
}
