import type { NodeProto } from './onnx.js'

/** One node that the compiler rewrote. */
export interface Rewrite {
  /** The node's name, or its first output where it has none. */
  readonly node: string
  readonly op: string
  readonly pass: string
  readonly what: string
  readonly why: string
}

/** A node that computes with tensors over four axes, after recognition and before it is lowered. */
export interface NodeReport {
  readonly node: string
  readonly op: string
  /** Names of the nodes that it reads from. */
  readonly reads: readonly string[]
  /** Of its first output; names where sizes are open. */
  readonly shape: readonly string[]
  /** The region that it runs in, null for none. */
  readonly region: string | null
  /** Why it is in none, and what to change in the network's code; null where it is. */
  readonly why: string | null
  readonly change: string | null
}

/** What the compiler did to a model. Nothing rewritten: the model passed through byte for byte. */
export interface CompileReport {
  readonly target: string
  readonly rewrites: readonly Rewrite[]
  /** Empty where the model has no operators over four axes. */
  readonly nodes: readonly NodeReport[]
}

/** Collects the rewrites of one pass. */
export class PassReport {
  constructor(
    private readonly into: Rewrite[],
    private readonly pass: string,
  ) {}

  add(node: NodeProto, what: string, why: string): void {
    this.into.push({ node: node.name || (node.output[0] ?? ''), op: node.opType, pass: this.pass, what, why })
  }
}

/** The report as text for a person, a line per rewritten node. */
export function formatReport(report: CompileReport): string {
  const { rewrites, target } = report
  if (rewrites.length === 0) return `Nothing to rewrite for target ${target}.\n`
  const lines = rewrites.map((r) => `${r.op} ${r.node}: ${r.what} (${r.pass}: ${r.why})`)
  return [`${rewrites.length} nodes rewritten for target ${target}:`, ...lines, ''].join('\n')
}
