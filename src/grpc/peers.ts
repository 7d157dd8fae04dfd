import { isIPv6 } from 'node:net'
import type { Share } from './request-budget.js'

/** So many at once, and so many a second after that. */
export interface Allowance {
  readonly burst: number
  readonly perSecond: number
}

/** One address from which connections come. */
export interface Peer extends Share {
  connections: number
  /** Takes one of what the address may do; false where nothing is left. */
  mayConnect(): boolean
  mayReset(): boolean
}

/** New connections of an address. */
const CONNECTS: Allowance = { burst: 1024, perSecond: 100 }
/** Calls of an address that are taken back as soon as they were made (CVE-2023-44487), over all its connections. */
const RESETS: Allowance = { burst: 1024, perSecond: 100 }

/** Addresses beyond this are forgotten when they are not connected and owe nothing. */
const MANY = 1024

/** What is counted of each address, whatever connection it uses. */
export class Peers {
  readonly #peers = new Map<string, Peer & { readonly forgettable: () => boolean }>()

  /** @param address undefined for a socket that is closed already */
  of(address: string | undefined): Peer {
    const key = networkOf(address ?? '')
    let peer = this.#peers.get(key)
    if (peer === undefined) {
      if (this.#peers.size >= MANY) this.#forget()
      const [connects, resets] = [bucket(CONNECTS), bucket(RESETS)]
      peer = {
        bytes: 0,
        connections: 0,
        mayConnect: connects.take,
        mayReset: resets.take,
        forgettable() {
          return this.connections === 0 && this.bytes === 0 && connects.isFull() && resets.isFull()
        },
      }
      this.#peers.set(key, peer)
    }
    return peer
  }

  #forget(): void {
    for (const [key, peer] of this.#peers) if (peer.forgettable()) this.#peers.delete(key)
  }
}

/** Whoever has an IPv6 address has a network of 2^64 of them (RFC 4291, 2.5.4). */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::')) return address
  const [head = ''] = address.split('::', 1)
  return head.split(':').slice(0, 4).join(':')
}

function bucket({ burst, perSecond }: Allowance): { take: () => boolean; isFull: () => boolean } {
  let tokens = burst
  let at = performance.now()
  const refill = (): void => {
    const now = performance.now()
    tokens = Math.min(burst, tokens + ((now - at) * perSecond) / 1000)
    at = now
  }
  return {
    take: () => {
      refill()
      if (tokens < 1) return false
      tokens--
      return true
    },
    isFull: () => {
      refill()
      return tokens >= burst
    },
  }
}
