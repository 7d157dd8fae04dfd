/** What an orchestrator asks: /livez on a connection of its own each time, and gRPC health. */
import { request } from 'node:http'
import { Client, credentials } from '@grpc/grpc-js'
import { later } from '../grpc/harness.js'
import type { Target } from './target.js'

export interface Probes {
  count: number
  worstMs: number
  readonly failed: string[]
}

const EVERY_MS = 100
const GIVE_UP_MS = 10_000

export function startProbes(target: Target): { stop: () => Promise<Probes> } {
  const seen: Probes = { count: 0, worstMs: 0, failed: [] }
  const channel = new Client(target.grpc, credentials.createInsecure())
  let stopping = false
  const lane = async (probe: () => Promise<void>): Promise<void> => {
    while (!stopping) {
      const began = performance.now()
      await probe().catch((error: unknown) => seen.failed.push(String(error)))
      seen.count++
      seen.worstMs = Math.max(seen.worstMs, performance.now() - began)
      await later(EVERY_MS)
    }
  }
  const lanes = Promise.all([lane(() => livez(target.metrics)), lane(() => health(channel))])
  return {
    stop: async () => {
      stopping = true
      await lanes
      channel.close()
      return seen
    },
  }
}

function livez(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(`http://${address}/livez`, { agent: false, timeout: GIVE_UP_MS }, (response) => {
      response.resume()
      response.once('end', () => {
        if (response.statusCode === 200) resolve()
        else reject(new Error(`/livez answered ${String(response.statusCode)}`))
      })
    })
    asked.once('timeout', () => asked.destroy(new Error('/livez did not answer')))
    asked.once('error', reject)
    asked.end()
  })
}

const SERVING = Buffer.of(8, 1)

function health(channel: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.makeUnaryRequest<Buffer, Buffer>(
      '/grpc.health.v1.Health/Check',
      (bytes) => bytes,
      (bytes) => bytes,
      Buffer.alloc(0),
      { deadline: Date.now() + GIVE_UP_MS },
      (error, answer) => {
        if (error) reject(error)
        else if (answer?.equals(SERVING) === true) resolve()
        else reject(new Error('health is not SERVING'))
      },
    )
  })
}
