import test from 'ava'
import { SentinodeError } from '../../src/errors.js'
import { createLogger, describeError, type LogFields, type Logger, type LogLevel } from '../../src/logger.js'

const CANARY = 'Jane Doe 1962-03-04'

function logger(level: LogLevel = 'info'): {
  log: Logger
  lines: () => Record<string, unknown>[]
  text: () => string
} {
  const written: string[] = []
  const log = createLogger({ level, destination: { write: (line: string) => void written.push(line) } })
  return {
    log,
    lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
    text: () => written.join(''),
  }
}

test('a line is one JSON object with its level, message and fields', (t) => {
  const { log, lines } = logger()
  log.warn({ requestId: 'r-1', seconds: 0.5, state: 'SERVING' }, 'slow')
  const [line] = lines()
  t.like(line, {
    level: 'warn',
    msg: 'slow',
    requestId: 'r-1',
    seconds: 0.5,
    state: 'SERVING',
    pid: process.pid,
  })
  t.is(typeof line?.['time'], 'number')
})

test('lines below the level are not written, silent writes none', (t) => {
  const { log, lines } = logger('warn')
  log.info({}, 'no')
  log.warn({}, 'yes')
  t.deepEqual(
    lines().map(({ msg }) => msg),
    ['yes'],
  )
  const silent = logger('silent')
  silent.log.fatal({}, 'no')
  t.deepEqual(silent.lines(), [])
})

test('a child repeats its fields in every line', (t) => {
  const { log, lines } = logger()
  log.child({ requestId: 'r-2' }).child({ model: 'net' }).info({ rows: 3 }, 'ran')
  t.like(lines()[0], { requestId: 'r-2', model: 'net', rows: 3 })
})

test('only known fields with plain values are written, in lines and in children', (t) => {
  const { log, text, lines } = logger()
  const smuggled = {
    requestId: { patient: CANARY },
    model: [CANARY],
    payload: CANARY,
    headers: { authorization: CANARY },
    msg: CANARY,
  } as unknown as LogFields
  log.info(smuggled, 'one')
  log.child(smuggled).info({}, 'two')
  t.is(lines().length, 2)
  t.false(text().includes(CANARY))
})

test('of an error its class, code and place are kept, and only our own messages', (t) => {
  const { log, text, lines } = logger()
  const inner = new TypeError(`cannot read\n    at ${CANARY} (file.js:1:1)\nof undefined`)
  const error = new SentinodeError('MODEL_RUN_FAILED', 'the session failed', { cause: inner })
  log.error({ err: error }, 'fault')
  log.error({ err: CANARY }, 'thrown text')
  log.error({ err: Object.assign(new Error(CANARY), { code: CANARY, patient: CANARY }) }, 'foreign')
  t.false(text().includes(CANARY), text())
  const [line] = lines()
  const err = line?.['err'] as ReturnType<typeof describeError>
  t.like(err, { type: 'SentinodeError', code: 'MODEL_RUN_FAILED', message: 'the session failed' })
  t.is(err.cause?.type, 'TypeError')
  t.regex(err.stack?.[0] ?? '', /^at .*logger\.test\.ts:\d+:\d+/)
  t.regex(err.cause?.stack?.[0] ?? '', /^at .*logger\.test\.ts:\d+:\d+/)
})

test('a system error keeps its code, and a chain of causes ends', (t) => {
  t.is(describeError(Object.assign(new Error('x'), { code: 'ECONNRESET' })).code, 'ECONNRESET')
  const loop = new Error('loop')
  loop.cause = loop
  let depth = 0
  for (let link = describeError(loop); link.cause; link = link.cause) depth += 1
  t.true(depth < 10)
})

test('long texts are clipped', (t) => {
  const { log, text } = logger()
  log.info({ reason: 'x'.repeat(100_000) }, 'long')
  t.true(text().length < 4000)
})
