/**
 * The morning report as one page: no script, nothing fetched, light and dark, from a phone to a desk. What people
 * wrote (names, above all) is escaped, and kept from turning the text around it.
 */
import type { Severity } from '../../ml/detectors/signal.ts'
import type { Tier } from '../../ml/classify/tier.ts'
import { chart } from './chart.ts'
import { escapeHtml } from './escape-html.ts'
import type { DailyReport, Figures, ReportIncident, ReportIncidents, ReportPart } from './report.ts'
import { STYLE } from './style.ts'
import {
  about,
  amount,
  called,
  campaignOf,
  change,
  count,
  effectOf,
  JUDGED_BY,
  LEVEL_WORDS,
  longDay,
  many,
  money,
  noticesOn,
  quietFindings,
  range,
  shortDay,
  sourceOf,
  SUMMED_BY,
  summaryOf,
  TIERS_SHOWN,
  TIER_WORDS,
  weekday,
} from './words.ts'

/** Also where the page was saved to a disk: it needs its own style and nothing else. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

const SEVERITY_TONES: Readonly<Record<Severity, string>> = {
  CRITICAL: 'bad',
  HIGH: 'bad',
  MEDIUM: 'warn',
  LOW: 'soft',
}
const SEVERITY_WORDS: Readonly<Record<Severity, string>> = {
  CRITICAL: 'critical',
  HIGH: 'high',
  MEDIUM: 'medium',
  LOW: 'low',
}
const TIER_TONES: Readonly<Record<Tier, string>> = {
  HIGH_PERFORMER: 'good',
  MODERATE: 'brand',
  LOW: 'warn',
  UNDERPERFORMER: 'bad',
}

/** Someone's words: letters of another direction do not reorder what follows. */
const name = (text: string): string => `<bdi>${escapeHtml(called(text))}</bdi>`
const tag = (text: string, tone: string): string => `<span class="tag ${tone}">${text}</span>`
const more = (text: string): string => `<p class="soft small more">${text}</p>`
/** A command to run, which breaks between its words only. */
const command = (escaped: string): string =>
  `<code>${escaped
    .split(' ')
    .map((word) => `<span>${word}</span>`)
    .join(' ')}</code>`
/** Commands in quotes, as code, so that nobody types the quotes. */
const withCommands = (escaped: string): string =>
  escaped.replace(/&quot;(vigia .*?)&quot;/g, (_, words: string) => command(words))
const notices = (report: DailyReport, part: ReportPart): string =>
  noticesOn(report, part)
    .map((text) => `<p class="notice" role="note">${withCommands(escapeHtml(text))}</p>`)
    .join('\n')

const section = (id: string, title: string, ...content: readonly string[]): string =>
  `<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>\n${content.filter((one) => one !== '').join('\n')}</section>`

const columns = (titles: readonly string[]): string =>
  `<thead><tr>${titles.map((title) => `<th scope="col">${title}</th>`).join('')}</tr></thead>`

type Moved = 'more is better' | 'less is better' | 'neither'

/** A change in the colour of good or bad news. */
const moved = (percent: number | null, what: Moved, size = ''): string => {
  const text = change(percent)
  if (text === null || percent === null) return ''
  const still = what === 'neither' || text === 'no change'
  const tone = still ? 'soft' : percent > 0 === (what === 'more is better') ? 'good' : 'bad'
  return `<span class="${tone}${size}">${text}</span>`
}

const tile = (label: string, value: string, ...notes: readonly string[]): string =>
  `<li><span class="soft">${label}</span><b>${value}</b>${notes.map((note) => `<span class="note soft">${note}</span>`).join('')}</li>`

const SHOWN_BY = `<ul class="key" aria-hidden="true">
<li><svg viewBox="0 0 26 10"><path class="past" d="M1 5H25"/></svg>so far</li>
<li><svg viewBox="0 0 26 10"><path class="next" d="M1 5H25"/></svg>expected</li>
<li><svg viewBox="0 0 26 10"><path class="band" d="M0 0H26V10H0z"/></svg>95 of 100 days fall in here</li>
</ul>`

