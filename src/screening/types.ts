/** Something that the reader of an answer should know; it did not keep the answer from being given. */
export interface ScreeningWarning {
  readonly code: string
  readonly message: string
}

/** What of an exam's frames a region means: millimetres are [x, y, z] in patient space (LPS). */
export type Point = readonly [number, number, number]

export type Region =
  | { readonly kind: 'volume' }
  | { readonly kind: 'centre'; readonly centre: Point }
  | { readonly kind: 'box'; readonly low: Point; readonly high: Point }
  /** The smallest box of patient axes around a mask. */
  | { readonly kind: 'mask'; readonly low: Point; readonly high: Point }
