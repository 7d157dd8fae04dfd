/** Tables of a cohort: comma- or semicolon-separated values with a line of names, as spreadsheets write them. */

import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { CsvError, parse } from 'csv-parse/sync'
import { SentinodeError } from '../../errors.js'

export interface Table {
  /** Where it lies: paths in it start there. */
  readonly folder: string
  readonly names: readonly string[]
  /** Cells by name, trimmed; a line with fewer cells than names lacks the last ones. */
  readonly rows: readonly Readonly<Record<string, string>>[]
  /** Whether numbers may have a comma, since cells are not separated by it. */
  readonly decimalComma: boolean
}

const DELIMITERS = [',', ';', '\t']

/**
 * UTF-8 with or without a byte order mark, any line ends, quotes as RFC 4180 has them.
 * @param option names the file in messages, which never hold what is in it
 * @throws SentinodeError INVALID_OPTION
 */
export function readTable(option: string, path: string): Table {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SentinodeError('INVALID_OPTION', `${option}: expected a readable table, found ${path}`, {
      cause,
    })
  }
  const delimiter = delimiterOf(text)
  const [names = [], ...lines] = records(option, text, delimiter)
  const known = new Set(names.map((name) => name.toLowerCase()))
  if (known.size < names.length || names.includes('')) {
    throw new SentinodeError(
      'INVALID_OPTION',
      `${option}: expected a first line of names, each once, found an empty or a repeated one`,
    )
  }
  const rows = lines.map((cells, i) => {
    if (cells.length > names.length) {
      throw new SentinodeError(
        'INVALID_OPTION',
        `${option}: expected at most ${names.length} cells, found ${cells.length} in record ${i + 2}`,
      )
    }
    return Object.fromEntries(names.map((name, c) => [name, cells[c] ?? '']))
  })
  return { folder: dirname(path), names, rows, decimalComma: delimiter !== ',' }
}

/** What the first line has most of, outside of quotes. */
function delimiterOf(text: string): string {
  const [first = ''] = text.replace(/"[^"]*"/g, '').split(/\r?\n|\r/)
  const counts = DELIMITERS.map((delimiter) => first.split(delimiter).length)
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ','
}

function records(option: string, text: string, delimiter: string): string[][] {
  try {
    return parse(text, {
      bom: true,
      delimiter,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const line = typeof error['lines'] === 'number' ? ` in line ${error['lines']}` : ''
    throw new SentinodeError('INVALID_OPTION', `${option}: expected a table, found broken quotes${line}`)
  }
}
