import test from 'ava'
import type { EngineSettings } from '../../src/models/config/settings.js'
import { Cores } from '../../src/models/cores.js'
import type { Target } from '../../src/targets.js'

function settings(instances: readonly [Target, number][], threads: number | null = null): EngineSettings {
  return {
    placements: instances.map(([target, count]) => ({ targets: [target], deviceId: 0, count })),
    precision: 'fp32',
    exactTaps: false,
    fastTaps: false,
    threads,
    graphOptimization: 'all',
    cpuMemoryArena: true,
    providerOptions: { cuda: {}, tensorrt: {} },
  }
}

test('the instances of a model divide the cores', (t) => {
  const warnings: string[] = []
  const cores = new Cores(8, null)
  t.deepEqual(cores.share(settings([['cpu', 1]]), warnings), { threads: 8, total: 8 })
  t.deepEqual(cores.share(settings([['cpu', 3]]), warnings), { threads: 2, total: 6 })
  const mixed = settings([
    ['cpu', 1],
    ['cpu-portable', 1],
    ['cuda', 2],
  ])
  t.deepEqual(cores.share(mixed, warnings), { threads: 4, total: 8 }, 'those on a GPU need none')
  t.deepEqual(cores.share(settings([['cuda', 2]]), warnings), { threads: 8, total: 0 })
  t.deepEqual(cores.share(settings([['cpu', 4]], 2), warnings), { threads: 2, total: 8 })
  t.deepEqual(warnings, [])
})

test('more threads than cores are given where asked for, and said', (t) => {
  const asked: string[] = []
  t.is(new Cores(4, null).share(settings([['cpu', 2]], 4), asked).threads, 4)
  t.regex(asked.join(), /^2 instances of 4 threads share 4 cores: /)
  const flagged: string[] = []
  t.is(new Cores(4, 3).share(settings([['cpu', 2]]), flagged).threads, 3)
  t.regex(flagged.join(), /^2 instances of 3 threads share 4 cores: /)
  const many: string[] = []
  t.is(new Cores(2, null).share(settings([['cpu', 3]]), many).threads, 1)
  t.regex(many.join(), /^3 instances of 1 threads share 2 cores: /)
})

test('a model that shares its cores with others says so, until they are gone', (t) => {
  const cores = new Cores(4, null)
  const take = (threads: number): [() => void, string[]] => {
    const warnings: string[] = []
    return [cores.take({ threads, total: threads }, warnings), warnings]
  }
  const [leave, first] = take(4)
  t.deepEqual(first, [])
  const [leaveToo, second] = take(2)
  t.regex(second.join(), /^its 2 threads and 4 of other models share 4 cores: /)
  leave()
  leave()
  const [, third] = take(2)
  t.deepEqual(third, [], 'what has left is counted once')
  leaveToo()
})
