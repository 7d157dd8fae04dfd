import type { FileResolver } from '../compiler/resolver.js'
import { isSentinodeError } from '../errors.js'
import type { ReadContract } from '../models/content.js'
import type { ModelSignature, SignatureTensor } from '../models/signature.js'
import { checkNetwork, CONTRACT_FILE, type NetworkTensor, parseContract } from '../screening/index.js'

/**
 * The screening contract beside a version's network, held against what the network is to its callers.
 * Rejects with CONTRACT_INVALID, or as the resolver does for a file that is there and cannot be read.
 */
export const readContract: ReadContract = async (version, signature) => {
  const bytes = await readIfThere(version, CONTRACT_FILE)
  if (bytes === null) return null
  const contract = parseContract(Buffer.from(bytes).toString('utf8'))
  const tensors = withBatch(signature)
  checkNetwork(contract, signature.inputs.map(tensors), signature.outputs.map(tensors))
  return contract
}

async function readIfThere(version: FileResolver, name: string): Promise<Uint8Array | null> {
  try {
    return await version.read(name)
  } catch (error) {
    const missing = isSentinodeError(error) && (error.cause as NodeJS.ErrnoException | undefined)?.code
    if (missing === 'ENOENT') return null
    throw error
  }
}

/** The contract speaks of one exam, which is a row of the batch where the model has one. */
function withBatch({ maxBatchSize }: ModelSignature): (tensor: SignatureTensor) => NetworkTensor {
  const batch = maxBatchSize > 0 ? [-1] : []
  return ({ name, dataType, dims }) => ({ name, dataType, shape: [...batch, ...dims] })
}
