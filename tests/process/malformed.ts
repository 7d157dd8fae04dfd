import { status, type Client, type ServiceError } from '@grpc/grpc-js'
import { InferTensorContents, ModelInferRequest } from '../../src/generated/grpc_service.js'

/** Deterministic random numbers (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface Malformed {
  readonly kind: string
  readonly bytes: Uint8Array
  /** Whether it may, by luck, be a good request. */
  readonly mayPass: boolean
}

type Input = ModelInferRequest['inputs'][number]

/** A request that models `rows` (inputs a FP32 [N,3], b INT64 [N,M]) answers. */
export function goodRows(): ModelInferRequest {
  return ModelInferRequest.fromPartial({
    modelName: 'rows',
    inputs: [
      { name: 'a', datatype: 'FP32', shape: [1n, 3n] },
      { name: 'b', datatype: 'INT64', shape: [1n, 2n] },
    ],
    rawInputContents: [new Uint8Array(12), new Uint8Array(16)],
  })
}

function encode(request: Partial<ModelInferRequest>): Uint8Array {
  return ModelInferRequest.encode({ ...ModelInferRequest.fromPartial({}), ...request }).finish()
}

function typed(values: Partial<InferTensorContents>): InferTensorContents {
  return { ...InferTensorContents.fromPartial({}), ...values }
}

function output(name: string): ModelInferRequest['outputs'][number] {
  return { name, parameters: {} }
}

const I64_MAX = 2n ** 63n - 1n

