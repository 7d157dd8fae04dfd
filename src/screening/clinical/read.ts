/** Reads clinical values strictly: what is not certain is refused with a message that says what to send. */

import { SentinodeError } from '../../errors.js'
import type { ScreeningWarning } from '../types.js'
import type { Mistake } from './standards.js'
import {
  plainName,
  plainText,
  type CategoryVariable,
  type NumberVariable,
  type Variable,
} from './variables.js'

export type ClinicalValue = string | number | boolean | null | undefined
export type ClinicalRecord = Readonly<Record<string, ClinicalValue>>

export interface ImputedValue {
  readonly name: string
  readonly value: number | string
  readonly unit: string | null
}

export type ClinicalInput =
  | {
      readonly kind: 'values'
      /** The network's input, in the contract's order. */
      readonly vector: Float32Array
      readonly given: readonly string[]
      readonly imputed: readonly ImputedValue[]
      readonly warnings: readonly ScreeningWarning[]
    }
  /** A variable is missing and the contract names the model that does without it. */
  | { readonly kind: 'other-model'; readonly model: string; readonly missing: readonly string[] }

export interface ReadClinicalOptions {
  /** Names that are no variable of the model: refused (a misspelt name loses a value), or left out. */
  readonly unknownNames: 'refuse' | 'leave-out'
}

const UNKNOWN = new Set([
  '',
  'na',
  'n/a',
  'n.a.',
  'nan',
  'none',
  'null',
  'unknown',
  'unk',
  'missing',
  'not available',
  'not done',
  'not known',
  '?',
  '.',
])

/**
 * @param record values by name; names may be any alias of a variable
 * @throws SentinodeError CLINICAL_INVALID or CLINICAL_MISSING; messages never hold a value
 */
export function readClinical(
  variables: readonly Variable[],
  record: ClinicalRecord,
  options: ReadClinicalOptions = { unknownNames: 'refuse' },
): ClinicalInput {
  const given = assign(variables, record, options)
  const vector = new Float32Array(variables.length)
  const names: string[] = []
  const imputed: ImputedValue[] = []
  const warnings: ScreeningWarning[] = []
  const refused: string[] = []
  const absent: { name: string; model: string }[] = []
  variables.forEach((variable, index) => {
    const encode = (value: number) => {
      vector[index] = (value - variable.encode.subtract) / variable.encode.divide
    }
    const value = given.get(variable)
    const text = textOf(variable, value)
    if (!UNKNOWN.has(text) && !variable.unknown.includes(text)) {
      encode(readValue(variable, text))
      names.push(variable.name)
      const doubt = variable.doubts.find(({ matches }) => matches(text))
      if (doubt !== undefined) {
        warnings.push({ code: 'CLINICAL_DOUBTFUL', message: describe(variable.name, doubt) })
      }
      return
    }
    const { missing } = variable
    if (missing.policy === 'refuse') refused.push(variable.name)
    else if (missing.policy === 'other_model') absent.push({ name: variable.name, model: missing.model })
    else {
      encode(
        variable.type === 'number'
          ? Number(missing.value)
          : (variable.values.get(String(missing.value)) ?? NaN),
      )
      const unit = variable.type === 'number' ? variable.unit : null
      imputed.push({ name: variable.name, value: missing.value, unit })
      warnings.push({
        code: 'CLINICAL_IMPUTED',
        message: `${variable.name} is missing; the model's contract puts ${missing.value}${unit === null ? '' : ` ${unit}`}`,
      })
    }
  })
  if (refused.length > 0) {
    throw new SentinodeError('CLINICAL_MISSING', `expected a value of ${refused.join(', ')}, found none`)
  }
  const [first] = absent
  if (first !== undefined) {
    const models = new Set(absent.map(({ model }) => model))
    if (models.size > 1) {
      const all = absent.map(({ name }) => name).join(', ')
      throw new SentinodeError(
        'CLINICAL_MISSING',
        `expected a value of ${all}, found none; no one model does without all`,
      )
    }
    return { kind: 'other-model', model: first.model, missing: absent.map(({ name }) => name) }
  }
  return { kind: 'values', vector, given: names, imputed, warnings }
}

