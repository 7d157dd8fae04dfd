/** DICOM dates and times (VRs DA, TM, DT of PS3.5, 6.2) as seconds that can be compared across midnight. */

/** A time of day, with its day where the file says it. */
export interface Moment {
  /** Days since 1970-01-01; null where unknown. */
  readonly day: number | null
  /** Seconds since that day's midnight. */
  readonly seconds: number
}

const DAY = 86_400

/** DA, the old form with full stops included; null when it is not a date. */
export function parseDate(text: string): number | null {
  const match = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(text)
  if (match === null) return null
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number]
  const ms = Date.UTC(year, month - 1, day)
  return new Date(ms).getUTCMonth() === month - 1 && day > 0 ? ms / (DAY * 1000) : null
}

/** TM, the old form with colons included; null when it is not a time. */
export function parseTime(text: string): number | null {
  const match = /^(\d{2}):?(?:(\d{2}):?(?:(\d{2})(\.\d{1,6})?)?)?$/.exec(text)
  if (match === null) return null
  const hours = Number(match[1])
  const minutes = Number(match[2] ?? 0)
  // 60 is a leap second.
  const seconds = Number(match[3] ?? 0)
  if (hours > 23 || minutes > 59 || seconds > 60) return null
  return hours * 3600 + minutes * 60 + seconds + Number(match[4] ?? 0)
}

export function moment(date: string, time: string): Moment | null {
  const seconds = parseTime(time)
  return seconds === null ? null : { day: parseDate(date), seconds }
}

/** DT down to the hour at least, with its offset from UTC where there is one; null when it is not one. */
export function parseDateTime(text: string): Moment | null {
  const match = /^(\d{8})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)([+-]\d{4})?$/.exec(text)
  if (match === null) return null
  const day = parseDate(match[1] ?? '')
  const seconds = parseTime(match[2] ?? '')
  if (day === null || seconds === null) return null
  return { day, seconds: seconds - offsetSeconds(match[3]) }
}

function offsetSeconds(text: string | undefined): number {
  if (text === undefined) return 0
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(3, 5))
  return text.startsWith('-') ? -minutes * 60 : minutes * 60
}

/** Seconds on one scale for all moments of an exam, and whether the dates had to be overruled. */
export interface Timeline {
  readonly seconds: readonly number[]
  readonly dateNotAdvanced: boolean
}

/**
 * Puts moments on one scale. Dates are honoured; where they are missing, or did not advance at midnight
 * (a series cannot last half a day), the day turns in the longest pause of the clock.
 */
export function timeline(moments: readonly Moment[]): Timeline {
  const dated = moments.every((m) => m.day !== null)
  const absolute = moments.map((m) => (dated ? (m.day ?? 0) * DAY : 0) + m.seconds)
  if (span(absolute) <= DAY / 2) return { seconds: absolute, dateNotAdvanced: false }
  const turned = turnAtLongestPause(moments.map((m) => ((m.seconds % DAY) + DAY) % DAY))
  if (span(turned) > DAY / 2) return { seconds: absolute, dateNotAdvanced: false }
  return { seconds: turned, dateNotAdvanced: dated }
}

function span(values: readonly number[]): number {
  let low = Infinity
  let high = -Infinity
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return high - low
}

function turnAtLongestPause(clock: readonly number[]): number[] {
  const sorted = [...new Set(clock)].sort((a, b) => a - b)
  let turn = -Infinity
  let longest = 0
  sorted.forEach((value, i) => {
    const pause = i === 0 ? 0 : value - (sorted[i - 1] ?? value)
    if (pause > longest) {
      longest = pause
      turn = value
    }
  })
  return clock.map((value) => (value < turn ? value + DAY : value))
}