const dayByDay = ({ history, next_week: next, date, config }: DailyReport): string => {
  const { currency } = config
  const inMoney = (value: number): string => amount(value, currency)
  const past = history.map(
    (day) =>
      `<tr><th scope="row">${weekday(day.date)} ${shortDay(day.date)}</th><td>${inMoney(day.spend)}</td><td>${count(day.leads)}</td></tr>`,
  )
  const ahead = (next?.days ?? [])
    .filter((day) => day.date > date)
    .map(
      ({ date, spend, leads }) =>
        `<tr><th scope="row">${weekday(date)} ${shortDay(date)} <span class="soft">expected</span></th>` +
        `<td>${inMoney(spend.predicted)} <span class="small soft">${range(spend, inMoney)}</span></td>` +
        `<td>${about(leads.predicted)} <span class="small soft">${range(leads, about)}</span></td></tr>`,
    )
  return `<details><summary>Day by day</summary><table>
${columns(['Day', `Spend, ${currency}`, 'Leads'])}<tbody>
${[...past, ...ahead].join('\n')}
</tbody></table></details>`
}

const howItWent = (report: DailyReport): string => {
  const { config, totals, history, next_week: next, date } = report
  const { currency } = config
  const { day, week, week_before: before, change: changed } = totals
  const spent = ({ spend }: Figures): string => money(spend, currency)
  const brought = ({ leads }: Figures): string => count(leads)
  const cost = ({ cpl }: Figures): string => (cpl === null ? 'no leads' : money(cpl, currency))
  const of = (
    label: string,
    value: (figures: Figures) => string,
    percent: number | null,
    what: Moved,
  ): string =>
    tile(
      `${label} <span class="small">on ${shortDay(date)}</span>`,
      value(day),
      `Last 7 days: ${value(week)} ${moved(percent, what)}`,
      `The 7 before: ${value(before)}`,
    )
  return section(
    'went',
    'How it went',
    `<ul class="tiles">
${of('Spend', spent, changed.spend, 'neither')}
${of('Leads', brought, changed.leads, 'more is better')}
${of('Cost per lead', cost, changed.cpl, 'less is better')}
</ul>`,
    `<div class="charts">${chart({
      title: 'Spend',
      unit: currency,
      past: history.map(({ date, spend }) => ({ date, value: spend })),
      next: next?.days.map(({ date, spend }) => ({ date, value: spend })) ?? [],
      format: (value) => money(value, currency),
    })}
${chart({
  title: 'Leads',
  unit: '',
  past: history.map(({ date, leads }) => ({ date, value: leads })),
  next: next?.days.map(({ date, leads }) => ({ date, value: leads })) ?? [],
  format: about,
})}</div>`,
    next ? SHOWN_BY : '',
    dayByDay(report),
  )
}

const incidentItem = (incident: ReportIncident): string => {
  const mark =
    incident.polarity === 'good'
      ? tag('good news', 'good')
      : tag(SEVERITY_WORDS[incident.severity], SEVERITY_TONES[incident.severity])
  const seen = incident.status === 'acknowledged' ? ', acknowledged' : ''
  return `<li>${mark}<strong>${name(campaignOf(incident))}</strong> <span class="soft small whole">incident ${incident.id}${seen}</span>
<p>${escapeHtml(incident.sentence)}</p></li>`
}

type FoundGroup = DailyReport['anomalies']['groups'][number]

const findingItem = (group: FoundGroup): string => {
  const mark =
    group.polarity === 'good'
      ? tag('good news', 'good')
      : tag(SEVERITY_WORDS[group.severity], SEVERITY_TONES[group.severity])
  const where =
    group.entity_type === 'campaign'
      ? ''
      : `${LEVEL_WORDS[group.entity_type][0]} <strong>${name(group.entity_name)}</strong>: `
  const others =
    group.findings > 1 ? ` <span class="soft">And ${count(group.findings - 1)} more here.</span>` : ''
  return `<li>${mark}<strong>${name(group.campaign_name)}</strong>
<p>${where}${escapeHtml(group.sentence)}, on <span class="whole">${shortDay(group.date)}</span>.${others}</p></li>`
}

