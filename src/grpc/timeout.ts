import type { IncomingHttpHeaders } from 'node:http2'

/** grpc-js keeps a timeout in a 32-bit integer of milliseconds: a longer one would be due at once. */
const LONGEST_HOURS = 24 * 20

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}

function read(headers: IncomingHttpHeaders): RegExpExecArray | null {
  const header = headers['grpc-timeout']
  return header === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(String(header))
}

/** Milliseconds that the caller gives its call (gRPC over HTTP/2, Timeout), Infinity where it names none. */
export function timeoutMs(headers: IncomingHttpHeaders): number {
  const [, digits, unit = ''] = read(headers) ?? []
  return digits === undefined ? Infinity : Number(digits) * (MS_PER_UNIT[unit] ?? 0)
}

/** Shortens a timeout that grpc-js cannot hold. */
export function capTimeout(headers: IncomingHttpHeaders): void {
  const [, digits, unit] = read(headers) ?? []
  if (unit === 'H' && Number(digits) > LONGEST_HOURS) headers['grpc-timeout'] = `${LONGEST_HOURS}H`
}
