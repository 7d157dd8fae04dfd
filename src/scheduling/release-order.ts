import { Fifo, type FifoNode } from './fifo.js'

/** A place in the order, given at arrival. */
export type Ticket = FifoNode<{ release: (() => void) | null }>

/** Releases answers in the order of arrival, whatever order they are ready in. */
export class ReleaseOrder {
  readonly #waiting = new Fifo<{ release: (() => void) | null }>()

  enter(): Ticket {
    return this.#waiting.push({ release: null })
  }

  /** The answer is ready: `release` is called once every earlier ticket is finished or has left. */
  finish(ticket: Ticket, release: () => void): void {
    ticket.value.release = release
    this.#advance()
  }

  /** Nobody waits for this answer any more; it holds up no other. */
  leave(ticket: Ticket): void {
    this.#waiting.remove(ticket)
    this.#advance()
  }

  #advance(): void {
    for (let head = this.#waiting.head; head?.value.release; head = this.#waiting.head) {
      this.#waiting.remove(head)
      head.value.release()
    }
  }
}
