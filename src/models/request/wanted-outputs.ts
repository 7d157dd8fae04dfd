/** Which outputs a request wants, and in what form. */
import type { DataType } from '../../engine/index.js'
import type { ModelSignature } from '../signature.js'
import { invalid, quote } from './messages.js'
import { readClassification, refuseSharedMemory } from './parameters.js'
import type { RequestedOutput, WantedOutput } from './types.js'

const NOT_CLASSIFIABLE: readonly DataType[] = ['BOOL', 'FP16', 'BF16', 'BYTES']

/** The parameters of the requested outputs: for each the number of classes asked for, or null. */
export function checkOutputs(requested: readonly RequestedOutput[]): (number | null)[] {
  return requested.map((output) => {
    refuseSharedMemory(output.name, output.parameters)
    return readClassification(output)
  })
}

/** All outputs where none is requested, else those requested in their order. */
export function resolveOutputs(
  signature: ModelSignature,
  requested: readonly RequestedOutput[],
  classes: readonly (number | null)[],
): WantedOutput[] {
  if (requested.length === 0) return signature.outputs.map((output) => ({ output, classes: null }))
  return requested.map(({ name }, i) => {
    const output = signature.outputs.find((candidate) => candidate.name === name)
    if (output === undefined) {
      throw invalid(`unexpected inference output ${quote(name)} for model ${quote(signature.name)}`)
    }
    const count = classes[i] ?? null
    if (count !== null && NOT_CLASSIFIABLE.includes(output.dataType)) {
      throw invalid(`class result not available for output due to unsupported type '${output.dataType}'`)
    }
    return { output, classes: count }
  })
}