function textOf(variable: Variable, value: ClinicalValue): string {
  if (value === undefined || value === null) return ''
  const text = plainText(String(value))
  // Tables with gaps are often written with every code as a decimal: 2.0 is grade 2.
  return variable.type === 'category' ? text.replace(/^(\d+)\.0+$/, '$1') : text
}

function assign(
  variables: readonly Variable[],
  record: ClinicalRecord,
  options: ReadClinicalOptions,
): Map<Variable, ClinicalValue> {
  const given = new Map<Variable, ClinicalValue>()
  const known = variables.map(({ name }) => name).join(', ')
  for (const [name, value] of Object.entries(record)) {
    const plain = plainName(name)
    const variable = variables.find(({ aliases }) => aliases.includes(plain))
    if (variable === undefined) {
      if (options.unknownNames === 'leave-out') continue
      // The name is the sender's text and may hold anything, so it is not repeated.
      throw new SentinodeError(
        'CLINICAL_INVALID',
        `expected clinical variables ${known}, found one of another name`,
      )
    }
    if (given.has(variable)) {
      throw new SentinodeError('CLINICAL_INVALID', `expected one value of ${variable.name}, found two`)
    }
    given.set(variable, value)
  }
  return given
}

function readValue(variable: Variable, text: string): number {
  const mistake = variable.mistakes.find(({ matches }) => matches(text))
  // A contract's own spelling goes before a standard's list of mistakes.
  const spelled = variable.type === 'category' && variable.spellings.has(text)
  if (mistake !== undefined && !spelled) {
    throw new SentinodeError('CLINICAL_INVALID', describe(variable.name, mistake))
  }
  return variable.type === 'number' ? readNumber(variable, text) : readCategory(variable, text)
}

const describe = (name: string, { found, send }: Mistake) => `${name}: found ${found}; send ${send}`

const UNITS: Readonly<Record<string, RegExp>> = {
  years: /\s*(y|yr|yrs|year|years)$/,
  percent: /\s*(%|percent|pct)$/,
}

function readNumber(variable: NumberVariable, text: string): number {
  const { name, unit, range } = variable
  const expected = `a${variable.integer ? ' whole' : ''} number${unit === null ? '' : ` in ${unit}`} from ${range[0]} to ${range[1]}`
  const refuse = (found: string) =>
    new SentinodeError('CLINICAL_INVALID', `${name}: expected ${expected}, found ${found}`)
  if (/^\d+,\d+$/.test(text)) throw refuse('a comma in a number; write decimals with a point')
  if (/^[<>\u2264\u2265~]/.test(text)) throw refuse('a bound or an estimate')
  if (/^\d+(\.\d+)?\s*(-|\u2013|to)\s*\d+/.test(text)) throw refuse('a range')
  let digits = text
  if (unit !== null) {
    const suffix = UNITS[unit]
    if (suffix !== undefined) digits = text.replace(suffix, '')
    else if (text.endsWith(plainText(unit))) digits = text.slice(0, -plainText(unit).length).trimEnd()
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/.test(digits)) throw refuse('something else')
  const value = Number(digits)
  if (!(value >= range[0] && value <= range[1])) throw refuse('a number outside of it')
  if (variable.integer && !Number.isInteger(value)) throw refuse('a number with decimals')
  return value
}

function readCategory(variable: CategoryVariable, text: string): number {
  const category = variable.spellings.get(text)
  const value = category === undefined ? undefined : variable.values.get(category)
  if (value === undefined) {
    const categories = [...variable.values.keys()].join(', ')
    throw new SentinodeError(
      'CLINICAL_INVALID',
      `${variable.name}: expected one of ${categories}, found something else`,
    )
  }
  return value
}
