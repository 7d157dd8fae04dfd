import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js'
import test from 'ava'
import { service as healthDefinition } from 'grpc-health-check'
import { splitDescriptorSet } from '../../src/grpc/reflection.js'
import { descriptorSet, echoBackend, later, start, until } from './harness.js'

const buf = fileURLToPath(new URL('../../node_modules/.bin/buf', import.meta.url))
const SERVICE = 'inference.GRPCInferenceService'

interface HealthMethods {
  readonly Check: {
    path: string
    requestSerialize: (value: object) => Buffer
    responseDeserialize: (bytes: Buffer) => unknown
  }
}

const definition = healthDefinition as unknown as Record<'Check' | 'Watch' | 'List', HealthMethods['Check']>

function check(client: Client, service: string): Promise<unknown> {
  const { path, requestSerialize, responseDeserialize } = definition.Check
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service },
      (error: ServiceError | null, value) => {
        if (error) reject(error)
        else resolve((value as { status: string }).status)
      },
    )
  })
}

test('health follows readiness for the server and each service, by Check, List and Watch', async (t) => {
  const { server, stop } = await start(echoBackend())
  t.teardown(stop)
  const client = new Client(server.address, credentials.createInsecure())
  t.teardown(() => client.close())
  t.is(await check(client, ''), 'NOT_SERVING')
  server.setServing(true)
  t.is(await check(client, ''), 'SERVING')
  t.is(await check(client, SERVICE), 'SERVING')
  const unknown = await t.throwsAsync<ServiceError>(check(client, 'no.such.Service') as Promise<never>)
  t.is(unknown.code, status.NOT_FOUND)

  const seen: string[] = []
  const { path, requestSerialize, responseDeserialize } = definition.Watch
  const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
    service: SERVICE,
  })
  watch.on('data', (value: { status: string }) => seen.push(value.status))
  watch.on('error', () => undefined)
  await until(() => seen.length === 1)
  server.setServing(false)
  await until(() => seen.length === 2)
  t.deepEqual(seen, ['SERVING', 'NOT_SERVING'])

  const list = await new Promise((resolve, reject) => {
    const method = definition.List
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      {},
      (error, value) => {
        if (error) reject(error)
        else resolve((value as { statuses: object }).statuses)
      },
    )
  })
  t.deepEqual(Object.keys(list as object).sort(), ['', SERVICE])
})

test('a health check of a name that no service can have is refused before it is decoded', async (t) => {
  const { server, stop } = await start(echoBackend())
  t.teardown(stop)
  const client = new Client(server.address, credentials.createInsecure())
  t.teardown(() => client.close())
  const error = (name: string): Promise<ServiceError> =>
    t.throwsAsync<ServiceError>(check(client, name) as Promise<never>)
  // As much as the answer's header can hold.
  t.is((await error('é'.repeat(500))).code, status.NOT_FOUND)
  t.is((await error('a'.repeat(1024))).code, status.INTERNAL)
  t.is((await error('a'.repeat(20_000_000))).code, status.INTERNAL)
  server.setServing(true)
  t.is(await check(client, ''), 'SERVING')
})

test('shutdown answers what is in flight, does not wait for a health watcher, and ends at its deadline', async (t) => {
  let release = (): void => undefined
  const held = echoBackend()
  const { client, server } = await start({
    ...held,
    infer: (request, context) =>
      new Promise((resolve) => {
        release = () => resolve(held.infer(request, context))
      }),
  })
  const watcher = new Client(server.address, credentials.createInsecure())
  const { path, requestSerialize, responseDeserialize } = definition.Watch
  const watch = watcher.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' })
  watch.on('error', () => undefined)
  watch.resume()
  const running = release
  const answer = new Promise((resolve, reject) => {
    client.modelInfer(
      {
        modelName: 'echo',
        modelVersion: '',
        id: 'last',
        parameters: {},
        inputs: [],
        outputs: [],
        rawInputContents: [],
      },
      (error, value) => {
        if (error) reject(error)
        else resolve(value.id)
      },
    )
  })
  await until(() => release !== running)
  const stopped = server.shutdown(100_000)
  await later(100)
  release()
  const begin = performance.now()
  t.is(await answer, 'last')
  await stopped
  t.true(performance.now() - begin < 50_000, 'the watcher did not hold it up')
  client.close()
  watcher.close()
})

test('a call that outlives the grace period is ended', async (t) => {
  let running = false
  const { client, server } = await start(
    echoBackend({
      infer: () => {
        running = true
        return new Promise(() => undefined)
      },
    }),
  )
  const error = new Promise<ServiceError>((resolve) => {
    client.modelInfer(
      {
        modelName: 'echo',
        modelVersion: '',
        id: '',
        parameters: {},
        inputs: [],
        outputs: [],
        rawInputContents: [],
      },
      (e) => {
        if (e) resolve(e)
      },
    )
  })
  await until(() => running)
  const begin = performance.now()
  await server.shutdown(200)
  t.true(performance.now() - begin < 50_000)
  t.true([status.CANCELLED, status.UNAVAILABLE].includes((await error).code))
  client.close()
})

test('the descriptor set is split into its files', (t) => {
  const files = splitDescriptorSet(descriptorSet)
  const names = files.map((file) => file.subarray(2, 2 + (file[1] ?? 0)).toString())
  t.true(names.includes('grpc_service.proto'))
  t.true(names.includes('model_config.proto'))
})

test('a client that knows nothing but the address can list and call methods', async (t) => {
  const { server, stop } = await start(echoBackend())
  t.teardown(stop)
  const run = promisify(execFile)
  const curl = async (...args: string[]): Promise<string> =>
    (await run(buf, ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args])).stdout
  const methods = await curl('--list-methods', `http://${server.address}`)
  t.true(methods.includes(`${SERVICE}/ModelInfer`))
  t.true(methods.includes('grpc.health.v1.Health/Check'))
  server.setServing(true)
  const health = await curl('-d', '{}', `http://${server.address}/grpc.health.v1.Health/List`)
  t.deepEqual((JSON.parse(health) as { statuses: object }).statuses, {
    '': { status: 'SERVING' },
    [SERVICE]: { status: 'SERVING' },
  })
  const request = JSON.stringify({
    model_name: 'echo',
    inputs: [{ name: 'x', datatype: 'UINT8', shape: ['3'], parameters: { k: { int64_param: '7' } } }],
    raw_input_contents: ['AQID'],
  })
  const answer = JSON.parse(
    await curl('-d', request, `http://${server.address}/${SERVICE}/ModelInfer`),
  ) as Record<string, unknown>
  t.deepEqual(answer['rawOutputContents'], ['AQID'])
})
