/** A screening model's contract, read from `screening.yaml` and checked against its network. */

import { createHash } from 'node:crypto'
import { LineCounter, isMap, isNode, isScalar, parseDocument, type Document } from 'yaml'
import type { z } from 'zod'
import { SentinodeError } from '../../errors.js'
import { RuleError, resolveVariable, type Variable } from '../clinical/variables.js'
import { canonicalJson } from './canonical.js'
import { contractSchema, type ContractDocument } from './schema.js'

export interface Contract extends Omit<ContractDocument, 'clinical'> {
  readonly clinical: { readonly input: string; readonly variables: readonly Variable[] } | null
  /** SHA-256 of the canonical form of what the file says: comments, order and layout do not change it. */
  readonly sha256: string
}

const LARGEST = 1 << 20

type Path = readonly PropertyKey[]

/**
 * @param text the file's content
 * @param file how messages call it
 * @throws SentinodeError CONTRACT_INVALID with file:line:column of every fault
 */
export function parseContract(text: string, file = 'screening.yaml'): Contract {
  if (text.length > LARGEST) throw invalid([`${file}: expected at most 1 MiB, found more`])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const locate = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    throw invalid(document.errors.map((error) => `${locate(error.pos[0])}: ${error.message}`))
  }
  const at = (path: Path) => locate(offsetOf(document, path))
  const written: unknown = document.toJS({ maxAliasCount: 100 })
  const parsed = contractSchema.safeParse(written)
  if (!parsed.success) throw invalid(parsed.error.issues.flatMap((issue) => describe(issue, at)))
  const faults: Fault[] = []
  const variables = readVariables(parsed.data, faults)
  checkSense(parsed.data, variables, faults)
  if (faults.length > 0)
    throw invalid(faults.map(({ path, message }) => `${at(path)}: ${dotted(path)}: ${message}`))
  return Object.freeze({
    ...parsed.data,
    clinical: parsed.data.clinical === undefined ? null : { input: parsed.data.clinical.input, variables },
    sha256: createHash('sha256').update(canonicalJson(written)).digest('hex'),
  })
}

interface Fault {
  readonly path: Path
  readonly message: string
}

const invalid = (messages: readonly string[]) =>
  new SentinodeError('CONTRACT_INVALID', messages.slice(0, 20).join('\n'))

const dotted = (path: Path) => (path.length === 0 ? 'the contract' : path.map(String).join('.'))

/** Where the key of a path's last field stands, or the node itself in a list, or the closest parent there is. */
function offsetOf(document: Document, path: Path): number {
  const parent: unknown = path.length === 0 ? null : document.getIn(path.slice(0, -1), true)
  if (isMap(parent)) {
    const key = parent.items.find((pair) => isScalar(pair.key) && pair.key.value === path.at(-1))?.key
    if (isNode(key) && key.range) return key.range[0]
  }
  const node: unknown = document.getIn(path, true)
  if (isNode(node) && node.range) return node.range[0]
  return path.length === 0 ? 0 : offsetOf(document, path.slice(0, -1))
}

function describe(issue: z.core.$ZodIssue, at: (path: Path) => string): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(
      (key) => `${at([...issue.path, key])}: ${dotted(issue.path)}: no field of that name: ${key}`,
    )
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const options = issue.errors.map((option) => option.map(({ message }) => message).join(', '))
    return [`${at(issue.path)}: ${dotted(issue.path)}: ${issue.message} (${options.join('; or ')})`]
  }
  return [`${at(issue.path)}: ${dotted(issue.path)}: ${issue.message}`]
}

function readVariables(contract: ContractDocument, faults: Fault[]): Variable[] {
  return (contract.clinical?.variables ?? []).flatMap((rule, index) => {
    try {
      return [resolveVariable(rule)]
    } catch (error) {
      if (!(error instanceof RuleError)) throw error
      faults.push({ path: ['clinical', 'variables', index, error.field], message: error.message })
      return []
    }
  })
}

/** What the form alone cannot say: fields that contradict each other. */
function checkSense(contract: ContractDocument, variables: readonly Variable[], faults: Fault[]): void {
  const fault = (path: Path, message: string) => faults.push({ path, message })
  const { grid, region, phases, intensity } = contract.image
  if (grid.size === null && region.accept.includes('centre')) {
    fault(['image', 'grid', 'size'], 'expected a fixed size where a request may give only the centre')
  }
  if (
    phases.by !== 'order' &&
    phases.times_s.some((time, i) => i > 0 && time <= (phases.times_s[i - 1] ?? 0))
  ) {
    fault(['image', 'phases', 'times_s'], 'expected times in rising order, each once')
  }
  if (
    phases.by === 'order' &&
    phases.indices.some((index, i) => i > 0 && index <= (phases.indices[i - 1] ?? 0))
  ) {
    fault(['image', 'phases', 'indices'], 'expected places in rising order, each once')
  }
  if (intensity.method === 'percentile' && !(intensity.lower < intensity.upper)) {
    fault(['image', 'intensity', 'upper'], 'expected the upper percentile above the lower one')
  }
  const names = new Map<string, string>()
  variables.forEach((variable, index) => {
    for (const alias of new Set(variable.aliases)) {
      const other = names.get(alias)
      if (other !== undefined) {
        fault(['clinical', 'variables', index], `expected a name of its own, found one that ${other} goes by`)
      }
      names.set(alias, variable.name)
    }
  })
  const findings = new Set<string>()
  contract.findings.forEach((finding, index) => {
    const path = ['findings', index] as const
    if (findings.has(finding.name)) fault([...path, 'name'], 'expected a name of its own, found it twice')
    findings.add(finding.name)
    const points = finding.operating_points.map(({ name }) => name)
    if (new Set(points).size < points.length) {
      fault([...path, 'operating_points'], 'expected operating points with names of their own')
    }
    if (!points.includes(contract.default_operating_point)) {
      fault(
        [...path, 'operating_points'],
        `expected one named ${contract.default_operating_point}, the default`,
      )
    }
    const { calibration } = finding
    if (calibration.method === 'isotonic') {
      const rising = (numbers: readonly number[], strictly: boolean) =>
        numbers.every(
          (n, i) => i === 0 || (strictly ? n > (numbers[i - 1] ?? n) : n >= (numbers[i - 1] ?? n)),
        )
      if (calibration.x.length !== calibration.y.length) {
        fault([...path, 'calibration', 'y'], 'expected as many numbers as x has')
      }
      if (!rising(calibration.x, true))
        fault([...path, 'calibration', 'x'], 'expected rising numbers, each once')
      if (!rising(calibration.y, false))
        fault([...path, 'calibration', 'y'], 'expected numbers that never fall')
    }
  })
}
