import type { Sliced } from '../../slices.js'

export type Value = number | bigint

/** Values that one piece looks at; each may sink through a heap. */
const PIECE = 8192

/**
 * Indices of the `count` largest values, largest first, equal ones in their order, NaN last. With a heap of those
 * found so far, the smallest at its root: sorting a million values at once holds the thread for a second.
 */
export function* largest(values: readonly Value[], count: number): Sliced<number[]> {
  const heap: number[] = []
  const kept = Math.min(count, values.length)
  for (let i = 0; i < values.length; i++) {
    if (heap.length < kept) rise(heap, i, values)
    else if (kept > 0 && before(values, i, heap[0] as number)) sink(heap, i, values)
    if (i % PIECE === PIECE - 1) yield
  }
  const order = new Array<number>(kept)
  for (let i = kept - 1; i >= 0; i--) {
    order[i] = heap[0] as number
    const last = heap.pop() as number
    if (heap.length > 0) sink(heap, last, values)
    if (i % PIECE === 0) yield
  }
  return order
}

/** Whether the value at `a` is answered before that at `b`. */
function before(values: readonly Value[], a: number, b: number): boolean {
  const [left, right] = [values[a] as Value, values[b] as Value]
  if (left === right) return a < b
  if (Number.isNaN(left)) return Number.isNaN(right) && a < b
  return Number.isNaN(right) || left > right
}

function rise(heap: number[], index: number, values: readonly Value[]): void {
  let at = heap.length
  for (let parent = (at - 1) >> 1; at > 0; parent = (at - 1) >> 1) {
    const above = heap[parent] as number
    if (before(values, index, above)) break
    heap[at] = above
    at = parent
  }
  heap[at] = index
}

/** Puts `index` in place of the root. */
function sink(heap: number[], index: number, values: readonly Value[]): void {
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    if (left >= heap.length) break
    const right = left + 1
    const [first, second] = [heap[left] as number, heap[right] as number]
    const child = right < heap.length && before(values, first, second) ? right : left
    const below = heap[child] as number
    if (before(values, below, index)) break
    heap[at] = below
    at = child
  }
  heap[at] = index
}
