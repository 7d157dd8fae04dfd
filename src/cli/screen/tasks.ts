/** Which exams are to be screened, and with what: from arguments, options and the tables of a cohort. */

import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { SentinodeError } from '../../errors.js'
import { readTable, type Table } from './table.js'

export type Point = readonly [number, number, number]

export type RegionAsked =
  | { readonly kind: 'centre'; readonly centre: Point }
  | { readonly kind: 'box'; readonly low: Point; readonly high: Point }
  | { readonly kind: 'mask'; readonly path: string; readonly segment: number }

export interface ExamTask {
  /** As the user named it: of the folder, the file or the table. */
  readonly name: string
  /** Null where the table names an exam that is not there. */
  readonly path: string | null
  readonly clinical: Readonly<Record<string, string>>
  readonly region: RegionAsked | null
  /** Seconds of each phase, for NIfTI. */
  readonly timesS: readonly number[] | null
}

export interface TaskOptions {
  readonly exams: readonly string[]
  /** Table of clinical values; null for that of a cohort's folder, where there is one. */
  readonly clinical: string | null
  /** Table of where exams are and when their phases were; null for exams.csv of the cohort, or beside the other. */
  readonly examTable: string | null
  /** Names of columns that are no clinical values. */
  readonly ignored: readonly string[]
  /** Values for all exams, which win over the table's. */
  readonly set: Readonly<Record<string, string>>
  /** For all exams; a mask that is a folder holds one for each. */
  readonly region: RegionAsked | null
  readonly timesS: readonly number[] | null
}

const CENTRE = ['centre_x_mm', 'centre_y_mm', 'centre_z_mm'] as const
const OWN_COLUMNS: ReadonlySet<string> = new Set(['exam', 'path', 'times_s', 'mask', ...CENTRE])
const SUFFIX = /\.nii(\.gz)?$/

/** @throws SentinodeError INVALID_OPTION */
export async function planTasks(options: TaskOptions): Promise<ExamTask[]> {
  const tasks = await listedTasks(options)
  const { region } = options
  return region?.kind === 'mask'
    ? Promise.all(tasks.map((task) => withMask(task, region, tasks.length)))
    : tasks
}

/** A folder of masks has one by the exam's name; that of a single exam may be the folder of its own. */
async function withMask(
  task: ExamTask,
  region: RegionAsked & { kind: 'mask' },
  exams: number,
): Promise<ExamTask> {
  if ((await stat(region.path).catch(() => null))?.isDirectory() !== true) return task
  const own = await firstThere(maskPaths(region.path, task.name))
  if (own === null && exams === 1) return task
  return { ...task, region: { ...region, path: own ?? join(region.path, task.name) } }
}

async function listedTasks(options: TaskOptions): Promise<ExamTask[]> {
  const clinicalPath = options.clinical ?? (await besides(options, 'clinical.csv'))
  if (clinicalPath === null) return unlisted(options)
  const table = readTable('clinical', clinicalPath)
  const places = await readPlaces(options, clinicalPath)
  if (!table.names.includes('exam')) return withoutNames(options, table)
  requireEachOnce('clinical', table)
  const tasks: ExamTask[] = []
  for (const exam of options.exams) tasks.push(...(await ofArgument(exam, table, places, options)))
  return tasks
}

/** A table that lies in the one folder given. */
async function besides({ exams }: TaskOptions, name: string): Promise<string | null> {
  const path = join(exams[0] ?? '', name)
  return exams.length === 1 && (await isThere(path)) ? path : null
}

async function unlisted({ exams, set, region, timesS }: TaskOptions): Promise<ExamTask[]> {
  const tasks: ExamTask[] = []
  for (const exam of exams) {
    await requireThere(exam)
    tasks.push({ name: nameOf(exam), path: exam, clinical: set, region, timesS })
  }
  requireDistinct(tasks)
  return tasks
}

/** One line of values for one exam needs no name. */
async function withoutNames(options: TaskOptions, table: Table): Promise<ExamTask[]> {
  const [row, ...more] = table.rows
  const [exam] = options.exams
  if (row === undefined || exam === undefined || more.length > 0 || options.exams.length > 1) {
    throw new SentinodeError(
      'INVALID_OPTION',
      'clinical: expected a column exam that says whose values each line has, found none',
    )
  }
  await requireThere(exam)
  return [await taskOf(nameOf(exam), exam, row, {}, table, options)]
}

/** The exam that the argument is, or those of the cohort whose folder it is. */
async function ofArgument(
  argument: string,
  table: Table,
  places: ReadonlyMap<string, Row>,
  options: TaskOptions,
): Promise<ExamTask[]> {
  await requireThere(argument)
  const own = table.rows.find(({ exam }) => exam === basename(resolve(argument)) || exam === nameOf(argument))
  if (own !== undefined) {
    const name = own['exam'] ?? ''
    return [await taskOf(name, argument, own, places.get(name) ?? {}, table, options)]
  }
  const tasks: ExamTask[] = []
  for (const row of table.rows) {
    const name = row['exam'] ?? ''
    const place = places.get(name) ?? {}
    const path = await find(argument, name, place['path'])
    tasks.push(await taskOf(name, path, row, place, table, options))
  }
  if (tasks.every(({ path }) => path === null)) {
    throw new SentinodeError(
      'INVALID_OPTION',
      `clinical: expected a line for ${nameOf(argument)}, or for exams in that folder, found neither`,
    )
  }
  return tasks
}

