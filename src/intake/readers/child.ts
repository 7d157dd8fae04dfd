/**
 * The entry of a process that reads exams: one job at a time, in a process that can do nothing but read. All
 * code is loaded before the first exam, since afterwards it may start nothing that could load any.
 */

import { closeSync } from 'node:fs'
import { apart, mapAndClose } from '../../apart/index.js'
import { isSentinodeError, type ErrorCode } from '../../errors.js'
import { loadDecoders } from '../../exam/dicom/codecs/index.js'
import { Board } from './board.js'
import {
  SAMPLE_TYPES,
  TOO_MUCH_MEMORY,
  type FromReader,
  type ReadJob,
  type ReadParts,
  type ToReader,
} from './messages.js'
import { runRead } from './read.js'
import { SOCKET } from './spawn.js'

/** Beside the heap: frames as they are sent and decoded, decoders' memory, inflaters. */
const OWN_BYTES = 2 ** 31

/** The job was given up; nobody waits for how it ends. */
class Stopped extends Error {}

// A terminal, and a supervisor, signal the daemon's whole group; the daemon says when a reader ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit())

let onRoom: ((granted: boolean) => void) | null = null
process.on('message', (message: ToReader) => {
  if (message.kind === 'room') onRoom?.(message.granted)
  else void perform(message.job)
})

await loadDecoders()
const board = new Board(mapAndClose(apart().receive(SOCKET), Board.BYTES))
post({ kind: 'ready', filtered: apart().confine(Number(process.argv[2]), OWN_BYTES) })

async function perform(job: ReadJob): Promise<void> {
  const mapped: ArrayBuffer[] = []
  const upload = job.exam.kind === 'upload' && job.exam.files.length > 0 ? apart().receive(SOCKET) : null
  const exam = job.exam.kind === 'upload' ? { ...job.exam, fd: upload ?? -1 } : job.exam
  let result: { read: ReadParts } | { error: unknown }
  try {
    result = { read: await read({ ...job, exam }, mapped) }
  } catch (error) {
    result = { error }
  }
  for (const buffer of mapped) apart().unmap(buffer)
  if (upload !== null) closeSync(upload)
  const residentBytes = process.memoryUsage.rss()
  if ('read' in result) post({ kind: 'done', read: result.read, residentBytes })
  else post({ kind: 'failed', error: portable(result.error), residentBytes })
}

async function read(job: ReadJob, mapped: ArrayBuffer[]): Promise<ReadParts> {
  const step = (bytes: number): void => {
    if (board.stopped) throw new Stopped()
    board.step(bytes)
  }
  const allocate = async (bytes: number): Promise<ArrayBuffer> => {
    if (bytes === 0) return new ArrayBuffer(0)
    post({ kind: 'reserve', bytes })
    if (!(await new Promise<boolean>((resolve) => (onRoom = resolve)))) throw new Stopped()
    const buffer = mapAndClose(apart().receive(SOCKET), bytes)
    mapped.push(buffer)
    return buffer
  }
  const { volume, mask, origin } = await runRead(job, { step, allocate })
  const { samples, ...rest } = volume
  const [type] = Object.entries(SAMPLE_TYPES).find(([, kind]) => samples instanceof kind) ?? []
  if (type === undefined) throw new Error('samples of an unknown type')
  return {
    volume: rest,
    samples: { type: type as keyof typeof SAMPLE_TYPES, length: samples.length },
    mask,
    origin,
  }
}

function post(message: FromReader): void {
  // Where the daemon has gone, so has this process in a moment.
  process.send?.(message, undefined, undefined, () => undefined)
}

function portable(error: unknown): Extract<FromReader, { kind: 'failed' }>['error'] {
  if (isSentinodeError(error)) return { code: error.code, message: error.message }
  if (isOutOfMemory(error)) return { code: 'EXAM_TOO_LARGE' satisfies ErrorCode, message: TOO_MUCH_MEMORY }
  return error instanceof Error ? error : new Error('a value that is no error was thrown')
}

/** What Node says where V8 or zlib gets no more memory and the process can go on. */
function isOutOfMemory(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? error.code : ''
  if (code === 'ERR_MEMORY_ALLOCATION_FAILED' || code === 'Z_MEM_ERROR' || code === 'ENOMEM') return true
  return error instanceof RangeError && /allocat|Invalid array length/i.test(error.message)
}
