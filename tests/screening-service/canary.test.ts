/**
 * Name, id and birth date of the patient in every DICOM fixture are canaries: nothing that the daemon writes may
 * hold them, but the DICOM report, which an archive files by them.
 */

import { readdirSync } from 'node:fs'
import test from 'ava'
import { ReportFormat } from '../../src/generated/sentinode/v1/screening.js'
import { readIdentity } from '../../src/screening/index.js'
import { fixture, options, screen } from './client.js'
import { screeningDaemon } from './daemon.js'

const FIXTURES = new URL('../fixtures/exams/', import.meta.url)

const NAME = /CANARY/i
/** In DICOM's form and in ISO's, and no part of a longer number. */
const BIRTH_DATE = /(?<![\d.])1975-?01-?01(?!\d)/

/** More than one where the files are of several patients. */
function idsOf(files: readonly Uint8Array[]): RegExp[] {
  const ids = files.map((bytes) => {
    const id = readIdentity(bytes).elements.get(0x00100020)
    return id !== undefined && 'raw' in id ? Buffer.from(id.raw).toString('latin1').trim() : ''
  })
  return [...new Set(ids)].map((id) => new RegExp(id))
}

test('no patient is in logs, metrics, answers, errors and reports, whether exams are answered or refused', async (t) => {
  const { daemon, client } = await screeningDaemon(t, ['--log-level', 'trace'])
  const { REPORT_FORMAT_JSON, REPORT_FORMAT_HTML, REPORT_FORMAT_DICOM_SR } = ReportFormat
  const canaries = [NAME, BIRTH_DATE]
  const written: string[] = []
  const filed: { readonly report: string; readonly ids: readonly RegExp[] }[] = []
  let refused = 0
  for (const name of readdirSync(FIXTURES)) {
    const files = fixture(name)
    const ids = idsOf(files)
    canaries.push(...ids)
    const asked = options({ reports: [REPORT_FORMAT_JSON, REPORT_FORMAT_HTML, REPORT_FORMAT_DICOM_SR] })
    try {
      const { reports, ...answer } = await screen(client, files, asked)
      written.push(JSON.stringify(answer, (_, v: unknown) => (typeof v === 'bigint' ? Number(v) : v)))
      for (const { format, data } of reports) {
        if (format === REPORT_FORMAT_DICOM_SR)
          filed.push({ report: Buffer.from(data).toString('latin1'), ids })
        else written.push(Buffer.from(data).toString('utf8'))
      }
    } catch (error) {
      refused++
      written.push(error instanceof Error ? `${error.message} ${JSON.stringify(error)}` : String(error))
    }
  }
  t.true(filed.length > 0 && refused > 0)
  // Where they have to be they are found: what is not found below is not there.
  for (const { report, ids } of filed)
    for (const canary of [NAME, BIRTH_DATE, ...ids]) t.regex(report, canary)
  written.push(await (await fetch(`http://${daemon.metrics}/metrics`)).text())
  const { stdout, stderr } = await daemon.stop()
  for (const text of [...written, stdout, stderr]) for (const canary of canaries) t.notRegex(text, canary)
})
