import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ReportingDevice } from '../../screening/index.js'
import { version } from '../../version.js'

/** Whom DICOM reports name as their writer. The serial number tells installations apart and names no host. */
export function reportingDevice(): ReportingDevice {
  return { manufacturer: 'sentinode', model: 'sentinode', version, serial: serial() }
}

/** machine-id is meant to be shown hashed only (machine-id(5)). */
function serial(): string {
  let machine: string
  try {
    machine = readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    machine = ''
  }
  const seed = machine === '' ? randomUUID() : `sentinode ${machine}`
  return createHash('sha256').update(seed).digest('hex').slice(0, 16)
}
