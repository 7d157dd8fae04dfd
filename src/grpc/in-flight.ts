import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'

/** Counts the open streams of some methods, to know when the last one has ended. */
export class InFlight {
  #count = 0
  #waiting: (() => void)[] = []

  constructor(private readonly methods: ReadonlySet<string>) {}

  track(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (!this.methods.has(headers[':path'] ?? '')) return
    this.#count++
    stream.once('close', () => {
      if (--this.#count > 0) return
      for (const resolve of this.#waiting) resolve()
      this.#waiting = []
    })
  }

  /** Resolves when no stream is open, at once if none is now. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
