/** Text for people on a terminal. */

/** `1 frame`, `2 frames`. */
export function count(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? '' : 's'}`
}

/** Rows under their heads; columns flush to the right where `right` says so. */
export function columns(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[],
): string[] {
  const all = [heads, ...rows]
  const widths = heads.map((_, c) => Math.max(...all.map((row) => (row[c] ?? '').length)))
  return all.map((row) =>
    row
      .map((cell, c) => (right[c] === true ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}
