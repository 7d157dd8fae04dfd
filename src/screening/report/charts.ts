/** The report's drawings: a curve over time, and a probability among its operating points. */

import type { Finding } from '../findings.js'
import type { UsedPhase } from '../answer.js'
import { html, type Markup } from './markup.js'

const round = (value: number, digits: number): string => value.toFixed(digits)

/** Numbers at round distances that cover [low, high], about `wanted` of them. */
export function ticks(low: number, high: number, wanted = 5): number[] {
  const span = high - low || 1
  const magnitude = 10 ** Math.floor(Math.log10(span / wanted))
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((size) => span / size <= wanted) ?? span
  const first = Math.floor(low / step + 1e-9)
  const last = Math.ceil(high / step - 1e-9)
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step)
}

const label = (value: number): string => String(Number(value.toPrecision(6)))

/** Mean intensity over the crop against time, in percent of the first phase where that is above zero. */
export function enhancementCurve(phases: readonly UsedPhase[]): Markup {
  const [width, height] = [560, 250]
  const frame = { left: 58, right: width - 16, top: 14, bottom: height - 44 }
  const timed = phases.every(({ timeS }) => timeS !== null)
  const xs = phases.map(({ timeS }, i) => (timed ? (timeS ?? 0) : i + 1))
  const base = phases[0]?.mean ?? 0
  const relative = base > 0
  const ys = phases.map(({ mean }) => (relative ? (mean / base - 1) * 100 : mean))
  const xTicks = ticks(Math.min(...xs), Math.max(...xs))
  const yTicks = ticks(Math.min(0, ...ys), Math.max(...ys, Math.min(...ys) + 1e-6))
  const scale = (values: readonly number[], from: number, to: number) => {
    const [low, high] = [values[0] ?? 0, values[values.length - 1] ?? 1]
    return (value: number) => from + ((value - low) / (high - low || 1)) * (to - from)
  }
  const x = scale(xTicks, frame.left, frame.right)
  const y = scale(yTicks, frame.bottom, frame.top)
  const points = xs.map((value, i) => `${round(x(value), 1)},${round(y(ys[i] ?? 0), 1)}`).join(' ')
  const unit = relative ? ' %' : ''
  const name = relative ? 'mean rise over the first phase, %' : 'mean intensity'
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Enhancement curve over the crop">
    ${yTicks.map(
      (tick) =>
        html`<line
            class="grid"
            x1="${frame.left}"
            x2="${frame.right}"
            y1="${round(y(tick), 1)}"
            y2="${round(y(tick), 1)}"
          /><text x="${frame.left - 8}" y="${round(y(tick) + 4, 1)}" text-anchor="end">${label(tick)}</text>`,
    )}
    ${xTicks.map(
      (tick) =>
        html`<text x="${round(x(tick), 1)}" y="${frame.bottom + 18}" text-anchor="middle"
          >${label(tick)}</text
        >`,
    )}
    <text x="${(frame.left + frame.right) / 2}" y="${height - 8}" text-anchor="middle">
      ${timed ? 'seconds after the first phase' : 'phase'}
    </text>
    <text transform="translate(14 ${(frame.top + frame.bottom) / 2}) rotate(-90)" text-anchor="middle">
      ${name}
    </text>
    <polyline class="curve" points="${points}" />
    ${xs.map(
      (value, i) =>
        html`<circle class="dot" cx="${round(x(value), 1)}" cy="${round(y(ys[i] ?? 0), 1)}" r="4"
          ><title>${label(value)}${timed ? ' s' : ''}: ${round(ys[i] ?? 0, 1)}${unit}</title></circle
        >`,
    )}
  </svg>`
}

/** A bar from 0 to 1 with the probability on it and every operating point's threshold under it. */
export function probabilityBar(finding: Finding): Markup {
  const [width, left, right, middle] = [560, 16, 544, 44]
  const x = (probability: number) => left + probability * (right - left)
  const shown = finding.calibrated ?? finding.probability
  const spread =
    finding.spread === null
      ? null
      : { low: Math.max(0, shown - finding.spread), high: Math.min(1, shown + finding.spread) }
  const points = [...finding.operatingPoints].sort((a, b) => a.threshold - b.threshold)
  const height = 88 + points.length * 18
  // A threshold's line runs through the number that it is close to.
  const free = [0, 0.25, 0.5, 0.75, 1].filter((tick) =>
    points.every(({ threshold }) => Math.abs(threshold - tick) * (right - left) > 14),
  )
  const anchor = (at: number) => (at < left + 60 ? 'start' : at > right - 60 ? 'end' : 'middle')
  return html`<svg
    viewBox="0 0 ${width} ${height}"
    role="img"
    aria-label="Probability against the operating points"
  >
    <rect class="track" x="${left}" y="${middle - 7}" width="${right - left}" height="14" rx="7" />
    <rect
      class="${finding.positive ? 'positive' : 'negative'}"
      x="${left}"
      y="${middle - 7}"
      width="${round(Math.max(x(shown) - left, 1), 1)}"
      height="14"
      rx="7"
    />
    ${spread === null ? [] : [html`<line class="spread" x1="${round(x(spread.low), 1)}" x2="${round(x(spread.high), 1)}" y1="${middle}" y2="${middle}" />`]}
    <text class="value" x="${round(x(shown), 1)}" y="${middle - 16}" text-anchor="${anchor(x(shown))}">
      ${round(shown * 100, 1)} %
    </text>
    ${free.map((tick) => html`<text x="${round(x(tick), 1)}" y="${middle + 24}" text-anchor="middle">${tick}</text>`)}
    ${points.map((point, i) => {
      const at = x(point.threshold)
      const below = middle + 50 + i * 18
      const chosen = point.name === finding.operatingPoint.name
      return html`<g class="${chosen ? 'point chosen' : 'point'}"
        ><line x1="${round(at, 1)}" x2="${round(at, 1)}" y1="${middle - 12}" y2="${below - 13}" /><text
          x="${round(at, 1)}"
          y="${below}"
          text-anchor="${anchor(at)}"
          >${point.name} ${round(point.threshold, 3)}</text
        ></g
      >`
    })}
  </svg>`
}
