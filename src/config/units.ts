import { z } from 'zod'

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
}

/** A size in bytes: a whole number, or a number with a unit such as `512MiB`. */
export const byteSize = z
  .union([z.number(), z.string()], { error: 'expected a size such as 1048576 or "512MiB"' })
  .transform((value, context) => {
    const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(value).trim())
    const unit = BYTE_UNITS[match?.[2] ?? '?']
    const bytes = match && unit !== undefined ? Math.round(Number(match[1]) * unit) : Number.NaN
    if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
    context.addIssue({ code: 'custom', message: 'expected a positive size such as 1048576 or "512MiB"' })
    return z.NEVER
  })

/** Flags and environment variables arrive as text: whole numbers in digits are numbers. */
export function integer(min: number, max: number): z.ZodType<number> {
  const expected = `expected a whole number from ${min} to ${max}`
  return z
    .union([z.number(), z.string()], { error: expected })
    .transform((value) => (typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? Number(value) : value))
    .pipe(z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected }))
}

/** A switch: true or false, as a boolean or as text. */
export const boolean = z
  .union([z.boolean(), z.string()], { error: 'expected true or false' })
  .transform((value, context) => {
    if (value === true || value === 'true' || value === '1') return true
    if (value === false || value === 'false' || value === '0') return false
    context.addIssue({ code: 'custom', message: 'expected true or false' })
    return z.NEVER
  })

/** Text without control characters. */
export const text = z
  .string({ error: 'expected text' })
  .min(1, { error: 'expected text, found none' })
  .regex(/^[^\u0000-\u001f]*$/, { error: 'expected text without control characters' })

/** A list of paths: an array, or text separated by commas. */
export const pathList = z
  .union([z.string(), z.array(z.string())], { error: 'expected a path or a list of paths' })
  .transform((value) => (typeof value === 'string' ? value.split(',') : value).map((path) => path.trim()))
  .pipe(z.array(text))
