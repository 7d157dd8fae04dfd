import { fail } from './steps.mjs'

const minimum = [20, 19]

/** Linux on x64 or arm64 (what onnxruntime-node's package carries a library for) and Node >= 20.19. */
export function checkPlatform() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < minimum[0] || (major === minimum[0] && minor < minimum[1])) {
    fail(`Node ${minimum.join('.')} or newer is needed, this is ${process.version}`)
  }
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    fail(`Linux on x64 or arm64 is needed, this is ${process.platform} on ${process.arch}`)
  }
}
