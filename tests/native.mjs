// `npm run test:native`: native/core and its GoogleTests, without Node. Arguments go to the tests, e.g.
// --gtest_filter='Loop*'.
import { build, run, runtimeEnv } from './lib/native-build.mjs'

const folder = 'build-native'
run('cmake', ['-S', '.', '-B', folder, '-DSENTINODE_TESTS=ON', '-DCMAKE_BUILD_TYPE=Release'])
build(folder)
run(`./${folder}/sentinode_tests`, process.argv.slice(2), runtimeEnv)
