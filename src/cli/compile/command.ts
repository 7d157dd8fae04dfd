import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import { compile } from '../../compiler/compile.js'
import { formatReport } from '../../compiler/report.js'
import { confinedResolver } from '../../compiler/resolver.js'
import { SentinodeError } from '../../errors.js'
import { PRECISIONS, type Precision, TARGETS, type Target, kindOf } from '../../targets.js'
import { dimension } from '../option-values.js'
import { asHtml } from './html.js'
import { type Measured, inWords } from './words.js'

interface CompileFlags {
  readonly target: Target
  readonly output: string
  readonly precision: Precision
  readonly exactTaps: boolean
  readonly fastTaps: boolean
  readonly json: boolean
  readonly report: boolean
  readonly html?: string
  readonly dim?: ReadonlyMap<string, number>
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
    .option(
      '--report',
      'say in words what runs fast, what does not and why, what it costs, what to change',
      false,
    )
    .option('--html <file>', 'the same as a page that draws the graph')
    .option('--dim <name=value>', 'for --report and --html: size of an open dimension; repeatable', dimension)
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
      const words =
        flags.report || flags.html !== undefined
          ? inWords(compiled.report, await measured(file, flags))
          : null
      if (flags.html !== undefined && words !== null)
        await write(flags.html, [Buffer.from(asHtml(compiled.report, basename(file), words))])
      const text = flags.report && words !== null ? words : formatReport(compiled.report)
      process.stdout.write(flags.json ? `${JSON.stringify({ ...compiled.report, output, files })}\n` : text)
    })
}

/** Runs the model for a second where this machine can: what cannot be measured is said, and no failure. */
async function measured(file: string, flags: CompileFlags): Promise<Measured> {
  const nothing = { total: null, regions: [] }
  if (kindOf(flags.target).provider !== 'cpu')
    return { ...nothing, why: `target ${flags.target} runs elsewhere` }
  // Loaded here, so that the other commands do not wait for the engine.
  const { profile } = await import('../profile/profile.js')
  const { target, precision, exactTaps, fastTaps, dim = new Map<string, number>() } = flags
  const options = { file, batch: 1, target, precision, exactTaps, fastTaps, dim, seconds: 1 }
  try {
    const threads = availableParallelism()
    const report = await profile({ ...options, threads, onnxruntimeLibrary: null, cacheDir: null })
    return { total: 1000 / report.rows_per_second, regions: report.regions, why: null }
  } catch (error) {
    return { ...nothing, why: error instanceof Error ? error.message : String(error) }
  }
}

async function write(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  await writeFile(path, chunks).catch((cause: unknown) => {
    throw new SentinodeError('INVALID_OPTION', `expected a file that can be written, found ${path}`, {
      cause,
    })
  })
}