const fold = (title: string, items: readonly string[], rest: string): string =>
  `<details><summary>${title}</summary><ul class="items">${items.join('\n')}</ul>${rest}</details>`

/** What nobody has to hear of in the morning: there for who asks. */
const folded = (report: DailyReport): readonly string[] => {
  const { incidents, config } = report
  const { over, quiet } = incidents
  const others = quietFindings(report)
  const all = command(`vigia incidents --config ${config.id} --all`)
  const beyond = ({ total, top }: ReportIncidents): string =>
    total > top.length ? more(`And ${count(total - top.length)} more: ${all} lists them.`) : ''
  const groups = report.anomalies.groups.filter(({ alerted }) => !alerted)
  const listed = command(`vigia anomalies --config ${config.id}`)
  return [
    over.top.length === 0 ? '' : fold(`Over: ${count(over.total)}`, over.top.map(incidentItem), beyond(over)),
    quiet.top.length === 0
      ? ''
      : fold(
          `Not told of, as they are muted or too many for a day: ${count(quiet.total)}`,
          quiet.top.map(incidentItem),
          beyond(quiet),
        ),
    others === 0
      ? ''
      : groups.length === 0
        ? more(`And ${many(others, 'finding')} worth no alarm: ${listed} lists them.`)
        : fold(
            `Worth no alarm, such as good news: ${many(others, 'finding')}`,
            groups.map(findingItem),
            more(`${listed} lists them all.`),
          ),
  ]
}

const whatIsOdd = (report: DailyReport): string => {
  const { anomalies, incidents } = report
  const { open } = incidents
  const items = [
    ...open.top.map(incidentItem),
    ...anomalies.groups.filter(({ alerted }) => alerted).map(findingItem),
  ]
  const rest = open.total - open.top.length
  return section(
    'odd',
    'What is odd',
    notices(report, 'anomalies'),
    items.length > 0
      ? `<ul class="items">${items.join('\n')}</ul>`
      : noticesOn(report, 'anomalies').length > 0
        ? ''
        : '<p class="soft">Nothing that needs you.</p>',
    rest > 0
      ? more(
          `And ${many(rest, 'incident')} less urgent: ${command(`vigia incidents --config ${report.config.id}`)} lists them.`,
        )
      : '',
    ...folded(report),
  )
}

const whatToDo = (report: DailyReport): string => {
  const { advice, config } = report
  const items = advice.top.map((one) => {
    const effect = effectOf(one, config.currency)
    const within =
      one.campaign_name === null ? '' : ` <span class="soft">in ${name(one.campaign_name)}</span>`
    return `<li><strong>${escapeHtml(one.title)}</strong>${effect === null ? '' : ` <span class="effect">${escapeHtml(effect)}</span>`}
<p><span class="soft">${LEVEL_WORDS[one.entity_type][0]}</span> ${name(one.entity_name)}${within}</p>
<p class="soft small">${escapeHtml(one.sentence)}</p></li>`
  })
  const rest = advice.active - items.length
  return section(
    'do',
    items.length > 1 ? 'What to do <span class="soft">the largest effect first</span>' : 'What to do',
    notices(report, 'advice'),
    items.length > 0
      ? `<ol class="items">${items.join('\n')}</ol>`
      : noticesOn(report, 'advice').length > 0
        ? ''
        : '<p class="soft">Nothing.</p>',
    rest > 0
      ? more(`And ${count(rest)} more: ${command(`vigia advice --config ${config.id}`)} lists them all.`)
      : '',
  )
}

