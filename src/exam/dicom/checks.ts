/** What must hold of the files of the dynamic series before their pixels are read (docs/exams.md). */

import { ExamRejection } from '../rejection.js'
import type { Frame, SourceFile } from './frames.js'
import { isTruncated } from './pixels.js'

export function requireSyntax(sources: readonly SourceFile[]): void {
  const refused = sources.filter(({ header }) => header.syntax.compression === 'unsupported')
  const [first] = refused
  if (first === undefined) return
  throw new ExamRejection(
    'UNSUPPORTED_TRANSFER_SYNTAX',
    `${String(refused.length)} of ${String(sources.length)} files of the dynamic series are in a transfer syntax that is not read: ${first.header.syntax.name}`,
    { syntax: first.header.syntax.name, files: refused.length },
  )
}

export function requireRescale(frames: readonly Frame[]): void {
  if (
    frames.every(
      ({ slope, intercept }) => Number.isFinite(slope) && Number.isFinite(intercept) && slope !== 0,
    )
  )
    return
  throw new ExamRejection(
    'UNSUPPORTED_PIXEL_FORMAT',
    'a rescale slope or intercept is not a number, or the slope is zero',
  )
}

/** @param without files of the dynamic series that have no pixel data at all */
export function requireWhole(
  sources: readonly SourceFile[],
  frames: readonly Frame[],
  without: number,
): void {
  const empty = sources.some(({ rows, columns }) => rows === 0 || columns === 0)
  const cut = sources.filter(isTruncated)
  if (cut.length === 0 && !empty && without === 0) return
  const number = frames.find((frame) => frame.source === cut[0])?.seriesNumber ?? null
  const files = cut.length + without
  throw new ExamRejection(
    'TRUNCATED_PIXEL_DATA',
    `${String(files)} of ${String(sources.length + without)} files of the dynamic series hold less pixel data than their headers say`,
    { files, series: number },
  )
}

/** Frames that cannot be put anywhere might be a phase, or a slice of all phases, that nothing else misses. */
export function requirePlaced(unplaced: readonly Frame[]): void {
  if (unplaced.length === 0) return
  throw new ExamRejection(
    'INCONSISTENT_GEOMETRY',
    `${String(unplaced.length)} frames of the dynamic series have no position, orientation or pixel spacing`,
    { frames: unplaced.length },
  )
}

export function requirePhases(count: number, least: number): void {
  if (count >= least) return
  throw new ExamRejection(
    'TOO_FEW_PHASES',
    `the dynamic series has ${String(count)} phases; at least ${String(least)} are needed`,
    {
      phases: count,
      needed: least,
    },
  )
}
