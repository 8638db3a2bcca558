/**
 * The morning report as one page: no script, nothing fetched, light and dark, from a phone to a desk. Names of
 * entities are what anyone called them, so everything is escaped.
 */
import type { DailyReport, Figures } from './daily-report.ts'
import {
  about,
  called,
  change,
  count,
  effectOf,
  LEVEL_WORDS,
  longDay,
  many,
  money,
  range,
  shortDay,
  sourceOf,
  summaryOf,
  TIERS_SHOWN,
  TIER_WORDS,
} from './words.ts'

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for any place in the page; control characters become spaces. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign).replace(/\p{Cc}/gu, ' ')

/** A name written from right to left must not turn the words around it. */
const nameOf = (name: string): string => `<bdi>${escapeHtml(called(name))}</bdi>`

/** Commands in quotes, as code, so that nobody types the quotes. */
const withCommands = (escaped: string): string =>
  escaped.replace(/&quot;(vigia .*?)&quot;/g, '<code>$1</code>')

const STYLE = `
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#57606f;--line:#dfe3e8;
--brand:#0b5fa5;--band:#0b5fa526;--bad:#b3261e;--good:#1a7f37;--warn:#8a5a00}
@media (prefers-color-scheme:dark){:root{--ground:#12161c;--card:#1b212a;--ink:#e8ecf1;--soft:#a3adba;--line:#303945;
--brand:#6db5f2;--band:#6db5f233;--bad:#ff8a80;--good:#6fd08c;--warn:#e6b450}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:16px;display:grid;gap:16px;grid-template-columns:minmax(0,1fr)}
header h1{margin:0;font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere}
header p{margin:4px 0 0}
.lead{font-size:1.075rem}
.soft{color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px;min-width:0}
h2{margin:0 0 10px;font-size:1.1rem}
h2 .soft{font-weight:400;font-size:.95rem}
.notice{border-left:4px solid var(--warn);background:var(--card);padding:10px 12px;margin:0;border-radius:4px}
.tiles{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));margin:0;padding:0;list-style:none}
.tiles li{border:1px solid var(--line);border-radius:8px;padding:10px 12px}
.tiles b{display:block;overflow-wrap:anywhere;font-size:1.35rem;line-height:1.3;font-variant-numeric:tabular-nums}
.tiles span{display:block;color:var(--soft);font-size:.875rem}
.charts{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));margin-top:14px}
figure{margin:0;min-width:0}
figcaption{font-size:.9rem;margin-bottom:4px}
svg{display:block;width:100%;height:130px;border-bottom:1px solid var(--line)}
.axis,.axis div{display:flex;justify-content:space-between}
.axis{color:var(--soft);font-size:.8rem;margin:2px 0 12px}
ol,ul.plain{margin:0;padding:0;list-style:none;display:grid;gap:12px}
ol>li,ul.plain>li{border-top:1px solid var(--line);padding-top:12px;overflow-wrap:anywhere}
ol>li:first-child,ul.plain>li:first-child{border-top:0;padding-top:0}
li p{margin:2px 0 0}
.scroll+.plain{margin-top:14px;border-top:1px solid var(--line);padding-top:12px}
section>p{margin:10px 0 0}
.tag{display:inline-block;font-size:.75rem;font-weight:600;letter-spacing:.02em;padding:1px 7px;border-radius:99px;
border:1px solid currentColor;margin-right:6px;white-space:nowrap}
.bad{color:var(--bad)}.good{color:var(--good)}.warn{color:var(--warn)}
.effect{color:var(--good);font-weight:600;display:block}
section>.key{margin:0 0 8px;font-size:.85rem}
code{font-size:.85em;display:inline-block;max-width:100%;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:6px 8px;border-bottom:1px solid var(--line);font-weight:400;white-space:nowrap}
thead th{color:var(--soft);font-size:.85rem;white-space:normal}
th:first-child{text-align:left;padding-left:0}
th:last-child,td:last-child{padding-right:0}
tr:last-child>*{border-bottom:0}
.wide,.stack{display:grid;gap:16px;grid-template-columns:minmax(0,1fr);align-content:start}
@media (max-width:480px){th,td{padding:6px 4px;font-size:.85rem}thead th{font-size:.75rem}
.tiles b{font-size:1.1rem}}
@media (max-width:899px){.stack{display:contents}.later{order:1}}
@media (min-width:900px){.wide{grid-template-columns:minmax(0,1fr) minmax(0,1fr);align-items:start}}
footer{color:var(--soft);font-size:.85rem;padding:0 4px 12px}
`

