/** Which of a model's versions are served: Triton's latest (the default, 1), all, specific. */
import type { ModelVersionPolicy } from '../generated/model_config.js'
import type { VersionSource } from './repository.js'

export interface VersionChoice {
  /** Ascending. */
  readonly serve: readonly VersionSource[]
  /** Asked for by `specific` and not there. */
  readonly missing: readonly number[]
}

/** @param versions ascending */
export function chooseVersions(
  policy: ModelVersionPolicy | undefined,
  versions: readonly VersionSource[],
): VersionChoice {
  const choice = policy?.policyChoice
  if (choice?.$case === 'all') return { serve: versions, missing: [] }
  if (choice?.$case !== 'specific') {
    const count = choice?.value.numVersions ?? 1
    return { serve: versions.slice(-count), missing: [] }
  }
  const wanted = new Set(choice.value.versions.map(Number))
  return {
    serve: versions.filter(({ version }) => wanted.has(version)),
    missing: [...wanted].filter((version) => !versions.some((there) => there.version === version)),
  }
}
