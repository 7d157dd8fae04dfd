/** Half a millisecond, a small network on a GPU, to a minute, a whole exam on one core. */
export const SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]

/** 1 KiB to 1 GiB by fours. */
export const BYTES = Array.from({ length: 11 }, (_, power) => 1024 * 4 ** power)

/** 1 to 256 by twos. */
export const ROWS = Array.from({ length: 9 }, (_, power) => 2 ** power)
