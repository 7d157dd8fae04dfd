import { fileURLToPath } from 'node:url'

/** The trained model that ships with sentinode. */
export const SHIPPED = {
  repository: fileURLToPath(new URL('../../models', import.meta.url)),
  name: 'lymph4d',
} as const
