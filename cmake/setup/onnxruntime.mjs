// ONNX Runtime's C++ headers (the library itself comes with the npm package onnxruntime-node). From
// ONNXRUNTIME_ROOT, else from the system, else a private unpacked copy of Debian's libonnxruntime-dev
// from the first suite that has it. Only the headers: that suite's library needs a newer libc.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail, run, state, succeeds } from './steps.mjs'

const header = 'onnxruntime_cxx_api.h'
const suites = ['bookworm', 'trixie', 'forky', 'sid']
const unpacked = join(state, 'onnxruntime')
const advice = [
  'unpack an official release of ONNX Runtime 1.21 or newer and name its folder:',
  'ONNXRUNTIME_ROOT=/path/to/onnxruntime-linux-x64 npm run demo',
]

/** The folder that holds the headers, or null. */
export function findHeaders() {
  const candidates = [
    ...(process.env.ONNXRUNTIME_ROOT
      ? ['include', 'include/onnxruntime', 'include/onnxruntime/core/session'].map((d) =>
          join(process.env.ONNXRUNTIME_ROOT, d),
        )
      : []),
    '/usr/include/onnxruntime',
    '/usr/local/include/onnxruntime',
    join(unpacked, 'usr/include/onnxruntime'),
  ]
  return candidates.find((folder) => existsSync(join(folder, header))) ?? null
}

/** Debian's mirror as this machine's own sources name it. */
function debianMirror() {
  const lines = run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN) $(LABEL)'], { advice })
  const debian = lines.split('\n').find((line) => line.endsWith(' Debian Debian'))
  const mirror = (debian ?? lines.split('\n').find((line) => /\/debian\/? /.test(line)))?.split(' ')[0]
  return mirror ?? fail("apt's sources name no Debian mirror", ['run: apt-get update', 'or:', ...advice])
}

function fetchFrom(suite, mirror) {
  const apt = join(state, 'apt')
  rmSync(apt, { recursive: true, force: true })
  for (const folder of ['lists/partial', 'cache/archives/partial', 'download']) {
    mkdirSync(join(apt, folder), { recursive: true })
  }
  writeFileSync(
    join(apt, 'debian.sources'),
    `Types: deb\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\n` +
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n',
  )
  const options = [
    `-oDir::Etc::sourcelist=${join(apt, 'debian.sources')}`,
    '-oDir::Etc::sourceparts=/nonexistent',
    `-oDir::State::lists=${join(apt, 'lists')}`,
    `-oDir::Cache=${join(apt, 'cache')}`,
    '-oAcquire::Languages=none',
    '-oAPT::Sandbox::User=root',
  ]
  if (!succeeds('apt-get', [...options, '-qq', 'update'])) return false
  if (!succeeds('apt-cache', [...options, 'show', 'libonnxruntime-dev'])) return false
  run('apt-get', [...options, '-qq', 'download', 'libonnxruntime-dev'], {
    cwd: join(apt, 'download'),
    advice,
  })
  const [deb] = readdirSync(join(apt, 'download'))
  rmSync(unpacked, { recursive: true, force: true })
  run('dpkg', ['-x', join(apt, 'download', deb), unpacked])
  rmSync(apt, { recursive: true, force: true })
  return true
}

/** Returns 'done before' where headers are found; fetches them otherwise. */
export function onnxruntimeHeaders() {
  if (findHeaders()) return 'done before'
  if (!existsSync('/usr/bin/apt-get')) fail("ONNX Runtime's headers were not found", advice)
  const mirror = debianMirror()
  const release = readFileSync('/etc/os-release', 'utf8')
  const own = /VERSION_CODENAME=(\w+)/.exec(release)?.[1]
  const order = suites.includes(own)
    ? suites.slice(suites.indexOf(own) + (own === 'bookworm' ? 1 : 0))
    : suites.slice(1)
  if (!order.some((suite) => fetchFrom(suite, mirror))) {
    fail(`no Debian suite of ${order.join(', ')} offers libonnxruntime-dev`, advice)
  }
  if (!findHeaders()) fail('libonnxruntime-dev holds no onnxruntime_cxx_api.h', advice)
  return undefined
}
