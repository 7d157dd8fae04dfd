/** The smallest key first. Push and pop take logarithmic time. */
export class BinaryHeap<T> {
  readonly #items: { readonly key: number; readonly value: T }[] = []

  get size(): number {
    return this.#items.length
  }

  peek(): { readonly key: number; readonly value: T } | undefined {
    return this.#items[0]
  }

  /** Takes all out, in no order. */
  takeAll(): readonly { readonly key: number; readonly value: T }[] {
    return this.#items.splice(0)
  }

  push(key: number, value: T): void {
    const items = this.#items
    const item = { key, value }
    let index = items.push(item) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = items[parent]
      if (!above || above.key <= key) break
      items[index] = above
      index = parent
    }
    items[index] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (!top || !last || items.length === 0) return top?.value
    let index = 0
    for (;;) {
      const left = items[2 * index + 1]
      const right = items[2 * index + 2]
      const child = right && left && right.key < left.key ? 2 * index + 2 : 2 * index + 1
      const below = items[child]
      if (!below || below.key >= last.key) break
      items[index] = below
      index = child
    }
    items[index] = last
    return top.value
  }
}
