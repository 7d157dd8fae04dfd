/**
 * Which frames make the dynamic series. Frames fall into image sets (one series, one stack, one flavour, one
 * echo); image sets of the same sequence over the same tissue form a family; the family with phases is it.
 */

import { clusters, dot, normalAngle, normalOf, SAME_POSITION_MM, type Vector } from '../geometry.js'
import { ExamRejection } from '../rejection.js'
import type { LeftOutReason } from '../volume.js'
import { dixonPart, flavour } from './classify.js'
import type { Frame, Protocol } from './frames.js'

/** Frames of one series that could be one stack, once or at several phases. */
export interface ImageSet {
  readonly frames: readonly Frame[]
  /** The commonest orientation among them. */
  readonly orientation: readonly number[]
  /** Frames at most slice positions: 1 for a single phase. */
  readonly depth: number
  /** Of slice positions along the normal. */
  readonly range: readonly [number, number]
  readonly positions: number
}

/** Image sets of one sequence over one region, in the order of their series. */
export type Family = readonly ImageSet[]

const PARALLEL_DEGREES = 30
const DEGREES_OF_A_PLANE = 45

export interface Choice {
  readonly chosen: Family
  readonly rest: readonly { readonly set: ImageSet; readonly reason: LeftOutReason }[]
}

/**
 * @param frames the usable frames of an exam
 * @throws ExamRejection NO_DYNAMIC_SERIES, TOO_FEW_PHASES, AMBIGUOUS_SERIES
 */
export function chooseSeries(frames: readonly Frame[]): Choice {
  const sets = imageSets(frames)
  const reasons = new Map(sets.map((set) => [set, unlike(set)]))
  const families = group(sets.filter((set) => reasons.get(set) === null))
  const candidates = families.filter((family) => phasesOf(family) >= 2)
  const dynamic = waterOf(candidates)
  const [chosen] = dynamic
  if (families.length === 0) {
    throw new ExamRejection('NO_DYNAMIC_SERIES', 'no series of the exam can be a dynamic one', {
      frames: frames.length,
    })
  }
  if (chosen === undefined) {
    const series = families.length
    throw new ExamRejection(
      'TOO_FEW_PHASES',
      `the exam has ${String(series)} series that could be dynamic, each with a single phase; at least 2 phases are needed`,
      { series, phases: 1 },
    )
  }
  if (dynamic.length > 1 || chosen.filter((set) => set.depth > 1).length > 1) {
    const named = dynamic.flat().filter((set) => dynamic.length > 1 || set.depth > 1)
    throw new ExamRejection(
      'AMBIGUOUS_SERIES',
      `${String(named.length)} series could be the dynamic one: ${named.map(nameOf).join(', ')}`,
      { candidates: named.length },
    )
  }
  const passedOver = new Set(candidates.filter((family) => family !== chosen).flat())
  const rest = sets
    .filter((set) => !chosen.includes(set))
    .map((set) => ({
      set,
      reason: reasons.get(set) ?? (passedOver.has(set) ? 'NOT_WATER' : 'NOT_DYNAMIC'),
    }))
  return { chosen, rest }
}

/**
 * Of the parts of one Dixon acquisition the water images, in which contrast agent is looked for: fat, in-phase
 * and opposed-phase images of the same stacks are no other candidates.
 */
function waterOf(families: readonly Family[]): readonly Family[] {
  const part = (family: Family): 'water' | 'other' | null => {
    const frame = family[0]?.frames[0]
    return frame === undefined ? null : dixonPart(frame)
  }
  const [water, ...more] = families.filter((family) => part(family) === 'water')
  if (water === undefined || more.length > 0) return families
  const same = (family: Family): boolean =>
    part(family) === 'other' && phasesOf(family) === phasesOf(water) && sameStack(family, water)
  return families.every((family) => family === water || same(family)) ? [water] : families
}

function sameStack([a]: Family, [b]: Family): boolean {
  const [one, other] = [a?.frames[0], b?.frames[0]]
  if (a === undefined || b === undefined || one === undefined || other === undefined) return false
  return one.study === other.study && one.frameOfReference === other.frameOfReference && overlap(a, b)
}

function nameOf(set: ImageSet): string {
  const number = set.frames[0]?.seriesNumber ?? null
  return number === null ? 'one without a number' : `number ${String(number)}`
}

function phasesOf(family: Family): number {
  return family.reduce((sum, set) => sum + set.depth, 0)
}

function imageSets(frames: readonly Frame[]): ImageSet[] {
  const groups = new Map<string, Frame[]>()
  for (const frame of frames) {
    const key = [frame.series, frame.stack, flavour(frame), frame.protocol.echoTime.toFixed(1)].join('|')
    const known = groups.get(key)
    if (known === undefined) groups.set(key, [frame])
    else known.push(frame)
  }
  return [...groups.values()].map(imageSet).sort((a, b) => seriesOrder(a) - seriesOrder(b))
}

