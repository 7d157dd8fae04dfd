/** Whose exam it is, asked only to be sure that it is one person's. Nothing of the answer is kept. */

import { ExamRejection } from '../rejection.js'
import type { Dataset } from './dataset.js'

/** Gathers what files say of their patient, and keeps it no longer than the check needs. */
export class PatientCheck {
  readonly #ids = new Set<string>()
  readonly #births = new Set<string>()
  readonly #names = new Set<string>()
  #files = 0

  add(dataset: Dataset): void {
    this.#files++
    this.#ids.add(dataset.text('PatientID'))
    this.#births.add(dataset.text('PatientBirthDate'))
    this.#names.add(canonicalName(dataset.text('PatientName')))
  }

  /** @throws ExamRejection MULTIPLE_PATIENTS when files differ in patient id, birth date or name */
  requireOne(): void {
    const patients = Math.max(...[this.#ids, this.#births, this.#names].map(countKnown))
    if (patients <= 1) return
    throw new ExamRejection(
      'MULTIPLE_PATIENTS',
      `the ${String(this.#files)} files belong to ${String(patients)} patients`,
      { patients, files: this.#files },
    )
  }
}

/** What a file does not say contradicts nothing. */
function countKnown(values: ReadonlySet<string>): number {
  return values.size - (values.has('') ? 1 : 0)
}

/**
 * The alphabetic form without what writers add, drop or encode in several ways: case, empty components,
 * doubled spaces, letters beyond ASCII (one study may hold a name in two character sets).
 */
function canonicalName(name: string): string {
  const [alphabetic = ''] = name.split('=')
  return alphabetic
    .toUpperCase()
    .replace(/[^\x20-\x7e]/g, '')
    .replace(/\s+/g, ' ')
    .replace(/[\s^]+$/, '')
    .replace(/\s*\^\s*/g, '^')
}
