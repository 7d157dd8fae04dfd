/** A contract's clinical variables, with what their standards bring, ready to read values with. */

import type { VariableRule } from '../contract/schema.js'
import { standards, type Mistake, type Standard } from './standards.js'

interface Common {
  readonly name: string
  readonly aliases: readonly string[]
  readonly unknown: readonly string[]
  readonly mistakes: readonly Mistake[]
  readonly doubts: readonly Mistake[]
  readonly missing: VariableRule['missing']
  readonly encode: { readonly subtract: number; readonly divide: number }
}

export interface NumberVariable extends Common {
  readonly type: 'number'
  readonly unit: string | null
  readonly range: readonly [number, number]
  readonly integer: boolean
}

export interface CategoryVariable extends Common {
  readonly type: 'category'
  readonly values: ReadonlyMap<string, number>
  /** Every accepted text, lower case, to its category. */
  readonly spellings: ReadonlyMap<string, string>
}

export type Variable = NumberVariable | CategoryVariable

/** Names are the same when they differ by case, spaces and punctuation only. */
export const plainName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

/** Texts are the same when they differ by case and spacing only. */
export const plainText = (text: string): string => text.trim().toLowerCase().replace(/\s+/g, ' ')

/**
 * @throws Error with a message for the contract's author (path of the field relative to the variable, first
 * word) when the rule contradicts itself
 */
export function resolveVariable(rule: VariableRule): Variable {
  const standard: Standard | undefined = rule.standard === undefined ? undefined : standards[rule.standard]
  const type = rule.type ?? standard?.type
  if (type === undefined)
    throw new RuleError('type', 'expected number or category where no standard is named')
  if (standard !== undefined && type !== standard.type) {
    throw new RuleError('type', `expected ${standard.type}, the type of the standard variable`)
  }
  const common: Common = {
    name: rule.name,
    aliases: [rule.name, ...(standard?.aliases ?? []), ...rule.aliases].map(plainName),
    unknown: standard?.unknown ?? [],
    mistakes: standard?.mistakes ?? [],
    doubts: standard?.doubts ?? [],
    missing: rule.missing,
    encode: rule.encode,
  }
  const variable =
    type === 'number' ? numberVariable(rule, common, standard) : categoryVariable(rule, common, standard)
  checkImputation(variable)
  return variable
}

/** A fault of one field of a variable in screening.yaml. */
export class RuleError extends Error {
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(message)
  }
}

function numberVariable(rule: VariableRule, common: Common, standard: Standard | undefined): NumberVariable {
  if (rule.values !== undefined) throw new RuleError('values', 'expected no values for a number')
  if (rule.synonyms !== undefined) throw new RuleError('synonyms', 'expected no synonyms for a number')
  const range = rule.range ?? standard?.range
  if (range === undefined || range === null) throw new RuleError('range', 'expected [smallest, largest]')
  if (!(range[0] < range[1])) throw new RuleError('range', 'expected the smaller bound first')
  if (standard !== undefined && rule.unit !== undefined && rule.unit !== standard.unit) {
    throw new RuleError('unit', `expected ${String(standard.unit)}, the unit of the standard variable`)
  }
  return {
    ...common,
    type: 'number',
    unit: rule.unit ?? standard?.unit ?? null,
    range,
    integer: rule.integer ?? standard?.integer ?? false,
  }
}

function categoryVariable(
  rule: VariableRule,
  common: Common,
  standard: Standard | undefined,
): CategoryVariable {
  if (rule.range !== undefined) throw new RuleError('range', 'expected no range for a category')
  const values = new Map(Object.entries(rule.values ?? standard?.values ?? {}))
  if (values.size === 0) throw new RuleError('values', 'expected each category with its number')
  const spellings = new Map<string, string>()
  const spell = (text: string, category: string) => {
    const known = spellings.get(plainText(text))
    if (known !== undefined && known !== category) {
      throw new RuleError('synonyms', `expected one category for a text, found ${known} and ${category}`)
    }
    spellings.set(plainText(text), category)
  }
  for (const category of values.keys()) spell(category, category)
  for (const [category, texts] of Object.entries(rule.synonyms ?? {})) {
    if (!values.has(category))
      throw new RuleError('synonyms', `expected categories of values, found ${category}`)
    for (const text of texts) spell(String(text), category)
  }
  for (const [category, texts] of Object.entries(standard?.synonyms ?? {})) {
    if (!values.has(category)) continue
    // What the contract says of a text goes before what the standard says.
    for (const text of texts) if (!spellings.has(plainText(text))) spell(text, category)
  }
  return { ...common, type: 'category', values, spellings }
}

function checkImputation(variable: Variable): void {
  const { missing } = variable
  if (missing.policy !== 'impute') return
  if (variable.type === 'category') {
    if (!variable.values.has(String(missing.value))) {
      throw new RuleError(
        'missing',
        `expected one of the categories ${[...variable.values.keys()].join(', ')}`,
      )
    }
    return
  }
  const value = missing.value
  if (typeof value !== 'number' || value < variable.range[0] || value > variable.range[1]) {
    throw new RuleError('missing', `expected a number from ${variable.range[0]} to ${variable.range[1]}`)
  }
}
