/** Preprocessing of exams in the addon. */
import { SentinodeError } from '../errors.js'
import { callAddon, fromAddon } from './errors.js'
import type { NativeAddon, NativePreprocessOptions, NativePreprocessResult } from './native.js'

/** @throws SentinodeError INVALID_OPTION, REGION_OUTSIDE_EXAM, EXAM_NOT_FINITE, EXAM_CONSTANT, CANCELLED */
export async function preprocess(
  addon: NativeAddon,
  options: NativePreprocessOptions,
  signal?: AbortSignal,
): Promise<NativePreprocessResult> {
  if (signal?.aborted === true) throw new SentinodeError('CANCELLED', 'preprocessing was cancelled')
  const work = callAddon(() => addon.preprocess(options))
  const cancel = () => work.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await work.result
  } catch (error) {
    throw fromAddon(error)
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
