import { type CompiledModel, compile } from '../../../src/compiler/compile.js'
import type { Target } from '../../../src/targets.js'
import {
  type Attributes,
  ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
  encodeModel,
  makeNode,
} from '../../../src/compiler/onnx.js'
import { noFiles } from '../../../src/compiler/resolver.js'
import { floatTensor, int64Tensor } from '../../../src/compiler/tensors.js'
import { DEFAULT_SESSION_OPTIONS, loadEngine } from '../../../src/engine/index.js'
import type { Array6 } from './reference.js'

/** A size, or the name of one that is open until a run. */
export type Size = number | string

/** Writes small models node by node. */
export class ModelBuilder {
  private readonly nodes: NodeProto[] = []
  private readonly initializers: TensorProto[] = []
  private readonly inputs: ValueInfoProto[] = []
  private readonly outputs: ValueInfoProto[] = []
  private count = 0

  constructor(
    readonly opset = 17,
    readonly irVersion = 8,
  ) {}

  input(name: string, shape: readonly Size[]): string {
    this.inputs.push(floatInfo(name, shape))
    return name
  }

  output(name: string, shape: readonly Size[] | null = null): void {
    this.outputs.push(floatInfo(name, shape))
  }

  floats(dims: readonly number[], values: Float32Array | Float64Array): string {
    return this.initializer(floatTensor(`c${this.count++}`, dims, values))
  }

  ints(values: readonly number[]): string {
    return this.initializer(int64Tensor(`c${this.count++}`, [values.length], values))
  }

  initializer(tensor: TensorProto): string {
    this.initializers.push(tensor)
    if (this.irVersion < 4) this.inputs.push(floatInfo(tensor.name, tensor.dims.map(Number)))
    return tensor.name
  }

  node(
    opType: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    output = `v${this.count++}`,
  ): string {
    this.nodes.push(makeNode(opType, inputs, [output], attributes, { name: `${opType}_${output}` }))
    return output
  }

  get proto(): ModelProto {
    return ModelProto.fromPartial({
      irVersion: BigInt(this.irVersion),
      opsetImport: [{ domain: '', version: BigInt(this.opset) }],
      graph: {
        name: 'test',
        node: this.nodes,
        initializer: this.initializers,
        input: this.inputs,
        output: this.outputs,
      },
    })
  }

  get bytes(): Uint8Array {
    return encodeModel(this.proto)
  }
}

function floatInfo(name: string, shape: readonly Size[] | null): ValueInfoProto {
  const dim = shape?.map((size) =>
    typeof size === 'number'
      ? { value: { $case: 'dimValue' as const, value: BigInt(size) } }
      : size === ''
        ? {}
        : { value: { $case: 'dimParam' as const, value: size } },
  )
  return ModelProto.fromPartial({
    graph: {
      input: [
        {
          name,
          type: {
            value: {
              $case: 'tensorType',
              value: { elemType: 1, ...(dim === undefined ? {} : { shape: { dim } }) },
            },
          },
        },
      ],
    },
  }).graph!.input[0]!
}

export function compileFor(target: Target, bytes: Uint8Array): Promise<CompiledModel> {
  return compile(bytes, { target, resolve: noFiles })
}

/** Runs a model through the engine; values become float64 so that they compare with the reference. */
export async function run(
  model: { bytes?: Uint8Array; path?: string },
  inputs: Readonly<Record<string, Array6>>,
): Promise<Array6[]> {
  const engine = loadEngine()
  const session = await engine.createSession({
    ...DEFAULT_SESSION_OPTIONS,
    modelPath: model.path ?? null,
    modelBytes: model.bytes ?? null,
    threads: 2,
    allowSpinning: false,
  })
  const instance = session.createInstance('test', false)
  try {
    const given = session.inputs.map((input) => inputs[input.name]!)
    const payload = {
      inputs: given.map((tensor) => new Uint8Array(Float32Array.from(tensor.data).buffer)),
      shapes: given.map((tensor) => tensor.shape),
      outputs: session.outputs.map((_, i) => i),
    }
    const { outcomes } = await instance.start([{ payload, rows: 1, deadline: Infinity }]).done
    const [outcome] = outcomes
    if (outcome?.kind !== 'ok') throw outcome?.kind === 'failed' ? outcome.error : new Error('not run')
    return outcome.result.outputs.map(({ shape, data }) => ({
      shape,
      data: Float64Array.from(new Float32Array(new Uint8Array(data).buffer)),
    }))
  } finally {
    await instance.dispose()
    session.dispose()
  }
}

/** Largest difference over the largest expected value. */
export function relativeError(actual: Array6, expected: Array6): number {
  if (actual.shape.join() !== expected.shape.join()) {
    throw new Error(`shape [${expected.shape.join()}] was expected, found [${actual.shape.join()}]`)
  }
  let [difference, largest] = [0, 1e-12]
  expected.data.forEach((want, i) => {
    const got = actual.data[i] ?? NaN
    difference = Math.max(difference, Number.isNaN(got) ? Infinity : Math.abs(got - want))
    largest = Math.max(largest, Math.abs(want))
  })
  return difference / largest
}
