/**
 * A decoded inference request, as the wire's generated types have it, and what becomes of it once it
 * has been checked. Bytes are views into the received message and stay so.
 */
import type { SignatureOutput } from '../signature.js'

export type ParameterChoice =
  | { readonly $case: 'boolParam'; readonly value: boolean }
  | { readonly $case: 'int64Param'; readonly value: bigint }
  | { readonly $case: 'stringParam'; readonly value: string }
  | { readonly $case: 'doubleParam'; readonly value: number }
  | { readonly $case: 'uint64Param'; readonly value: bigint }

export type Parameters = Readonly<Record<string, { readonly parameterChoice: ParameterChoice | undefined }>>

export interface RequestInput {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly bigint[]
  readonly parameters: Parameters
  /** Typed values as they came: each the bytes of an InferTensorContents. Empty where there were none. */
  readonly contents: readonly Uint8Array[]
}

export interface RequestedOutput {
  readonly name: string
  readonly parameters: Parameters
}

export interface DecodedRequest {
  readonly modelName: string
  readonly modelVersion: string
  readonly id: string
  readonly parameters: Parameters
  readonly inputs: readonly RequestInput[]
  /** Empty: all outputs. */
  readonly outputs: readonly RequestedOutput[]
  /** In the order of `inputs`; empty where the inputs have typed contents. */
  readonly rawInputContents: readonly Uint8Array[]
}

export interface WantedOutput {
  readonly output: SignatureOutput
  /** The n best classes in place of the values, null for the values. */
  readonly classes: number | null
}

export interface CheckedRequest {
  /** Row-major little-endian bytes in the session's order. */
  readonly inputs: readonly Uint8Array[]
  /** As the network sees them, in the session's order, the batch dimension included. */
  readonly shapes: readonly (readonly number[])[]
  /** Along the batch dimension; 1 for a model without one. */
  readonly rows: number
  /** Sum of the inputs' bytes. */
  readonly bytes: number
  /** Requests with equal keys can share a batch. */
  readonly bucket: string
  /** In the order of the answer. */
  readonly outputs: readonly WantedOutput[]
  /** Positions among the session's outputs, ascending. */
  readonly outputIndices: readonly number[]
  /** 0 for the default level. */
  readonly priority: number
  /** Longest wait in the queue, null for none of its own. */
  readonly timeoutMicroseconds: number | null
}
