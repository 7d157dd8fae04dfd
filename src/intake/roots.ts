import { realpath, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { SentinodeError } from '../errors.js'

/** Folders that exams may be named in, by the name that requests call them. Real paths. */
export type Roots = ReadonlyMap<string, string>

/** An exam on this machine, its words checked; where links lead is seen when it is opened. */
export interface ExamPlace {
  readonly kind: 'place'
  readonly root: string
  readonly path: string
}

/** @param entries `name=/folder` each. Rejects with INVALID_OPTION. */
export async function openRoots(entries: readonly string[]): Promise<Roots> {
  const roots = new Map<string, string>()
  for (const entry of entries) {
    const [, name = '', folder = ''] = /^([a-z0-9][a-z0-9_-]{0,63})=(\/.*)$/i.exec(entry) ?? []
    if (name === '') {
      throw invalid(`expected name=/folder, found ${JSON.stringify(entry)}`)
    }
    if (roots.has(name)) throw invalid(`expected each name once, found ${name} twice`)
    const path = await realpath(folder).catch(() => null)
    if (path === null || !(await stat(path)).isDirectory())
      throw invalid(`expected a folder, found none at ${folder}`)
    roots.set(name, path)
  }
  return roots
}

/**
 * @param path below the root, parts separated by '/'
 * @throws SentinodeError EXAM_PATH_REFUSED; messages never repeat the path, which can hold a patient's name
 */
export function placeOf(roots: Roots, root: string, path: string): ExamPlace {
  if (roots.size === 0) throw refused('this server reads no exams of its own: exam-roots names no folder')
  const folder = roots.get(root)
  if (folder === undefined)
    throw refused(`expected one of the roots ${[...roots.keys()].join(', ')}, found another name`)
  if (path === '' || path.includes('\0') || isAbsolute(path) || path.split('/').includes('..')) {
    throw refused("expected a path below the root, without '..', found another")
  }
  return { kind: 'place', root: folder, path }
}

const invalid = (message: string): SentinodeError =>
  new SentinodeError('INVALID_OPTION', `exam-roots: ${message}`)

const refused = (message: string): SentinodeError => new SentinodeError('EXAM_PATH_REFUSED', message)