/** The n-th of an endless row of bad requests; the same for the same seed. */
export function malformedRequests(seed: number): () => Malformed {
  const random = generator(seed)
  const below = (n: number): number => Math.floor(random() * n)
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)] as T
  const noise = (length: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length }, () => below(256))
  const text = (): string =>
    pick([
      '',
      'é',
      '\u0000',
      '../../etc/passwd',
      'a\r\nb: c',
      '%n%s',
      '\u{1f600}'.repeat(40),
      '__proto__',
      'x'.repeat(100_000),
    ])
  const good = goodRows()
  const [a, b] = good.inputs as [Input, Input]
  const wild = (): bigint => pick([0n, -1n, 2n, 2n ** 31n, 2n ** 32n, 2n ** 62n, I64_MAX, -I64_MAX - 1n])
  const reshaped = (shape: bigint[], raw = new Uint8Array(12)): Partial<ModelInferRequest> => ({
    ...good,
    inputs: [{ ...a, shape }, b],
    rawInputContents: [raw, new Uint8Array(16)],
  })

  const kinds: Record<string, () => [Uint8Array, boolean]> = {
    'random bytes': () => [noise(below(300)), true],
    'cut short': () => {
      const whole = encode(good)
      return [whole.subarray(0, 1 + below(whole.length - 1)), true]
    },
    'flipped bits': () => {
      const whole = encode(good).slice()
      for (let i = 0; i <= below(4); i++) whole[below(whole.length)]! ^= 1 << below(8)
      return [whole, true]
    },
    'wrong byte counts': () => [encode(reshaped([1n, 3n], noise(pick([0, 1, 11, 13, 24, 1000])))), false],
    'wild shape': () => [encode(reshaped([wild(), wild()])), false],
    'product that overflows': () => [
      encode(
        reshaped(
          pick([
            [2n ** 32n, 2n ** 32n, 3n],
            [2n ** 62n, 4n],
            [I64_MAX, I64_MAX, I64_MAX],
          ]),
        ),
      ),
      false,
    ],
    'rank of many': () => [encode(reshaped(Array.from({ length: 3 + below(2000) }, () => 1n))), false],
    'too many rows': () => [encode(reshaped([BigInt(100 + below(1000)), 3n], new Uint8Array(12))), false],
    'wrong model': () => [encode({ ...good, modelName: `no ${text()}` }), false],
    'wrong version': () => [
      encode({
        ...good,
        modelVersion: pick(['7', '-1', 'one', '1e9', '0x1', '99999999999999999999', `v${text()}`]),
      }),
      false,
    ],
    'wrong input name': () => [encode({ ...good, inputs: [{ ...a, name: `a${text()}!` }, b] }), false],
    'wrong output name': () => [encode({ ...good, outputs: [output(`out ${text()}`)] }), false],
    'output twice': () => [encode({ ...good, outputs: [output('total'), output('total')] }), false],
    'input twice': () => [encode({ ...good, inputs: [a, a] }), false],
    'no inputs': () => [encode({ ...good, inputs: [], rawInputContents: [] }), false],
    'wrong datatype': () => [
      encode({
        ...good,
        inputs: [{ ...a, datatype: pick(['FP64', 'INT8', 'BYTES', 'FLOAT', '', text()]) }, b],
      }),
      false,
    ],
    'raw and typed': () => [
      encode({ ...good, inputs: [{ ...a, contents: typed({ fp32Contents: [1, 2, 3] }) }, b] }),
      false,
    ],
    'typed of another type': () => [
      encode({
        ...good,
        inputs: [{ ...a, contents: typed({ intContents: [1, 2, 3] }) }, b],
        rawInputContents: [],
      }),
      false,
    ],
    'typed of another count': () => [
      encode({
        ...good,
        inputs: [
          { ...a, contents: typed({ fp32Contents: Array.from({ length: 4 + below(50) }, () => 1) }) },
          { ...b, contents: typed({ int64Contents: [1n, 2n] }) },
        ],
        rawInputContents: [],
      }),
      false,
    ],
    'parameter of a wrong type': () => [
      encode({
        ...good,
        parameters: {
          [pick(['timeout', 'priority'])]: { parameterChoice: { $case: 'stringParam', value: text() } },
        },
      }),
      false,
    ],
    'reserved parameter': () => [
      encode({
        ...good,
        parameters: { [`triton_${below(9)}`]: { parameterChoice: { $case: 'boolParam', value: true } } },
      }),
      false,
    ],
    'shared memory': () => [
      encode({
        ...good,
        inputs: [
          {
            ...a,
            parameters: {
              shared_memory_region: { parameterChoice: { $case: 'stringParam', value: text() } },
            },
          },
          b,
        ],
      }),
      false,
    ],
    'strings with wrong lengths': () => [
      encode({
        modelName: 'strings',
        inputs: [{ name: 'x', datatype: 'BYTES', shape: [1n, 2n], parameters: {}, contents: undefined }],
        rawInputContents: [
          pick([
            noise(below(40)),
            Uint8Array.of(255, 255, 255, 255, 1),
            Uint8Array.of(1, 0, 0),
            new Uint8Array(12),
          ]),
        ],
      }),
      false,
    ],
  }
  const names = Object.keys(kinds)
  return () => {
    const kind = pick(names)
    const [bytes, mayPass] = kinds[kind]!()
    return { kind, bytes, mayPass }
  }
}

const AT_ONCE = 16
const ANSWERS = new Set([status.INVALID_ARGUMENT, status.NOT_FOUND, status.UNIMPLEMENTED])

/** A call of ModelInfer with bytes that need not be a message. */
export function sendBytes(client: Client, bytes: Uint8Array): Promise<ServiceError | null> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/inference.GRPCInferenceService/ModelInfer',
      (raw: Uint8Array) => Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength),
      () => ({}),
      bytes,
      (error) => resolve(error),
    )
  })
}

/** Sends malformed requests and returns what was wrong with the answers: nothing, if all is well. */
export async function sendMalformed(client: Client, count: number, seed: number): Promise<string[]> {
  const next = malformedRequests(seed)
  const wrong: string[] = []
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const { kind, bytes, mayPass } = next()
      const error = await sendBytes(client, bytes)
      if (error === null) {
        if (!mayPass) wrong.push(`${kind} was answered as if it were good`)
      } else if (!ANSWERS.has(error.code) || error.metadata.get('sentinode-code').length === 0) {
        wrong.push(`${kind}: ${error.message}`)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return wrong
}
