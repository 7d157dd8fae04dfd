/** How well probabilities tell, as training/measures.py has it; tests/evaluate holds the two together. */

export interface Estimate {
  readonly value: number
  /** 95 %. */
  readonly low: number
  readonly high: number
}

const Z = 1.96

/** Ranks from 1, those of ties averaged. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!)
  const result = new Array<number>(values.length)
  for (let i = 0; i < order.length;) {
    let end = i
    while (end < order.length && values[order[end]!] === values[order[i]!]) end++
    for (let j = i; j < end; j++) result[order[j]!] = (i + end + 1) / 2
    i = end
  }
  return result
}

/** Area under the ROC curve, its interval by DeLong et al. (Biometrics 1988;44:837-845) on the logit scale. */
export function area(score: readonly number[], positive: readonly boolean[]): Estimate {
  const positives = score.filter((_, i) => positive[i])
  const negatives = score.filter((_, i) => !positive[i])
  const [m, n] = [positives.length, negatives.length]
  const together = ranks([...positives, ...negatives])
  const ofPositives = ranks(positives)
  const ofNegatives = ranks(negatives)
  const above = positives.map((_, i) => (together[i]! - ofPositives[i]!) / n)
  const below = negatives.map((_, i) => 1 - (together[m + i]! - ofNegatives[i]!) / m)
  const value = mean(above)
  const error = Math.sqrt(variance(above) / m + variance(below) / n) / (value * (1 - value))
  const logit = Math.log(value / (1 - value))
  const back = (x: number): number => 1 / (1 + Math.exp(-x))
  return { value, low: back(logit - Z * error), high: back(logit + Z * error) }
}

/** Wilson's interval (J Am Stat Assoc 1927;22:209-212). */
export function proportion(successes: number, trials: number): Estimate {
  const p = successes / trials
  const scale = 1 + (Z * Z) / trials
  const middle = (p + (Z * Z) / (2 * trials)) / scale
  const half = (Z / scale) * Math.sqrt((p * (1 - p)) / trials + (Z * Z) / (4 * trials * trials))
  return { value: p, low: middle - half, high: middle + half }
}

/** The highest threshold that finds at least this share of the positive; positive is at or above it. */
export function thresholdFor(
  sensitivity: number,
  score: readonly number[],
  positive: readonly boolean[],
): number {
  const sorted = score.filter((_, i) => positive[i]).sort((a, b) => a - b)
  return sorted[Math.floor((1 - sensitivity) * sorted.length + 1e-9)] ?? NaN
}

/**
 * Biopsies avoided: the share of women without metastasis who lie below the threshold that finds 95 % of those
 * with one. The interval is a bootstrap over women, the threshold found anew in each draw.
 */
export function biopsiesAvoided(
  score: readonly number[],
  positive: readonly boolean[],
  random: () => number,
): Estimate {
  const share = (of: readonly number[]): number => {
    const scores = of.map((i) => score[i]!)
    const outcomes = of.map((i) => positive[i]!)
    const threshold = thresholdFor(0.95, scores, outcomes)
    const negatives = scores.filter((_, i) => !outcomes[i])
    return negatives.filter((s) => s < threshold).length / negatives.length
  }
  const everyone = score.map((_, i) => i)
  const draws = Array.from({ length: 1000 }, () =>
    share(everyone.map(() => Math.floor(random() * everyone.length))),
  ).sort((a, b) => a - b)
  return { value: share(everyone), low: draws[25] ?? NaN, high: draws[975] ?? NaN }
}

export function brier(probability: readonly number[], positive: readonly boolean[]): number {
  return mean(probability.map((p, i) => (p - Number(positive[i])) ** 2))
}

/** Expected calibration error over ten bins of equal width (Naeini et al., AAAI 2015). */
export function calibrationError(probability: readonly number[], positive: readonly boolean[]): number {
  const bins = Array.from({ length: 10 }, () => ({ count: 0, apart: 0 }))
  probability.forEach((p, i) => {
    const bin = bins[Math.min(9, Math.floor(p * 10))]!
    bin.count++
    bin.apart += p - Number(positive[i])
  })
  return bins.reduce((sum, { apart }) => sum + Math.abs(apart), 0) / probability.length
}

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length

function variance(values: readonly number[]): number {
  const middle = mean(values)
  return values.reduce((sum, v) => sum + (v - middle) ** 2, 0) / (values.length - 1)
}
