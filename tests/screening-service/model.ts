/** Screening models for tests: small networks with a contract, whose answers mean nothing. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NetworkBuilder } from '../../bench/lib/network-builder.js'

export const GRID = [8, 24, 24] as const
export const PHASES = 3
const VARIABLES = ['age', 'her2'] as const

function network(clinical: boolean, seed: number): Uint8Array {
  const net = new NetworkBuilder(seed)
  const image = net.input('image', ['N', 1, PHASES, ...GRID])
  const kernel = [3, 3, 3, 3]
  const features = net.globalFeatures(net.relu(net.conv(image, { from: 1, to: 4, kernel })))
  const values = clinical ? [net.input('clinical', ['N', VARIABLES.length])] : []
  const joined = net.node('Concat', [features, ...values], { axis: 1 })
  const width = 4 + (clinical ? VARIABLES.length : 0)
  net.output('probability', net.node('Sigmoid', [net.gemm(joined, width, 2)]), ['N', 2])
  return net.build('test')
}

const CLINICAL = `
clinical:
  input: clinical
  variables:
    - { name: age, standard: age, missing: { policy: impute, value: 55 }, encode: { subtract: 50, divide: 12 } }
    - { name: her2, standard: her2, missing: { policy: other_model, model: image_only } }`

export interface ContractOptions {
  readonly clinical?: boolean
  readonly phases?: string
  readonly accept?: string
  readonly grid?: string
}

export function contract(options: ContractOptions = {}): string {
  const phases = options.phases ?? '{ by: nearest_time, times_s: [0, 90, 150], tolerance_s: 60 }'
  const grid = options.grid ?? `{ size: [${GRID.join(', ')}], spacing_mm: [2, 1, 1] }`
  return `format: 1
title: Test of nodal status
image:
  input: image
  grid: ${grid}
  region: { accept: [${options.accept ?? 'centre, box, mask, volume'}], max_outside_fraction: 0.9 }
  phases: ${phases}
  intensity: { method: zscore, over: crop, phases: all }${options.clinical === false ? '' : CLINICAL}
findings:
  - name: pN+
    title: Pathologic nodal metastasis
    output: probability
    index: 0
    calibration: { method: platt, a: 1.2, b: -0.3 }
    operating_points:
      - { name: rule_out, threshold: 0.15, sensitivity: 0.95, specificity: 0.51 }
      - { name: balanced, threshold: 0.45, sensitivity: 0.82, specificity: 0.78 }
  - name: cN+
    output: probability
    index: 1
    calibration: { method: none }
    operating_points:
      - { name: rule_out, threshold: 0.2, sensitivity: 0.93, specificity: 0.4 }
      - { name: balanced, threshold: 0.5, sensitivity: 0.8, specificity: 0.7 }
default_operating_point: rule_out
provenance:
  notice: NOT FOR CLINICAL USE
`
}

/** Models `lymph`, with clinical values, and `image_only`, which does without. */
export function screeningRepository(folder: string, options: ContractOptions = {}): string {
  for (const [name, clinical, seed] of [
    ['lymph', true, 1],
    ['image_only', false, 2],
  ] as const) {
    const version = join(folder, name, '1')
    mkdirSync(version, { recursive: true })
    writeFileSync(join(version, 'model.onnx'), network(clinical, seed))
    writeFileSync(join(version, 'screening.yaml'), contract({ ...options, clinical }))
  }
  return folder
}
