/** Prints rows as an aligned table, the first row as its heading; `--json` prints the JSON instead. */
export function report(rows: readonly (readonly string[])[], json: unknown): void {
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`)
    return
  }
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows) {
    process.stdout.write(`${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}\n`)
  }
}
