import type { Command } from 'commander'

/** `sentinode demo`: what `npm run demo` shows. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('simulate an exam, start a daemon, screen the exam, show answer, report and metrics, stop')
    .action(async () => {
      const { demo } = await import('../demo/demo.js')
      await demo((line) => process.stdout.write(`${line}\n`))
    })
}
