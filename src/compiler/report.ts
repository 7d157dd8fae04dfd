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

/** What the compiler did to a model. Nothing rewritten: the model passed through byte for byte. */
export interface CompileReport {
  readonly target: string
  readonly rewrites: readonly Rewrite[]
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
