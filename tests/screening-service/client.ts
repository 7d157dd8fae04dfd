/** A client of the screening service, with the generated stubs and nothing of the daemon's own code. */
import { readdirSync, readFileSync } from 'node:fs'
import {
  credentials,
  InterceptingCall,
  type CallOptions,
  type ClientDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js'
import {
  ScreeningClient,
  ScreeningOptions,
  type ScreenCohortRequest,
  type ScreenCohortResponse,
  type ScreeningAnswer,
  type ScreenRequest,
  type ScreenResponse,
} from '../../src/generated/sentinode/v1/screening.js'

export const CHUNK = 2 ** 20

/** A daemon that never answers fails a test by name, long before the whole run is given up. */
const LONGEST_CALL_MS = 120_000

export function connect(address: string, channel: Readonly<Record<string, number>> = {}): ScreeningClient {
  return new ScreeningClient(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    ...channel,
    interceptors: [
      (options, next) => new InterceptingCall(next({ deadline: Date.now() + LONGEST_CALL_MS, ...options })),
    ],
  })
}

/** Complete values of the clinical variables of `lymph`. */
export const CLINICAL: ScreeningOptions['clinical'] = {
  Age: { kind: { $case: 'number', value: 61 } },
  'HER-2': { kind: { $case: 'text', value: 'negative' } },
}

export function options(change: Partial<ScreeningOptions> = {}): ScreeningOptions {
  return { ...ScreeningOptions.fromPartial({ model: 'lymph', clinical: CLINICAL }), ...change }
}

export function fixture(name: string): Uint8Array[] {
  const folder = new URL(`../fixtures/exams/${name}/dicom/`, import.meta.url)
  return readdirSync(folder).map((file) => readFileSync(new URL(file, folder)))
}

export function* chunks(
  files: Iterable<Uint8Array>,
  size = CHUNK,
): Generator<{ file: number; data: Uint8Array }> {
  let file = 0
  for (const bytes of files) {
    for (let at = 0; at < bytes.byteLength; at += size) yield { file, data: bytes.subarray(at, at + size) }
    file++
  }
}

export interface Upload {
  /** Settles with the call. */
  readonly answer: Promise<ScreeningAnswer>
  /** Resolves when the client may send more. */
  write(message: ScreenRequest): Promise<void>
  end(): void
  cancel(): void
}

export function begin(
  client: ScreeningClient,
  asked: ScreeningOptions,
  call: Partial<CallOptions> = {},
): Upload {
  let settled = false
  let stream: ReturnType<ScreeningClient['screen']> | undefined
  const answer = new Promise<ScreeningAnswer>((resolve, reject) => {
    stream = client.screen(call as never, (error: ServiceError | null, response: ScreenResponse) => {
      settled = true
      if (error) reject(error)
      else if (response.answer) resolve(response.answer)
    })
  })
  answer.catch(() => undefined)
  const write = async (message: ScreenRequest): Promise<void> => {
    if (settled || stream?.writable !== true) return
    if (stream.write(message)) return
    await Promise.race([
      new Promise((resolve) => stream?.once('drain', resolve)),
      answer.catch(() => undefined),
    ])
  }
  void write({ kind: { $case: 'options', value: asked } })
  return { answer, write, end: () => stream?.end(), cancel: () => stream?.cancel() }
}

/** Uploads an exam and waits for its answer. */
export async function screen(
  client: ScreeningClient,
  files: Iterable<Uint8Array>,
  asked: ScreeningOptions = options(),
  call: Partial<CallOptions> = {},
): Promise<ScreeningAnswer> {
  const upload = begin(client, asked, call)
  for (const chunk of chunks(files)) await upload.write({ kind: { $case: 'chunk', value: chunk } })
  upload.end()
  return upload.answer
}

export type CohortStream = ClientDuplexStream<ScreenCohortRequest, ScreenCohortResponse>

/** The messages of one exam of a cohort. */
export function* cohortExam(
  sequence: bigint,
  files: Iterable<Uint8Array>,
  asked: ScreeningOptions = options(),
): Generator<ScreenCohortRequest> {
  yield { sequence, kind: { $case: 'options', value: asked } }
  for (const value of chunks(files)) yield { sequence, kind: { $case: 'chunk', value } }
  yield { sequence, kind: { $case: 'end', value: {} } }
}

/** What a cohort answered, and how its call ended. */
export interface CohortResult {
  readonly responses: ScreenCohortResponse[]
  /** Null where it ended well. */
  readonly error: ServiceError | null
}

/** Streams that have ended, in whatever way: grpc-js still calls them writable, and writes nothing of them. */
const ended = new WeakSet<CohortStream>()

/** Collects the answers of a stream until it ends. */
export function collect(stream: CohortStream): Promise<CohortResult> {
  return new Promise((resolve) => {
    const responses: ScreenCohortResponse[] = []
    stream.on('data', (response: ScreenCohortResponse) => responses.push(response))
    const end = (error: ServiceError | null): void => {
      ended.add(stream)
      resolve({ responses, error })
    }
    stream.on('end', () => end(null))
    stream.on('error', end)
  })
}

/** Writes with the stream's flow control; stops where the call has ended. */
export async function send(stream: CohortStream, messages: Iterable<ScreenCohortRequest>): Promise<void> {
  for (const message of messages) {
    if (!stream.writable || ended.has(stream)) return
    if (!stream.write(message)) await writable(stream)
  }
}

/** Until there is room for more, or the call has ended. */
function writable(stream: CohortStream): Promise<void> {
  const events = ['drain', 'close', 'error', 'end'] as const
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) stream.off(event, done)
      resolve()
    }
    for (const event of events) stream.on(event, done)
  })
}
