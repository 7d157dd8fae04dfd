import { Worker } from 'node:worker_threads'

/** Only the thread dies of an exam whose headers would fill more. */
const LIMITS = { maxOldGenerationSizeMb: 1024 }

/** Starts a thread on thread.ts. From sources, as tests run, it needs the loader that the process has. */
export function spawnThread(): Worker {
  const compiled = import.meta.url.endsWith('.js')
  if (compiled) return new Worker(new URL('./thread.js', import.meta.url), { resourceLimits: LIMITS })
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const entry = JSON.stringify(new URL('./thread.ts', import.meta.url).href)
  const code = `import(${loader}).then(({ register }) => { register(); return import(${entry}) })`
  return new Worker(code, { eval: true, execArgv: [], resourceLimits: LIMITS })
}
