/**
 * A model's configuration as its author wrote it, with the place of every field, so that whoever finds
 * a contradiction later can name file, line and column.
 */
import { toBinary } from '@bufbuild/protobuf'
import { SentinodeError } from '../../errors.js'
import { ModelConfig } from '../../generated/model_config.js'
import { modelConfigSchema } from './schema.js'
import { parseText, type Positions } from './text-parser.js'
import { TextFormatError } from './tokenizer.js'

export class ConfigSource {
  private constructor(
    /** As messages show it: `<model>/config.pbtxt`, never a path of the host. */
    readonly file: string,
    readonly config: Readonly<ModelConfig>,
    private readonly positions: Positions,
  ) {}

  /** Throws MODEL_CONFIG_INVALID with the first fault's line and column. */
  static parse(file: string, text: string): ConfigSource {
    const schema = modelConfigSchema()
    try {
      const { message, positions } = parseText(text, schema)
      return new ConfigSource(file, ModelConfig.decode(toBinary(schema, message)), positions)
    } catch (error) {
      if (!(error instanceof TextFormatError)) throw error
      throw new SentinodeError('MODEL_CONFIG_INVALID', `${file}:${error.message}`)
    }
  }

  /** Of a model that has no config.pbtxt: everything is completed from the network. */
  static absent(model: string): ConfigSource {
    return new ConfigSource(`${model} (no config.pbtxt)`, ModelConfig.create(), new Map())
  }

  /** Whether the text has the field at all, also at its default value. */
  has(path: string): boolean {
    return this.positions.has(path)
  }

  /** `file:line:column` of a field, or of the nearest field around it that was written. */
  where(path: string): string {
    for (let at = path; at !== ''; at = parent(at)) {
      const position = this.positions.get(at)
      if (position !== undefined) return `${this.file}:${position.line}:${position.column}`
    }
    return this.file
  }

  invalid(path: string, expected: string, found: string): SentinodeError {
    return new SentinodeError(
      'MODEL_CONFIG_INVALID',
      `${this.where(path)}: expected ${expected}, found ${found}`,
    )
  }

  /** For what is in the schema, would change answers, and is not offered. */
  unsupported(path: string, what: string): SentinodeError {
    return new SentinodeError('MODEL_CONFIG_UNSUPPORTED', `${this.where(path)}: ${what}`)
  }
}

function parent(path: string): string {
  return path.replace(/(^|\.)[^.[\]]*$|\[("([^"\\]|\\.)*"|[0-9]+)\]$/, '')
}
