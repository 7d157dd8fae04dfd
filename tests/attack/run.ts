import { setMaxListeners } from 'node:events'
import { later } from '../grpc/harness.js'
import { judge, RECOVERY_MS, type Attack, type Seen } from './attack.js'
import { nothingSeen, once, startHonest } from './honest.js'
import { startProbes } from './probes.js'
import type { Target } from './target.js'

const MEMORY_EVERY_MS = 50
/** Longest that an attacker takes to let go. */
const LET_GO_MS = 60_000

/** Runs an attack for `ms` beside honest clients and probes. Rejects where the attack itself is at fault. */
export async function runAttack(target: Target, attack: Attack, ms: number): Promise<Seen> {
  attack.prepare?.()
  const before = target.residentBytes()
  let peak = before
  const memory = setInterval(() => (peak = Math.max(peak, target.residentBytes())), MEMORY_EVERY_MS)
  const honest = startHonest(target)
  const probes = startProbes(target)
  try {
    const letGo = AbortSignal.timeout(ms)
    // A listener for each connection of the attacker.
    setMaxListeners(0, letGo)
    await Promise.race([
      attack.run(target, letGo),
      later(ms + LET_GO_MS).then(() => {
        throw new Error(`${attack.name} did not let go`)
      }),
    ])
  } finally {
    clearInterval(memory)
  }
  const [honestSeen, probesSeen] = await Promise.all([honest.stop(), probes.stop()])
  const recoveryMs = await recovery(target)
  const seen = {
    honest: honestSeen,
    probes: probesSeen,
    growthBytes: Math.max(0, peak - before),
    alive: target.residentBytes() > 0,
    recoveryMs,
  }
  return { name: attack.name, ...seen, broken: judge(attack, seen) }
}

/** Milliseconds until a request is answered. */
async function recovery(target: Target): Promise<number> {
  const began = performance.now()
  const ignored = nothingSeen()
  while (performance.now() - began < 2 * RECOVERY_MS) {
    if (await once(target, 'large', ignored)) return performance.now() - began
  }
  return Infinity
}
