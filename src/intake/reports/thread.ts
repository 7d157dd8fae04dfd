/** The entry of the thread that writes reports: jobs in, bytes out. */

import { parentPort } from 'node:worker_threads'
import { isSentinodeError } from '../../errors.js'
import { writeReport, type ReportJob, type Written } from './report.js'

parentPort?.on('message', (job: ReportJob) => parentPort?.postMessage(written(job)))

function written(job: ReportJob): Written {
  try {
    return { kind: 'done', bytes: writeReport(job) }
  } catch (error) {
    if (isSentinodeError(error))
      return { kind: 'failed', error: { code: error.code, message: error.message } }
    return {
      kind: 'failed',
      error: error instanceof Error ? error : new Error('a value that is no error was thrown'),
    }
  }
}
