import { tmpdir } from 'node:os'
import type { Config } from '../config/schema.js'
import { checkBind, createCredentials, type TlsFiles } from '../grpc/credentials.js'
import { SentinodeError } from '../errors.js'
import { openRoots, Spool } from '../intake/index.js'
import { scanRepositories } from '../models/repository.js'

export function tlsFiles(config: Config): TlsFiles | null {
  const { tlsCert, tlsKey, tlsClientCa } = config
  return tlsCert === null || tlsKey === null ? null : { cert: tlsCert, key: tlsKey, clientCa: tlsClientCa }
}

/** Everything that can be known to be wrong before anything starts. Rejects with INVALID_OPTION. */
export async function checkConfig(config: Config): Promise<void> {
  const tls = tlsFiles(config)
  checkBind(config.host, tls, config.insecureBind)
  createCredentials(tls)
  if (config.models.length === 0) {
    throw new SentinodeError('INVALID_OPTION', 'models: expected at least one model repository, found none')
  }
  await scanRepositories(config.models)
  await openRoots(config.examRoots)
  await checkExamFolder(examFolder(config))
}

export function examFolder({ examDir }: Config): string {
  return examDir ?? tmpdir()
}

async function checkExamFolder(folder: string): Promise<void> {
  try {
    const spool = await Spool.open(folder)
    await spool.close()
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unusable'
    throw new SentinodeError(
      'INVALID_OPTION',
      `exam-dir: expected a writable folder, found ${folder} (${reason})`,
      { cause },
    )
  }
}
