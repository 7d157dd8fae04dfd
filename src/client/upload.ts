import { Metadata, type ServiceError } from '@grpc/grpc-js'
import type { ExamFile } from '../exam/source.js'
import type {
  ScreeningAnswer,
  ScreeningClient,
  ScreeningOptions,
  ScreenRequest,
  ScreenResponse,
} from '../generated/sentinode/v1/screening.js'
import { callError } from './call-error.js'

/** Of a file, in one message. */
const CHUNK_BYTES = 2 ** 20

export interface Upload {
  /** In the order in which they are sent; their names are not. */
  readonly files: readonly ExamFile[]
  readonly options: Omit<ScreeningOptions, 'uploadBytes'>
  /** From now on; the server is told. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Uploads an exam and waits for its answer. At most one message is in memory, and the next is read when gRPC
 * has taken it; an answer that comes early (a refusal) ends the upload.
 * @throws CallError; the file system's errors; the signal's reason
 */
export async function uploadExam(client: ScreeningClient, upload: Upload): Promise<ScreeningAnswer> {
  const { files, options, timeoutMs, signal } = upload
  signal.throwIfAborted()
  const call: { stream?: ReturnType<ScreeningClient['screen']> } = {}
  const answer = new Promise<ScreeningAnswer>((resolve, reject) => {
    const deadline = Date.now() + timeoutMs
    const done = (error: ServiceError | null, response: ScreenResponse | undefined): void => {
      if (error) reject(callError(error))
      else if (response?.answer) resolve(response.answer)
      else reject(new Error('the server ended the call without an answer'))
    }
    call.stream = client.screen(new Metadata(), { deadline }, done)
  })
  const ended = answer.then(
    () => true,
    () => true,
  )
  const cancel = (): void => call.stream?.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const uploadBytes = BigInt(files.reduce((sum, { size }) => sum + size, 0))
    for await (const message of messages({ ...options, uploadBytes }, files)) {
      const sent = new Promise<false>((resolve) => call.stream?.write(message, () => resolve(false)))
      if (await Promise.race([sent, ended])) break
    }
    call.stream?.end()
    return await answer
  } catch (error) {
    cancel()
    await ended
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

async function* messages(
  options: ScreeningOptions,
  files: readonly ExamFile[],
): AsyncGenerator<ScreenRequest> {
  yield { kind: { $case: 'options', value: options } }
  for (const [file, source] of files.entries()) {
    const reader = await source.open()
    try {
      let at = 0
      do {
        const data = await reader.read(at, CHUNK_BYTES)
        yield { kind: { $case: 'chunk', value: { file, data } } }
        at += data.byteLength
        if (data.byteLength < CHUNK_BYTES) break
      } while (at < reader.size)
    } finally {
      await reader.close()
    }
  }
}
