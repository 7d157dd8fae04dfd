/**
 * Clinical variables that breast care knows, with the ways in which they are written and mistaken.
 * Sources: ASCO/CAP guidelines for ER (2020) and HER2 (2018, 2023), Nottingham grading (Elston and Ellis
 * 1991), Ki-67 as percent of nuclei (International Ki67 in Breast Cancer Working Group, 2021).
 */

/** A common mistake: what was found (never the value itself) and what to send instead. */
export interface Mistake {
  readonly matches: (text: string) => boolean
  readonly found: string
  readonly send: string
}

export interface Standard {
  readonly type: 'number' | 'category'
  readonly unit: string | null
  readonly range: readonly [number, number] | null
  readonly integer: boolean
  /** Other names of the variable, compared without case, spaces and punctuation. */
  readonly aliases: readonly string[]
  /** Category to number; categories are compared without case. */
  readonly values: Readonly<Record<string, number>>
  readonly synonyms: Readonly<Record<string, readonly string[]>>
  /** Ways of saying that the value is not known, beside the general ones. */
  readonly unknown: readonly string[]
  readonly mistakes: readonly Mistake[]
  /** A value that is accepted and may still be a mistake. */
  readonly doubts: readonly Mistake[]
}

const oneOf = (...texts: string[]) => {
  const set = new Set(texts)
  return (text: string) => set.has(text)
}
const decimal = /^[+]?(\d+\.?\d*|\.\d+)$/
const isNumber = (text: string, accept: (value: number) => boolean) =>
  decimal.test(text) && accept(Number(text))

const status: Pick<Standard, 'type' | 'unit' | 'range' | 'integer' | 'values'> = {
  type: 'category',
  unit: null,
  range: null,
  integer: false,
  values: { negative: 0, positive: 1 },
}
const loneDash: Mistake = {
  matches: oneOf('-', '\u2013', '\u2212'),
  found: 'a dash, which may mean negative or not known',
  send: 'negative, or leave the value out',
}

export const standards = {
  age: {
    type: 'number',
    unit: 'years',
    range: [18, 110],
    integer: false,
    aliases: ['age', 'age years', 'patient age', 'age at diagnosis', 'age at exam'],
    values: {},
    synonyms: {},
    unknown: [],
    mistakes: [
      {
        matches: (text) => /^\d+\s*(m|mo|months?|w|weeks?|d|days?)$/.test(text),
        found: 'an age in months, weeks or days',
        send: 'the age in years',
      },
      {
        matches: (text) => /^\d{4}-\d{2}-\d{2}$|^(19|20)\d{6}$|^(19|20)\d{2}$/.test(text),
        found: 'a date or year of birth',
        send: 'the age in years',
      },
    ],
    doubts: [],
  },
  er: {
    ...status,
    aliases: ['er', 'er status', 'estrogen receptor', 'oestrogen receptor', 'estrogen receptor status'],
    synonyms: {
      negative: ['neg', 'er-', 'er negative', '0', 'false', 'no'],
      positive: ['pos', '+', 'er+', 'er positive', 'low positive', '1', 'true', 'yes'],
    },
    unknown: [],
    mistakes: [
      loneDash,
      {
        matches: (text) => /%$/.test(text) || isNumber(text, (value) => value !== 0 && value !== 1),
        found: 'a percentage of stained nuclei or a score',
        send: 'positive (1 % of nuclei or more) or negative',
      },
    ],
    doubts: [],
  },
  her2: {
    ...status,
    aliases: ['her2', 'her2 status', 'her2/neu', 'erbb2', 'her-2 neu status'],
    synonyms: {
      negative: [
        'neg',
        'her2-',
        'her2 negative',
        '0',
        '1+',
        'ihc 0',
        'ihc 1+',
        'not amplified',
        'non-amplified',
        'ish negative',
        'fish negative',
        'ish-',
        'fish-',
        'false',
        'no',
      ],
      positive: [
        'pos',
        '+',
        'her2+',
        'her2 positive',
        '3+',
        'ihc 3+',
        'amplified',
        'ish positive',
        'fish positive',
        'ish+',
        'fish+',
        'true',
        'yes',
      ],
    },
    unknown: [],
    mistakes: [
      loneDash,
      {
        matches: oneOf('2+', '2', '++', 'ihc 2+', 'ihc2+', 'equivocal', 'borderline', 'indeterminate'),
        found: 'an equivocal result (IHC 2+), which is neither positive nor negative',
        send: 'the result of in-situ hybridisation: positive or negative',
      },
      {
        matches: oneOf('1'),
        found: 'a bare 1, which may be a code for positive or the score IHC 1+, which is negative',
        send: 'positive or negative, or the score as 1+',
      },
      {
        matches: oneOf('low', 'her2 low', 'her2-low', 'ultralow', 'her2-ultralow'),
        found: 'HER2-low, which is a range of scores and not a status',
        send: 'negative if the score is 0, 1+ or 2+ without amplification',
      },
    ],
    doubts: [],
  },
  ki67: {
    type: 'number',
    unit: 'percent',
    range: [0, 100],
    integer: false,
    aliases: ['ki67', 'ki-67', 'ki67 index', 'ki67 percent', 'ki67 pct', 'mib1', 'ki67 labelling index'],
    values: {},
    synonyms: {},
    unknown: [],
    mistakes: [
      {
        matches: (text) => isNumber(text, (value) => value > 0 && value < 1),
        found: 'a number between 0 and 1, as a fraction would be',
        send: 'percent of nuclei, as 20 for a fifth of them (with the sign, as in "0.5 %", where less than one percent is meant)',
      },
      {
        matches: oneOf('low', 'high', 'intermediate', 'positive', 'negative'),
        found: 'a class',
        send: 'percent of nuclei',
      },
    ],
    doubts: [
      {
        matches: (text) => isNumber(text, (value) => value === 1),
        found: 'the number 1, read as 1 percent',
        send: '100 if all nuclei are meant',
      },
    ],
  },
  grade: {
    type: 'category',
    unit: null,
    range: null,
    integer: false,
    aliases: [
      'grade',
      'tumor grade',
      'tumour grade',
      'nottingham grade',
      'histologic grade',
      'histological grade',
    ],
    values: { '1': 1, '2': 2, '3': 3 },
    synonyms: {
      '1': ['i', 'g1', 'grade 1', 'grade i', 'well differentiated'],
      '2': ['ii', 'g2', 'grade 2', 'grade ii', 'moderately differentiated'],
      '3': ['iii', 'g3', 'grade 3', 'grade iii', 'poorly differentiated'],
    },
    unknown: ['x', 'gx', 'grade x'],
    mistakes: [
      {
        matches: oneOf('4', '5', '6', '7', '8', '9', '3/9', '4/9', '5/9', '6/9', '7/9', '8/9', '9/9'),
        found: 'what may be a Nottingham score',
        send: 'the grade: 1 for scores 3 to 5, 2 for 6 and 7, 3 for 8 and 9',
      },
      {
        matches: oneOf('low', 'intermediate', 'high', '1-2', '2-3', 'i-ii', 'ii-iii'),
        found: 'a class that is not one grade',
        send: '1, 2 or 3',
      },
    ],
    doubts: [],
  },
} as const satisfies Record<string, Standard>

export type StandardName = keyof typeof standards
