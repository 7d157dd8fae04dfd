import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { compileCached } from '../../src/compiler/cache.js'
import { type Attributes, decodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { floatTensor } from '../../src/compiler/tensors.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { type Array6, volume } from './lib/reference.js'

/** What target cpu makes of the model: its operators and its answer. */
async function onCpu(
  t: ExecutionContext,
  bytes: Uint8Array,
  x: Array6,
): Promise<{ operators: string[]; y: Array6 }> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const versions = { folder, onnxruntime: 'test', onednn: 'test' }
  const { path } = await compileCached(bytes, { target: 'cpu', resolve: noFiles, exactTaps: true }, versions)
  const operators = decodeModel(await readFile(path!)).graph.node.map((n) => n.opType)
  const [y] = await run({ path: path! }, { x })
  return { operators, y: y! }
}

const AXES = [0, 1, 2, 3]

interface Transposed {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly pads: readonly number[]
  readonly padding: readonly number[]
  readonly groups: number
}

/** ONNX's definition: every input adds its kernel to the outputs under it. */
function transposed(x: Array6, w: Array6, bias: Float64Array | null, a: Transposed): Array6 {
  const [n = 0, c = 0, ...sizes] = x.shape
  const perGroup = w.shape[1]!
  const m = perGroup * a.groups
  const out = AXES.map(
    (i) =>
      (sizes[i]! - 1) * a.strides[i]! +
      (a.kernel[i]! - 1) * a.dilations[i]! +
      1 +
      a.padding[i]! -
      a.pads[i]! -
      a.pads[i + 4]!,
  )
  const shape = [n, m, ...out]
  const data = new Float64Array(volume(shape))
  const [places, cells, taps] = [volume(out), volume(sizes), volume(a.kernel)]
  const at = (index: number, dims: readonly number[]): number[] =>
    dims.map((d, i) => Math.floor(index / volume(dims.slice(i + 1))) % d)
  for (let row = 0; row < n; row++) {
    for (let i = 0; i < c; i++) {
      const group = Math.floor(i / (c / a.groups))
      for (let cell = 0; cell < cells; cell++) {
        const from = at(cell, sizes)
        for (let tap = 0; tap < taps; tap++) {
          const k = at(tap, a.kernel)
          const to = AXES.map(
            (axis) => from[axis]! * a.strides[axis]! + k[axis]! * a.dilations[axis]! - a.pads[axis]!,
          )
          if (to.some((v, axis) => v < 0 || v >= out[axis]!)) continue
          const place = to.reduce((index, v, axis) => index * out[axis]! + v, 0)
          for (let o = 0; o < perGroup; o++) {
            const weight = w.data[(i * perGroup + o) * taps + tap]!
            data[(row * m + group * perGroup + o) * places + place]! +=
              x.data[(row * c + i) * cells + cell]! * weight
          }
        }
      }
    }
  }
  return { shape, data: data.map((v, i) => v + (bias?.[Math.floor(i / places) % m] ?? 0)) }
}

