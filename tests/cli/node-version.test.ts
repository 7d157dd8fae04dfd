import test from 'ava'
import { untestedNode } from '../../src/version.js'

test('a Node of a tested line, from its first tested version on, is said nothing of', (t) => {
  const tested = '^20.19 || ^22.12 || ^24'
  for (const version of ['20.19.0', '20.20.2', '22.12.0', '24.0.0', '24.21.0']) {
    t.is(untestedNode(version, tested), null, version)
  }
  for (const version of ['18.20.0', '20.18.9', '21.7.0', '22.1.0', '23.0.0', '25.9.0', '240.1.0']) {
    t.is(
      untestedNode(version, tested),
      `sentinode was not tested on Node ${version}, only on 20.19, 22.12, 24`,
    )
  }
})

test('the Node that runs the tests is one of them', (t) => {
  t.is(untestedNode(process.versions.node), null)
})
