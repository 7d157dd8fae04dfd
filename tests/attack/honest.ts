/** Honest clients in closed loops: requests of two sizes, each answer compared byte by byte, and whole exams. */
import { randomFillSync } from 'node:crypto'
import { status, type ServiceError } from '@grpc/grpc-js'
import { ModelInferRequest, type ModelInferResponse } from '../../src/generated/grpc_service.js'
import { invoke, later } from '../grpc/harness.js'
import { fixture, screen } from '../screening-service/client.js'
import type { Target } from './target.js'

export interface Honest {
  answered: number
  /** With a code of the daemon's that says to come again, before the deadline. */
  refused: number
  /** Anything else, in words: wrong bytes, no answer in time, a broken connection. */
  readonly lost: string[]
  readonly latenciesMs: number[]
}

/** A message that arrives in one piece, one that needs room before it is read, and an exam of 67 files. */
export const KINDS = ['small', 'large', 'exam'] as const
export type Kind = (typeof KINDS)[number]
export type HonestLoad = Readonly<Record<Kind, Honest>>

const BYTES = { small: 4 * 1024, large: 2.5 * 2 ** 20 }
const PAUSE_MS: Readonly<Record<Kind, number>> = { small: 20, large: 200, exam: 500 }
/** Exams are read by a few threads, and may wait for a turn. */
const DEADLINE_MS: Readonly<Record<Kind, number>> = { small: 5000, large: 5000, exam: 15_000 }
const REFUSALS = new Set<number>([status.RESOURCE_EXHAUSTED, status.UNAVAILABLE])

export const nothingSeen = (): Honest => ({ answered: 0, refused: 0, lost: [], latenciesMs: [] })
export const sentOf = ({ answered, refused, lost }: Honest): number => answered + refused + lost.length
export const answeredShare = (seen: Honest): number => seen.answered / sentOf(seen)

export function startHonest(target: Target): { stop: () => Promise<HonestLoad> } {
  const load = { small: nothingSeen(), large: nothingSeen(), exam: nothingSeen() }
  let stopping = false
  const lane = async (kind: Kind): Promise<void> => {
    while (!stopping) {
      await once(target, kind, load[kind])
      await later(PAUSE_MS[kind])
    }
  }
  const lanes = Promise.all(KINDS.map(lane))
  return {
    stop: async () => {
      stopping = true
      await lanes
      return load
    },
  }
}

/** One request; what became of it is counted in `seen`. @returns whether it was answered */
export async function once(target: Target, kind: Kind, seen: Honest): Promise<boolean> {
  const began = performance.now()
  try {
    const deadline = Date.now() + DEADLINE_MS[kind]
    const right =
      kind === 'exam' ? await screenExam(target, deadline) : await infer(target, BYTES[kind], deadline)
    if (!right) {
      seen.lost.push('another answer came back than was due')
      return false
    }
    seen.latenciesMs.push(performance.now() - began)
    seen.answered++
    return true
  } catch (error) {
    const { code, metadata } = error as ServiceError
    const [named] = metadata.get('sentinode-code')
    if (REFUSALS.has(code) && named !== undefined) seen.refused++
    else seen.lost.push(`${status[code]} ${named === undefined ? 'without a code' : String(named)}`)
    return false
  }
}

async function infer({ daemon }: Target, bytes: number, deadline: number): Promise<boolean> {
  const sent = randomFillSync(new Uint8Array(bytes))
  const request = ModelInferRequest.fromPartial({
    modelName: 'echo',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, BigInt(bytes / 4)] }],
    rawInputContents: [sent],
  })
  const { rawOutputContents } = await invoke<ModelInferResponse>(daemon.client, 'modelInfer', request, {
    deadline: new Date(deadline),
  })
  return Buffer.compare(rawOutputContents[0] ?? Buffer.alloc(0), sent) === 0
}

let probability: number | undefined

/** The same exam each time, so the same answer. */
async function screenExam({ exams }: Target, deadline: number): Promise<boolean> {
  const answer = await screen(exams, fixture('ge_one_series_trigger_time'), undefined, { deadline })
  const found = answer.findings[0]?.probability
  probability ??= found
  return found !== undefined && found === probability
}
