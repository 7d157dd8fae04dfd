import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLINICAL, CROP, demoNetwork } from './network.js'

export interface DemoModel {
  readonly repository: string
  readonly name: string
}

/** The trained model that ships with sentinode. */
const TRAINED: DemoModel = {
  repository: fileURLToPath(new URL('../../models', import.meta.url)),
  name: 'lymph4d',
}

/** The model that is shown: the one that ships, otherwise an untrained one, written to `folder`. */
export function demoModel(folder: string): DemoModel {
  return existsSync(join(TRAINED.repository, TRAINED.name)) ? TRAINED : untrained(folder)
}

/** A network whose weights are drawn from a seed, with the contract that makes a screening model of it. */
function untrained(folder: string): DemoModel {
  const name = 'demo4d'
  const version = join(folder, name, '1')
  mkdirSync(version, { recursive: true })
  writeFileSync(join(version, 'model.onnx'), demoNetwork())
  writeFileSync(join(version, 'screening.yaml'), CONTRACT)
  writeFileSync(
    join(folder, name, 'config.pbtxt'),
    'max_batch_size: 8\ndynamic_batching { max_queue_delay_microseconds: 2000 }\n',
  )
  return { repository: folder, name }
}

const OPERATING_POINTS = `
      - { name: rule_out, threshold: 0.2, sensitivity: 0.8, specificity: 0.2 }
      - { name: balanced, threshold: 0.5, sensitivity: 0.5, specificity: 0.5 }`

const ENCODED: Readonly<Record<(typeof CLINICAL)[number], string>> = {
  age: '{ subtract: 54, divide: 12 }',
  er: '{ subtract: 0.8 }',
  her2: '{ subtract: 0.15 }',
  ki67: '{ subtract: 25, divide: 20 }',
  grade: '{ subtract: 2 }',
}

const CONTRACT = `format: 1
title: Axillary lymph node metastasis, untrained
image:
  input: image
  grid: { size: [${CROP.depth}, ${CROP.height}, ${CROP.width}], spacing_mm: [2, 1.5, 1.5] }
  region: { accept: [centre, box, mask] }
  phases: { by: interpolated_time, times_s: [0, 120, 180, 240, 310], tolerance_s: 30 }
  intensity: { method: zscore, over: crop, phases: all }
clinical:
  input: clinical
  variables:${CLINICAL.map((name) => `\n    - { name: ${name}, standard: ${name}, missing: { policy: refuse }, encode: ${ENCODED[name]} }`).join('')}
findings:
  - name: pN+
    title: Pathologic nodal metastasis
    output: probability
    index: 0
    calibration: { method: none }
    operating_points:${OPERATING_POINTS}
  - name: cN+
    title: Clinical nodal metastasis
    output: probability
    index: 1
    calibration: { method: none }
    operating_points:${OPERATING_POINTS}
default_operating_point: balanced
provenance:
  notice: NOT FOR CLINICAL USE; the weights are drawn from a seed and not trained, so that these numbers mean nothing
`
