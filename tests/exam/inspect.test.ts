import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const EXAMS = new URL('../fixtures/exams/', import.meta.url).pathname

function inspect(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  // As a CI runs it: what is piped holds no colours even there.
  const env = { ...process.env, CI: 'true' }
  return spawnSync(process.execPath, ['--import=tsx', MAIN, 'inspect', ...args], { encoding: 'utf8', env })
}

test('an exam is described as JSON, with the fields that programs rely on', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sentinode-'))
  try {
    const saved = join(folder, 'out.nii.gz')
    const { status, stdout } = inspect(`${EXAMS}siemens_over_midnight/dicom`, '--json', '--save', saved)
    t.is(status, 0)
    const told = JSON.parse(stdout) as Record<string, unknown>
    t.deepEqual(told['shape'], [5, 12, 40, 44])
    t.deepEqual(told['times_s'], [0, 93.2, 150.7, 224.6, 284.1])
    t.deepEqual(told['frames'], {
      read: 67,
      used: 60,
      left_out: [
        { reason: 'LOCALIZER', series: 1, count: 3 },
        { reason: 'T2_WEIGHTED', series: 3, count: 4 },
      ],
    })
    t.deepEqual(told['spacing_mm'], [2.000000017, 0.9, 1.1])
    for (const field of ['affine_lps', 'series', 'warnings']) t.true(Array.isArray(told[field]), field)
    t.true(existsSync(saved))
    t.notRegex(stdout, /CANARY|P\d{6}/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('an exam is described for people', (t) => {
  const { status, stdout } = inspect(`${EXAMS}philips_pre_post_scaled/dicom`)
  t.is(status, 0)
  t.regex(stdout, /a dynamic series of 5 phases, DICOM/)
  const phases = [...stdout.matchAll(/^ +\d +([\d.]+) s +[\d.]+( +[-+][\d.]+ %)?$/gm)]
  t.deepEqual(
    phases.map((match) => match[1]),
    ['0.0', '90.6', '148.8', '210.3', '275.9'],
  )
  t.true(
    phases.slice(1).every((match) => match[2]?.includes('+')),
    'contrast agent is seen',
  )
  t.regex(stdout, /from AcquisitionTime/)
  t.regex(stdout, /67 read, 60 used, 7 left out/)
  t.regex(stdout, /4 +of series 3 +T2-weighted \(T2_WEIGHTED\)/)
  t.regex(stdout, /centre +-?[\d.]+, -?[\d.]+, -?[\d.]+ mm/)
  t.false(stdout.includes('\u001b'), 'no escape codes')
  t.notRegex(stdout, /CANARY|P\d{6}/)
})

test('a refused exam ends with its reason and code 1', (t) => {
  const { status, stdout } = inspect(`${EXAMS}bad_missing_slice/dicom`, '--json')
  t.is(status, 1)
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
  t.is(error.code, 'INCOMPLETE_PHASE')
  t.regex(error.message, /position \d of 8, phase \d of 4/)
})

test('an exam that is not there is a mistake in usage', (t) => {
  const { status, stdout } = inspect('/nowhere/at/all', '--json')
  t.is(status, 2)
  t.is((JSON.parse(stdout) as { error: { code: string } }).error.code, 'INVALID_OPTION')
})
