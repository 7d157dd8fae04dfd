import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import test from 'ava'
import {
  ModelInferRequest,
  type ModelInferResponse,
  type RepositoryIndexResponse,
} from '../../src/generated/grpc_service.js'
import { codeOf, failure, invoke, later, until } from '../grpc/harness.js'
import { goodRows } from './malformed.js'
import { repository, root, sentinode, startDaemon, temporaryFolder, type RunningDaemon } from './sentinode.js'

/** Runs for `iterations` turns of a loop, about a microsecond each. */
function loopRequest(iterations: bigint, id = ''): ModelInferRequest {
  return ModelInferRequest.fromPartial({
    modelName: 'loop',
    id,
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [1n, 4n] },
      { name: 'iterations', datatype: 'INT64', shape: [1n, 1n] },
    ],
    rawInputContents: [new Uint8Array(16), new Uint8Array(BigInt64Array.of(iterations).buffer)],
  })
}

/** Waits until the daemon has taken note of a signal. */
async function draining({ metrics }: RunningDaemon): Promise<void> {
  await until(async () => (await get(metrics, '/readyz')).status === 503)
}

/** Waits until as many inference calls have reached the daemon. */
async function arrived({ metrics }: RunningDaemon, calls: number): Promise<void> {
  const line = /^grpc_server_started_total\{.*grpc_method="ModelInfer".*\} (\d+)$/m
  for (let seen = 0; seen < calls;) {
    await later(20)
    seen = Number(line.exec((await get(metrics, '/metrics')).text)?.[1] ?? 0)
  }
}

async function get(address: string, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://${address}${path}`)
  return { status: response.status, text: await response.text() }
}

test.serial(
  'a model is served from start to stop: inference, metadata, probes, one line when ready, exit code 0',
  async (t) => {
    const folder = temporaryFolder()
    t.teardown(folder.remove)
    const daemon = await startDaemon(['--models', repository(folder.path, { rows: 'rows.onnx' })])
    t.teardown(() => daemon.stop())
    t.deepEqual(Object.keys(JSON.parse(daemon.output().stdout) as object).slice(0, 3), [
      'msg',
      'grpc',
      'metrics',
    ])

    const a = Float32Array.of(1, 2, 3, 4, 5, 6)
    const b = BigInt64Array.of(7n, -8n)
    const response = await invoke<ModelInferResponse>(daemon.client, 'modelInfer', {
      ...ModelInferRequest.fromPartial({
        modelName: 'rows',
        id: 'mine',
        inputs: [
          { name: 'a', datatype: 'FP32', shape: [2n, 3n] },
          { name: 'b', datatype: 'INT64', shape: [2n, 1n] },
        ],
      }),
      rawInputContents: [new Uint8Array(a.buffer), new Uint8Array(b.buffer)],
    })
    t.is(response.id, 'mine')
    t.is(response.modelVersion, '1')
    const outputs = new Map(
      response.outputs.map((output, i) => [output.name, Buffer.from(response.rawOutputContents[i]!)]),
    )
    t.deepEqual([outputs.get('total')!.readFloatLE(0), outputs.get('total')!.readFloatLE(4)], [6, 15])
    t.deepEqual(
      [outputs.get('twice')!.readBigInt64LE(0), outputs.get('twice')!.readBigInt64LE(8)],
      [14n, -16n],
    )

    t.is((await get(daemon.metrics, '/livez')).status, 200)
    t.is((await get(daemon.metrics, '/readyz')).status, 200)
    t.deepEqual(await invoke(daemon.client, 'serverReady', {}), { ready: true })
    const { code, stderr } = await daemon.stop()
    t.is(code, 0)
    for (const line of stderr.trim().split('\n')) t.notThrows(() => JSON.parse(line) as unknown, line)
  },
)

test.serial('a broken model leaves the others serving, and says why', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = repository(folder.path, { rows: 'rows.onnx', bad: 'rows.onnx' })
  writeFileSync(join(models, 'bad', '1', 'model.onnx'), 'not a model')
  const strict = await startDaemon(['--models', models, '--strict-readiness'])
  t.teardown(() => strict.stop())
  const lenient = await startDaemon(['--models', models])
  t.teardown(() => lenient.stop())
  await invoke(lenient.client, 'modelInfer', goodRows())
  const index = await invoke<RepositoryIndexResponse>(lenient.client, 'repositoryIndex', {
    repositoryName: '',
    ready: false,
  })
  t.deepEqual(
    index.models.map(({ name, state }) => [name, state]),
    [
      ['bad', 'UNAVAILABLE'],
      ['rows', 'READY'],
    ],
  )
  t.regex(index.models[0]!.reason, /MODEL_INVALID/)
  const error = await failure(invoke(lenient.client, 'modelInfer', { ...goodRows(), modelName: 'bad' }))
  t.is(error.code, status.NOT_FOUND)
  t.deepEqual(await invoke(lenient.client, 'modelReady', { name: 'bad', version: '' }), { ready: false })
  t.is((await get(lenient.metrics, '/readyz')).status, 200)
  t.is((await get(strict.metrics, '/readyz')).status, 503)
  t.deepEqual(await invoke(strict.client, 'serverReady', {}), { ready: false })
})

