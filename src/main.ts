#!/usr/bin/env node
import { createProgram } from './cli/program.js'
import { reportFailure } from './cli/failure.js'

// A reader that has read enough, as `head` has, is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error, process.argv.includes('--json'))
}
