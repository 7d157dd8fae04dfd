/**
 * The room's door: processes apart from the daemon's own, in which what comes from outside is taken to pieces.
 * What they share with it, memory and descriptors, and what is taken from them.
 */

import { closeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { SentinodeError } from '../errors.js'

/** native/apart. Descriptors are the caller's to close; errors are the system's. */
export interface ApartAddon {
  /** Zeros that processes share, of a size that nobody can change. @returns a descriptor */
  createMemory(bytes: number): number
  /** Maps shared memory of that size; `unmap` gives the mapping back, or the collector does. */
  map(descriptor: number, bytes: number): ArrayBuffer
  /** Every view of the buffer is empty afterwards. Idempotent. Nothing native may be using it. */
  unmap(buffer: ArrayBuffer): void
  /** Two ends over which descriptors pass. */
  socketPair(): [number, number]
  /** Passes a copy of a descriptor; does not wait. */
  send(socket: number, descriptor: number): void
  /** The next descriptor that was sent before; does not wait. */
  receive(socket: number): number
  /**
   * For this process and for good: killed when `parent` ends, `moreBytes` of memory of its own at most beside
   * what it has, no core, no network, no programs, no change to any file.
   * @returns false where the kernel filters no system calls: then the memory is limited and nothing else
   */
  confine(parent: number, moreBytes: number): boolean
}

const built = (name: string): string => fileURLToPath(new URL(`../../build/Release/${name}`, import.meta.url))
const file = built('sentinode_apart.node')

/** A program that executes what its arguments say, without io_uring, whose operations pass by `confine`. */
export const LAUNCHER = built('sentinode_launch')

let addon: ApartAddon | null = null

/** @throws SentinodeError ADDON_NOT_FOUND */
export function apart(): ApartAddon {
  try {
    return (addon ??= createRequire(import.meta.url)(file) as ApartAddon)
  } catch (cause) {
    throw new SentinodeError(
      'ADDON_NOT_FOUND',
      'the native addon for processes apart does not load; build it on this machine: npm run build:native',
      { cause },
    )
  }
}

/** Maps shared memory whose descriptor is not needed any more. */
export function mapAndClose(descriptor: number, bytes: number): ArrayBuffer {
  try {
    return apart().map(descriptor, bytes)
  } finally {
    closeSync(descriptor)
  }
}