test.serial('SIGTERM answers what is in flight, refuses what is new, and exits 0', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const daemon = await startDaemon(['--models', repository(folder.path, { loop: 'loop.onnx' })])
  const running = invoke<ModelInferResponse>(daemon.client, 'modelInfer', loopRequest(1_000_000n, 'last'))
  await arrived(daemon, 1)
  daemon.child.kill('SIGTERM')
  await draining(daemon)
  t.is(daemon.child.exitCode, null, 'it waits for the request')
  t.is((await get(daemon.metrics, '/livez')).status, 200)
  t.is((await running).id, 'last')
  const { code, signal } = await daemon.finished
  t.is(code, 0)
  t.is(signal, null)
  daemon.client.close()
})

test.serial('the drain ends at its timeout, even if a request runs on', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const daemon = await startDaemon([
    '--models',
    repository(folder.path, { loop: 'loop.onnx' }),
    '--drain-timeout',
    '1',
  ])
  const running = failure(invoke(daemon.client, 'modelInfer', loopRequest(2n ** 40n)))
  await arrived(daemon, 1)
  const begin = performance.now()
  daemon.child.kill('SIGTERM')
  const { code } = await daemon.finished
  t.is(code, 0)
  const took = performance.now() - begin
  t.true(took >= 950 && took < 60_000, `${took} ms`)
  t.true([status.UNAVAILABLE, status.CANCELLED].includes((await running).code))
  daemon.client.close()
})

test.serial('a second signal forces the exit with its number', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = repository(folder.path, { loop: 'loop.onnx' })
  for (const [signal, expected] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    const daemon = await startDaemon(['--models', models])
    const running = failure(invoke(daemon.client, 'modelInfer', loopRequest(2n ** 40n)))
    await arrived(daemon, 1)
    daemon.child.kill(signal)
    await draining(daemon)
    t.is(daemon.child.exitCode, null)
    daemon.child.kill(signal)
    t.is((await daemon.finished).code, expected)
    await running
    daemon.client.close()
  }
})

test.serial(
  'a queued request whose deadline passes is not run, and one whose caller leaves makes room',
  async (t) => {
    const folder = temporaryFolder()
    t.teardown(folder.remove)
    const daemon = await startDaemon(['--models', repository(folder.path, { loop: 'loop.onnx' })])
    t.teardown(() => daemon.stop())
    const endless = daemon.client.modelInfer(loopRequest(2n ** 40n), () => undefined)
    await arrived(daemon, 1)
    const error = await failure(
      invoke(daemon.client, 'modelInfer', loopRequest(1n), { deadline: new Date(Date.now() + 300) }),
    )
    t.is(error.code, status.DEADLINE_EXCEEDED)
    const queueTimeout = await failure(
      invoke(daemon.client, 'modelInfer', {
        ...loopRequest(1n),
        parameters: { timeout: { parameterChoice: { $case: 'int64Param', value: 100_000n } } },
      }),
    )
    t.is(queueTimeout.code, status.DEADLINE_EXCEEDED)
    t.is(codeOf(queueTimeout), 'DEADLINE_EXCEEDED')
    endless.cancel()
    await t.notThrowsAsync(
      invoke(daemon.client, 'modelInfer', loopRequest(1n), { deadline: new Date(Date.now() + 60_000) }),
    )
  },
)

test.serial('usage and configuration errors exit 2 and name what was expected', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = repository(folder.path, { rows: 'rows.onnx' })
  mkdirSync(join(folder.path, 'empty'))
  const cases: [string[], Record<string, string>, RegExp][] = [
    [['serve', '--models', models, '--host', '0.0.0.0'], {}, /expected a loopback address, found 0\.0\.0\.0/],
    [['serve', '--models', models, '--grcp-port', '1'], {}, /unknown option '--grcp-port'[\s\S]*--grpc-port/],
    [
      ['serve', '--models', models],
      { SENTINODE_GRCP_PORT: '1' },
      /SENTINODE_GRCP_PORT is not a setting; did you mean SENTINODE_GRPC_PORT/,
    ],
    [['serve', '--models', join(folder.path, 'none')], {}, /models: expected a folder or an \.onnx file/],
    [['profile', 'none.onnx', '--batch', '0'], {}, /expected a whole number above 0/],
  ]
  const finished = await Promise.all(
    cases.map(([args, environment]) => sentinode(args, environment).finished),
  )
  for (const [i, { code, stderr, stdout }] of finished.entries()) {
    const [args, , message] = cases[i]!
    t.is(code, 2, args.join(' '))
    t.regex(stderr, message)
    t.is(stdout, '', args.join(' '))
  }
})

