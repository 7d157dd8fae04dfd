/**
 * What all families of per-model metrics share. A family is created once in a registry; `bind` is called
 * when a model version is loaded and gives recorders whose labels are resolved, so that recording costs no
 * look-up; `remove` takes the version's series out again. Labels are names from the repository, never text
 * of a request, so their number is bounded.
 */
export interface ModelLabels {
  readonly model: string
  readonly version: string
}

export const MODEL_LABELS = ['model', 'version'] as const

export interface Family<T> {
  bind(labels: ModelLabels): T
  remove(labels: ModelLabels): void
}

/** One recorder for each value of a further label, all of them visible from the start. */
export function byValue<const V extends string, C>(
  values: readonly V[],
  child: (value: V) => C,
): Record<V, C> {
  return Object.fromEntries(values.map((value) => [value, child(value)])) as Record<V, C>
}
