/** What lies in a version's folder beside what runs: the hash that names it all, and the screening contract. */
import { createHash } from 'node:crypto'
import { externalTensors } from '../compiler/external-data.js'
import { updateHash } from '../compiler/hash.js'
import { decodeModel } from '../compiler/onnx.js'
import type { FileResolver } from '../compiler/resolver.js'
import { isSentinodeError } from '../errors.js'
import type { Contract } from '../screening/index.js'
import type { ModelSignature } from './signature.js'

/**
 * Reads the contract of a screening model and holds it against the network; null for a model without one.
 * The daemon gives it, so that models need not know what a contract says.
 */
export type ReadContract = (version: FileResolver, signature: ModelSignature) => Promise<Contract | null>

/**
 * SHA-256, in hexadecimal, of a network with all that it names: what `sha256sum` says of its file where that
 * is all, otherwise of the file followed by each external tensor's place and bytes.
 */
export async function hashContent(network: Uint8Array, resolve: FileResolver): Promise<string> {
  const hash = updateHash(createHash('sha256'), network)
  for (const { location, offset, length } of namedTensors(network)) {
    hash.update(JSON.stringify([location, offset, length]))
    updateHash(hash, await resolve.read(location, { offset, length }))
  }
  return hash.digest('hex')
}

/** None where the bytes are no model: whoever opens it says so with the reason. */
function namedTensors(network: Uint8Array): ReturnType<typeof externalTensors> {
  try {
    return externalTensors(decodeModel(network).graph)
  } catch (error) {
    if (isSentinodeError(error)) return []
    throw error
  }
}