test.serial('a run-time fault at the start exits 1', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = repository(folder.path, { rows: 'rows.onnx' })
  const { code, stderr } = await sentinode([
    'serve',
    '--models',
    models,
    '--onnxruntime-library',
    '/nonexistent.so',
  ]).finished
  t.is(code, 1)
  t.regex(stderr, /RUNTIME_NOT_FOUND/)
})

test.serial('the settings in effect can be printed and checked without serving', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = repository(folder.path, { rows: 'rows.onnx' })
  const file = join(folder.path, 'settings.yaml')
  writeFileSync(file, 'grpc-port: 1234\nmetrics-port: 1235\n')
  const printed = await sentinode(
    ['serve', '--config', file, '--models', models, '--no-reflection', '--print-config'],
    {
      SENTINODE_METRICS_PORT: '4321',
    },
  ).finished
  t.is(printed.code, 0)
  const settings = JSON.parse(printed.stdout) as Record<string, unknown>
  t.deepEqual(
    [settings['grpc-port'], settings['metrics-port'], settings['reflection'], settings['models']],
    [1234, 4321, false, [models]],
  )
  const checked = await sentinode(['serve', '--config', file, '--models', models, '--check-config']).finished
  t.is(checked.code, 0)
  const refused = await sentinode(['serve', '--models', models, '--host', '::', '--check-config']).finished
  t.is(refused.code, 2)
})

test.serial('every command has help', async (t) => {
  const top = await sentinode(['--help']).finished
  t.is(top.code, 0)
  const commands = [...top.stdout.matchAll(/^ {2}(\w+) /gm)]
    .map((match) => match[1]!)
    .filter((name) => name !== 'help')
  t.true(['serve', 'profile'].every((name) => commands.includes(name)))
  const helps = await Promise.all(commands.map((name) => sentinode([name, '--help']).finished))
  for (const [i, { code, stdout }] of helps.entries()) {
    t.is(code, 0, commands[i])
    t.regex(stdout, /Usage: sentinode/, commands[i])
  }
})

test.serial('a reader that goes away ends a command without a stack trace', (t) => {
  const command = '{ "$0" dist/main.js serve --help; echo "$?" >&2; } | true'
  const { stderr } = spawnSync('sh', ['-c', command, process.execPath], { cwd: root, encoding: 'utf8' })
  t.is(stderr, '1\n')
})

test.serial('nothing of a request reaches the logs, the metrics or another answer', async (t) => {
  const canary = 'canary-Mueller-19700101'
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const daemon = await startDaemon([
    '--models',
    repository(folder.path, { rows: 'rows.onnx' }),
    '--log-level',
    'trace',
  ])
  t.teardown(() => daemon.stop())
  const good = goodRows()
  const attempts = [
    { ...good, id: canary },
    { ...good, modelName: canary },
    { ...good, modelVersion: canary },
    { ...good, inputs: [{ ...good.inputs[0]!, name: canary }, good.inputs[1]!] },
    { ...good, inputs: [{ ...good.inputs[0]!, datatype: canary }, good.inputs[1]!] },
    { ...good, outputs: [{ name: canary, parameters: {} }] },
    {
      ...good,
      parameters: { [canary]: { parameterChoice: { $case: 'stringParam' as const, value: canary } } },
    },
    { ...good, rawInputContents: [Buffer.from(canary.slice(0, 12)), Buffer.from(canary.slice(0, 16))] },
    { ...good, rawInputContents: [Buffer.from(canary), Buffer.from(canary)] },
  ]
  for (const attempt of attempts) await invoke(daemon.client, 'modelInfer', attempt).catch(() => null)
  await new Promise((resolve) =>
    daemon.client.makeUnaryRequest(
      `/${canary}/Call`,
      () => Buffer.from(canary),
      () => ({}),
      {},
      resolve,
    ),
  )
  const { text } = await get(daemon.metrics, '/metrics')
  t.false(text.includes('canary'))
  const { stderr, stdout } = await daemon.stop()
  t.false(stderr.includes('canary'))
  t.false(stdout.includes('canary'))
})
