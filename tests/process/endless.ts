/** A model with runs that nothing interrupts: one node of ONNX Runtime that computes for hours. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NetworkBuilder } from '../../bench/lib/network-builder.js'
import { ModelInferRequest } from '../../src/generated/grpc_service.js'

const INT64 = 7

/**
 * Non-maximum suppression of `n` boxes that do not overlap: each is compared with all before it, in one node,
 * and ONNX Runtime looks between nodes whether a run was terminated.
 */
function network(): Uint8Array {
  const net = new NetworkBuilder(1)
  const integer = (x: string): string => net.node('Cast', [x], { to: INT64 })
  const number = (value: number, dims: readonly number[] = []): string =>
    net.constant(dims, Float32Array.of(value))
  const count = net.node('Squeeze', [net.input('n', [1])])
  const places = net.node('Range', [number(0), count, number(1)])
  const low = net.node('Unsqueeze', [places, integer(number(1, [1]))])
  const zeros = net.node('Mul', [low, number(0)])
  const ones = net.node('Add', [zeros, number(1)])
  const box = net.node('Concat', [low, zeros, net.node('Add', [low, number(0.5)]), ones], { axis: 1 })
  const first = integer(number(0, [1]))
  const boxes = net.node('Unsqueeze', [box, first])
  const scores = net.node('Unsqueeze', [net.node('Transpose', [ones]), first])
  const chosen = net.node('NonMaxSuppression', [boxes, scores, integer(count), number(0.5)])
  net.output('chosen', net.node('Cast', [net.node('Shape', [chosen])], { to: 1 }), [2])
  return net.build('endless')
}

/** Of as many copies. Requests do not share a batch. */
export function endlessRepository(folder: string, copies = 1): string {
  mkdirSync(join(folder, 'endless', '1'), { recursive: true })
  writeFileSync(join(folder, 'endless', '1', 'model.onnx'), network())
  const config = `max_batch_size: 0\ninstance_group [{ kind: KIND_CPU, count: ${copies} }]\n`
  writeFileSync(join(folder, 'endless', 'config.pbtxt'), config)
  return folder
}

/** Takes microseconds for a few boxes, many minutes for ENDLESS ones. */
export function boxesRequest(boxes: number): ModelInferRequest {
  return ModelInferRequest.fromPartial({
    modelName: 'endless',
    inputs: [{ name: 'n', datatype: 'FP32', shape: [1n] }],
    rawInputContents: [new Uint8Array(Float32Array.of(boxes).buffer)],
  })
}

export const ENDLESS = 1_000_000