function transposedCase(seed: number): { model: ModelBuilder; x: Array6; expected: Array6; open: boolean } {
  const random = new Random(seed)
  const groups = random.pick([1, 1, 2, 3])
  const [groupIn, perGroup] = [random.int(1, 3), random.int(1, 3)]
  const kernel = AXES.map(() => random.int(1, 3))
  const strides = AXES.map(() => random.int(1, 3))
  const dilations = AXES.map(() => random.pick([1, 1, 2]))
  const sizes = AXES.map(() => random.int(1, 4))
  const shape = [random.int(1, 2), groups * groupIn, ...sizes]
  const x: Array6 = { shape, data: random.values(volume(shape)) }
  const weightShape = [groups * groupIn, perGroup, ...kernel]
  const w: Array6 = { shape: weightShape, data: random.values(volume(weightShape)) }
  const bias = random.chance(0.5) ? random.values(groups * perGroup) : null

  const natural = AXES.map((i) => (sizes[i]! - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1)
  const padding = AXES.map((i) => (random.chance(0.4) ? random.int(0, strides[i]! - 1) : 0))
  const auto = random.pick(['NOTSET', 'NOTSET', 'output_shape', 'SAME_UPPER', 'SAME_LOWER', 'VALID'])
  let pads = new Array<number>(8).fill(0)
  const attributes: Record<string, Attributes[string]> = {
    strides,
    dilations,
    group: groups === 1 ? undefined : groups,
  }
  if (padding.some((p) => p > 0)) attributes['output_padding'] = padding
  if (random.chance(0.5)) attributes['kernel_shape'] = kernel
  // How much too long each axis is, and who takes the odd one.
  const share = (total: readonly number[], upper: boolean): number[] => {
    const small = total.map((v) => Math.floor(v / 2))
    const large = total.map((v, i) => v - small[i]!)
    return upper ? [...small, ...large] : [...large, ...small]
  }
  if (auto === 'NOTSET') {
    pads = [...AXES, ...AXES].map((axis) => Math.min(random.int(0, 2), Math.floor((natural[axis]! - 1) / 2)))
    attributes['pads'] = pads
  } else if (auto === 'output_shape') {
    const wanted = AXES.map((i) => random.int(Math.max(1, natural[i]! - 2), natural[i]! + padding[i]!))
    attributes['output_shape'] = wanted
    pads = share(
      wanted.map((size, i) => natural[i]! + padding[i]! - size),
      false,
    )
  } else {
    attributes['auto_pad'] = auto
    const total = AXES.map((i) => natural[i]! + padding[i]! - sizes[i]! * strides[i]!)
    if (auto !== 'VALID') {
      if (total.some((v) => v < 0)) return transposedCase(seed + 100_000)
      pads = share(total, auto === 'SAME_UPPER')
    }
  }
  const open = auto !== 'output_shape' && random.chance(0.3)
  const model = new ModelBuilder(random.pick([11, 13, 17, 21]))
  model.input('x', open ? ['n', shape[1]!, 't', 'd', 'h', 'w'] : ['n', ...shape.slice(1)])
  const inputs = [
    'x',
    model.floats(weightShape, w.data),
    ...(bias === null ? [] : [model.floats([bias.length], bias)]),
  ]
  const raw = model.node('ConvTranspose', inputs, attributes)
  model.node('Relu', [raw], {}, 'y')
  model.output('y')
  const answer = transposed(x, w, bias, { kernel, strides, dilations, pads, padding, groups })
  return { model, x, expected: { shape: answer.shape, data: answer.data.map((v) => Math.max(v, 0)) }, open }
}

test('ConvTranspose over four axes equals its definition for random attributes, on both targets', async (t) => {
  for (let seed = 0; seed < 60; seed++) {
    const { model, x, expected } = transposedCase(seed)
    if (expected.shape.some((size) => size < 1)) continue
    const portable = await compileFor('cpu-portable', model.bytes)
    const [y] = await run({ bytes: portable.model }, { x })
    t.true(relativeError(y!, expected) < 1e-5, `cpu-portable, seed ${seed}`)
    const cpu = await onCpu(t, model.bytes, x)
    t.true(relativeError(cpu.y, expected) < 1e-5, `cpu, seed ${seed}`)
  }
})

test('an upsampling by ConvTranspose runs in the region of its neighbours', async (t) => {
  const random = new Random(9)
  const model = new ModelBuilder()
  const x: Array6 = { shape: [1, 4, 3, 4, 4, 4], data: random.values(4 * 3 * 64) }
  model.input('x', ['n', ...x.shape.slice(1)])
  const w: Array6 = { shape: [4, 6, 2, 2, 2, 2], data: random.values(4 * 6 * 16) }
  const up = model.node('ConvTranspose', ['x', model.floats(w.shape, w.data)], { strides: [2, 2, 2, 2] })
  const slopes = random.values(6)
  const bent = model.node('PRelu', [up, model.floats([6, 1, 1, 1, 1], slopes)])
  model.node('Add', [bent, up], {}, 'y')
  model.output('y')
  const { operators, y } = await onCpu(t, model.bytes, x)
  t.deepEqual(operators, ['Region4D'])
  const zeros = new Array<number>(8).fill(0)
  const window = {
    kernel: [2, 2, 2, 2],
    strides: [2, 2, 2, 2],
    dilations: [1, 1, 1, 1],
    pads: zeros,
    padding: zeros,
    groups: 1,
  }
  const raised = transposed(x, w, null, window)
  const plane = volume(raised.shape.slice(2))
  const data = raised.data.map((v, i) => v + (v < 0 ? v * slopes[Math.floor(i / plane)]! : v))
  t.true(relativeError(y, { shape: raised.shape, data }) < 1e-5)
})

test('ConvTranspose whose frames cannot be placed before it runs is refused by name', async (t) => {
  const model = new ModelBuilder()
  model.input('x', ['n', 2, 't', 4, 4, 4])
  const w = model.floats([2, 2, 2, 2, 2, 2], new Random(1).values(64))
  model.node('ConvTranspose', ['x', w], { strides: [2, 2, 2, 2], output_shape: [5, 8, 8, 8] }, 'y')
  model.output('y')
  await t.throwsAsync(compileFor('cpu-portable', model.bytes), {
    code: 'MODEL_UNSUPPORTED_OPERATOR',
    message: /ConvTranspose "ConvTranspose_y" cannot be lowered: output_shape over a number of frames/,
  })
})

interface Resized {
  readonly mode: string
  readonly coordinates: string
  readonly nearest: string
  readonly cubic: number
  readonly exclude: boolean
  readonly roi: readonly number[]
  readonly extrapolation: number
}

/** The inputs of one output along one axis with their shares, by ONNX's definition; null outside of the region. */
function sources(
  a: Resized,
  axis: number,
  out: number,
  outSize: number,
  size: number,
  scale: number,
): [number, number][] | null {
  const last = size - 1
  let x = (out + 0.5) / scale - 0.5
  if (a.coordinates === 'asymmetric') x = out / scale
  if (a.coordinates === 'align_corners') x = outSize === 1 ? 0 : (out * last) / (outSize - 1)
  if (a.coordinates === 'pytorch_half_pixel' && outSize === 1) x = 0
  if (a.coordinates === 'tf_crop_and_resize') {
    const [start, end] = [a.roi[axis]!, a.roi[axis + 4]!]
    x = outSize > 1 ? start * last + (out * (end - start) * last) / (outSize - 1) : 0.5 * (start + end) * last
    if (x < 0 || x > last) return null
  }
  const inside = (i: number): number => Math.min(Math.max(i, 0), last)
  if (a.mode === 'nearest') {
    const rounded = {
      round_prefer_floor: Math.ceil(x - 0.5),
      round_prefer_ceil: Math.floor(x + 0.5),
      floor: Math.floor(x),
      ceil: Math.ceil(x),
    }[a.nearest]!
    return [[inside(rounded), 1]]
  }
  const low = Math.floor(x)
  const r = x - low
  if (a.mode === 'linear') {
    const clamped = inside(x)
    const from = Math.floor(clamped)
    return [
      [from, 1 - (clamped - from)],
      [inside(from + 1), clamped - from],
    ]
  }
  const A = a.cubic
  const weights = [
    ((A * (r + 1) - 5 * A) * (r + 1) + 8 * A) * (r + 1) - 4 * A,
    ((A + 2) * r - (A + 3)) * r * r + 1,
    ((A + 2) * (1 - r) - (A + 3)) * (1 - r) * (1 - r) + 1,
    ((A * (2 - r) - 5 * A) * (2 - r) + 8 * A) * (2 - r) - 4 * A,
  ].map((v, i) => (a.exclude && (low - 1 + i < 0 || low - 1 + i > last) ? 0 : v))
  const sum = weights.reduce((p, q) => p + q)
  return weights.map((v, i) => [inside(low - 1 + i), a.exclude ? v / sum : v])
}

function resized(x: Array6, a: Resized, scales: readonly number[], out: readonly number[]): Array6 {
  let { shape, data } = x
  for (const axis of AXES) {
    const [size, outSize] = [shape[axis + 2]!, out[axis]!]
    const [outer, inner] = [volume(shape.slice(0, axis + 2)), volume(shape.slice(axis + 3))]
    const next = new Float64Array(outer * outSize * inner)
    for (let o = 0; o < outSize; o++) {
      const all = sources(a, axis, o, outSize, size, scales[axis]!)
      for (let i = 0; i < outer * inner; i++) {
        const [p, q] = [Math.floor(i / inner), i % inner]
        next[(p * outSize + o) * inner + q] =
          all === null
            ? a.extrapolation
            : all.reduce((sum, [from, share]) => sum + share * data[(p * size + from) * inner + q]!, 0)
      }
    }
    shape = shape.map((d, i) => (i === axis + 2 ? outSize : d))
    data = next
  }
  return { shape, data }
}

const COORDINATES = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric', 'tf_crop_and_resize']
const NEAREST = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']

for (const mode of ['nearest', 'linear', 'cubic']) {
  for (const coordinates of COORDINATES) {
    test(`Resize over four axes, ${mode} with ${coordinates}, equals its definition on both targets`, async (t) => {
      for (let seed = 0; seed < 6; seed++) {
        const random = new Random(seed * 31 + mode.length * 7 + coordinates.length)
        const shape = [random.int(1, 2), 3, ...AXES.map(() => random.int(2, 5))]
        const x: Array6 = { shape, data: random.values(volume(shape)) }
        const crop = coordinates === 'tf_crop_and_resize'
        // Scales of which products and quotients are exact, so that nobody rounds a tie the other way.
        const scales = AXES.map(() => random.pick(crop ? [2, 1.5, 0.5, 4] : [1, 2, 2, 1.5, 0.5, 4]))
        const out = AXES.map((i) => Math.floor(shape[i + 2]! * scales[i]!))
        const bySize = random.chance(0.4)
        const roi = [
          ...AXES.map(() => random.pick([0, 0.25])),
          ...AXES.map(() => random.pick([1, 0.75, 1.25])),
        ]
        const spec: Resized = {
          mode,
          coordinates,
          nearest: random.pick(NEAREST),
          cubic: random.pick([-0.75, -0.5]),
          exclude: !crop && mode === 'cubic' && random.chance(0.5),
          roi,
          extrapolation: crop ? 2 : 0,
        }
        const exact = bySize ? AXES.map((i) => out[i]! / shape[i + 2]!) : scales
        const model = new ModelBuilder(random.pick([11, 13, 18, 19]))
        const open = !bySize && random.chance(0.3)
        model.input('x', open ? ['n', 3, 't', 'd', 'h', 'w'] : ['n', ...shape.slice(1)])
        const floats = (values: readonly number[]): string =>
          model.initializer(floatTensor(`f${values.join('_')}`, [values.length], Float64Array.from(values)))
        const region = crop ? floats([0, 0, ...roi.slice(0, 4), 1, 1, ...roi.slice(4)]) : floats([])
        const inputs = bySize
          ? ['x', region, crop ? floats([]) : region, model.ints([shape[0]!, 3, ...out])]
          : ['x', region, floats([1, 1, ...scales])]
        model.node(
          'Resize',
          inputs,
          {
            mode,
            coordinate_transformation_mode: coordinates,
            nearest_mode: spec.nearest,
            cubic_coeff_a: { float: spec.cubic },
            exclude_outside: spec.exclude ? 1 : 0,
            extrapolation_value: { float: spec.extrapolation },
          },
          'u',
        )
        // A pool of one voxel has four spatial axes and changes nothing.
        model.node('MaxPool', ['u'], { kernel_shape: [1, 1, 1, 1] }, 'y')
        model.output('y')
        const expected = resized(x, spec, exact, out)
        const label = `seed ${seed}, ${JSON.stringify({ ...spec, shape, scales, bySize, open, opset: model.opset })}`
        const portable = await compileFor('cpu-portable', model.bytes)
        const [y] = await run({ bytes: portable.model }, { x })
        t.true(relativeError(y!, expected) < 1e-5, `cpu-portable, ${label}`)
        const cpu = await onCpu(t, model.bytes, x)
        t.true(relativeError(cpu.y, expected) < 1e-5, `cpu, ${label}`)
        const offered = mode !== 'cubic' && !crop && !(open && bySize)
        if (offered && !bySize) t.deepEqual(cpu.operators, ['Region4D'], label)
      }
    })
  }
}
