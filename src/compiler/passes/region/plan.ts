import type { CompiledFile } from '../../external-data.js'
import { sha256 } from '../../hash.js'

/** Version of the format that native/core/ops/README.md describes. */
const FORMAT = 1

export type PlanValue = number | string | readonly (number | string)[]

export interface PlanHeader {
  readonly precision: 'fp32' | 'bf16'
  readonly exactTaps: boolean
  /** Shapes T, D, H, W of all inputs, one after the other. */
  readonly hints: readonly (readonly number[])[]
  /** Whether inputs come with any number of frames. */
  readonly openFrames: boolean
}

/** Writes the plan of one region: a line of text a step, and the side file that its weights stand in. */
export class PlanWriter {
  private readonly values = new Map<string, number>()
  private readonly lines: string[] = []
  private readonly chunks: Float32Array[] = []
  private readonly offsets = new Map<string, number>()
  private floats = 0

  constructor(private readonly header: PlanHeader) {}

  /** The plan's number for a value of the graph. */
  value(name: string): number {
    const known = this.values.get(name)
    if (known !== undefined) return known
    this.values.set(name, this.values.size)
    return this.values.size - 1
  }

  line(word: string, keys: Readonly<Record<string, PlanValue | undefined>>): void {
    const pairs = Object.entries(keys).filter(([, value]) => value !== undefined)
    this.lines.push([word, ...pairs.map(([key, value]) => `${key}=${text(value ?? '')}`)].join(' '))
  }

  /** Where a tensor begins in the side file, in floats. The same numbers are written once. */
  tensor(data: Float32Array): number {
    const bytes = bytesOf(data)
    const hash = sha256(bytes)
    let offset = this.offsets.get(hash)
    if (offset === undefined) {
      offset = this.floats
      this.offsets.set(hash, offset)
      this.chunks.push(data)
      this.floats += data.length
    }
    return offset
  }

  finish(): { plan: string; file: CompiledFile | null } {
    const chunks = this.chunks.map(bytesOf)
    const file = chunks.length === 0 ? null : { name: `${sha256(...chunks)}.weights`, chunks }
    const { precision, exactTaps, hints, openFrames } = this.header
    const head = [
      `region ${FORMAT}`,
      ...(file === null ? [] : [`weights ${file.name}`]),
      `precision ${precision}`,
      `exact_taps ${exactTaps ? 1 : 0}`,
      ...(openFrames ? ['open_frames 1'] : []),
      ...hints.map((shape) => `hint shape=${shape.join()}`),
    ]
    return { plan: [...head, ...this.lines, ''].join('\n'), file }
  }
}

function text(value: PlanValue): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'number') return value.map(text).join()
  return Number.isFinite(value) ? String(value) : value > 0 ? 'inf' : '-inf'
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
