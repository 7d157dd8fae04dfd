// Writes the README's table of errors from src/errors.ts: node --import=tsx cmake/readme-errors.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import { ERRORS } from '../src/errors.ts'

const file = new URL('../README.md', import.meta.url)
const rows = Object.entries(ERRORS).map(
  ([code, { status, meaning }]) => `| \`${code}\` | ${status} | ${meaning.replaceAll('|', '\\|')} |`,
)
const table = ['| code | gRPC status | meaning |', '|---|---|---|', ...rows].join('\n')
const readme = readFileSync(file, 'utf8')
writeFileSync(file, readme.replace(/(<!-- errors -->\n)[\s\S]*?(<!-- \/errors -->)/, `$1\n${table}\n\n$2`))