/** The chart's own units; it is stretched to its place. */
const CHART = { width: 700, height: 130, top: 8 } as const

interface Series {
  readonly title: string
  readonly past: readonly number[]
  readonly next: readonly { readonly predicted: number; readonly lower: number; readonly upper: number }[]
  readonly format: (value: number) => string
}

/** Keeps a chart of zeros from a division by zero. */
const NONE = 1e-9

const points = (pairs: readonly (readonly [number, number])[]): string =>
  pairs.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')

const chart = (
  { title, past, next, format }: Series,
  from: string,
  day: string,
  to: string | null,
): string => {
  const steps = past.length + next.length - 1
  const most = Math.max(...past, ...next.map(({ upper }) => upper), NONE)
  const x = (i: number): number => (steps === 0 ? 0 : (i * CHART.width) / steps)
  const y = (value: number): number => CHART.height - (Math.max(0, value) / most) * (CHART.height - CHART.top)
  const last = past.length - 1
  const lastValue = past[last] ?? 0
  const ahead = (read: (one: Series['next'][number]) => number) =>
    next.map((one, i) => [x(last + 1 + i), y(read(one))] as const)
  const line = points(past.map((value, i) => [x(i), y(value)] as const))
  const here = [x(last), y(lastValue)] as const
  const band = [here, ...ahead(({ upper }) => upper), ...ahead(({ lower }) => lower).toReversed()]
  const total = next.reduce((sum, { predicted }) => sum + predicted, 0)
  const label =
    `${title}: ${format(past.reduce((sum, value) => sum + value, 0))} in the last ${past.length} days, ` +
    `${format(lastValue)} on the last, at most ${format(Math.max(...past))} a day` +
    (next.length > 0 ? `; ${format(total)} expected in the next ${next.length} days.` : '.')
  return `<figure><figcaption>${escapeHtml(title)} <span class="soft">${escapeHtml(most > NONE ? `a day, up to ${format(most)}` : 'none on any day')}</span></figcaption>
<svg viewBox="0 0 ${CHART.width} ${CHART.height}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(label)}">
${
  next.length > 0
    ? `<polygon points="${points(band)}" style="fill:var(--band)"/><polyline points="${points([here, ...ahead(({ predicted }) => predicted)])}" fill="none" style="stroke:var(--brand)" stroke-width="2" stroke-dasharray="5 4" vector-effect="non-scaling-stroke"/>`
    : ''
}
<polyline points="${line}" fill="none" style="stroke:var(--brand)" stroke-width="2" stroke-linejoin="round" vector-effect="non-scaling-stroke"/>
</svg><div class="axis" aria-hidden="true"><div style="width:${((100 * x(last)) / CHART.width).toFixed(1)}%"><span>${escapeHtml(from)}</span><span>${escapeHtml(day)}</span></div>${to === null ? '' : `<span>${escapeHtml(to)}</span>`}</div></figure>`
}

const SEVERITY_CLASS: Readonly<Record<string, string>> = {
  CRITICAL: 'bad',
  HIGH: 'bad',
  MEDIUM: 'warn',
  LOW: 'soft',
}

const figuresRow = (label: string, { spend, leads, cpl }: Figures, currency: string): string =>
  `<tr><th scope="row">${escapeHtml(label)}</th><td>${money(spend, currency)}</td><td>${count(leads)}</td><td>${cpl === null ? '–' : money(cpl, currency)}</td></tr>`

