import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import test from 'ava'
import { sentinode } from '../process/sentinode.js'

test('the demo screens a DICOM exam through a daemon and leaves the reports, and nothing else', async (t) => {
  const { code, stdout, stderr } = await sentinode(['demo']).finished
  t.is(code, 0, stderr)
  const [, page = ''] = /report, to open in a browser: (\S+\.html)/.exec(stdout) ?? []
  t.not(page, '', stdout)
  const folder = dirname(dirname(page))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  t.regex(readFileSync(page, 'utf8'), /Slice of strongest enhancement/)
  t.true(existsSync(page.replace(/html$/, 'dcm')))
  t.false(existsSync(`${folder}/work`))
  t.regex(stdout, /a dynamic series of 6 phases, DICOM/)
  t.regex(stdout, /pN\+ +Pathologic nodal metastasis +[\d.]+ %/)
  t.regex(stdout, /region +centre/)
  t.regex(stdout, /sentinode_exams_total\{code="OK"\} 1/)
  t.regex(stdout, /nv_inference_count\{.*\} 25/)
  t.regex(stdout, /drained, exit code 0/)
  t.notRegex(stdout, /\u001b/)
})
