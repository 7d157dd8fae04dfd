import type { Command } from 'commander'
import { demo } from '../demo/demo.js'

/** `sentinode demo`: what `npm run demo` shows. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('start a daemon, send it a simulated exam, show answers and metrics, stop')
    .action(async () => {
      await demo((line) => process.stdout.write(`${line}\n`))
    })
}