const tile = (label: string, value: string, moved: string | null, worseUp: boolean | null): string => {
  const rose = moved?.startsWith('+') ?? false
  const still = moved === null || moved === 'no change' || worseUp === null
  const tone = still ? 'soft' : rose === worseUp ? 'bad' : 'good'
  return `<li><span>${escapeHtml(label)}</span><b>${escapeHtml(value)}</b>${
    moved === null ? '' : `<span class="${tone}">${escapeHtml(moved)} on the week before</span>`
  }</li>`
}

const howItWent = (report: DailyReport): string => {
  const { config, totals, history, next_week: next, date } = report
  const { currency } = config
  const first = history[0]?.date ?? date
  // Forecasts may have been made before the day.
  const ahead = next?.days.filter((one) => one.date > date) ?? []
  const last = ahead.at(-1)
  const to = last ? shortDay(last.date) : null
  const series: readonly Series[] = [
    {
      title: 'Spend',
      past: history.map(({ spend }) => spend),
      next: ahead.map(({ spend }) => spend),
      format: (value) => money(value, currency),
    },
    {
      title: 'Leads',
      past: history.map(({ leads }) => leads),
      next: ahead.map(({ leads }) => leads),
      format: about,
    },
  ]
  return `<section aria-labelledby="went"><h2 id="went">How it went</h2>
<ul class="tiles">
${tile('Spend, 7 days', money(totals.week.spend, currency), change(totals.change.spend), null)}
${tile('Leads, 7 days', count(totals.week.leads), change(totals.change.leads), false)}
${tile('Cost per lead', totals.week.cpl === null ? 'no leads' : money(totals.week.cpl, currency), change(totals.change.cpl), true)}
</ul>
<div class="charts">${series.map((one) => chart(one, shortDay(first), shortDay(date), to)).join('\n')}</div>
${to === null ? '' : '<p class="soft key">Dashes: what is expected. Shade: what 95 of 100 such days keep within.</p>'}
<div class="scroll"><table><thead><tr><th scope="col">When</th><th scope="col">Spend</th><th scope="col">Leads</th><th scope="col">Cost per lead</th></tr></thead><tbody>
${figuresRow(shortDay(date), totals.day, currency)}
${figuresRow('Last 7 days', totals.week, currency)}
${figuresRow('The 7 before', totals.week_before, currency)}
</tbody></table></div></section>`
}

const whatIsOdd = ({ anomalies, config }: DailyReport): string => {
  const items = anomalies.groups.map((group) => {
    const good = group.polarity === 'good'
    const tag = good ? 'GOOD' : group.severity
    const tone = good ? 'good' : (SEVERITY_CLASS[group.severity] ?? 'soft')
    const where =
      group.entity_type === 'campaign'
        ? ''
        : ` <span class="soft">› ${LEVEL_WORDS[group.entity_type][0]} ${nameOf(group.entity_name)}</span>`
    const more =
      group.findings > 1
        ? ` <span class="soft">and ${count(group.findings - 1)} more in this campaign</span>`
        : ''
    return `<li><span class="tag ${tone}">${tag}</span><strong>${nameOf(group.campaign_name)}</strong>${where}
<p>${escapeHtml(group.what)}: ${escapeHtml(group.observed)}, expected ${escapeHtml(group.expected)}, on ${shortDay(group.date).replace(' ', '\u00A0')}.${more}</p></li>`
  })
  const rest = anomalies.campaigns - anomalies.groups.length
  return `<section aria-labelledby="odd"><h2 id="odd">What is odd</h2>
${items.length === 0 ? '<p class="soft">Nothing.</p>' : `<ul class="plain">${items.join('\n')}</ul>`}
${rest > 0 ? `<p class="soft">And in ${many(rest, 'more campaign')}: <code>vigia detect --config ${config.id} --days 7</code> lists them.</p>` : ''}</section>`
}

