/** The answer on one page: self-contained, without scripts, and with nothing from outside as markup. */

import type { Answer } from '../answer.js'
import type { Finding } from '../findings.js'
import { enhancementCurve, probabilityBar } from './charts.js'
import { explanationSection } from './explanation.js'
import { html, Markup } from './markup.js'
import type { Overlay } from './overlay.js'
import type { Pictures } from './pictures.js'
import { STYLE } from './style.js'

const percent = (share: number, digits = 1): string => `${(share * 100).toFixed(digits)} %`
const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
const millimetres = (numbers: readonly number[]): string => numbers.map((n) => n.toFixed(1)).join(' \u00d7 ')

/**
 * @param pictures null where the crop is no longer at hand
 * @param overlays of each explanation
 */
export function answerToHtml(
  answer: Answer,
  pictures: Pictures | null,
  overlays: readonly (readonly Overlay[])[] = [],
): string {
  const { notice } = answer.contract.provenance
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        />
        <title>${answer.contract.title}: ${answer.exam}</title>
        <style>
          ${new Markup(STYLE)}
        </style>
      </head>
      <body>
        <header>
          <h1>${answer.contract.title}</h1>
          <p>
            Exam <b>${answer.exam}</b>, model <b>${answer.model.name}</b> version
            <b>${answer.model.version}</b>
          </p>
        </header>
        ${notice === undefined ? [] : [html`<p class="notice">${notice}</p>`]}
        <main>
          ${answer.findings.map(findingCard)} ${answer.warnings.length === 0 ? [] : [warnings(answer)]}
          ${pictures === null ? [] : [phasePictures(answer, pictures)]}
          ${(answer.explanations ?? []).map((one, i) => explanationSection(answer, one, overlays[i] ?? []))}
          <div>
            <section>
              <h2>Enhancement over the crop</h2>
              ${enhancementCurve(answer.used.phases)}
            </section>
            ${originTable(answer)}
          </div>
          ${usedTable(answer)}
        </main>
      </body>
    </html> `
  return page.text
}

function findingCard(finding: Finding): Markup {
  const { operatingPoint: point } = finding
  const interval = (range: readonly [number, number] | undefined) =>
    range === undefined ? '' : ` (${percent(range[0])} to ${percent(range[1])})`
  const calibrated =
    finding.calibrated === null
      ? 'not calibrated'
      : `${percent(finding.calibrated)} after calibration (${finding.calibration.replace('_', ' ')})`
  return html`<section class="finding">
    <h2>${finding.title}</h2>
    <p class="decision ${finding.positive ? 'positive' : 'negative'}">
      ${finding.positive ? 'Positive' : 'Negative'} at <b>${point.name}</b>
    </p>
    ${probabilityBar(finding)}
    <p>
      Probability ${percent(finding.probability)},
      ${calibrated}${finding.spread === null ? '' : `, ensemble spread ${percent(finding.spread)}`}. At a
      threshold of ${point.threshold} the model's stated sensitivity is
      ${percent(point.sensitivity)}${interval(point.sensitivity_interval)} and its specificity
      ${percent(point.specificity)}${interval(point.specificity_interval)}.
    </p>
  </section>`
}

function warnings(answer: Answer): Markup {
  return html`<section class="warnings">
    <h2>Warnings</h2>
    <ul>
      ${answer.warnings.map(({ code, message }) => html`<li><code>${code}</code> ${message}</li>`)}
    </ul>
  </section>`
}

function phasePictures(answer: Answer, pictures: Pictures): Markup {
  const shape = `${pictures.width} / ${pictures.height * pictures.aspect}`
  return html`<section class="wide">
    <h2>Slice of strongest enhancement</h2>
    <div class="pictures">
      ${pictures.pngs.map((png, i) => {
        const phase = answer.used.phases[i]
        const time = phase?.timeS === null || phase === undefined ? '' : `, ${phase.timeS.toFixed(0)} s`
        return html`<figure>
          <img
            style="aspect-ratio: ${shape}"
            alt="phase ${i + 1}"
            src="data:image/png;base64,${png.toString('base64')}"
          />
          <figcaption>phase ${i + 1}${time}</figcaption>
        </figure>`
      })}
    </div>
    <p class="small">
      Slice ${pictures.slice + 1} of ${answer.used.gridSize[0]} of the crop; all phases with the same grey
      window.
    </p>
  </section>`
}

const row = (name: string, value: string): Markup =>
  html`<tr>
    <th>${name}</th>
    <td>${value}</td>
  </tr>`

function usedTable(answer: Answer): Markup {
  const { used } = answer
  const phases = used.phases.map(({ first, second, weight, timeS }) => {
    const from = first === second ? `${first + 1}` : `${first + 1} and ${second + 1} (${percent(weight, 0)})`
    return timeS === null ? from : `${from} at ${timeS.toFixed(1)} s`
  })
  const series = used.series.map(
    ({ number, ordinal, phases: count, frames }) =>
      `series ${number ?? `no. ${ordinal} of the exam`}: ${counted(count, 'phase')}, ${counted(frames, 'frame')}`,
  )
  const leftOut = used.frames.leftOut.map(({ reason, count }) => `${count} ${reason}`)
  return html`<section>
    <h2>What was used</h2>
    <table>
      ${row('Series', series.join('; '))}
      ${row('Frames', `${used.frames.read} read, ${used.frames.used} used${leftOut.length === 0 ? '' : `, left out: ${leftOut.join(', ')}`}`)}
      ${row('Phases told apart by', used.phasesFrom)} ${row('Times from', used.timesFrom ?? 'not known')}
      ${row('Phases of the exam', phases.join('; '))} ${row('Region', used.region.kind)}
      ${row('Its middle (L, P, S)', `${used.region.centreMm.map((place) => place.toFixed(1)).join(', ')} mm`)}
      ${row('Size of the crop (x, y, z)', `${millimetres(used.region.sizeMm)} mm, ${percent(used.outsideFraction)} outside the exam`)}
      ${row('Clinical values given', used.clinicalGiven.join(', ') || 'none')}
      ${row('Clinical values imputed', used.clinicalImputed.map(({ name, value, unit }) => `${name}: ${value}${unit === null ? '' : ` ${unit}`}`).join(', ') || 'none')}
    </table>
  </section>`
}

function originTable(answer: Answer): Markup {
  const { provenance } = answer.contract
  const named: [string, string | undefined][] = [
    ['Developer', provenance.developer],
    ['Trained on', provenance.trained_on],
    ['Evaluated on', provenance.evaluated_on],
    ['Date', provenance.date],
    ['Citation', provenance.citation],
    ['Licence', provenance.licence],
    ['SHA-256 of the training', provenance.training_sha256],
  ]
  const timings = Object.entries(answer.timingsMs).map(([stage, ms]) => `${stage} ${ms.toFixed(1)} ms`)
  return html`<section>
    <h2>Origin</h2>
    <table>
      ${row('Model', `${answer.model.name}, version ${answer.model.version}`)}
      ${row('SHA-256 of the model', answer.model.sha256)}
      ${row('SHA-256 of the contract', answer.contract.sha256)}
      ${named.flatMap(([name, value]) => (value === undefined ? [] : [row(name, value)]))}
      ${row('Time by stage', timings.join(', '))}
    </table>
  </section>`
}
