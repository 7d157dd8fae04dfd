/** Holds a contract against the network that it comes with. */

import { SentinodeError } from '../../errors.js'
import type { Contract } from './contract.js'

/** A tensor of the network; -1 for a dynamic dimension, the batch included. */
export interface NetworkTensor {
  readonly name: string
  readonly dataType: string
  readonly shape: readonly number[]
}

/** Shape of the image input for one exam; null where the grid decides at the request. */
export function imageShape(contract: Contract): (number | null)[] {
  const { grid, layout, phases } = contract.image
  const times = phases.by === 'order' ? phases.indices.length : phases.times_s.length
  const size = grid.size ?? [null, null, null]
  return layout === 'NCTDHW' ? [1, 1, times, ...size] : [1, times, ...size]
}

/**
 * @throws SentinodeError CONTRACT_INVALID naming the tensor, what the contract says and what the network has
 */
export function checkNetwork(
  contract: Contract,
  inputs: readonly NetworkTensor[],
  outputs: readonly NetworkTensor[],
): void {
  const refuse = (message: string) => new SentinodeError('CONTRACT_INVALID', `screening.yaml: ${message}`)
  const shape = (dimensions: readonly (number | null)[]) =>
    `[${dimensions.map((d) => d ?? 'any').join(', ')}]`
  const wanted = new Map<string, (number | null)[]>([[contract.image.input, imageShape(contract)]])
  if (contract.clinical !== null) wanted.set(contract.clinical.input, [1, contract.clinical.variables.length])
  for (const [name, expected] of wanted) {
    const tensor = inputs.find((input) => input.name === name)
    if (tensor === undefined) throw refuse(`expected an input ${name} of the network, found none`)
    if (tensor.dataType !== 'FP32') throw refuse(`expected input ${name} as FP32, found ${tensor.dataType}`)
    const fits =
      tensor.shape.length === expected.length &&
      tensor.shape.every((size, i) => size === -1 || expected[i] === null || size === expected[i])
    if (!fits) throw refuse(`expected input ${name} to take ${shape(expected)}, found ${shape(tensor.shape)}`)
    const open = tensor.shape.findIndex((size, i) => size !== -1 && expected[i] === null)
    if (open >= 0) throw refuse(`expected input ${name} with dynamic sizes where grid.size is null`)
  }
  for (const { name } of inputs) {
    if (!wanted.has(name)) throw refuse(`expected a use of every input of the network, found none of ${name}`)
  }
  for (const finding of contract.findings) {
    const elements = [{ output: finding.output, index: finding.index }]
    if (finding.spread !== undefined) elements.push(finding.spread)
    if (finding.calibration.method === 'in_graph' && finding.calibration.raw !== undefined) {
      elements.push(finding.calibration.raw)
    }
    for (const { output, index } of elements) {
      const tensor = outputs.find(({ name }) => name === output)
      if (tensor === undefined) throw refuse(`expected an output ${output} of the network, found none`)
      if (tensor.dataType !== 'FP32')
        throw refuse(`expected output ${output} as FP32, found ${tensor.dataType}`)
      const row = tensor.shape.slice(1)
      const elements = row.reduce((product, size) => product * size, 1)
      if (row.every((size) => size >= 0) && index >= elements) {
        throw refuse(`expected element ${index} of output ${output}, found ${elements} elements a row`)
      }
    }
  }
}
