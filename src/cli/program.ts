import { Command } from 'commander'
import { version } from '../version.js'
import { addCompileCommand } from './compile/command.js'
import { addDemoCommand } from './demo.js'
import { addInspectCommand } from './inspect/command.js'
import { addProfileCommand } from './profile/command.js'
import { addScreenCommand } from './screen/command.js'
import { addServeCommand } from './serve.js'
import { addSimulateCommand } from './simulate.js'
import { addTensorsCommand } from './tensors/command.js'
import { addVerifyCommand } from './verify/command.js'

/** The command line. Commands throw; src/main.ts says why and sets the exit code. */
export function createProgram(): Command {
  const program = new Command('sentinode')
    .description('inference daemon for networks that convolve over space and time')
    .version(version)
    .exitOverride()
    .showSuggestionAfterError()
  const commands = [
    addServeCommand,
    addCompileCommand,
    addVerifyCommand,
    addProfileCommand,
    addScreenCommand,
    addInspectCommand,
    addSimulateCommand,
    addTensorsCommand,
    addDemoCommand,
  ]
  for (const add of commands) add(program)
  return program
}
