import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { kindOf, PRECISIONS, type Precision, TARGETS, type Target } from '../../targets.js'
import { SentinodeError } from '../../errors.js'
import { positive, tolerance } from '../option-values.js'
import type { CaseResult } from './run-case.js'

interface VerifyFlags {
  readonly target: Target
  readonly atol: number
  readonly rtol: number
  readonly precision: Precision
  readonly exactTaps: boolean
  readonly fastTaps: boolean
  readonly threads: number
  readonly onnxruntimeLibrary?: string
  readonly json: boolean
}

/** `sentinode verify`: runs ONNX node-test folders; exit 1 if any fails. */
export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description('run ONNX test cases (model.onnx, test_data_set_N) and compare with their expected outputs')
    .argument('<dir...>', 'case folders, or folders of case folders')
    .addOption(new Option('--target <target>', 'what runs the models').choices(TARGETS).default('cpu'))
    .option('--atol <number>', 'absolute tolerance', tolerance, 1e-4)
    .option('--rtol <number>', 'tolerance relative to the expected value', tolerance, 1e-3)
    .addOption(
      new Option('--precision <precision>', 'of operators over four axes')
        .choices(PRECISIONS)
        .default('fp32'),
    )
    .option('--exact-taps', 'keep to the direct algorithm along time', false)
    .option('--fast-taps', 'the fast algorithm along time in graphs without our own operators too', false)
    .option('--threads <n>', 'threads of one run', positive, availableParallelism())
    .option('--onnxruntime-library <path>', 'ONNX Runtime library in place of the packaged one')
    .option('--json', 'one JSON document on stdout', false)
    .action(async (folders: string[], flags: VerifyFlags) => {
      const cases = await verify(folders, flags)
      const failed = cases.filter((c) => !c.ok).length
      const passed = cases.length - failed
      if (flags.json) process.stdout.write(`${JSON.stringify({ passed, failed, cases })}\n`)
      else process.stdout.write(`${passed} passed, ${failed} failed\n`)
      if (failed > 0) process.exitCode = 1
    })
}

async function verify(folders: readonly string[], flags: VerifyFlags): Promise<CaseResult[]> {
  const found = (await Promise.all(folders.map(caseFolders))).flat()
  // Loaded here, so that the other commands do not wait for the engine.
  const { loadEngine } = await import('../../engine/index.js')
  const { compileWith } = await import('../../daemon/compile-model.js')
  const { runCase } = await import('./run-case.js')
  const engine = loadEngine({ onnxruntimeLibrary: flags.onnxruntimeLibrary ?? null })
  const cacheDir = await mkdtemp(join(tmpdir(), 'sentinode-verify-'))
  const { target, precision, exactTaps, fastTaps, threads, atol, rtol } = flags
  const runner = {
    engine,
    compile: compileWith({ cacheDir, runtime: engine.runtime }),
    task: { target, precision, exactTaps, fastTaps },
    provider: kindOf(target).provider,
    threads,
    tolerance: { atol, rtol },
  }
  try {
    const results: CaseResult[] = []
    for (const folder of found) {
      const result = await runCase(folder, runner)
      results.push(result)
      if (!flags.json) process.stdout.write(row(result))
    }
    return results
  } finally {
    await rm(cacheDir, { recursive: true, force: true })
  }
}

/** A case folder itself, or the case folders in a folder. Throws INVALID_OPTION where there are none. */
async function caseFolders(folder: string): Promise<string[]> {
  if (existsSync(join(folder, 'model.onnx'))) return [folder]
  const names = await readdir(folder).catch(() => [])
  const cases = names.sort().map((name) => join(folder, name))
  const found = cases.filter((path) => existsSync(join(path, 'model.onnx')))
  if (found.length > 0) return found
  throw new SentinodeError(
    'INVALID_OPTION',
    `expected a folder with model.onnx or with such folders, found ${folder}`,
  )
}

function row({ name, ok, max_abs, max_rel, error }: CaseResult): string {
  const verdict = ok ? 'ok  ' : 'FAIL'
  const detail =
    error === null ? `abs ${exponent(max_abs)}  rel ${exponent(max_rel)}` : `${error.code}: ${error.message}`
  return `${verdict} ${name.padEnd(40)} ${detail}\n`
}

function exponent(value: number): string {
  return value.toExponential(1).padStart(8)
}