function seriesOrder(set: ImageSet): number {
  return set.frames[0]?.seriesNumber ?? Infinity
}

function imageSet(frames: readonly Frame[]): ImageSet {
  const orientation = commonest(frames.map((frame) => frame.orientation ?? [])) ?? []
  const normal = normalOf(orientation)
  const along = frames.map((frame) => dot(frame.position as Vector, normal))
  const positions = clusters(along, SAME_POSITION_MM)
  return {
    frames,
    orientation,
    depth: commonest(positions.map((position) => [position.members.length]))?.[0] ?? 1,
    range: [positions[0]?.centre ?? 0, positions.at(-1)?.centre ?? 0],
    positions: positions.length,
  }
}

/** The value that occurs most often (the largest of several). */
function commonest(values: readonly (readonly number[])[]): readonly number[] | undefined {
  const counts = new Map<string, { value: readonly number[]; count: number }>()
  for (const value of values) {
    const key = value.map((v) => v.toFixed(3)).join(' ')
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { value, count: 1 })
    else known.count++
  }
  const sorted = [...counts.values()].sort(
    (a, b) => b.count - a.count || (b.value[0] ?? 0) - (a.value[0] ?? 0),
  )
  return sorted[0]?.value
}

/** Why a set of usable frames is not even one volume; null when it may be. */
function unlike(set: ImageSet): LeftOutReason | null {
  if (isLocalizer(set)) return 'LOCALIZER'
  // Bolus timing repeats one slice many times, and lone scouts pair up to phases.
  return set.range[1] - set.range[0] <= SAME_POSITION_MM ? 'SINGLE_SLICE' : null
}

/**
 * Three planes at right angles, none with most of the frames: a localizer whose ImageType does not say so.
 * Where one has, something else got into the series, which is then refused for its mixed orientations.
 */
function isLocalizer(set: ImageSet): boolean {
  const planes: (readonly number[])[] = []
  for (const { orientation } of set.frames) {
    if (
      orientation !== null &&
      planes.every((plane) => normalAngle(plane, orientation) > DEGREES_OF_A_PLANE)
    ) {
      planes.push(orientation)
    }
  }
  const along = set.frames.filter(
    ({ orientation }) => orientation !== null && normalAngle(set.orientation, orientation) < PARALLEL_DEGREES,
  )
  return planes.length >= 3 && along.length <= set.frames.length / 2
}

function group(sets: readonly ImageSet[]): ImageSet[][] {
  const families: ImageSet[][] = []
  for (const set of sets) {
    const family = families.find((members) => members.some((member) => related(member, set)))
    if (family === undefined) families.push([set])
    else family.push(set)
  }
  return families
}

/**
 * Whether two sets are the same sequence over the same tissue. Matrix and exact orientation are not asked for:
 * a phase in another matrix must be refused, not passed over.
 */
function related(a: ImageSet, b: ImageSet): boolean {
  const [one, other] = [a.frames[0], b.frames[0]]
  if (one === undefined || other === undefined) return false
  return (
    one.study === other.study &&
    one.frameOfReference === other.frameOfReference &&
    one.stack === other.stack &&
    flavour(one) === flavour(other) &&
    sameProtocol(one.protocol, other.protocol) &&
    normalAngle(a.orientation, b.orientation) < PARALLEL_DEGREES &&
    overlap(a, b)
  )
}

function sameProtocol(a: Protocol, b: Protocol): boolean {
  return (
    close(a.echoTime, b.echoTime, 0.1) &&
    close(a.repetitionTime, b.repetitionTime, 0.1) &&
    close(a.inversionTime, b.inversionTime, 1) &&
    close(a.flipAngle, b.flipAngle, 1) &&
    a.fatSaturated === b.fatSaturated
  )
}

/** Within 5 percent or `floor`; what neither file says does not differ. */
function close(a: number, b: number, floor: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) === Number.isNaN(b)
  return Math.abs(a - b) <= Math.max(floor, 0.05 * Math.max(a, b))
}

/** At least half of the thinner stack lies within the other (sagittal stacks of both breasts do not). */
function overlap(a: ImageSet, b: ImageSet): boolean {
  const normal = normalOf(a.orientation)
  const along = b.frames.map((frame) => dot(frame.position as Vector, normal))
  const [low, high] = [Math.min(...along), Math.max(...along)]
  const shared = Math.min(a.range[1], high) - Math.max(a.range[0], low)
  const thinner = Math.min(a.range[1] - a.range[0], high - low)
  return shared >= 0.5 * thinner && shared >= 0
}
