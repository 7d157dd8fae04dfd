// Debian packages that the build needs. Installed as root; otherwise the exact command is named.
import { existsSync } from 'node:fs'
import { fail, run, succeeds } from './steps.mjs'

// ocl-icd-opencl-dev: libdnnl-dev's CMake file asks for OpenCL and only recommends the package.
const build = ['g++', 'make', 'cmake', 'libdnnl-dev', 'ocl-icd-opencl-dev']
// dicom3tools: dciodvfy, the judge of the DICOM that is written. dcm2niix: reads simulated exams as others do.
// strace: which files and sockets the daemon opens. binutils: what the linker wrote.
const test = ['libgtest-dev', 'dicom3tools', 'dcm2niix', 'strace', 'binutils']

function installed(name) {
  return succeeds('dpkg-query', ['--show', '--showformat=${Version}', name])
    ? run('dpkg-query', ['--show', '--showformat=${db:Status-Abbrev}', name]).startsWith('ii')
    : false
}

/** Returns 'done before' where nothing is missing. */
export function aptPackages(forTests) {
  const wanted = forTests ? [...build, ...test] : build
  if (!existsSync('/usr/bin/apt-get')) {
    return `no apt here; needed from this system's packages: ${wanted.join(' ')}`
  }
  const missing = wanted.filter((name) => !installed(name))
  if (missing.length === 0) return 'done before'
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (process.getuid() !== 0) {
    fail(`Debian packages are missing and this user is not root`, [
      'run this once, then again what you ran:',
      `sudo sh -c '${command}'`,
    ])
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const advice = ['run it by hand to see more:', command]
  run('apt-get', ['update', '-qq'], { env, advice })
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env, advice })
  return undefined
}
