/** Requests and signatures for tests, as short as they can be. */
import type { DataType } from '../../../src/engine/native.js'
import { InferTensorContents } from '../../../src/generated/grpc_service.js'
import type { DecodedRequest, RequestInput } from '../../../src/models/request/types.js'
import type { ModelSignature } from '../../../src/models/signature.js'

export function signature(
  inputs: readonly [name: string, dataType: DataType, dims: number[], extra?: object][],
  maxBatchSize = 8,
  outputs: readonly [name: string, dataType: DataType, dims: number[], extra?: object][] = [
    ['y', 'FP32', [-1]],
  ],
): ModelSignature {
  return {
    name: 'm',
    maxBatchSize,
    inputs: inputs.map(([name, dataType, dims, extra], index) => ({
      name,
      dataType,
      dims,
      reshape: null,
      optional: false,
      index,
      ...extra,
    })),
    outputs: outputs.map(([name, dataType, dims, extra], index) => ({
      name,
      dataType,
      dims,
      reshape: null,
      labels: null,
      index,
      ...extra,
    })),
  }
}

/** As a client writes them. */
export function contents(filled: Partial<InferTensorContents>): readonly Uint8Array[] {
  return [InferTensorContents.encode(InferTensorContents.fromPartial(filled)).finish()]
}

export function input(
  name: string,
  datatype: string,
  shape: readonly (number | bigint)[],
  extra = {},
): RequestInput {
  return { name, datatype, shape: shape.map(BigInt), parameters: {}, contents: [], ...extra }
}

/** `raw` as byte counts makes zeros of that many bytes. */
export function request(
  inputs: readonly RequestInput[],
  raw: readonly (Uint8Array | number)[] = [],
  extra: Partial<DecodedRequest> = {},
): DecodedRequest {
  return {
    modelName: 'm',
    modelVersion: '',
    id: '',
    parameters: {},
    inputs,
    outputs: [],
    rawInputContents: raw.map((bytes) => (typeof bytes === 'number' ? new Uint8Array(bytes) : bytes)),
    ...extra,
  }
}
