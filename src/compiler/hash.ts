/** SHA-256 of data of any size. */
import { createHash, type Hash } from 'node:crypto'

/** Node refuses to hash 2 GiB or more in one call. */
const PIECE = 2 ** 30

/** @param piece for tests */
export function updateHash(hash: Hash, bytes: Uint8Array, piece = PIECE): Hash {
  for (let at = 0; at < bytes.byteLength; at += piece) hash.update(bytes.subarray(at, at + piece))
  return hash
}

/** In hexadecimal, of all chunks one after the other. */
export function sha256(...chunks: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const chunk of chunks) updateHash(hash, chunk)
  return hash.digest('hex')
}
