import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http2'
import type { Metadata } from '@grpc/grpc-js'
import type { SentinodeError } from '../errors.js'

/** Carries a stream's place in the ledger from the wire to its handler. A caller's own is overwritten. */
const STREAM_KEY = 'sentinode-stream'

/** A handler's end of a stream that it reads messages from. */
export interface StreamReceipts {
  /** The handler is done with the oldest message that it was given: its bytes are free. */
  readonly taken: () => void
}

interface Entry {
  readonly onTaken: () => void
  onRefused: ((error: SentinodeError) => void) | null
}

/**
 * Where admission, which sees a stream's bytes before grpc-js does, and the stream's handler meet: grpc-js
 * shows neither to the other. The handler says which messages it has done with, admission why it takes no more.
 */
export class StreamLedger {
  readonly #entries = new Map<string, Entry>()

  /** Enters a stream before grpc-js reads its headers. Returns how to refuse the rest of it, and how to leave. */
  enter(
    headers: IncomingHttpHeaders,
    onTaken: () => void,
  ): { refuse: (error: SentinodeError) => void; leave: () => void } {
    const key = randomUUID()
    const entry: Entry = { onTaken, onRefused: null }
    headers[STREAM_KEY] = key
    this.#entries.set(key, entry)
    return {
      refuse: (error) => entry.onRefused?.(error),
      leave: () => void this.#entries.delete(key),
    }
  }

  /** Called by a stream's handler before it returns to grpc-js. */
  attach(metadata: Metadata, onRefused: (error: SentinodeError) => void): StreamReceipts {
    const entry = this.#entries.get(String(metadata.get(STREAM_KEY)[0] ?? ''))
    if (entry !== undefined) entry.onRefused = onRefused
    return { taken: () => entry?.onTaken() }
  }
}
