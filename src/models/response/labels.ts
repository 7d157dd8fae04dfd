/** Label files of outputs: one class a line, read through the model's confined resolver. */
import type { FileResolver } from '../../compiler/resolver.js'
import type { ModelConfig } from '../../generated/model_config.js'

/** By output name. Rejects with FILE_NOT_FOUND or FILE_OUTSIDE_MODEL. */
export async function readLabels(
  config: Pick<ModelConfig, 'output'>,
  resolver: FileResolver,
): Promise<Map<string, readonly string[]>> {
  const labels = new Map<string, readonly string[]>()
  for (const { name, labelFilename } of config.output) {
    if (labelFilename === '') continue
    const text = new TextDecoder().decode(await resolver.read(labelFilename))
    labels.set(name, text.replace(/\r?\n$/, '').split(/\r?\n/))
  }
  return labels
}
