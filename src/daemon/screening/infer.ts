import type { Inference, InferContext, ServableModel } from '../../models/servable.js'
import type { OutputRows, ScreeningTensor } from '../../screening/index.js'

export interface InferredExam {
  readonly outputs: OutputRows
  /** Milliseconds. */
  readonly queue: number
  readonly infer: number
}

/** An exam's tensors through the queue that raw tensors take. Rejects as the model does. */
export async function inferExam(
  model: ServableModel,
  tensors: readonly ScreeningTensor[],
  context: InferContext,
): Promise<InferredExam> {
  const { outputs, timing } = await model.infer(
    {
      modelName: model.name,
      modelVersion: String(model.version),
      id: '',
      parameters: {},
      inputs: tensors.map(({ name, dataType, shape }) => ({
        name,
        datatype: dataType,
        shape: shape.map(BigInt),
        parameters: {},
        contents: [],
      })),
      outputs: [],
      rawInputContents: tensors.map(
        ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      ),
    },
    context,
  )
  const { gatherStart, gatherEnd, runStart, scatterEnd } = timing.timings
  const gather = gatherEnd - gatherStart
  return {
    outputs: rows(outputs),
    queue: Math.max(0, runStart - timing.enqueuedAt - gather),
    infer: gather + scatterEnd - runStart,
  }
}

/** Outputs of one row each; those that are no float32 have no place in a contract. */
function rows(outputs: Inference['outputs']): OutputRows {
  const floats = outputs.filter(({ datatype }) => datatype === 'FP32')
  // Copied, as the engine's bytes may start anywhere and are few.
  return new Map(floats.map(({ name, data }) => [name, new Float32Array(Uint8Array.from(data).buffer)]))
}
