import { availableParallelism } from 'node:os'
import type { Command } from 'commander'
import type { RegionReport } from '../../engine/index.js'
import { dimension, positive } from '../option-values.js'
import type { ProfileOptions, ProfileReport } from './profile.js'

interface CommandOptions extends Pick<
  ProfileOptions,
  'batch' | 'target' | 'precision' | 'exactTaps' | 'fastTaps' | 'threads' | 'seconds'
> {
  readonly dim?: ReadonlyMap<string, number>
  readonly onnxruntimeLibrary?: string
  readonly cacheDir?: string
  readonly json?: boolean
}

/** `sentinode profile`: a model's speed on this machine, without the network. */
export function addProfileCommand(program: Command): void {
  program
    .command('profile')
    .description('load a model, warm it up and run it back to back, without the network')
    .argument('<model>', 'an .onnx file')
    .option('--batch <n>', 'rows of a batch', positive, 1)
    .option('--target <target>', 'cpu, cpu-portable, cuda or tensorrt', 'cpu')
    .option(
      '--precision <precision>',
      'fp32; bf16 inside regions of 4D operators for target cpu, fp16 for tensorrt',
      'fp32',
    )
    .option('--exact-taps', 'keep 4D convolutions to the direct algorithm along time', false)
    .option('--fast-taps', 'the fast algorithm along time in graphs without our own operators too', false)
    .option('--threads <n>', 'threads of one run', positive, availableParallelism())
    .option(
      '--dim <name=value>',
      'size of an open dimension, by its name or as INPUT.AXIS; repeatable',
      dimension,
    )
    .option('--seconds <s>', 'how long to measure', positive, 5)
    .option('--onnxruntime-library <path>', 'ONNX Runtime library in place of the packaged one')
    .option('--cache-dir <folder>', 'compiled models and measured choices, as those of serve')
    .option('--json', 'one JSON document on stdout')
    .action(async (file: string, { dim, json, onnxruntimeLibrary, cacheDir, ...rest }: CommandOptions) => {
      // Loaded here, so that the other commands do not wait for the engine.
      const { profile } = await import('./profile.js')
      const report = await profile({
        ...rest,
        file,
        dim: dim ?? new Map(),
        onnxruntimeLibrary: onnxruntimeLibrary ?? null,
        cacheDir: cacheDir ?? null,
      })
      process.stdout.write(json ? `${JSON.stringify(report)}\n` : human(report))
    })
}

function human(report: ProfileReport): string {
  const { latency_ms: latency } = report
  const rows: [string, string][] = [
    ['model', report.model],
    ['target', `${report.target}, ${report.threads} threads, batches of ${report.batch}`],
    [
      'latency',
      `p50 ${latency.p50.toFixed(2)} ms, p90 ${latency.p90.toFixed(2)} ms, p99 ${latency.p99.toFixed(2)} ms`,
    ],
    ['rows', `${report.rows_per_second.toFixed(1)} a second`],
    [
      'speed',
      report.gflops === null ? 'not known: a size depends on values' : `${report.gflops.toFixed(1)} GFLOP/s`,
    ],
    ['memory', `${mebibytes(report.peak_bytes)} at its peak, ${mebibytes(report.planned_bytes)} planned`],
    ...report.regions.flatMap(region),
  ]
  return rows.map(([name, value]) => `${name.padEnd(8)} ${value}\n`).join('')
}

function region({ precision, layers }: RegionReport, index: number): [string, string][] {
  return layers.map((layer, i) => {
    const size = `${layer.in.join('x')} -> ${layer.out?.join('x') ?? '?'}`
    const name = i === 0 ? `region ${index + 1}` : ''
    return [name, `${size}: ${layer.form} (${layer.why}${i === 0 ? `; values in ${precision}` : ''})`]
  })
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`
}
