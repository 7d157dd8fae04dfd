import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import { compile } from '../compiler/compile.js'
import { formatReport } from '../compiler/report.js'
import { confinedResolver } from '../compiler/resolver.js'
import { SentinodeError } from '../errors.js'
import { PRECISIONS, type Precision, TARGETS, type Target } from '../targets.js'

interface CompileFlags {
  readonly target: Target
  readonly output: string
  readonly precision: Precision
  readonly exactTaps: boolean
  readonly fastTaps: boolean
  readonly json: boolean
}

/** `sentinode compile`: what loading does to a model, made visible. */
export function addCompileCommand(program: Command): void {
  program
    .command('compile')
    .description('rewrite a model for a target, and report every rewritten node')
    .argument('<model>', 'an .onnx file')
    .addOption(new Option('--target <target>', 'what will run the model').choices(TARGETS).default('cpu'))
    .requiredOption('-o, --output <file>', 'where to write the compiled model; side files go beside it')
    .addOption(
      new Option('--precision <precision>', 'of operators over four axes')
        .choices(PRECISIONS)
        .default('fp32'),
    )
    .option('--exact-taps', 'keep to the direct algorithm along time', false)
    .option('--fast-taps', 'the fast algorithm along time in graphs without our own operators too', false)
    .option('--json', 'one JSON document on stdout', false)
    .action(async (file: string, flags: CompileFlags) => {
      const model = await readFile(file).catch((cause: unknown) => {
        throw new SentinodeError('INVALID_OPTION', `expected a readable model, found ${file}`, { cause })
      })
      const { target, precision, exactTaps, fastTaps, output } = flags
      const resolve = confinedResolver(dirname(file))
      const compiled = await compile(model, { target, precision, exactTaps, fastTaps, resolve })
      await write(output, [compiled.model])
      for (const side of compiled.files) await write(join(dirname(output), side.name), side.chunks)
      const files = compiled.files.map((side) => side.name)
      process.stdout.write(
        flags.json
          ? `${JSON.stringify({ ...compiled.report, output, files })}\n`
          : formatReport(compiled.report),
      )
    })
}

async function write(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  await writeFile(path, chunks).catch((cause: unknown) => {
    throw new SentinodeError('INVALID_OPTION', `expected a file that can be written, found ${path}`, {
      cause,
    })
  })
}
