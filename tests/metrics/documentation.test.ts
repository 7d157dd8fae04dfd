import test from 'ava'
import { readFileSync } from 'node:fs'
import { DaemonMetrics } from '../../src/metrics/index.js'

const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
const timings = { gatherStart: 0, gatherEnd: 0, runStart: 0, runEnd: 0, scatterEnd: 0 }

/** A daemon in which everything that is measured has happened. */
function eventful(): DaemonMetrics {
  const metrics = new DaemonMetrics()
  const net = metrics.model('net', '1')
  net.onLoaded(1, ['cpu'])
  net.onSuccess({ rows: 1, enqueuedAt: 0, finishedAt: 1, late: false, timings })
  net.onBatch({ requests: 1, rows: 1, timings })
  net.onAnswer(1, 1)
  metrics.calls.started('a.B/C')
  metrics.calls.handled('a.B/C', 'OK', 1)
  metrics.calls.shed('QUEUE_FULL')
  metrics.screening.outcome('OK', 1)
  metrics.screening.stage('read', 1)
  metrics.screening.readerEnded('died')
  metrics.watch({
    queues: () => [{ model: 'net', version: '1', queuedRequests: 0, queuedBytes: 0, pendingRequests: 0 }],
    memory: () => null,
    lostLines: () => 0,
    requestMemory: () => 0,
    exams: () => ({ exams: 1, waiting: 0, bytes: 2, limitBytes: 3 }),
  })
  return metrics
}

test('docs/metrics.md lists every metric of ours with its type and labels, and no other', async (t) => {
  const { text } = await eventful().exposition()
  const actual = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    .filter(([, name]) => !/^(process|nodejs)_/.test(name ?? ''))
    .map(([, name, type]) => {
      const series = new RegExp(`^${name}(?:_count)?\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? ''
      const labels = [...series.matchAll(/(\w+)="/g)].map(([, label]) => `\`${label}\``)
      return `${name} ${type} ${labels.join(' ')}`.trim()
    })
  const rows = page.matchAll(/^\| `(\w+)` +\| (\w+) +\| ([^|]*?) *\|/gm)
  const documented = [...rows].map(([, name, type, labels]) => `${name} ${type} ${labels}`.trim())
  t.deepEqual(documented.sort(), actual.sort())
  t.true(actual.length > 30)
})
