/** Exams that are made to take time, memory or the reader itself. */
import { readdirSync, readFileSync } from 'node:fs'
import { SYNTAX, writeDicom, type Element } from '../../exam/dicom-writer.js'
import { acquired, baseDataset } from '../../exam/phantom.js'
import { begin, chunks, connect, type Upload } from '../../screening-service/client.js'
import { ScreeningOptions } from '../../../src/generated/sentinode/v1/screening.js'
import type { Attack } from '../attack.js'

const MIB = 2 ** 20

/** Headers alone: `bytes` of zeros in a private element, deflated a thousandfold. */
function deflateBomb(bytes: number): Uint8Array {
  const hidden: Element = [0x00991001, 'OB', new Uint8Array(bytes)]
  return writeDicom([...baseDataset({ phase: 0, slice: 0, extra: acquired(0) }), hidden], {
    syntax: SYNTAX.deflated,
    deflateLevel: 9,
  })
}

/** A codestream with its middle overwritten. */
function corrupt(file: Uint8Array, seed: number): Uint8Array {
  const broken = Uint8Array.from(file)
  for (let i = 0; i < 64; i++)
    broken[broken.length - 1 - ((seed * 131 + i * 37) % 400)] = (seed + i * 29) % 256
  return broken
}

function compressedExam(codec: string): Uint8Array[] {
  const folder = new URL(`../../fixtures/compressed/${codec}/`, import.meta.url)
  return readdirSync(folder).map((file) => readFileSync(new URL(file, folder)))
}

let bomb: Uint8Array = new Uint8Array()

function prepare(): void {
  if (bomb.length === 0) bomb = deflateBomb(256 * MIB)
}

export const exams: Attack = {
  name: 'exams',
  what: 'exams of corrupt JPEG-LS frames, deflate bombs and noise',
  promised: { answered: 0.9, probeMs: 1000, growthBytes: 900 * MIB },
  prepare,
  run: async (target, signal) => {
    const client = connect(target.grpc)
    const asked = ScreeningOptions.fromPartial({ model: 'lymph4d' })
    const codecs = ['jpeg-ls', 'jpeg-lossless', 'jpeg-baseline', 'rle'].map(compressedExam)
    const send = async (files: Iterable<Uint8Array>): Promise<void> => {
      const upload = begin(client, asked, { deadline: Date.now() + 20_000 })
      const cancel = (): void => upload.cancel()
      signal.addEventListener('abort', cancel)
      for (const value of chunks(files)) await upload.write({ kind: { $case: 'chunk', value } })
      upload.end()
      await upload.answer.catch(() => undefined)
      signal.removeEventListener('abort', cancel)
    }
    const lane = async (first: number): Promise<void> => {
      for (let i = first; !signal.aborted; i++) {
        const codec = codecs[i % codecs.length] as Uint8Array[]
        await send(i % 5 === 0 ? [bomb] : codec.map((file) => corrupt(file, i)))
      }
    }
    await Promise.all([lane(0), lane(1)])
    client.close()
  },
}

const pause = (ms: number): Promise<false> => new Promise((resolve) => setTimeout(() => resolve(false), ms))

/** Sends a byte now and then until the call or the attack ends. */
async function drip(upload: Upload, signal: AbortSignal): Promise<void> {
  const ended = upload.answer.then(
    () => true,
    () => true,
  )
  for (;;) {
    await upload.write({ kind: { $case: 'chunk', value: { file: 0, data: Buffer.of(0) } } })
    if (await Promise.race([ended, pause(500)])) return
    if (signal.aborted) break
  }
  upload.cancel()
}

/** An upload that takes all the room that exams have, a byte a second. */
export const slowUploads: Attack = {
  name: 'slow-uploads',
  what: 'uploads that announce all the memory for exams and send a byte a second',
  promised: { answered: 0.95, probeMs: 1000, growthBytes: 128 * MIB },
  run: async (target, signal) => {
    const client = connect(target.grpc)
    const asked = { ...ScreeningOptions.fromPartial({ model: 'lymph4d' }), uploadBytes: BigInt(200 * MIB) }
    const lane = async (): Promise<void> => {
      while (!signal.aborted) await drip(begin(client, asked), signal)
    }
    await Promise.all([lane(), lane(), lane()])
    client.close()
  },
}
