/** The name in every DICOM fixture is a canary: nothing that the daemon writes may hold it. */

import { readdirSync } from 'node:fs'
import test from 'ava'
import { ReportFormat } from '../../src/generated/sentinode/v1/screening.js'
import { fixture, options, screen } from './client.js'
import { screeningDaemon } from './daemon.js'

const FIXTURES = new URL('../fixtures/exams/', import.meta.url)
const CANARY = /CANARY/i

test('no patient is in logs, metrics, answers, errors and reports, whether exams are answered or refused', async (t) => {
  const { daemon, client } = await screeningDaemon(t, ['--log-level', 'trace'])
  const { REPORT_FORMAT_JSON, REPORT_FORMAT_HTML } = ReportFormat
  const written: string[] = []
  const sent = new Set<string>()
  const exams = readdirSync(FIXTURES).filter((name) => {
    const there = readdirSync(new URL(`${name}/`, FIXTURES)).includes('dicom')
    return there && fixture(name).some((bytes) => Buffer.from(bytes).includes('CANARY'))
  })
  for (const name of exams) {
    const asked = options({ reports: [REPORT_FORMAT_JSON, REPORT_FORMAT_HTML] })
    try {
      const answer = await screen(client, fixture(name), asked)
      written.push(...answer.reports.map(({ data }) => Buffer.from(data).toString('utf8')))
      written.push(
        JSON.stringify({ ...answer, reports: [] }, (_, v: unknown) =>
          typeof v === 'bigint' ? Number(v) : v,
        ),
      )
      sent.add('answered')
    } catch (error) {
      written.push(error instanceof Error ? `${error.message} ${JSON.stringify(error)}` : String(error))
      sent.add('refused')
    }
  }
  t.deepEqual([...sent].sort(), ['answered', 'refused'])
  written.push(await (await fetch(`http://${daemon.metrics}/metrics`)).text())
  const { stdout, stderr } = await daemon.stop()
  for (const text of [...written, stdout, stderr]) t.notRegex(text, CANARY)
})
