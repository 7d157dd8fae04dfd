/** Runs that nothing interrupts, in a real daemon: it ends all the same. */
import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import type { ModelInferResponse } from '../../src/generated/grpc_service.js'
import { failure, invoke, until } from '../grpc/harness.js'
import { boxesRequest, ENDLESS, endlessRepository } from './endless.js'
import { startDaemon, temporaryFolder, type RunningDaemon } from './sentinode.js'

async function start(args: readonly string[], copies = 1): Promise<RunningDaemon & { remove: () => void }> {
  const folder = temporaryFolder()
  const models = ['--models', endlessRepository(folder.path, copies), '--threads', '1']
  const daemon = await startDaemon([...models, '--cache-dir', folder.path, ...args])
  const remove = (): void => {
    daemon.client.close()
    daemon.child.kill('SIGKILL')
    folder.remove()
  }
  return { ...daemon, remove }
}

interface Hanging {
  /** What its caller gets. */
  readonly caller: Promise<unknown>
  /** A short request that came after it. */
  readonly behind: Promise<unknown>
}

/** Seconds of processor time that the threads of instances have taken. */
function runSeconds({ child }: RunningDaemon): number {
  const tasks = `/proc/${String(child.pid)}/task`
  const ticks = readdirSync(tasks).map((id) => {
    const [, name, rest = ''] = /\((.*)\) (.*)/s.exec(readFileSync(`${tasks}/${id}/stat`, 'utf8')) ?? []
    return name === 'sn-run' ? Number(rest.split(' ')[11]) : 0
  })
  return ticks.reduce((sum, n) => sum + n, 0) / 100
}

/** A run that does not end, and has come to its endless node: the nodes before it take a tenth of the time. */
async function hang(daemon: RunningDaemon): Promise<Hanging> {
  const send = (boxes: number): Promise<unknown> =>
    invoke<ModelInferResponse>(daemon.client, 'modelInfer', boxesRequest(boxes))
  const before = runSeconds(daemon)
  const [caller, behind] = [send(ENDLESS), send(3)]
  const failed = new AbortController()
  for (const sent of [caller, behind]) sent.catch(() => failed.abort())
  await until(() => failed.signal.aborted || runSeconds(daemon) > before + 1)
  return { caller, behind }
}

test.serial('SIGTERM ends the process in time, with code 1 and what hangs in the log', async (t) => {
  const daemon = await start(['--drain-timeout', '1'])
  t.teardown(daemon.remove)
  t.is((await invoke<ModelInferResponse>(daemon.client, 'modelInfer', boxesRequest(3))).modelName, 'endless')
  const { caller } = await hang(daemon)
  const begin = performance.now()
  daemon.child.kill('SIGTERM')
  await failure(caller)
  const { code, stderr } = await daemon.finished
  t.is(code, 1)
  t.true(performance.now() - begin < 60_000)
  const line = stderr.split('\n').find((candidate) => candidate.includes('the drain does not end'))
  t.regex(line ?? '', /"level":"fatal".*model endless version 1/)
})

test.serial('a second signal ends the process at once, with its number', async (t) => {
  const daemon = await start([])
  t.teardown(daemon.remove)
  await hang(daemon)
  daemon.child.kill('SIGTERM')
  daemon.child.kill('SIGINT')
  const { code } = await daemon.finished
  t.true(code === 130 || code === 143, String(code))
})
