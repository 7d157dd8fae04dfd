/** A DICOM exam, from the frames of all its files to a volume or the first reason against one (docs/exams.md). */

import { enhancementWarning } from '../enhancement.js'
import type { Vector } from '../geometry.js'
import type { Unpacking } from '../inflate.js'
import type { ExamLimits } from '../limits.js'
import { ExamRejection } from '../rejection.js'
import type { ExamFile } from '../source.js'
import { requireAligned, requireOneGrid, slicePositions, stackOf, type Slice } from '../stack.js'
import type { ExamWarning, FrameAccount, LeftOut, LeftOutReason, SeriesUse, Volume4D } from '../volume.js'
import type { Placed } from './candidates.js'
import { requirePhases, requirePlaced, requireRescale, requireSyntax, requireWhole } from './checks.js'
import { unusable } from './classify.js'
import type { Frame } from './frames.js'
import { separate, times, type Phases } from './phases.js'
import { readPixels, requireReadable, sampleArray } from './pixels.js'
import { chooseSeries, type Family } from './series.js'

export interface DicomOptions {
  readonly minPhases: number
  readonly requireTimes: boolean
  readonly limits: ExamLimits
  readonly unpacking: Unpacking
  readonly signal?: AbortSignal | undefined
  readonly allocate?: ((bytes: number) => Promise<ArrayBuffer>) | undefined
  readonly onUsed?: ((files: readonly ExamFile[]) => Promise<void>) | undefined
}

/** An object without pixel data: a report, a presentation state, or an image that lost them. */
export interface Imageless {
  readonly series: string
  readonly seriesNumber: number | null
  /** Whether it has rows and columns. */
  readonly image: boolean
}

/**
 * @param frames of all files, in any order
 * @throws ExamRejection in the order of precedence of rejection.ts
 */
export async function volumeFromFrames(
  frames: readonly Frame[],
  imageless: readonly Imageless[],
  options: DicomOptions,
): Promise<Volume4D> {
  const leftOut = new LeftOutCount()
  for (const { seriesNumber } of imageless) leftOut.add('NOT_AN_IMAGE', seriesNumber)
  const unplaced: Frame[] = []
  const usable = frames.filter((frame) => {
    const reason = unusable(frame)
    if (reason !== null) leftOut.add(reason, frame.seriesNumber)
    if (reason === 'NO_GEOMETRY') unplaced.push(frame)
    return reason === null
  })
  if (usable.length === 0) throw nothingUsable(leftOut.entries())
  const { chosen, rest } = chooseSeries(usable)
  for (const { set, reason } of rest)
    leftOut.add(reason, set.frames[0]?.seriesNumber ?? null, set.frames.length)

  const members = chosen.flatMap((set) => set.frames)
  const sources = [...new Set(members.map((frame) => frame.source))]
  requireSyntax(sources)
  sources.forEach(requireReadable)
  requireRescale(members)
  const slices = members.map(slice)
  requireOneGrid(slices)
  requireAligned(chosen)
  const { of, count } = slicePositions(slices)
  const series = new Set(members.map((frame) => frame.series))
  requireWhole(sources, members, imageless.filter((one) => one.image && series.has(one.series)).length)
  const placed = members.map((frame, i): Placed => ({ frame, slice: of[i] ?? 0 }))
  const phases = separate(placed, count)
  requirePhases(phases.count, options.minPhases)
  requirePlaced(unplaced.filter((frame) => series.has(frame.series)))
  const stack = stackOf(firstOfEach(slices, of, count))
  const { timesS, from, warnings } = times(placed, phases, options.requireTimes)

  await options.onUsed?.(sources.map(({ file }) => file))
  const [first] = slices
  const shape = [phases.count, count, first?.rows ?? 0, first?.columns ?? 0] as const
  const volume = await pixels(placed, phases, shape, options)
  const account: FrameAccount = {
    read: frames.length + imageless.length,
    used: members.length,
    leftOut: leftOut.entries(),
  }
  return {
    format: 'dicom',
    shape,
    ...volume,
    affineLps: stack.affine,
    spacingMm: stack.spacingMm,
    timesS,
    phasesFrom: phases.by,
    timesFrom: from,
    series: seriesUsed(chosen, placed, phases, frames),
    frames: account,
    warnings: [
      ...stack.warnings,
      ...phases.warnings,
      ...warnings,
      ...lossyWarning(members),
      ...enhancementWarning(shape, volume.samples, volume.slopes, volume.intercepts),
    ],
  }
}

