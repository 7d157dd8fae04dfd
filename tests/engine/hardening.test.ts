import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { builtAddon } from '../../src/engine/loader.js'

/** What the linker wrote into the addon that is shipped, as binutils read it. */
const readelf = (...options: string[]) =>
  execFileSync('readelf', ['--wide', ...options, builtAddon()], { encoding: 'utf8' })

test('the addon’s tables are read-only after loading, its stacks hold no code', (t) => {
  const segments = readelf('--program-headers')
  t.regex(segments, /GNU_RELRO/)
  const stack = /GNU_STACK.*/.exec(segments)?.[0] ?? ''
  t.regex(stack, / RW /)
  const dynamic = readelf('--dynamic')
  t.regex(dynamic, /\(FLAGS\).*BIND_NOW/)
  t.regex(dynamic, /\(FLAGS_1\).*\bNOW\b/)
  t.notRegex(dynamic, /TEXTREL/)
})

test('its functions check their stacks, and copies into buffers of a known size', (t) => {
  const symbols = readelf('--dyn-syms')
  t.regex(symbols, /__stack_chk_fail/)
  t.regex(symbols, /__(?:memcpy|memset|memmove|snprintf|read|vsnprintf)_chk/)
})

test('binding.gyp asks for the same as CMake', (t) => {
  const read = (name: string) =>
    readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), 'utf8')
  for (const flag of [
    '-fstack-protector-strong',
    '-D_FORTIFY_SOURCE=2',
    '-Wl,-z,relro',
    '-Wl,-z,now',
    '-Wl,-z,noexecstack',
  ]) {
    t.true(read('CMakeLists.txt').includes(flag), `CMakeLists.txt: ${flag}`)
    t.true(read('binding.gyp').includes(flag), `binding.gyp: ${flag}`)
  }
})
