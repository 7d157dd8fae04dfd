import type { Attack } from '../attack.js'
import { exams, slowUploads } from './exams.js'
import { badRows, denormals, overload } from './load.js'
import { compressed, garbage, messages } from './messages.js'
import { slowReaders } from './readers.js'
import { cancels, rapidReset } from './resets.js'
import { halfRequests, idleConnections, trickle } from './trickle.js'

/** All attacks, in the order in which they are run against one daemon. */
export const ATTACKS: readonly Attack[] = [
  messages,
  compressed,
  garbage,
  trickle,
  idleConnections,
  halfRequests,
  rapidReset,
  cancels,
  badRows,
  denormals,
  overload,
  slowReaders,
  slowUploads,
  exams,
]
