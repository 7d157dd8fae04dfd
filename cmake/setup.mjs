// Everything between a clone and a running daemon, in order, each step skipped when it is done:
//   node cmake/setup.mjs [--test]
// Plain Node without packages, since it is what installs them. Debian 12 with Node 20.19 or newer.
import { aptPackages } from './setup/debian.mjs'
import { onnxruntimeHeaders } from './setup/onnxruntime.mjs'
import { checkPlatform } from './setup/platform.mjs'
import { step, run, fail, stamped } from './setup/steps.mjs'

const forTests = process.argv.includes('--test')

checkPlatform()
step('Debian packages', () => aptPackages(forTests))
step('ONNX Runtime headers', onnxruntimeHeaders)
step('npm packages', () =>
  stamped('npm', ['package-lock.json', '.npmrc'], 'node_modules', () =>
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']),
  ),
)
step('protobuf code', () =>
  stamped('proto', ['proto', 'cmake/protoc.mjs', 'package-lock.json'], 'src/generated', () =>
    run(process.execPath, ['cmake/protoc.mjs']),
  ),
)
step('native addon', () =>
  stamped('native', ['CMakeLists.txt', 'native', 'package-lock.json'], 'build/Release/sentinode.node', () =>
    run('node_modules/.bin/cmake-js', ['compile', '--out', 'build', '--log-level', 'warn']),
  ),
)
step('TypeScript', () =>
  stamped(
    'ts',
    ['src', 'proto', 'cmake/typescript.mjs', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
    'dist',
    () => run(process.execPath, ['cmake/typescript.mjs']),
  ),
)
if (process.exitCode) fail('set-up did not finish')
