// What binding.gyp shares with CMake, so that nothing is listed twice. Prints one entry a line:
//   sources   every source file of the addon, read from the rooms' sources.cmake
//   apart     those of the addon for processes apart
//   launch    those of the program that starts such processes
//   include   the folder with ONNX Runtime's headers, found as FindOnnxRuntimeHeaders.cmake finds it
//   onednn    1 where oneDNN's headers are installed, else 0
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

function hasOneDnn() {
  const probe = ['-fsyntax-only', '-x', 'c++', '-include', 'dnnl.hpp', '/dev/null']
  try {
    execFileSync(process.env.CXX ?? 'c++', probe, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** @param onednn what `if(SENTINODE_HAVE_ONEDNN)` in a sources.cmake is taken for */
export function sources(onednn = hasOneDnn()) {
  const lists = ['base', 'runtime', 'ops', 'imaging'].map((room) => `native/core/${room}/sources.cmake`)
  const text = [...lists, 'native/binding/sources.cmake']
    .filter((file) => existsSync(join(root, file)))
    .map(read)
    .map((list) => (onednn ? list : list.replace(/if\(SENTINODE_HAVE_ONEDNN\)[^]*?endif\(\)/g, '')))
    .join('\n')
  return listed(text)
}

const read = (file) => readFileSync(join(root, file), 'utf8').replace(/#.*/g, '')
const listed = (text) => [...text.matchAll(/native\/[\w/.-]+\.cc\b/g)].map(([file]) => file)

function include() {
  const own = process.env.ONNXRUNTIME_ROOT
  const candidates = own
    ? [own, join(own, 'include'), join(own, 'include/onnxruntime')]
    : [
        '/usr/local/include/onnxruntime',
        '/usr/include/onnxruntime',
        join(root, '.setup/onnxruntime/usr/include/onnxruntime'),
      ]
  const found = candidates.find((folder) => existsSync(join(folder, 'onnxruntime_cxx_api.h')))
  if (found) return found
  throw new Error(
    'no ONNX Runtime headers: run `node cmake/setup.mjs`, install libonnxruntime-dev, or set ONNXRUNTIME_ROOT',
  )
}

/** Of one target of native/apart. */
function apart(target) {
  const lists = read('native/apart/sources.cmake').split('target_sources(')
  return listed(lists.find((list) => list.startsWith(target))).join('\n')
}

const printers = {
  sources: () => sources().join('\n'),
  apart: () => apart('sentinode_apart'),
  launch: () => apart('sentinode_launch'),
  include,
  onednn: () => (hasOneDnn() ? '1' : '0'),
}
if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(printers[process.argv[2]]())
