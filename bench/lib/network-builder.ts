import {
  DataType,
  encodeModel,
  makeNode,
  ModelProto,
  ValueInfoProto,
  type Attributes,
  type NodeProto,
  type TensorProto,
} from '../../src/compiler/onnx.js'
import { floatTensor, product } from '../../src/compiler/tensors.js'
import { normals } from '../../src/demo/random.js'

/** A dimension: its size, or its name where it is free. */
export type Dim = number | string

export interface ConvOptions {
  readonly from: number
  readonly to: number
  readonly kernel: readonly number[]
  readonly strides?: readonly number[]
}

/**
 * Writes small ONNX networks of any number of spatial axes, with He-initialised weights drawn from a
 * seed: for benchmarks and tests, which need a network and not its answers.
 */
export class NetworkBuilder {
  readonly #random: () => number
  readonly #nodes: NodeProto[] = []
  readonly #initializers: TensorProto[] = []
  readonly #inputs: ValueInfoProto[] = []
  readonly #outputs: ValueInfoProto[] = []
  #count = 0

  constructor(seed: number) {
    this.#random = normals(seed)
  }

  input(name: string, dims: readonly Dim[]): string {
    this.#inputs.push(valueInfo(name, dims))
    return name
  }

  output(name: string, from: string, dims: readonly Dim[]): void {
    this.#nodes.push(makeNode('Identity', [from], [name]))
    this.#outputs.push(valueInfo(name, dims))
  }

  node(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = `${opType.toLowerCase()}_${this.#count++}`
    this.#nodes.push(makeNode(opType, inputs, [output], attributes, { name: output }))
    return output
  }

  /** Weights of standard deviation `deviation` around `mean`. */
  weights(dims: readonly number[], deviation: number, mean = 0): string {
    const name = `weights_${this.#count++}`
    const values = Float32Array.from({ length: product(dims) }, () => mean + deviation * this.#random())
    this.#initializers.push(floatTensor(name, dims, values))
    return name
  }

  constant(dims: readonly number[], values: Float32Array): string {
    const name = `constant_${this.#count++}`
    this.#initializers.push(floatTensor(name, dims, values))
    return name
  }

  /** Convolution that keeps the size where strides are 1 (kernels are odd). */
  conv(x: string, { from, to, kernel, strides }: ConvOptions): string {
    const deviation = Math.sqrt(2 / (from * product(kernel)))
    const pads = kernel.map((k) => (k - 1) / 2)
    return this.node('Conv', [x, this.weights([to, from, ...kernel], deviation), this.weights([to], 0.05)], {
      kernel_shape: kernel,
      pads: [...pads, ...pads],
      strides: strides ?? kernel.map(() => 1),
    })
  }

  batchNormalization(x: string, channels: number): string {
    const scale = this.weights([channels], 0.1, 1)
    const [bias, mean] = [this.weights([channels], 0.1), this.weights([channels], 0.1)]
    return this.node('BatchNormalization', [x, scale, bias, mean, this.weights([channels], 0.02, 1)])
  }

  relu(x: string): string {
    return this.node('Relu', [x])
  }

  maxPool(x: string, kernel: readonly number[]): string {
    return this.node('MaxPool', [x], { kernel_shape: kernel, strides: kernel })
  }

  /** Global average over all spatial axes, as [N, C]. */
  globalFeatures(x: string): string {
    return this.node('Flatten', [this.node('GlobalAveragePool', [x])], { axis: 1 })
  }

  gemm(x: string, from: number, to: number): string {
    const bias = this.weights([to], 0.05)
    return this.node('Gemm', [x, this.weights([from, to], Math.sqrt(2 / from)), bias])
  }

  build(name: string): Uint8Array {
    return encodeModel(
      ModelProto.fromPartial({
        irVersion: 8n,
        opsetImport: [{ domain: '', version: 17n }],
        producerName: 'sentinode',
        graph: {
          name,
          node: this.#nodes,
          initializer: this.#initializers,
          input: this.#inputs,
          output: this.#outputs,
        },
      }),
    )
  }
}

function valueInfo(name: string, dims: readonly Dim[]): ValueInfoProto {
  const dim = dims.map((d) => ({
    value:
      typeof d === 'number'
        ? { $case: 'dimValue' as const, value: BigInt(d) }
        : { $case: 'dimParam' as const, value: d },
  }))
  return ValueInfoProto.fromPartial({
    name,
    type: { value: { $case: 'tensorType', value: { elemType: DataType.FLOAT, shape: { dim } } } },
  })
}
