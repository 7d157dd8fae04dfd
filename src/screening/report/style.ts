/** The report's style sheet. */
export const STYLE = `
:root { --ink: #1c2430; --soft: #5c6776; --line: #dfe4ea; --paper: #ffffff; --ground: #f4f6f8; --positive: #b3541e; --negative: #2f7d6b; --curve: #2b5fa4; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 16px 48px; max-width: 1180px; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 24px; } h2 { margin: 0 0 8px; font-size: 16px; }
header p { margin: 4px 0 16px; color: var(--soft); }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 16px; align-items: start; }
main > div { display: grid; gap: 16px; min-width: 0; } .wide { grid-column: 1 / -1; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 16px; min-width: 0; }
.notice { margin: 0 0 16px; padding: 10px 16px; border-radius: 8px; background: #7a1f1f; color: #fff; font-weight: 600; white-space: pre-line; }
.decision { margin: 0 0 4px; font-size: 18px; } .decision.positive { color: var(--positive); } .decision.negative { color: var(--negative); }
.warnings { border-color: #d9a441; } .warnings ul { margin: 0; padding-left: 20px; }
code { font-size: 13px; color: var(--soft); }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--soft); } svg text.value { fill: var(--ink); font-size: 16px; font-weight: 600; }
.grid { stroke: var(--line); } .curve { fill: none; stroke: var(--curve); stroke-width: 2.5; } .dot { fill: var(--curve); }
.track { fill: #e9edf1; } rect.positive { fill: var(--positive); } rect.negative { fill: var(--negative); } .spread { stroke: var(--ink); stroke-width: 3; }
.point line { stroke: var(--soft); stroke-dasharray: 3 3; } .point.chosen line { stroke: var(--ink); stroke-dasharray: none; stroke-width: 2; } .point.chosen text { fill: var(--ink); font-weight: 600; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 200px)); gap: 12px; } figure { margin: 0; } figcaption, .small { color: var(--soft); font-size: 13px; }
img { display: block; width: 100%; height: auto; background: #000; border-radius: 4px; }
.columns { display: grid; gap: 16px 32px; align-items: center; } @media (min-width: 900px) { .columns { grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); } } .explanation p { margin: 8px 0 0; }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; } .key.for { background: #ff7620; } .key.against { background: #348cff; }
rect.for { fill: #ff7620; } rect.against { fill: #348cff; } .zero { stroke: var(--soft); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: 4px 8px 4px 0; border-top: 1px solid var(--line); } th { width: 34%; font-weight: 500; color: var(--soft); } td { overflow-wrap: anywhere; }
@media print { body { background: none; padding: 0; } section { break-inside: avoid; } }
`
