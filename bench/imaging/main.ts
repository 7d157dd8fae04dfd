// Preprocessing of a 5 x 160 x 512 x 512 int16 exam in memory, through the addon: best of several runs.
//   npm run bench:imaging [-- --threads N --runs N --json]
import { parseArgs } from 'node:util'
import { loadEngine } from '../../src/engine/index.js'
import type { NativePreprocessOptions } from '../../src/engine/native.js'
import { report } from '../lib/table.js'

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1' },
    runs: { type: 'string', default: '7' },
    json: { type: 'boolean', default: false },
  },
})
const runs = Number(values.runs)

const shape = [5, 160, 512, 512] as const
const frames = shape[0] * shape[1]
const samples = new Int16Array(frames * shape[2] * shape[3])
let state = 1
for (let i = 0; i < samples.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  samples[i] = (state >>> 20) & 0xfff
}

/** Row-major 4x4 of voxel sizes [x, y, z] mm and an origin, turned about z. */
function affine(
  [x, y, z]: [number, number, number],
  origin: [number, number, number],
  angle: number,
): Float64Array {
  const [c, s] = [Math.cos(angle), Math.sin(angle)]
  return Float64Array.of(
    x * c,
    -y * s,
    0,
    origin[0],
    x * s,
    y * c,
    0.1 * s * z,
    origin[1],
    0,
    0,
    z,
    origin[2],
    0,
    0,
    0,
    1,
  )
}

/** Columns run to the back and rows to the feet, slices from left to right. */
const sagittal = Float64Array.of(0, 0, 1.2, 0, 0.7, 0, 0, 0, 0, -0.7, 0, 358, 0, 0, 0, 1)
const axial = affine([0.7, 0.7, 1.2], [0, 0, 0], 0)

const base: NativePreprocessOptions = {
  samples,
  shape,
  slopes: new Float64Array(frames).fill(1),
  intercepts: new Float64Array(frames),
  affine: axial,
  gridShape: [32, 64, 64],
  gridAffine: affine([1, 1, 2], [100, 100, 50], 0),
  phases: [0, 1, 2, 3, 4].map((phase) => ({ first: phase, second: phase, weight: 0 })),
  scaling: 'zscore',
  domain: 'crop',
  scope: 'all',
  lowerPercentile: 1,
  upperPercentile: 99,
  clip: false,
  outside: 0,
  threads: Number(values.threads),
}
const oblique = affine([1, 1, 2], [100, 100, 50], 0.3)
const whole = { gridShape: [192, 359, 359] as const, gridAffine: affine([1, 1, 1], [0, 0, 0], 0) }

const cases: [name: string, change: Partial<NativePreprocessOptions>][] = [
  ['crop 5x32x64x64, z-score over the crop', {}],
  ['same, oblique', { gridAffine: oblique }],
  [
    'same, phases interpolated',
    { phases: [0, 1, 2, 3].map((t) => ({ first: t, second: t + 1, weight: 0.5 })) },
  ],
  ['crop, z-score over the volume', { domain: 'volume' }],
  ['crop, percentiles over the crop', { scaling: 'percentile' }],
  ['crop, percentiles over the volume', { scaling: 'percentile', domain: 'volume' }],
  ['1 mm grid 5x192x359x359, z-score over the crop', whole],
  ['same, oblique', { ...whole, gridAffine: affine([1, 1, 1], [0, 0, 0], 0.3) }],
  ['same, from sagittal slices', { ...whole, affine: sagittal }],
]

const engine = loadEngine()
const rows: { name: string; ms: number; megabytesPerSecond: number }[] = []
for (const [name, change] of cases) {
  let best = Infinity
  let bytes = 0
  for (let run = 0; run < runs; run++) {
    const start = performance.now()
    const result = await engine.preprocess({ ...base, ...change })
    best = Math.min(best, performance.now() - start)
    bytes = result.data.byteLength
  }
  rows.push({ name, ms: best, megabytesPerSecond: bytes / 1e3 / best })
}
report(
  [
    ['preprocessing', 'ms', 'MB/s of output'],
    ...rows.map(({ name, ms, megabytesPerSecond }) => [name, ms.toFixed(1), megabytesPerSecond.toFixed(0)]),
  ],
  rows,
)
