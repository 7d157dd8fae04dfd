/** The cohort's tables: what a clinic knows, what the scanners did, and the truth. */

import type { ExamPlan } from './exam.js'
import type { ExamFiles } from './files.js'

type Row = Readonly<Record<string, string | number>>

/** What a screening program is given, in forms that its clinical schema reads. */
export function clinicalRow({ name, woman: { clinical }, marked }: ExamPlan): Row {
  return {
    exam: name,
    age: clinical.age,
    er: clinical.er ? 'positive' : 'negative',
    her2: clinical.her2 ? 'positive' : 'negative',
    ki67: clinical.ki67,
    grade: clinical.grade,
    ...point('centre', marked),
  }
}

/** How the exam was made; the times are of its phases, in seconds after the first, separated by semicolons. */
export function examRow({ name, protocol, breast }: ExamPlan, files: ExamFiles): Row {
  const { scanner, grid, sequence } = protocol
  return {
    exam: name,
    path: files.path,
    times_s: protocol.startsS.join(';'),
    side: breast.side > 0 ? 'left' : 'right',
    layout: scanner.layout,
    manufacturer: scanner.manufacturer,
    model: scanner.model,
    field_t: scanner.fieldT,
    plane: scanner.plane,
    columns: grid.size[0],
    rows: grid.size[1],
    slices: grid.size[2],
    in_plane_mm: grid.spacingMm[0],
    slice_mm: grid.spacingMm[2],
    tr_ms: sequence.repetitionTimeMs,
    te_ms: sequence.echoTimeMs,
    flip_degrees: sequence.flipAngleDegrees,
    phase_s: protocol.phaseS,
    injection_s: rounded(protocol.injectionS, 2),
  }
}

export function truthRow(plan: ExamPlan, files: ExamFiles): Row {
  const { woman, lesion, kinetics, curves } = plan
  const { latents, risk } = woman
  return {
    exam: plan.name,
    pn: Number(woman.pn),
    cn: Number(woman.cn),
    risk_pn: rounded(risk.pn, 6),
    risk_cn: rounded(risk.cn, 6),
    kinetics: rounded(latents.kinetics, 4),
    morphology: rounded(latents.morphology, 4),
    interplay: rounded(latents.interplay, 4),
    clinical: rounded(latents.clinical, 4),
    ...point('centre', lesion.centre),
    diameter_mm: rounded(2 * lesion.radiusMm, 2),
    volume_mm3: rounded(files.lesionMm3, 1),
    spiculation: rounded(lesion.spiculation, 3),
    irregularity: rounded(lesion.irregularity, 3),
    rim: rounded(lesion.rim, 3),
    fast_ktrans_per_min: rounded(curves.fastKtrans, 4),
    fast_kep_per_min: rounded(kinetics.fastKep, 4),
    slow_ktrans_per_min: rounded(curves.slowKtrans, 4),
    slow_kep_per_min: rounded(kinetics.slowKep, 4),
    vp: rounded(kinetics.vp, 4),
    parting: rounded(kinetics.habitats.parting, 4),
    heterogeneity: rounded(kinetics.habitats.heterogeneity, 4),
  }
}

/** Comma-separated values with a header; nothing in these tables needs quotes. */
export function csv(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {})
  return [names, ...rows.map((row) => names.map((name) => row[name]))]
    .map((line) => `${line.join(',')}\n`)
    .join('')
}

function point(name: string, at: readonly [number, number, number]): Row {
  return {
    [`${name}_x_mm`]: rounded(at[0], 2),
    [`${name}_y_mm`]: rounded(at[1], 2),
    [`${name}_z_mm`]: rounded(at[2], 2),
  }
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