function nothingUsable(leftOut: readonly LeftOut[]): ExamRejection {
  const counts = new Map<LeftOutReason, number>()
  for (const { reason, count } of leftOut) counts.set(reason, (counts.get(reason) ?? 0) + count)
  const why = [...counts].map(([reason, count]) => `${String(count)} ${reason}`).join(', ')
  return new ExamRejection(
    'NO_DYNAMIC_SERIES',
    `no frame can be of a dynamic series: ${why}`,
    Object.fromEntries(counts),
  )
}

class LeftOutCount {
  readonly #entries = new Map<string, { reason: LeftOutReason; series: number | null; count: number }>()

  add(reason: LeftOutReason, series: number | null, count = 1): void {
    const key = `${reason} ${String(series)}`
    const known = this.#entries.get(key)
    if (known === undefined) this.#entries.set(key, { reason, series, count })
    else known.count += count
  }

  entries(): LeftOut[] {
    return [...this.#entries.values()].sort((a, b) => (a.series ?? Infinity) - (b.series ?? Infinity))
  }
}

function slice(frame: Frame): Slice {
  return {
    position: frame.position as Vector,
    orientation: frame.orientation ?? [],
    pixelSpacing: frame.pixelSpacing ?? [NaN, NaN],
    rows: frame.source.rows,
    columns: frame.source.columns,
  }
}

function firstOfEach(slices: readonly Slice[], of: readonly number[], count: number): Slice[] {
  const found = new Array<Slice | undefined>(count)
  slices.forEach((slice, i) => (found[of[i] ?? 0] ??= slice))
  return found.filter((slice) => slice !== undefined)
}

async function pixels(
  placed: readonly Placed[],
  phases: Phases,
  shape: readonly [number, number, number, number],
  options: DicomOptions,
): Promise<Pick<Volume4D, 'samples' | 'slopes' | 'intercepts'>> {
  const [t, z, y, x] = shape
  const formats = [...new Set(placed.map(({ frame }) => frame.source.format))]
  const SampleArray = sampleArray(formats)
  const bytes = t * z * y * x * SampleArray.BYTES_PER_ELEMENT
  if (bytes > options.limits.maxPixelBytes) {
    throw new ExamRejection(
      'EXAM_TOO_LARGE',
      `the volume has ${String(t)} x ${String(z)} x ${String(y)} x ${String(x)} samples, more than the ${String(options.limits.maxPixelBytes)} bytes allowed`,
      { shape, maxPixelBytes: options.limits.maxPixelBytes },
    )
  }
  const samples = new SampleArray((await options.allocate?.(bytes)) ?? new ArrayBuffer(bytes))
  const slopes = new Float64Array(t * z)
  const intercepts = new Float64Array(t * z)
  const placements = placed.map(({ frame, slice }, i) => {
    const at = (phases.of[i] ?? 0) * z + slice
    slopes[at] = frame.slope
    intercepts[at] = frame.intercept
    return { source: frame.source, indexInFile: frame.indexInFile, frame: at }
  })
  await readPixels(placements, samples, options.unpacking, options.signal)
  return { samples, slopes, intercepts }
}

function seriesUsed(
  chosen: Family,
  placed: readonly Placed[],
  phases: Phases,
  all: readonly Frame[],
): SeriesUse[] {
  const numbers = new Map(all.map((frame) => [frame.series, frame.seriesNumber ?? Infinity]))
  const order = [...numbers].sort((a, b) => a[1] - b[1]).map(([series]) => series)
  const phaseOf = new Map(placed.map(({ frame }, i) => [frame, phases.of[i]]))
  return chosen.map((set) => {
    const of = set.frames.map((frame) => phaseOf.get(frame))
    const series = set.frames[0]?.series ?? ''
    return {
      number: set.frames[0]?.seriesNumber ?? null,
      ordinal: order.indexOf(series) + 1,
      phases: new Set(of).size,
      frames: set.frames.length,
    }
  })
}

function lossyWarning(frames: readonly Frame[]): ExamWarning[] {
  const lossy = frames.filter((frame) => frame.lossy).length
  if (lossy === 0) return []
  return [
    {
      code: 'LOSSY_COMPRESSION',
      message: `${String(lossy)} of ${String(frames.length)} frames were compressed with loss`,
    },
  ]
}