type Row = Readonly<Record<string, string>>

async function taskOf(
  name: string,
  path: string | null,
  row: Row,
  place: Row,
  table: Table,
  options: TaskOptions,
): Promise<ExamTask> {
  const ignored = new Set(options.ignored)
  const values = Object.entries(row).filter(
    ([column, value]) => value !== '' && !OWN_COLUMNS.has(column) && !ignored.has(column),
  )
  const times = row['times_s'] ?? place['times_s'] ?? ''
  return {
    name,
    path,
    clinical: { ...Object.fromEntries(values), ...options.set },
    region: options.region ?? (await regionOf(name, row, table)),
    timesS: options.timesS ?? (times === '' ? null : numbers(name, 'times_s', times.split(/[\s;|,]+/))),
  }
}

/** What the line says; without a word of it, the mask of a cohort that has masks. */
async function regionOf(name: string, row: Row, table: Table): Promise<RegionAsked | null> {
  const cells = CENTRE.map((column) => row[column] ?? '')
  if (cells.some((cell) => cell !== '')) {
    const decimal = cells.map((cell) => (table.decimalComma ? cell.replace(',', '.') : cell))
    const [x = NaN, y = NaN, z = NaN] = numbers(name, CENTRE.join(', '), decimal)
    return { kind: 'centre', centre: [x, y, z] }
  }
  const mask = row['mask'] ?? ''
  const path =
    mask === '' ? await firstThere(maskPaths(join(table.folder, 'masks'), name)) : resolve(table.folder, mask)
  return path === null ? null : { kind: 'mask', path, segment: 0 }
}

function numbers(exam: string, column: string, cells: readonly string[]): number[] {
  const values = cells.map((cell) => (cell === '' ? NaN : Number(cell)))
  if (values.every(Number.isFinite)) return values
  throw new SentinodeError(
    'INVALID_OPTION',
    `clinical: expected numbers in ${column} of exam ${exam}, found something else`,
  )
}

/** Where an exam of a cohort lies; null where it does not. */
function find(folder: string, name: string, path: string | undefined): Promise<string | null> {
  const own = path === undefined || path === '' ? [] : [path]
  return firstThere([...own, ...examPaths(folder, name), ...examPaths(join(folder, 'exams'), name)])
}

/** A name that leads elsewhere has none. */
function examPaths(folder: string, name: string): string[] {
  if (name === '' || name.split(/[/\\]/).includes('..')) return []
  return ['', '.nii.gz', '.nii'].map((suffix) => join(folder, `${name}${suffix}`))
}

const maskPaths = (folder: string, name: string): string[] => {
  const paths = examPaths(folder, name)
  return paths.length === 0 ? [] : [...paths, join(folder, `${name}.dcm`)]
}

async function firstThere(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) if (await isThere(path)) return path
  return null
}

async function readPlaces(options: TaskOptions, clinicalPath: string): Promise<ReadonlyMap<string, Row>> {
  const path =
    options.examTable ??
    (await besides(options, 'exams.csv')) ??
    (await firstThere([join(dirname(clinicalPath), 'exams.csv')]))
  if (path === null) return new Map()
  const table = readTable('exam-table', path)
  if (!table.names.includes('exam'))
    throw new SentinodeError('INVALID_OPTION', 'exam-table: expected a column exam, found none')
  requireEachOnce('exam-table', table)
  return new Map(
    table.rows.map((row) => {
      const at = row['path'] ?? ''
      return [row['exam'] ?? '', { ...row, path: at === '' ? '' : resolve(table.folder, at) }]
    }),
  )
}

function requireEachOnce(option: string, { rows }: Table): void {
  const names = new Set(rows.map(({ exam }) => exam))
  if (names.size === rows.length && !names.has('')) return
  throw new SentinodeError(
    'INVALID_OPTION',
    `${option}: expected one line for each exam, found an exam twice or a line without one`,
  )
}

function requireDistinct(tasks: readonly ExamTask[]): void {
  if (new Set(tasks.map(({ name }) => name)).size === tasks.length) return
  throw new SentinodeError('INVALID_OPTION', 'expected exams of different names, found two of one name')
}

async function requireThere(path: string): Promise<void> {
  if (await isThere(path)) return
  throw new SentinodeError('INVALID_OPTION', 'expected a folder or file as the exam, found nothing there')
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}

/** The last part of the path, without the suffix of NIfTI files. */
function nameOf(path: string): string {
  return basename(resolve(path)).replace(SUFFIX, '')
}
