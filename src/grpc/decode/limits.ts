/**
 * What a message may hold. Its bytes alone do not bound it: two bytes make an object of a hundred, and
 * decoding them is done on the thread that answers everyone. docs/serving.md lists the numbers.
 */
export const MOST = {
  /** Fields of a message and of all that it holds. */
  fields: 16_384,
  /** Of messages, texts or byte strings in one list: inputs, outputs, raw tensors. */
  items: 1_024,
  /** Of one map: parameters, clinical values. */
  entries: 256,
  /** Dimensions of a tensor. */
  dimensions: 32,
  /** Of numbers in one list. */
  numbers: 4_096,
  /** Bytes of one text: a name, an id, a value. */
  text: 2 ** 16,
  /** Bytes of all texts of a message. */
  texts: 2 ** 20,
  /** Objects within one another, unknown groups too. */
  nesting: 32,
} as const
