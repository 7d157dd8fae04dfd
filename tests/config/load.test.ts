import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { describeConfig, loadConfig, type ConfigSources } from '../../src/config/load.js'
import { environmentName, settingKeys } from '../../src/config/schema.js'
import { suggest } from '../../src/config/suggest.js'

const folder = mkdtempSync(join(tmpdir(), 'sentinode-config-'))
test.after.always(() => rmSync(folder, { recursive: true }))

let files = 0
function file(content: string, extension = 'yaml'): string {
  const path = join(folder, `${files++}.${extension}`)
  writeFileSync(path, content)
  return path
}

function load(sources: Partial<ConfigSources>): ReturnType<typeof loadConfig> {
  return loadConfig({ file: null, environment: {}, flags: {}, ...sources })
}

test('what clients read of the environment is no unknown setting of the daemon', (t) => {
  t.notThrows(() => load({ environment: { SENTINODE_SERVER: 'db.example:8001', SENTINODE_CONFIG: 'x' } }))
})

test('the defaults are loopback and the ports of Triton', (t) => {
  const config = load({})
  t.is(config.host, '127.0.0.1')
  t.is(config.grpcPort, 8001)
  t.is(config.metricsPort, 8002)
  t.is(config.maxMessageSize, 128 * 2 ** 20)
  t.false(config.insecureBind)
})

test('a flag wins over the environment, and that over the file', (t) => {
  const path = file('grpc-port: 1001\nmetrics-port: 1002\nhost: ::1\nmodels: [a, b]\n')
  const environment = { SENTINODE_GRPC_PORT: '2001', SENTINODE_METRICS_PORT: '2002', PATH: '/bin' }
  const config = load({ file: path, environment, flags: { 'grpc-port': '3001' } })
  t.is(config.grpcPort, 3001)
  t.is(config.metricsPort, 2002)
  t.is(config.host, '::1')
  t.deepEqual(config.models, ['a', 'b'])
})

test('every setting can come from the environment, and reads the same from each source', (t) => {
  const config = load({})
  const values = describeConfig(config)
  t.deepEqual(Object.keys(values), [...settingKeys])
  for (const key of settingKeys) {
    const value = values[key]
    if (value === null || (Array.isArray(value) && value.length === 0)) continue
    const text = `${value as string | number | boolean}`
    const again = describeConfig(load({ environment: { [environmentName(key)]: text } }))
    t.deepEqual(again, values, key)
  }
})

test('what --print-config writes can be read back as a file', (t) => {
  const config = load({ flags: { models: ['m'], 'max-message-size': '1MiB', reflection: false } })
  const path = file(JSON.stringify(describeConfig(config)), 'json')
  t.deepEqual(load({ file: path }), config)
})

test('sizes take units', (t) => {
  for (const [text, bytes] of [
    ['1048576', 2 ** 20],
    ['1.5MiB', 1.5 * 2 ** 20],
    ['2 GB', 2e9],
    [4096, 4096],
  ] as const) {
    t.is(load({ flags: { 'request-memory': '2GiB', 'max-message-size': text } }).maxMessageSize, bytes)
  }
})

test('a wrong value is an error that names its source, what was expected and what was found', (t) => {
  const cases: [Partial<ConfigSources>, RegExp][] = [
    [
      { flags: { 'grpc-port': '70000' } },
      /^--grpc-port: expected a whole number from 0 to 65535, found "70000"$/,
    ],
    [{ flags: { 'grpc-port': 'http' } }, /^--grpc-port: expected a whole number/],
    [
      { environment: { SENTINODE_REFLECTION: 'yes' } },
      /^SENTINODE_REFLECTION: expected true or false, found "yes"$/,
    ],
    [{ file: file('max-message-size: -1\n') }, /yaml: max-message-size: expected a positive size/],
    [{ flags: { target: 'gpu' } }, /^--target: expected "auto", "cpu"/],
    [{ flags: { host: 'a\nb' } }, /^--host: expected text without control characters/],
    [{ flags: { 'tls-cert': 'a.pem' } }, /expected both or neither/],
    [{ flags: { 'tls-client-ca': 'a.pem' } }, /expected tls-cert and tls-key beside it/],
    [{ flags: { 'request-memory': '1MiB' } }, /at least max-message-size/],
    [{ flags: { 'max-message-size': '3GiB', 'request-memory': '4GiB' } }, /at most 2147483647/],
    [{ file: join(folder, 'none.yaml') }, /expected a readable file, found .*none\.yaml \(ENOENT\)/],
    [{ file: file('- a\n- b\n') }, /expected a mapping of settings/],
    [{ file: file('host: [\n') }, /\.yaml:\d+:\d+: /],
  ]
  for (const [sources, message] of cases) t.throws(() => load(sources), { message, name: 'SentinodeError' })
})

test('an unknown setting is an error that offers the nearest known one', (t) => {
  t.throws(() => load({ file: file('grpc-prot: 1\n') }), {
    message: /"grpc-prot" is not a setting; did you mean grpc-port\?/,
  })
  t.throws(() => load({ file: file('grpcPort: 1\n') }), { message: /did you mean grpc-port\?/ })
  t.throws(() => load({ environment: { SENTINODE_LOG_LEVLE: 'info' } }), {
    message: /did you mean SENTINODE_LOG_LEVEL\?/,
  })
  t.throws(() => load({ file: file('entirely-different-thing: 1\n') }), { message: /is not a setting$/ })
  t.throws(() => load({ file: file('__proto__: 1\n') }), { message: /is not a setting/ })
  t.is(suggest('hots', ['host', 'models']), 'host')
})

test('the configuration cannot be changed once it is loaded', (t) => {
  const config = load({ flags: { models: 'a,b' } })
  t.deepEqual(config.models, ['a', 'b'])
  t.throws(() => Object.assign(config, { host: '0.0.0.0' }), { instanceOf: TypeError })
  t.throws(() => config.models.push('c'), { instanceOf: TypeError })
})
