/** Content items of a structured report (PS3.3, C.17.3) and the codes that it uses. */

import { decimal, sequence, text, type ElementValue, type Elements } from '../../../dicom/elements.js'

/** [value, scheme, meaning]. */
export type Code = readonly [value: string, scheme: string, meaning: string]

export type Relationship =
  'CONTAINS' | 'HAS OBS CONTEXT' | 'HAS CONCEPT MOD' | 'HAS PROPERTIES' | 'INFERRED FROM'

export interface ContentItem {
  readonly relationship: Relationship | null
  readonly elements: Elements
}

/** LO holds 64 characters and no backslash. */
const meaningOf = (meaning: string) => Array.from(meaning.replaceAll('\\', '/')).slice(0, 64).join('')

export function codeElements([value, scheme, meaning]: Code): Elements {
  return new Map([
    [0x00080100, text('SH', value)],
    [0x00080102, text('SH', scheme)],
    [0x00080104, text('LO', meaningOf(meaning))],
  ])
}

function item(
  relationship: Relationship | null,
  type: string,
  name: Code | null,
  value: readonly (readonly [number, ElementValue])[],
  children: readonly ContentItem[] = [],
): ContentItem {
  const elements = new Map<number, ElementValue>([[0x0040a040, text('CS', type)], ...value])
  if (name !== null) elements.set(0x0040a043, sequence(codeElements(name)))
  if (relationship !== null) elements.set(0x0040a010, text('CS', relationship))
  if (children.length > 0) elements.set(0x0040a730, sequence(...children.map((child) => child.elements)))
  return { relationship, elements }
}

export const container = (
  relationship: Relationship | null,
  name: Code,
  children: readonly ContentItem[],
  template?: string,
): ContentItem =>
  item(
    relationship,
    'CONTAINER',
    name,
    [
      [0x0040a050, text('CS', 'SEPARATE')],
      ...(template === undefined
        ? []
        : [
            [
              0x0040a504,
              sequence(
                new Map([
                  [0x00080105, text('CS', 'DCMR')],
                  [0x0040db00, text('CS', template)],
                ]),
              ),
            ] as const,
          ]),
    ],
    children,
  )

export const code = (
  relationship: Relationship,
  name: Code,
  value: Code,
  children: readonly ContentItem[] = [],
) => item(relationship, 'CODE', name, [[0x0040a168, sequence(codeElements(value))]], children)

export const note = (relationship: Relationship, name: Code, value: string) =>
  item(relationship, 'TEXT', name, [[0x0040a160, text('UT', value)]])

export const uidRef = (relationship: Relationship, name: Code, uid: string) =>
  item(relationship, 'UIDREF', name, [[0x0040a124, text('UI', uid)]])

export function number(
  relationship: Relationship,
  name: Code,
  value: number,
  unit: Code,
  children: readonly ContentItem[] = [],
) {
  const measured = new Map<number, ElementValue>([
    [0x004008ea, sequence(codeElements(unit))],
    [0x0040a30a, text('DS', decimal(value))],
  ])
  return item(relationship, 'NUM', name, [[0x0040a300, sequence(measured)]], children)
}

/** A reference to one of the exam's images. */
export const image = (relationship: Relationship, sopClass: string, instance: string) =>
  item(relationship, 'IMAGE', null, [
    [
      0x00081199,
      sequence(
        new Map([
          [0x00081150, text('UI', sopClass)],
          [0x00081155, text('UI', instance)],
        ]),
      ),
    ],
  ])
