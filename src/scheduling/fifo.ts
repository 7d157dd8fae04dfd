/** A place in a `Fifo`, kept by whoever may want to leave early. */
export interface FifoNode<T> {
  readonly value: T
  previous: FifoNode<T> | null
  next: FifoNode<T> | null
}

/** First in, first out, and anyone may leave from the middle: every operation takes constant time. */
export class Fifo<T> {
  #head: FifoNode<T> | null = null
  #tail: FifoNode<T> | null = null

  get head(): FifoNode<T> | null {
    return this.#head
  }

  push(value: T): FifoNode<T> {
    const node: FifoNode<T> = { value, previous: this.#tail, next: null }
    if (this.#tail) this.#tail.next = node
    else this.#head = node
    this.#tail = node
    return node
  }

  /** The node must be in this list. */
  remove(node: FifoNode<T>): void {
    if (node.previous) node.previous.next = node.next
    else this.#head = node.next
    if (node.next) node.next.previous = node.previous
    else this.#tail = node.previous
    node.previous = null
    node.next = null
  }
}
