import { MultiBar, Presets, type SingleBar } from 'cli-progress'

/** How far a run is: a bar on a terminal, nothing elsewhere. */
export interface Progress {
  /** A line of stdout that stays, above the bar. */
  line(text: string): void
  /** A line beside the answers, on the bar's own stream. */
  note(text: string): void
  done(answered: number, refused: number): void
  stop(): void
}

export function progressOn(stream: NodeJS.WriteStream, total: number, before: number): Progress {
  if (!stream.isTTY || total < 2) {
    return {
      line: (text) => process.stdout.write(`${text}\n`),
      note: (text) => stream.write(`${text}\n`),
      done: () => undefined,
      stop: () => undefined,
    }
  }
  const bars = new MultiBar(
    {
      stream,
      format: '{bar} {value} of {total} exams, {refused} refused, {duration_formatted}, {eta_formatted} left',
      clearOnComplete: true,
      hideCursor: true,
      etaBuffer: 50,
    },
    Presets.shades_classic,
  )
  const bar: SingleBar = bars.create(total, before, { refused: 0 })
  return {
    // Both on one terminal: the line goes above the bar; otherwise where it was asked to go.
    line: (text) => (process.stdout.isTTY ? bars.log(`${text}\n`) : process.stdout.write(`${text}\n`)),
    note: (text) => bars.log(`${text}\n`),
    done: (answered, refused) => bar.update(before + answered + refused, { refused }),
    stop: () => {
      // What was logged since the last drawing is written by the next one only, and stop() draws none.
      bars.update()
      bars.stop()
    },
  }
}
