// Generates src/generated from proto/: messages and services through ts-proto, and the descriptor
// set that reflection serves. grpc-tools' protoc is used where its install script could fetch it; the
// npm package `protoc` carries the binary everywhere else. Same plugin, same output.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = join(root, 'node_modules', '.bin')
const out = join(root, 'src', 'generated')

// forceLong=bigint: int64 shapes must not lose bits. No env=node: it copies every `bytes` field,
// 389 us against 2.6 us for a 602 KB tensor.
const options = [
  'outputServices=grpc-js',
  'esModuleInterop=true',
  'importSuffix=.js',
  'forceLong=bigint',
  'oneof=unions-value',
  'outputJsonMethods=false',
  'outputPartialMethods=true',
]

const grpcTools = join(root, 'node_modules', 'grpc-tools', 'bin', 'protoc')
const protoc = existsSync(grpcTools) ? grpcTools : join(bin, 'protoc')
const protos = readdirSync(join(root, 'proto'), { recursive: true }).filter((f) => f.endsWith('.proto'))
const models = protos.filter((f) => f === 'onnx.proto')
const wire = protos.filter((f) => !models.includes(f))

function run(files, ...args) {
  execFileSync(protoc, [`-I${join(root, 'proto')}`, ...args, ...files], { stdio: 'inherit' })
}

function generate(files, ...options) {
  const plugin = `--plugin=protoc-gen-ts_proto=${join(bin, 'protoc-gen-ts_proto')}`
  run(files, plugin, `--ts_proto_out=${out}`, `--ts_proto_opt=${options.join(',')}`)
}

mkdirSync(out, { recursive: true })
generate(wire, ...options)
// Models keep what this repository's schema does not name; on the wire unknown fields are dropped.
generate(models, ...options, 'unknownFields=true')

// What reflection serves: health too, whose code and schema are a package's.
const health = join(root, 'node_modules', 'grpc-health-check', 'proto')
run(
  [...wire, 'health/v1/health.proto'],
  `-I${health}`,
  '--include_imports',
  `--descriptor_set_out=${join(out, 'descriptors.binpb')}`,
)
