import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadEngine } from '../../engine/index.js'
import { isSentinodeError, SentinodeError } from '../../errors.js'
import { readExam } from '../../exam/read.js'
import { folderSource } from '../../exam/source.js'
import {
  type Contract,
  csvCell,
  parseContract,
  type PreparedExam,
  prepareExam,
  readMask,
  type Region,
} from '../../screening/index.js'
import { EXIT } from '../failure.js'
import { progressOn } from '../screen/progress.js'
import { planTasks, type ExamTask, type RegionAsked } from '../screen/tasks.js'
import { count } from '../text.js'
import type { TensorsFlags } from './command.js'
import { NpyFile } from './npy.js'

/** Exit code. Exams that are refused have no row; what is wrong with each is said on stderr. */
export async function writeTensors(exams: readonly string[], flags: TensorsFlags): Promise<number> {
  const contract = await readContract(flags.contract)
  const tasks = await planTasks({
    exams,
    clinical: flags.clinical ?? null,
    examTable: flags.examTable ?? null,
    ignored: flags.ignore ?? [],
    set: {},
    region: null,
    timesS: null,
  })
  await requireEmpty(flags.out)
  const rows = await makeRows(tasks, contract, flags)
  const answered = rows.filter((row) => row !== null)
  const refused = tasks.length - answered.length
  const names = answered.map(({ name }) => csvCell(name))
  await writeFile(join(flags.out, 'exams.csv'), ['exam', ...names].map((line) => `${line}\n`).join(''))
  const shapes = answered[0]?.shapes ?? {}
  process.stdout.write(
    flags.json === true
      ? `${JSON.stringify({ exams: answered.length, refused, shapes })}\n`
      : `${count(answered.length, 'exam')} in ${flags.out}, ${refused} refused\n`,
  )
  return refused === 0 ? EXIT.ok : EXIT.runtime
}

interface Row {
  readonly name: string
  /** Of each input, without the batch. */
  readonly shapes: Readonly<Record<string, readonly number[]>>
}

/** Rows lie in the order of the exams, whichever is ready first; null for an exam that was refused. */
async function makeRows(
  tasks: readonly ExamTask[],
  contract: Contract,
  { out, jobs }: TensorsFlags,
): Promise<(Row | null)[]> {
  const { preprocess } = loadEngine()
  const progress = progressOn(process.stderr, tasks.length, 0)
  const files = new Map<string, NpyFile>()
  const rows = new Array<Row | null>(tasks.length).fill(null)
  let written = 0
  let next = 0
  let done = 0
  /** Exams are prepared side by side and written in order, so that the files have no gaps. */
  let turn: Promise<void> = Promise.resolve()
  const prepare = async (task: ExamTask): Promise<PreparedExam | null> => {
    try {
      return await prepareTask(task, contract, preprocess)
    } catch (error) {
      if (!isSentinodeError(error)) throw error
      progress.note(`${task.name}: ${error.code}: ${error.message}`)
      return null
    }
  }
  const write = async (index: number, name: string, prepared: PreparedExam | null): Promise<void> => {
    if (prepared !== null) {
      for (const { name: input, shape, data } of prepared.tensors) {
        const file = files.get(input) ?? (await NpyFile.create(join(out, `${input}.npy`), shape.slice(1)))
        files.set(input, file)
        await file.write(written, data)
      }
      written++
      const shapes = prepared.tensors.map(({ name: input, shape }) => [input, shape.slice(1)] as const)
      rows[index] = { name, shapes: Object.fromEntries(shapes) }
    }
    progress.done(written, ++done - written)
  }
  const work = async (): Promise<void> => {
    for (let index = next++; index < tasks.length; index = next++) {
      const task = tasks[index]
      if (task === undefined) return
      const prepared = prepare(task)
      const before = turn
      turn = (async () => {
        const ready = await prepared
        await before
        await write(index, task.name, ready)
      })()
      await turn
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, tasks.length) }, work))
    return rows
  } finally {
    progress.stop()
    for (const file of files.values()) await file.close(written)
  }
}

async function prepareTask(
  task: ExamTask,
  contract: Contract,
  preprocess: ReturnType<typeof loadEngine>['preprocess'],
): Promise<PreparedExam> {
  if (task.path === null) throw new SentinodeError('EXAM_NOT_FOUND', 'expected an exam, found nothing there')
  const { phases } = contract.image
  const volume = await readExam(folderSource(task.path), {
    requireTimes: phases.by !== 'order',
    ...(task.timesS !== null && { timesS: task.timesS }),
  })
  const prepared = await prepareExam({
    volume,
    contract,
    clinical: contract.clinical === null ? {} : task.clinical,
    region: await regionOf(task.region),
    threads: 1,
    preprocess,
  })
  if (prepared.kind === 'prepared') return prepared
  throw new SentinodeError(
    'CLINICAL_MISSING',
    `expected ${prepared.missing.join(', ')}, found none: another model would be asked`,
  )
}

async function regionOf(asked: RegionAsked | null): Promise<Region | null> {
  if (asked?.kind !== 'mask') return asked
  const segment = asked.segment === 0 ? null : asked.segment
  return readMask(await readFile(asked.path), { segment, maxBytes: 2 ** 30 })
}

async function readContract(path: string): Promise<Contract> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SentinodeError('INVALID_OPTION', `contract: expected a readable file, found ${path}`, { cause })
  })
  return parseContract(text, path)
}

async function requireEmpty(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length === 0) return
  throw new SentinodeError('INVALID_OPTION', 'out: expected a new or empty folder, found files in it')
}
