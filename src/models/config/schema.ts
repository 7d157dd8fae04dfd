/** The descriptor of inference.ModelConfig, from the set that protoc wrote beside the generated code. */
import { readFileSync } from 'node:fs'
import { createFileRegistry, fromBinary, type DescMessage } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { SentinodeError } from '../../errors.js'

let schema: DescMessage | undefined

/** Read once, at the first use. */
export function modelConfigSchema(): DescMessage {
  schema ??= readSchema()
  return schema
}

function readSchema(): DescMessage {
  const bytes = readFileSync(new URL('../../generated/descriptors.binpb', import.meta.url))
  const found = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes)).getMessage(
    'inference.ModelConfig',
  )
  if (found === undefined)
    throw new SentinodeError('INTERNAL', 'the descriptor set lacks inference.ModelConfig')
  return found
}
