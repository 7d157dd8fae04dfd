import type { MethodDefinition, Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'

/** Of a message to a service of another package. The names that they take are short. */
const MOST_BYTES = 1024

/**
 * A server as other packages (health, reflection) add their services to it. Their messages are decoded by
 * code that bounds nothing, and a name in them may come back as the text of a status, which has to fit into a
 * header: what is longer than 1 KiB is refused before it is decoded, as grpc-js refuses what is no message.
 */
export function forSmallMessages(server: Server): Server {
  const addService = (service: ServiceDefinition, implementation: UntypedServiceImplementation): void =>
    server.addService(
      Object.fromEntries(Object.entries(service).map(([name, method]) => [name, bounded(method)])),
      implementation,
    )
  return { addService } as unknown as Server
}

function bounded(method: MethodDefinition<unknown, unknown>): MethodDefinition<unknown, unknown> {
  return {
    ...method,
    requestDeserialize: (bytes) => {
      if (bytes.byteLength > MOST_BYTES) throw new Error(`a message of ${bytes.byteLength} bytes`)
      return method.requestDeserialize(bytes)
    },
  }
}
