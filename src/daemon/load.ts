import type { Load } from '../grpc/load.js'
import type { ModelManager } from '../models/lifecycle.js'
import type { ServableModel } from '../models/servable.js'

const WEIGHT = 0.1

/** The queues of the models as the wire asks for them, which knows requests by their bytes. */
export class QueueLoad implements Load {
  /** Of a row's share of its request, by model. */
  readonly #bytesPerRow = new WeakMap<ServableModel, number>()

  constructor(private readonly models: ModelManager) {}

  /** A request has passed the model's checks. */
  observe(model: ServableModel, rows: number, bytes: number): void {
    const known = this.#bytesPerRow.get(model) ?? bytes / rows
    this.#bytesPerRow.set(model, known + WEIGHT * (bytes / rows - known))
  }

  expectedWaitMs(name: string, bytes: number, arriving: number): number {
    // Whatever version is meant: the one that answers without a version has the load.
    const model = this.models.ready().findLast((candidate) => candidate.name === name)
    if (model === undefined) return 0
    const bytesPerRow = this.#bytesPerRow.get(model)
    return model.expectedWait(bytesPerRow === undefined ? 0 : (bytes + arriving) / bytesPerRow)
  }
}
