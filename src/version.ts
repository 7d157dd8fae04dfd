import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string
  readonly engines: { readonly node: string }
}

/** The package's version. */
export const { version } = manifest

/**
 * What to say of a Node that the tests are not run on; null where they are.
 * @param running as in `process.versions.node`
 * @param tested lines of Node as package.json names them, each from a version on: `^20.19 || ^24`
 */
export function untestedNode(running: string, tested: string = manifest.engines.node): string | null {
  const numbers = (text: string): [number, number] => {
    const [major = 0, minor = 0] = text.split('.').map(Number)
    return [major, minor]
  }
  const [major, minor] = numbers(running)
  const lines = [...tested.matchAll(/\^([\d.]+)/g)].map(([, from = '']) => numbers(from))
  if (lines.some(([line, from]) => line === major && minor >= from)) return null
  return `sentinode was not tested on Node ${running}, only on ${tested.replaceAll(' || ', ', ').replaceAll('^', '')}`
}
