/** The cores of this machine and the models that compute on them, so that none take them twice unnoticed. */
import { isGpu } from '../targets.js'
import type { EngineSettings, Placement } from './config/settings.js'

export interface Share {
  /** Threads of one run. */
  readonly threads: number
  /** Threads of all instances together, 0 where none runs on the CPU. */
  readonly total: number
}

export class Cores {
  #taken = 0

  /**
   * @param count of the machine
   * @param threads of an instance whose configuration does not say; null divides the cores between a
   * model's instances
   */
  constructor(
    readonly count: number,
    private readonly threads: number | null,
  ) {}

  /** How many threads a model's instances get. What is more than there are cores is said in `warnings`. */
  share({ placements, threads: asked }: EngineSettings, warnings: string[]): Share {
    const instances = placements.filter(onCpu).reduce((sum, { count }) => sum + count, 0)
    const divided = Math.max(1, Math.floor(this.count / Math.max(1, instances)))
    const threads = asked ?? this.threads ?? divided
    const total = instances * threads
    if (total > this.count) {
      warnings.push(
        `${instances} instances of ${threads} threads share ${this.count} cores: ` +
          'runs at the same time slow each other down (instance_group, intra_op_thread_count, --threads)',
      )
    }
    return { threads, total }
  }

  /** Counts a loaded model in, until the returned function is called. */
  take({ total }: Share, warnings: string[]): () => void {
    const others = this.#taken
    this.#taken += total
    if (total > 0 && total <= this.count && others > 0 && others + total > this.count) {
      warnings.push(
        `its ${total} threads and ${others} of other models share ${this.count} cores: ` +
          'requests to several models at the same time slow each other down',
      )
    }
    let held = true
    return () => {
      if (held) this.#taken -= total
      held = false
    }
  }
}

/** Whether an instance may come to compute on the CPU. */
function onCpu({ targets }: Placement): boolean {
  return targets.some((target) => !isGpu(target))
}
