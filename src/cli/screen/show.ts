/** Answers for people. */

import { colours } from '../../colours.js'
import { columns } from '../text.js'
import type { ExamAnswer, Outcome } from './outcome.js'

/** One exam's answer, with what it rests on. */
export function answerText(answer: ExamAnswer): string {
  const { used } = answer
  const rows = answer.findings.map((finding) => [
    finding.name,
    finding.title,
    percent(finding.probability),
    finding.calibrated === null ? '-' : percent(finding.calibrated),
    finding.positive ? 'POSITIVE' : 'negative',
    `${finding.operating_point}: from ${percent(finding.threshold)} on; sensitivity ${percent(finding.sensitivity)}, specificity ${percent(finding.specificity)}`,
  ])
  const heads = ['finding', '', 'probability', 'calibrated', 'decision', 'operating point']
  const [head = '', ...lines] = columns(heads, rows, [false, false, true, true, false, false])
  const coloured = lines.map((line, i) =>
    answer.findings[i]?.positive === true
      ? line.replace('POSITIVE', colours.bold(colours.yellow('POSITIVE')))
      : line,
  )
  const facts: [string, string][] = [
    ['phases', phases(answer)],
    ['region', `${used.region.kind}, ${mm(used.region.size_mm)} around ${mm(used.region.centre_mm)}`],
    ['frames', `${used.frames.read} read, ${used.frames.used} used`],
    ['clinical', clinical(answer)],
    ...explained(answer),
    ['model', `${answer.model} ${answer.version}, ${answer.model_sha256.slice(0, 12)}`],
    ['contract', `${answer.contract}, ${answer.contract_sha256.slice(0, 12)}`],
    ['time', timings(answer)],
    ...answer.warnings.map(({ code, message }): [string, string] => ['warning', `${code}: ${message}`]),
    ...Object.entries(answer.reports ?? {}),
    ...Object.values(answer.maps ?? {}).map((path): [string, string] => ['map', path]),
  ]
  const about = facts.map(
    ([name, text]) => `${(name === 'warning' ? colours.yellow : colours.dim)(name.padEnd(10))}${text}`,
  )
  const notice = answer.notice === undefined ? [] : ['', colours.bold(answer.notice)]
  return [
    '',
    colours.bold(answer.exam),
    '',
    colours.dim(head),
    ...coloured,
    '',
    ...about,
    ...notice,
    '',
    '',
  ].join('\n')
}

/** One exam of many. */
export function outcomeLine(outcome: Outcome): string {
  if ('error' in outcome) {
    return `${outcome.exam}  ${colours.yellow(outcome.error.code)}: ${outcome.error.message}`
  }
  const findings = outcome.findings.map((finding) => {
    const decision = finding.positive ? colours.bold(colours.yellow('POSITIVE')) : 'negative'
    return `${finding.name} ${percent(finding.calibrated ?? finding.probability)} ${decision}`
  })
  const warnings = outcome.warnings.map(({ code }) => colours.dim(code))
  return [outcome.exam, ...findings, ...warnings].join('  ')
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

function mm([x = 0, y = 0, z = 0]: readonly number[]): string {
  return `(${x.toFixed(1)}, ${y.toFixed(1)}, ${z.toFixed(1)}) mm`
}

function phases({ used }: ExamAnswer): string {
  const times = used.times_s?.map((time) => time.toFixed(0)).join(', ')
  return times === undefined
    ? `${used.phases_from}, times not known`
    : `at ${times} s, from ${used.times_from}`
}

function clinical({ used }: ExamAnswer): string {
  const { given, imputed } = used.clinical
  const put = imputed.map(
    ({ name, value, unit }) => `${name} imputed as ${value}${unit === null ? '' : ` ${unit}`}`,
  )
  return [...given, ...put].join(', ') || 'none'
}

/** Where hiding a part of the crop changed a finding most. */
function explained({ findings }: ExamAnswer): [string, string][] {
  return findings.flatMap(({ name, explanation }): [string, string][] => {
    if (explanation === undefined) return []
    const { strongest_mm: place, strongest_drop: drop, phase_drops: drops } = explanation
    const strongest = drops.reduce((best, at, i) => (Math.abs(at) > Math.abs(drops[best] ?? 0) ? i : best), 0)
    const phase = drops.length === 0 ? '' : `, phase ${strongest + 1} (${signed(drops[strongest] ?? 0)})`
    return [['rests on', `${name}: ${mm(place)} (${signed(drop)} in the logit)${phase}`]]
  })
}

const signed = (drop: number): string => `${drop < 0 ? '' : '+'}${drop.toFixed(2)}`

function timings({ timings_ms: stages }: ExamAnswer): string {
  const total = Object.values(stages).reduce((sum, ms) => sum + ms, 0)
  const each = Object.entries(stages).map(([name, ms]) => `${name} ${ms.toFixed(0)}`)
  return `${total.toFixed(0)} ms: ${each.join(', ')}`
}
