import type { ExecutionContext, TestFn } from 'ava'
import type { ScreeningClient } from '../../src/generated/sentinode/v1/screening.js'
import { later } from '../grpc/harness.js'
import { startDaemon, temporaryFolder, type RunningDaemon } from '../process/sentinode.js'
import { connect } from './client.js'
import { screeningRepository, type ContractOptions } from './model.js'

export interface ScreeningDaemon {
  readonly daemon: RunningDaemon
  readonly client: ScreeningClient
}

/** A daemon that serves `lymph` and `image_only`; `stop` ends it. */
async function start(
  args: readonly string[],
  model: ContractOptions,
): Promise<ScreeningDaemon & { stop: () => Promise<void> }> {
  const folder = temporaryFolder()
  const models = screeningRepository(folder.path, model)
  const daemon = await startDaemon(['--models', models, '--target', 'cpu', '--threads', '1', ...args])
  const client = connect(daemon.grpc)
  const stop = async (): Promise<void> => {
    client.close()
    await daemon.stop()
    folder.remove()
  }
  return { daemon, client, stop }
}

/** A daemon for one test. */
export async function screeningDaemon(
  t: ExecutionContext,
  args: readonly string[] = [],
  model: ContractOptions = {},
): Promise<ScreeningDaemon> {
  const started = await start(args, model)
  t.teardown(started.stop)
  return started
}

/** One daemon for all tests of a file, which then have to be serial. */
export function sharedDaemon(test: TestFn, args: readonly string[] = []): ScreeningDaemon {
  let started: Awaited<ReturnType<typeof start>> | undefined
  const running = (): ScreeningDaemon => {
    if (started === undefined) throw new Error('the daemon is not started yet')
    return started
  }
  test.before(async () => void (started = await start(args, {})))
  test.after.always(() => started?.stop())
  return {
    get daemon() {
      return running().daemon
    },
    get client() {
      return running().client
    },
  }
}

/** What /metrics says of each series, by its name with its labels. */
export async function metricsOf(daemon: RunningDaemon): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`http://${daemon.metrics}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  )
}

/** Waits until a series has a value that fits. */
export async function untilMetric(
  daemon: RunningDaemon,
  series: string,
  fits: (value: number) => boolean,
): Promise<void> {
  let value: number | undefined
  // Looks are counted, not time: the machine may hold up the test itself.
  for (let looks = 0; looks < 3000; looks++) {
    value = (await metricsOf(daemon)).get(series)
    if (fits(value ?? 0)) return
    await later(20)
  }
  throw new Error(`${series} is still ${String(value)}`)
}

/** Nothing is held for exams any more: no bytes, no place, no message. */
export async function untilIdle(daemon: RunningDaemon): Promise<void> {
  for (const series of ['sentinode_exams', 'sentinode_exam_memory_bytes', 'sentinode_request_memory_bytes']) {
    await untilMetric(daemon, series, (value) => value === 0)
  }
}
