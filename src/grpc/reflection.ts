import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import type { Server } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { forSmallMessages } from './small-messages.js'

const FILE_FIELD = 1
const HEALTH = 'grpc.health.v1.Health'

/** The files of a FileDescriptorSet, each as the bytes that protoc wrote. */
export function splitDescriptorSet(set: Uint8Array): Buffer[] {
  const files: Buffer[] = []
  const reader = new BinaryReader(set)
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === FILE_FIELD && wireType === WireType.LengthDelimited) files.push(Buffer.from(reader.bytes()))
    else reader.skip(wireType, field)
  }
  return files
}

/**
 * Serves reflection v1 and v1alpha of `services` and of health, from protoc's own descriptors: those that the package derives from
 * proto-loader lose map entries, and a client then cannot resolve the service.
 */
export function addReflection(server: Server, descriptorSet: Uint8Array, services: readonly string[]): void {
  const definition = { '': { fileDescriptorProtos: splitDescriptorSet(descriptorSet) } }
  const options = { services: [...services, HEALTH] }
  new ReflectionService(
    definition as unknown as ConstructorParameters<typeof ReflectionService>[0],
    options,
  ).addToServer(forSmallMessages(server))
}
