/** Exams made in memory for the tests of this folder. */

import { readFileSync } from 'node:fs'
import type { Volume4D } from '../../src/exam/volume.js'
import { parseContract, type Contract } from '../../src/screening/index.js'

export const contractText = readFileSync(
  new URL('../fixtures/screening/screening.yaml', import.meta.url),
  'utf8',
)

/** The fixture's contract with texts replaced; each must be there. */
export function contractWith(...changes: [from: string, to: string][]): Contract {
  const text = changes.reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`the fixture has no ${from}`)
    return before.replace(from, to)
  }, contractText)
  return parseContract(text)
}

/** 5 phases of 16 x 40 x 40 voxels of 1.5 x 1 x 1 mm about the origin; a bright ball takes up contrast agent. */
export function ballExam(change: Partial<Volume4D> = {}): Volume4D {
  const [phases, depth, height, width] = [5, 16, 40, 40]
  const samples = new Int16Array(phases * depth * height * width)
  const uptake = [0, 300, 380, 360, 340]
  let index = 0
  for (let t = 0; t < phases; t++) {
    for (let z = 0; z < depth; z++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const inside = (x - 26) ** 2 + (y - 14) ** 2 + (1.5 * (z - 10)) ** 2 < 25
          samples[index++] = 100 + ((x * 7 + y * 13 + z * 5) % 11) + (inside ? (uptake[t] ?? 0) : 0)
        }
      }
    }
  }
  return {
    format: 'dicom',
    shape: [phases, depth, height, width],
    samples,
    slopes: new Float64Array(phases * depth).fill(1),
    intercepts: new Float64Array(phases * depth),
    affineLps: [
      [1, 0, 0, -20],
      [0, 1, 0, -20],
      [0, 0, 1.5, -12],
      [0, 0, 0, 1],
    ],
    spacingMm: [1.5, 1, 1],
    timesS: [0, 88, 151, 222, 279],
    phasesFrom: 'TriggerTime',
    timesFrom: 'TriggerTime',
    series: [{ number: 4, ordinal: 2, phases, frames: phases * depth }],
    frames: {
      read: phases * depth + 3,
      used: phases * depth,
      leftOut: [{ reason: 'LOCALIZER', series: 1, count: 3 }],
    },
    warnings: [],
    ...change,
  }
}

export const clinical = { age: 54, er: 'positive', her2: 'negative', ki67: 20, grade: 2 }
