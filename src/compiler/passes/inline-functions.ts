import { SentinodeError } from '../../errors.js'
import {
  AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  NodeProto,
  subgraphs,
} from '../onnx.js'
import type { PassReport } from '../report.js'

const DEPTH_LIMIT = 64

/**
 * Replaces calls of the model's own functions by their bodies, so that passes see every operator. A function
 * written for another version of an operator set than the model's is refused by name.
 */
export function inlineFunctions(model: ModelProto & { graph: GraphProto }, report: PassReport): void {
  if (model.functions.length === 0) return
  const functions = new Map(model.functions.map((f) => [callee(f.domain, f.name, f.overload), f]))
  let calls = 0

  const inlineAll = (nodes: readonly NodeProto[], depth: number): NodeProto[] =>
    nodes.flatMap((node) => {
      for (const body of subgraphs(node)) body.node = inlineAll(body.node, depth)
      const called = functions.get(callee(node.domain, node.opType, node.overload))
      if (called === undefined) return [node]
      importVersions(model, called)
      if (depth > DEPTH_LIMIT) {
        throw new SentinodeError(
          'MODEL_INVALID',
          `Function "${called.name}" calls itself, or calls are nested too deep`,
        )
      }
      if (depth === 0)
        report.add(
          node,
          `replaced by its body of ${called.node.length} nodes`,
          'passes must see every operator',
        )
      return inlineAll(bodyOf(called, node, `${node.name || node.opType}_call${calls++}`), depth + 1)
    })

  model.graph.node = inlineAll(model.graph.node, 0)
  model.functions = []
}

function callee(domain: string, name: string, overload: string): string {
  return [domain, name, overload].join('\n')
}

function importVersions(model: ModelProto, called: FunctionProto): void {
  for (const { domain, version } of called.opsetImport) {
    const own = model.opsetImport.find((o) => o.domain === domain)
    if (own === undefined) model.opsetImport.push({ domain, version })
    else if (own.version !== version) {
      throw new SentinodeError(
        'MODEL_UNSUPPORTED_OPERATOR',
        `Function "${called.name}" is written for version ${version} of operator set "${domain || 'ai.onnx'}", ` +
          `the model for ${own.version}`,
      )
    }
  }
}

/** The function's nodes with the call's values and attributes in place of its own. */
function bodyOf(called: FunctionProto, call: NodeProto, prefix: string): NodeProto[] {
  const names = new Map<string, string>([['', '']])
  called.input.forEach((name, i) => names.set(name, call.input[i] ?? ''))
  called.output.forEach((name, i) => {
    if ((call.output[i] ?? '') !== '') names.set(name, call.output[i] ?? '')
  })
  const attributes = new Map([...called.attributeProto, ...call.attribute].map((a) => [a.name, a]))
  return rename(called.node, names, attributes, prefix)
}

function rename(
  nodes: readonly NodeProto[],
  names: Map<string, string>,
  attributes: ReadonlyMap<string, AttributeProto>,
  prefix: string,
): NodeProto[] {
  const renamed = (name: string): string => {
    const known = names.get(name) ?? `${prefix}_${name}`
    names.set(name, known)
    return known
  }
  return nodes.map((original) => {
    const node = NodeProto.fromPartial(original)
    node.name = node.name === '' ? '' : `${prefix}_${node.name}`
    node.input = node.input.map(renamed)
    node.output = node.output.map(renamed)
    node.attribute = node.attribute.flatMap((a) => {
      if (a.refAttrName === '') return [a]
      const given = attributes.get(a.refAttrName)
      return given === undefined ? [] : [{ ...given, name: a.name, refAttrName: '' }]
    })
    for (const body of subgraphs(node)) {
      // A body's own values shadow the function's.
      for (const value of [...body.input, ...body.output, ...body.initializer])
        value.name = renamed(value.name)
      for (const value of body.valueInfo) value.name = renamed(value.name)
      body.node = rename(body.node, names, attributes, prefix)
    }
    return node
  })
}
