#!/usr/bin/env node
import { createProgram } from './cli/program.js'
import { reportFailure } from './cli/failure.js'

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error, process.argv.includes('--json'))
}
