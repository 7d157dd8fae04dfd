// The shipped model on a cohort that nobody has seen, screened through a daemon by the commands of a user,
// beside the figures that its card states.
// A few exams are explained as well: is the place that a finding comes from in the true lesion?
//   npm run evaluate [-- --exams N --seed S --out DIR --explained N --json]
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parse } from 'csv-parse/sync'
import { startDaemon } from '../../src/demo/daemon-process.js'
import { readAnswers, readPlaces } from './answers.js'
import { isMarked } from './explanations.js'
import { compare, figuresOf, type Figures } from './figures.js'
import { proportion } from './measures.js'
import { sentinode } from './program.js'

const { values } = parseArgs({
  options: {
    exams: { type: 'string', default: '350' },
    seed: { type: 'string', default: '3' },
    out: { type: 'string' },
    explained: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
})
const models = fileURLToPath(new URL('../../models', import.meta.url))
const MODEL = 'lymph4d'
const work = mkdtempSync(join(tmpdir(), 'sentinode-evaluate-'))
const cohort = values.out ?? join(work, 'cohort')
const note = (text: string): void => void process.stderr.write(`${text}\n`)

try {
  if (existsSync(join(cohort, 'truth.csv'))) {
    note(`the cohort in ${cohort} is taken as it is`)
  } else {
    note(`simulating ${values.exams} exams, seed ${values.seed}`)
    await sentinode(
      ...['simulate', '--out', cohort, '--exams', values.exams, '--seed', values.seed, '--masks', '--json'],
    )
  }
  const daemon = await startDaemon([
    ...['--models', models, '--grpc-port', '0', '--metrics-port', '0'],
    ...['--cache-dir', join(work, 'cache'), '--log-level', 'warn'],
  ])
  const answersFile = join(work, 'answers.jsonl')
  const explainedFile = join(work, 'explained.jsonl')
  const truth = parse<Record<string, string>>(readFileSync(join(cohort, 'truth.csv')), { columns: true })
  const names = truth.slice(0, Number(values.explained)).map(({ exam = '' }) => exam)
  const model = ['--server', daemon.grpc, '--model', MODEL, '--json'] as const
  let seconds = 0
  try {
    note('screening them')
    const start = performance.now()
    await sentinode('screen', cohort, ...model, '--results', answersFile)
    seconds = (performance.now() - start) / 1000
    note(`explaining ${names.length} of them`)
    await sentinode(
      ...['screen', ...names.map((name) => join(cohort, 'exams', `${name}.nii.gz`)), ...model],
      ...['--clinical', join(cohort, 'clinical.csv'), '--results', explainedFile],
      ...['--explain', '--out', join(work, 'maps')],
    )
  } finally {
    await daemon.stop()
  }
  const answers = readAnswers(readFileSync(answersFile, 'utf8'), truth)
  const served: Record<string, Figures> = { pn: figuresOf(answers, 'pn'), cn: figuresOf(answers, 'cn') }
  const stated = JSON.parse(readFileSync(join(models, MODEL, 'figures.json'), 'utf8')) as {
    fresh_cohort: Record<string, Figures>
  }
  let inLesion = 0
  for (const { exam, place } of readPlaces(readFileSync(explainedFile, 'utf8')))
    if (await isMarked(join(cohort, 'masks', `${exam}.nii.gz`), place)) inLesion++
  const pointing = proportion(inLesion, names.length)
  const rows = ['pn', 'cn'].flatMap((outcome) =>
    compare(outcome, served[outcome]!, stated.fresh_cohort[outcome]!),
  )
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ exams: answers.length, seconds, served, strongest_in_lesion: pointing })}\n`
      : `${answers.length} exams screened in ${seconds.toFixed(0)} s; served, and as the model's card states\n\n${rows.join('\n')}\nstrongest place of pN+ in the true lesion: ${inLesion} of ${names.length} exams\n`,
  )
  if (rows.some((row) => row.endsWith('APART'))) process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