const campaignTable = ({ campaigns, config }: DailyReport): string => {
  const { currency } = config
  if (campaigns.top.length === 0) return ''
  const rows = campaigns.top.map(
    ({ campaign_name: label, tier, days_in_tier: days, week, change: changed }) => {
      const mark = tier === null ? '' : tag(TIER_WORDS[tier], TIER_TONES[tier])
      const since =
        tier === null || days === null
          ? ''
          : ` <span class="soft small whole">for ${many(days, 'day')}</span>`
      const cost = week.cpl === null ? '–' : amount(week.cpl, currency)
      const trend = change(changed.cpl) === 'no change' ? '' : moved(changed.cpl, 'less is better', ' small')
      return `<tr><th scope="row">${mark}${name(label)}${since}</th><td>${amount(week.spend, currency)}</td><td>${count(week.leads)}</td><td>${cost} ${trend}</td></tr>`
    },
  )
  const rest = campaigns.total - rows.length
  return `<table><caption>The last 7 days; changes are against the 7 before</caption>
${columns(['Campaign', `Spend, ${currency}`, 'Leads', 'A lead'])}<tbody>
${rows.join('\n')}
</tbody></table>${rest > 0 ? more(`And ${count(rest)} more, which spent less.`) : ''}`
}

const howTheyDo = (report: DailyReport): string => {
  const { tiers, tier_changes: changes, tier_changes_total: total } = report
  const rows = tiers.map(
    ({ entity_type: level, counts }) =>
      `<tr><th scope="row">${LEVEL_WORDS[level][1]}</th>${TIERS_SHOWN.map((tier) => `<td>${count(counts[tier])}</td>`).join('')}</tr>`,
  )
  const moves = changes.map((one) => {
    const better = one.direction === 'improved'
    return `<li>${tag(better ? 'better' : 'worse', better ? 'good' : 'bad')}<span class="soft">${LEVEL_WORDS[one.entity_type][0]}</span> ${name(one.entity_name)}: ${TIER_WORDS[one.to]}, <span class="soft">was ${TIER_WORDS[one.from]}</span></li>`
  })
  const rest = total - moves.length
  const levels =
    rows.length === 0
      ? ''
      : `<table><caption>How many do how well</caption>${columns(['Level', ...TIERS_SHOWN.map((tier) => TIER_WORDS[tier])])}<tbody>${rows.join('')}</tbody></table>`
  const changed =
    moves.length === 0
      ? ''
      : `<h3>What changed</h3><ul class="items">${moves.join('\n')}</ul>${rest > 0 ? more(`And ${many(rest, 'more change')}.`) : ''}`
  return section(
    'does',
    'How each campaign does',
    notices(report, 'tiers'),
    levels + changed === ''
      ? campaignTable(report)
      : `<div class="pair"><div>${campaignTable(report)}</div><div>${levels}${changed}</div></div>`,
    rows.length === 0 ? '' : more(escapeHtml(JUDGED_BY)),
  )
}

const whatComes = (report: DailyReport): string => {
  const { next_week: next, config } = report
  const inMoney = (value: number): string => money(value, config.currency)
  if (!next) return section('next', 'Next week', notices(report, 'next_week'))
  return section(
    'next',
    `Next week <span class="soft">${shortDay(next.from)} to ${shortDay(next.to)}</span>`,
    notices(report, 'next_week'),
    `<ul class="tiles">
${tile('Spend', inMoney(next.spend.predicted), range(next.spend, inMoney))}
${tile('Leads', about(next.leads.predicted), range(next.leads, about))}
${next.cpl === null ? '' : tile('Cost per lead', inMoney(next.cpl))}
</ul>`,
    more(
      escapeHtml(
        SUMMED_BY +
          (next.left_out > 0
            ? ` Without ${many(next.left_out, 'campaign')} of too little history to forecast from.`
            : ''),
      ),
    ),
  )
}

export const renderHtml = (report: DailyReport): string => {
  const { config, date } = report
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">
<title>${escapeHtml(`${called(config.name)}: ${longDay(date)}`)}</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body><header><p class="soft">${longDay(date)}</p><h1>${name(config.name)}</h1><p class="lead">${escapeHtml(summaryOf(report))}</p></header>
<main>
${notices(report, 'figures')}
${howItWent(report)}
${whatIsOdd(report)}
${whatToDo(report)}
${howTheyDo(report)}
${whatComes(report)}
</main>
<footer>${escapeHtml(sourceOf(report))} Made by vigia.</footer>
</body></html>
`
}
