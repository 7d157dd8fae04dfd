/** The report's part on what a finding comes from. */

import type { Answer } from '../answer.js'
import type { Explanation } from '../explain/explanation.js'
import { html, type Markup } from './markup.js'
import type { Overlay } from './overlay.js'

const signed = (drop: number): string => `${drop < 0 ? '\u2212' : '+'}${Math.abs(drop).toFixed(2)}`

/** @param overlays of the finding's map; none where the crop is no longer at hand */
export function explanationSection(
  answer: Answer,
  explanation: Explanation,
  overlays: readonly Overlay[],
): Markup {
  const { strongest, patch, copies, phaseDrops } = explanation
  const title = answer.findings.find(({ name }) => name === explanation.finding)?.title ?? explanation.finding
  return html`<section class="wide explanation">
    <h2>What it comes from: ${title}</h2>
    <div class="columns">
      <div>
        <div class="pictures">${overlays.map(figure)}</div>
        <p class="small">
          <span class="key for"></span> speaks for the finding, <span class="key against"></span> against it;
          strongest at (${strongest.mm.map((place) => place.toFixed(1)).join(', ')}) mm (L, P, S), where
          hiding a patch ${strongest.drop < 0 ? 'raises' : 'lowers'} the logit by
          ${Math.abs(strongest.drop).toFixed(2)} on average.
        </p>
      </div>
      ${phaseDrops.length === 0 ? [] : [html`<div>${influenceByPhase(answer, phaseDrops)}</div>`]}
    </div>
    <p class="small">
      Occlusion sensitivity: ${copies} copies of the exam, in each of which a patch of ${patch.join(' x ')}
      voxels was filled with surrounding tissue or a phase with what its neighbours lead to expect. It shows
      what this network rests on, not where disease is.
    </p>
  </section>`
}

function figure({ caption, png, width, height, aspect }: Overlay): Markup {
  return html`<figure>
    <img
      style="aspect-ratio: ${width} / ${height * aspect}"
      alt="${caption}"
      src="data:image/png;base64,${png.toString('base64')}"
    />
    <figcaption>${caption}</figcaption>
  </figure>`
}

/** A bar a phase, to the right where the phase speaks for the finding. */
function influenceByPhase(answer: Answer, drops: readonly number[]): Markup {
  const [width, row, left, right] = [420, 26, 110, 364]
  const most = Math.max(...drops.map(Math.abs), 1e-9)
  // Room on the left of the zero only where something goes there.
  const least = Math.min(0, ...drops)
  const greatest = Math.max(0, ...drops)
  const scale = (right - left) / Math.max(greatest - least, most)
  const zero = left - least * scale
  const height = 30 + drops.length * row
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Influence by phase">
    <text x="0" y="14">drop of the logit without the phase</text>
    ${drops.map((drop, i) => {
      const top = 26 + i * row
      const time = answer.used.phases[i]?.timeS
      const length = Math.abs(drop) * scale
      const label = `phase ${i + 1}${time === null || time === undefined ? '' : `, ${time.toFixed(0)} s`}`
      return html`<text x="0" y="${top + 14}">${label}</text
        ><rect
          class="${drop < 0 ? 'against' : 'for'}"
          x="${(drop < 0 ? zero - length : zero).toFixed(1)}"
          y="${top + 2}"
          width="${Math.max(length, 0.5).toFixed(1)}"
          height="${row - 8}"
        /><text x="${(Math.max(zero, zero + drop * scale) + 6).toFixed(1)}" y="${top + 14}"
          >${signed(drop)}</text
        >`
    })}
    <line class="zero" x1="${zero.toFixed(1)}" x2="${zero.toFixed(1)}" y1="24" y2="${height - 4}" />
  </svg>`
}
