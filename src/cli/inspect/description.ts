/** `inspect` for people: what was made of the exam, and enough of it to see whether that is right. */

import { colours } from '../../colours.js'
import type { LeftOutReason, Volume4D } from '../../exam/volume.js'
import { columns, count } from '../text.js'
import { sampleName } from './summary.js'

const LEFT_OUT: Readonly<Record<LeftOutReason, string>> = {
  NOT_AN_IMAGE: 'no image',
  NOT_MR: 'not MR',
  COLOUR: 'colour',
  LOCALIZER: 'localizer',
  MOSAIC: 'mosaic',
  DERIVED: 'derived',
  NOT_MAGNITUDE: 'not magnitude',
  DIFFUSION: 'diffusion',
  T2_WEIGHTED: 'T2-weighted',
  NO_GEOMETRY: 'no position or orientation',
  SINGLE_SLICE: 'a single slice position',
  NOT_DYNAMIC: 'not part of the dynamic series',
  NOT_WATER: 'fat, in phase or opposed phase',
}

export function description(volume: Volume4D): string {
  const format = volume.format === 'dicom' ? 'DICOM' : 'NIfTI'
  const [phases, slices, rows, cols] = volume.shape
  const facts: [string, string][] = [
    ['order', `phases told apart by ${volume.phasesFrom}`],
    ['times', volume.timesFrom === null ? 'not known' : `from ${volume.timesFrom}`],
    ['grid', `${count(slices, 'slice')} of ${rows} rows x ${cols} columns, ${sampleName(volume)}`],
    ['voxels', `${volume.spacingMm.map((mm) => mm.toFixed(2)).join(' x ')} mm (slice, row, column)`],
    ['plane', plane(volume)],
    ['centre', `${centre(volume)} mm (x to the left, y to the back, z up: for --centre)`],
    ...account(volume),
    ...volume.warnings.map(({ code, message }): [string, string] => ['warning', `${code}: ${message}`]),
  ]
  const lines = facts.map(
    ([name, text]) => `${(name === 'warning' ? colours.yellow : colours.dim)(name.padEnd(10))}${text}`,
  )
  const title = colours.bold(`a dynamic series of ${count(phases, 'phase')}, ${format}`)
  return ['', title, '', ...phaseTable(volume), '', ...lines, ''].join('\n')
}

function phaseTable(volume: Volume4D): string[] {
  const means = phaseMeans(volume)
  const [first = 0] = means
  const rows = means.map((mean, phase) => [
    String(phase + 1),
    volume.timesS === null ? 'not known' : `${(volume.timesS[phase] ?? 0).toFixed(1)} s`,
    mean.toPrecision(4),
    phase === 0 || first <= 0 ? '' : signed((mean / first - 1) * 100),
  ])
  const heads = ['phase', 'time', 'mean of all voxels', 'since the first']
  return columns(heads, rows, [true, true, true, true]).map((line, i) => (i === 0 ? colours.dim(line) : line))
}

function signed(percent: number): string {
  return `${percent < 0 ? '-' : '+'}${Math.abs(percent).toFixed(1)} %`
}

/** At most about a million voxels of each phase are looked at. */
const SAMPLED = 1_000_000

function phaseMeans({ shape, samples, slopes, intercepts }: Volume4D): number[] {
  const [phases, slices, rows, cols] = shape
  const plane = rows * cols
  const stride = Math.max(1, Math.floor((slices * plane) / SAMPLED))
  return Array.from({ length: phases }, (_, phase) => {
    let sum = 0
    let seen = 0
    for (let voxel = 0; voxel < slices * plane; voxel += stride) {
      const frame = phase * slices + Math.floor(voxel / plane)
      const stored = samples[phase * slices * plane + voxel] ?? 0
      sum += stored * (slopes[frame] ?? 1) + (intercepts[frame] ?? 0)
      seen++
    }
    return sum / seen
  })
}

const PLANES = ['sagittal', 'coronal', 'axial'] as const

function plane({ affineLps }: Volume4D): string {
  const normal = [0, 1, 2].map((row) => Math.abs(affineLps[row]?.[2] ?? 0))
  const length = Math.hypot(...normal)
  const largest = Math.max(...normal)
  const tilt = (Math.acos(Math.min(1, largest / length)) * 180) / Math.PI
  const name = PLANES[normal.indexOf(largest)] ?? 'axial'
  return tilt < 0.5 ? name : `${name}, tilted by ${tilt.toFixed(0)} degrees`
}

/** The middle of the volume in patient millimetres. */
function centre({ affineLps, shape }: Volume4D): string {
  const middle = [(shape[3] - 1) / 2, (shape[2] - 1) / 2, (shape[1] - 1) / 2, 1]
  return affineLps
    .slice(0, 3)
    .map((row) => row.reduce((sum, value, i) => sum + value * (middle[i] ?? 0), 0).toFixed(1))
    .join(', ')
}

function account({ frames, series }: Volume4D): [string, string][] {
  const left = frames.read - frames.used
  const used = series.map(
    ({ number, ordinal, phases, frames: inIt }) =>
      `${number === null ? `the ${ordinal}.` : String(number)} (${count(phases, 'phase')}, ${count(inIt, 'frame')})`,
  )
  return [
    ['series', used.join(', ')],
    ['frames', `${frames.read} read, ${frames.used} used${left === 0 ? '' : `, ${left} left out:`}`],
    ...frames.leftOut.map(({ count: n, series: number, reason }): [string, string] => [
      '',
      `${String(n).padStart(5)}  of series ${String(number ?? 'without a number').padEnd(4)} ${LEFT_OUT[reason]} (${reason})`,
    ]),
  ]
}