const whatToDo = ({ advice, config }: DailyReport): string => {
  const items = advice.top.map((one) => {
    const effect = effectOf(one, config.currency)
    return `<li><strong>${escapeHtml(one.title)}</strong> <span class="soft">${LEVEL_WORDS[one.entity_type][0]}</span> ${nameOf(one.entity_name)}${
      effect === null ? '' : ` <span class="effect">${escapeHtml(effect)}</span>`
    }
<p>${escapeHtml(one.sentence)}</p></li>`
  })
  const more = advice.active - advice.top.length
  return `<section aria-labelledby="do"><h2 id="do">What to do${items.length > 1 ? ' <span class="soft">the largest effect first</span>' : ''}</h2>
${items.length === 0 ? '<p class="soft">Nothing.</p>' : `<ol>${items.join('\n')}</ol>`}
${more > 0 ? `<p class="soft">And ${count(more)} more: <code>vigia advice --config ${config.id}</code> lists them all.</p>` : ''}</section>`
}

const howEverythingDoes = ({
  tiers,
  tier_changes: changes,
  tier_changes_total: total,
}: DailyReport): string => {
  const rows = tiers.map(
    ({ entity_type: level, counts }) =>
      `<tr><th scope="row">${LEVEL_WORDS[level][1]}</th>${TIERS_SHOWN.map((tier) => `<td>${count(counts[tier])}</td>`).join('')}</tr>`,
  )
  const moves = changes.map((one) => {
    const better = one.direction === 'improved'
    return `<li><span class="tag ${better ? 'good' : 'bad'}">${better ? 'better' : 'worse'}</span>${LEVEL_WORDS[one.entity_type][0]} ${nameOf(one.entity_name)}: ${TIER_WORDS[one.to]}, <span class="soft">was ${TIER_WORDS[one.from]}</span></li>`
  })
  const table =
    rows.length === 0
      ? '<p class="soft">Not known yet.</p>'
      : `<div class="scroll"><table><thead><tr><th scope="col">Level</th>${TIERS_SHOWN.map((tier) => `<th scope="col">${TIER_WORDS[tier]}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  return `<section class="later" aria-labelledby="tiers"><h2 id="tiers">How everything does</h2>${table}
${moves.length === 0 ? '' : `<ul class="plain">${moves.join('\n')}</ul>`}
${total > changes.length ? `<p class="soft">And ${many(total - changes.length, 'more change')}.</p>` : ''}</section>`
}

const nextWeek = ({ next_week: next, config }: DailyReport): string => {
  const { currency } = config
  if (!next) {
    return `<section class="later" aria-labelledby="next"><h2 id="next">Next week</h2><p class="soft">Not forecast yet.</p></section>`
  }
  const inMoney = (value: number): string => money(value, currency)
  return `<section class="later" aria-labelledby="next"><h2 id="next">Next week <span class="soft">${shortDay(next.from)} to ${shortDay(next.to)}</span></h2>
<ul class="tiles">
<li><span>Spend</span><b>${inMoney(next.spend.predicted)}</b><span>${range(next.spend, inMoney)}</span></li>
<li><span>Leads</span><b>${about(next.leads.predicted)}</b><span>${range(next.leads, about)}</span></li>
${next.cpl === null ? '' : `<li><span>Cost per lead</span><b>${inMoney(next.cpl)}</b></li>`}
</ul><p class="soft">The ranges hold what 95 of 100 such weeks would bring, if things go on as they are.${next.left_out > 0 ? ` Without ${many(next.left_out, 'campaign')} of too little history to forecast from.` : ''}</p></section>`
}

export const renderHtml = (report: DailyReport): string => {
  const { config, date, notices } = report
  const title = `${called(config.name)}: ${longDay(date)}`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>${escapeHtml(title)}</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body><main>
<header><p class="soft">${escapeHtml(longDay(date))}</p><h1>${nameOf(config.name)}</h1><p class="lead">${escapeHtml(summaryOf(report))}</p></header>
${notices.map((notice) => `<p class="notice" role="note">${withCommands(escapeHtml(notice))}</p>`).join('\n')}
${howItWent(report)}
<div class="wide">
<div class="stack">
${whatToDo(report)}
${nextWeek(report)}
</div>
<div class="stack">
${whatIsOdd(report)}
${howEverythingDoes(report)}
</div></div>
<footer>${escapeHtml(sourceOf(report))} Made by vigia.</footer>
</main></body></html>
`
}
