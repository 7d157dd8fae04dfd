/** Runs that nothing interrupts, in a real daemon: it ends all the same. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ModelInferResponse, RepositoryIndexResponse } from '../../src/generated/grpc_service.js'
import { codeOf, failure, invoke, until } from '../grpc/harness.js'
import { metricsOf } from '../screening-service/daemon.js'
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

/** What a probe or a call about the server says. */
async function health(daemon: RunningDaemon): Promise<readonly unknown[]> {
  const probe = async (path: string): Promise<number> =>
    (await fetch(`http://${daemon.metrics}${path}`)).status
  const { live } = await invoke<{ live: boolean }>(daemon.client, 'serverLive', {})
  const { ready } = await invoke<{ ready: boolean }>(daemon.client, 'modelReady', {
    name: 'endless',
    version: '',
  })
  return [await probe('/livez'), await probe('/readyz'), live, ready]
}

test.serial('a run that hangs takes the model out of service, and the probes say so', async (t) => {
  const daemon = await start(['--run-timeout', '4', '--drain-timeout', '60'])
  t.teardown(daemon.remove)
  t.deepEqual(await health(daemon), [200, 200, true, true])
  const { caller, behind } = await hang(daemon)
  t.is(codeOf(await failure(caller)), 'RUN_TIMEOUT')
  t.is(codeOf(await failure(behind)), 'MODEL_NOT_READY')
  t.deepEqual(await health(daemon), [503, 503, false, false])
  const late = await failure(invoke(daemon.client, 'modelInfer', boxesRequest(3)))
  t.is(codeOf(late), 'MODEL_NOT_FOUND', late.message)
  const index = await invoke<RepositoryIndexResponse>(daemon.client, 'repositoryIndex', {
    repositoryName: '',
    ready: false,
  })
  t.like(index.models[0], { state: 'UNAVAILABLE', reason: 'RUN_TIMEOUT: a run of the model hangs' })
  t.is((await metricsOf(daemon)).get('sentinode_hung_runs_total{model="endless",version="1",stage="run"}'), 1)

  daemon.child.kill('SIGTERM')
  const { code, stderr } = await daemon.finished
  t.is(code, 0, 'what can be answered was: the drain does not wait for what is known to hang')
  const line = stderr.split('\n').find((candidate) => candidate.includes('a run hangs'))
  t.like(JSON.parse(line ?? '{}'), {
    level: 'error',
    ...{ model: 'endless', modelVersion: 1, instance: '0_cpu_0_0', stage: 'run' },
    ...{ rows: 1, count: 1, instances: 0 },
  })
})

test.serial('beside a run that hangs the other copies of a model serve on', async (t) => {
  const daemon = await start(['--run-timeout', '4'], 2)
  t.teardown(daemon.remove)
  const { caller } = await hang(daemon)
  const answers = Array.from({ length: 8 }, () =>
    invoke<ModelInferResponse>(daemon.client, 'modelInfer', boxesRequest(3)),
  )
  for (const { modelName } of await Promise.all(answers)) t.is(modelName, 'endless')
  t.is(codeOf(await failure(caller)), 'RUN_TIMEOUT')
  t.deepEqual(await health(daemon), [503, 200, false, true])
  t.is((await invoke<ModelInferResponse>(daemon.client, 'modelInfer', boxesRequest(3))).modelName, 'endless')
  daemon.child.kill('SIGTERM')
  t.is((await daemon.finished).code, 0)
})

test.serial(
  'a run that hangs while the model is warmed up leaves the model out, and the daemon ends',
  async (t) => {
    const folder = temporaryFolder()
    t.teardown(folder.remove)
    const models = endlessRepository(folder.path)
    const warmup = `model_warmup [{
    name: "many" count: 1
    inputs { key: "n" value: { data_type: TYPE_FP32 dims: [1] input_data_file: "many" } }
  }]\n`
    appendFileSync(join(models, 'endless', 'config.pbtxt'), warmup)
    mkdirSync(join(models, 'endless', 'warmup'))
    writeFileSync(join(models, 'endless', 'warmup', 'many'), new Uint8Array(Float32Array.of(ENDLESS).buffer))
    const args = ['--threads', '1', '--run-timeout', '4', '--cache-dir', folder.path]
    const daemon = await startDaemon(['--models', models, ...args])
    t.teardown(() => daemon.child.kill('SIGKILL'))
    t.deepEqual(await health(daemon), [503, 503, false, false])
    daemon.child.kill('SIGTERM')
    t.is((await daemon.finished).code, 0)
    daemon.client.close()
  },
)

test.serial('a second signal ends the process at once, with its number', async (t) => {
  const daemon = await start([])
  t.teardown(daemon.remove)
  await hang(daemon)
  daemon.child.kill('SIGTERM')
  daemon.child.kill('SIGINT')
  const { code } = await daemon.finished
  t.true(code === 130 || code === 143, String(code))
})
