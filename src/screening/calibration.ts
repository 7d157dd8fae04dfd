/** From a network's number to a probability that means what it says. */

import type { Calibration } from './contract/schema.js'

export const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit))

/** Of a probability; 0 and 1 give what a double can still tell from them. */
export function logit(probability: number): number {
  const inside = Math.min(Math.max(probability, 1e-15), 1 - 1e-15)
  return Math.log(inside / (1 - inside))
}

/** The calibrated probability; null where the contract calls none calibrated. */
export function calibrate(calibration: Calibration, probability: number): number | null {
  switch (calibration.method) {
    case 'none':
      return null
    case 'in_graph':
      return probability
    case 'platt':
      return sigmoid(calibration.a * logit(probability) + calibration.b)
    case 'isotonic':
      return interpolate(calibration.x, calibration.y, probability)
  }
}

/** Through points of rising x, straight between them, constant beyond. */
function interpolate(x: readonly number[], y: readonly number[], at: number): number {
  const upper = x.findIndex((place) => place >= at)
  if (upper === -1) return y[y.length - 1] ?? NaN
  const [x1, y1] = [x[upper] ?? NaN, y[upper] ?? NaN]
  if (upper === 0) return y1
  const [x0, y0] = [x[upper - 1] ?? NaN, y[upper - 1] ?? NaN]
  return y0 + ((at - x0) / (x1 - x0)) * (y1 - y0)
}
