/** Google's own parser of the text format, as the reference: protoc --encode. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ModelConfig } from '../../../src/generated/model_config.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const grpcTools = `${root}node_modules/grpc-tools/bin/protoc`
const protoc = existsSync(grpcTools) ? grpcTools : `${root}node_modules/.bin/protoc`

/** The message, or null where protoc refuses the text. */
export function referenceParse(text: string): ModelConfig | null {
  try {
    const bytes = execFileSync(
      protoc,
      [`-I${root}proto`, '--encode=inference.ModelConfig', `${root}proto/model_config.proto`],
      { input: text, stdio: ['pipe', 'pipe', 'ignore'] },
    )
    return ModelConfig.decode(bytes)
  } catch {
    return null
  }
}
