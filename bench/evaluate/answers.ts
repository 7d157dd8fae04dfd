import type { ExamAnswer, Outcome } from '../../src/cli/screen/outcome.js'

/** What was answered of one exam, and what is true of it. */
export interface Judged {
  readonly pn: Judgement
  readonly cn: Judgement
}

export interface Judgement {
  readonly probability: number
  readonly positive: boolean
  /** The true risk. */
  readonly risk: number
  /** The decision at the operating point that was asked for. */
  readonly decided: boolean
}

type Row = Readonly<Record<string, string>>

/** Where the finding pN+ of each explained exam comes from, LPS. */
export function readPlaces(text: string): { exam: string; place: readonly [number, number, number] }[] {
  return outcomes(text).map(({ exam, findings }) => {
    const place = findings.find(({ name }) => name === 'pN+')?.explanation?.strongest_mm
    if (place === undefined) throw new Error(`${exam}: expected an explanation of pN+`)
    return { exam, place }
  })
}

/** @param text the results file of `screen`, a JSON document a line */
export function readAnswers(text: string, truth: readonly Row[]): Judged[] {
  const rows = new Map(truth.map((row) => [row['exam'], row]))
  return outcomes(text).map((outcome) => {
    const row = rows.get(outcome.exam)
    if (row === undefined) throw new Error(`expected the truth of ${outcome.exam}`)
    const judge = (name: string, key: string): Judgement => {
      const finding = outcome.findings.find((one) => one.name === name)
      if (finding === undefined) throw new Error(`expected a finding ${name}`)
      return {
        probability: finding.calibrated ?? finding.probability,
        positive: row[key] === '1',
        risk: Number(row[`risk_${key}`]),
        decided: finding.positive,
      }
    }
    return { pn: judge('pN+', 'pn'), cn: judge('cN+', 'cn') }
  })
}

function outcomes(text: string): ExamAnswer[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const outcome = JSON.parse(line) as Outcome
      if ('error' in outcome) throw new Error(`${outcome.exam}: ${outcome.error.code}`)
      return outcome
    })
}
