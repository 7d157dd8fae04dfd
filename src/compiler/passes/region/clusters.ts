/**
 * A partition of a graph's nodes whose quotient is acyclic by construction: two parts are joined only where
 * no way leads from one to the other through a third.
 */
export class Clusters {
  /** A node of the same part, nearer to the one that names it; itself where it is that one. */
  private readonly towards: number[]
  /** Nodes that each part reads from, by the part's name; their parts may have been joined since. */
  private readonly reads: Set<number>[]

  /** @param producers the nodes that each node reads from, by number; there is no cycle */
  constructor(producers: readonly (readonly number[])[]) {
    this.towards = producers.map((_, node) => node)
    this.reads = producers.map((from) => new Set(from))
  }

  /** The part that a node is in, named by one of its nodes. */
  of(node: number): number {
    let name = node
    for (let next = this.towards[name]; next !== undefined && next !== name; next = this.towards[name]) {
      this.towards[name] = this.towards[next] ?? next
      name = next
    }
    return name
  }

  /**
   * Joins the part of `from` with that of `to`, which reads from it. Nothing is done, and false answered,
   * where they are one already or where a way from one to the other leads through somebody else.
   */
  join(from: number, to: number): boolean {
    const [above, below] = [this.of(from), this.of(to)]
    if (above === below || this.detour(above, below)) return false
    const both = new Set([...this.readBy(above), ...this.readBy(below)])
    both.delete(above)
    both.delete(below)
    this.reads[below] = both
    this.towards[above] = below
    return true
  }

  private readBy(part: number): Set<number> {
    return new Set([...(this.reads[part] ?? [])].map((node) => this.of(node)))
  }

  /** Whether `below` depends on `above` through a third part. */
  private detour(above: number, below: number): boolean {
    const seen = new Set([above, below])
    const open = [...this.readBy(below)].filter((part) => part !== above)
    for (let part = open.pop(); part !== undefined; part = open.pop()) {
      if (seen.has(part)) continue
      seen.add(part)
      for (const next of this.readBy(part)) {
        if (next === above) return true
        open.push(next)
      }
    }
    return false
  }
}
