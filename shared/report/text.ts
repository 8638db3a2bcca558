/** The morning report for a terminal or a mail: plain text, at most 80 columns. */
import { clip, printable, signsOf, widthOf } from '../core/columns.ts'
import type { DailyReport, Figures, ReportIncident } from './report.ts'
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
} from './words.ts'

const WIDTH = 80
/** Of an entity among other words. */
const NAME_WIDTH = 44
/** Of a campaign in the table. */
const CAMPAIGN_WIDTH = 33

/** A word longer than a line, in pieces that fit. */
const piecesOf = (word: string, width: number): readonly string[] => {
  if (widthOf(word) <= width) return [word]
  const pieces = ['']
  for (const sign of signsOf(word)) {
    const last = pieces.at(-1) ?? ''
    if (widthOf(last + sign) > width) pieces.push(sign)
    else pieces[pieces.length - 1] = last + sign
  }
  return pieces
}

/** Words of `text` on lines of at most 80 columns; the first begins with `start`, the others with `indent`. */
export const wrap = (text: string, indent = '', start = ''): string => {
  const room = WIDTH - Math.max(indent.length, start.length)
  const lines: string[] = []
  let line = ''
  for (const word of text
    .trim()
    .split(/\s+/)
    .flatMap((one) => piecesOf(one, room))) {
    const longer = line === '' ? word : `${line} ${word}`
    const begun = lines.length === 0 ? start : indent
    if (line !== '' && begun.length + widthOf(longer) > WIDTH) {
      lines.push(begun + line)
      line = word
    } else line = longer
  }
  return [...lines, (lines.length === 0 ? start : indent) + line].join('\n')
}

const plain = (name: string): string => called(name, NAME_WIDTH)

const left = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)))

const heading = (title: string): string[] => ['', title.toUpperCase(), '-'.repeat(title.length)]

const figuresLine = (label: string, { spend, leads, cpl }: Figures, currency: string): string =>
  `${label.padEnd(16)}${money(spend, currency).padStart(18)}${many(leads, 'lead').padStart(18)}` +
  (cpl === null ? '-' : `${money(cpl, currency)} each`).padStart(24)

const whatWent = ({ date, config, totals }: DailyReport): string[] => {
  const { currency } = config
  const cells = [totals.change.spend, totals.change.leads, totals.change.cpl].map(change)
  const [spend, leads, cpl] = cells.map((cell) => cell ?? '-')
  return [
    figuresLine(shortDay(date), totals.day, currency),
    figuresLine('last 7 days', totals.week, currency),
    figuresLine('the 7 before', totals.week_before, currency),
    ...(cells.every((cell) => cell === null)
      ? []
      : [`${'change'.padEnd(16)}${spend?.padStart(18)}${leads?.padStart(18)}${cpl?.padStart(24)}`]),
  ]
}

/** Columns of the word that says how bad it is. */
const MARK_WIDTH = 11

const incidentLines = (incident: ReportIncident): string[] => {
  const indent = ' '.repeat(MARK_WIDTH)
  const mark = incident.polarity === 'good' ? 'GOOD NEWS' : incident.severity
  const seen = incident.status === 'acknowledged' ? ', acknowledged' : ''
  return [
    wrap(`${plain(campaignOf(incident))} (incident ${incident.id}${seen})`, indent, mark.padEnd(MARK_WIDTH)),
    wrap(printable(incident.sentence), indent, indent),
  ]
}

/** What nobody has to hear of in the morning, in a line each. */
const foldedLines = (report: DailyReport): string[] => {
  const { incidents, config } = report
  const others = quietFindings(report)
  const list = `"vigia incidents --config ${config.id} --all"`
  return [
    ...incidents.over.top.map((one) => wrap(`Over: ${printable(one.sentence)}`, '      ')),
    ...(incidents.quiet.total > 0
      ? [
          wrap(
            `Not told of, as they are muted or too many for a day: ${many(incidents.quiet.total, 'incident')}; ${list} lists them.`,
          ),
        ]
      : []),
    ...(others > 0
      ? [
          wrap(
            `And ${many(others, 'finding')} worth no alarm, such as good news: "vigia anomalies --config ${config.id}" lists them.`,
          ),
        ]
      : []),
  ]
}

const whatIsOdd = (report: DailyReport): string[] => {
  const { anomalies, incidents } = report
  const notices = noticesOn(report, 'anomalies').map((one) => wrap(printable(one)))
  const told = anomalies.groups.filter(({ alerted }) => alerted)
  const folded = foldedLines(report)
  const indent = ' '.repeat(MARK_WIDTH)
  const lines = told.flatMap((group) => {
    const mark = group.polarity === 'good' ? 'GOOD NEWS' : group.severity
    const entity =
      group.entity_type === 'campaign'
        ? ''
        : `${LEVEL_WORDS[group.entity_type][0]} ${plain(group.entity_name)}: `
    const more = group.findings > 1 ? ` (and ${count(group.findings - 1)} more here)` : ''
    return [
      wrap(plain(group.campaign_name), indent, mark.padEnd(MARK_WIDTH)),
      wrap(`${entity}${group.sentence}, on ${shortDay(group.date)}${more}.`, indent, indent),
    ]
  })
  const found = [...incidents.open.top.flatMap(incidentLines), ...lines]
  const hidden = incidents.open.total - incidents.open.top.length
  return [
    ...notices,
    ...(found.length === 0 && notices.length === 0 ? ['Nothing that needs you.'] : found),
    ...(hidden > 0
      ? [
          wrap(
            `And ${many(hidden, 'incident')} less urgent: "vigia incidents --config ${report.config.id}" lists them.`,
          ),
        ]
      : []),
    ...(folded.length > 0 ? ['', ...folded] : []),
  ]
}

const whatToDo = (report: DailyReport): string[] => {
  const { advice, config } = report
  const notices = noticesOn(report, 'advice')
  if (advice.top.length === 0)
    return notices.length > 0 ? notices.map((one) => wrap(printable(one))) : ['Nothing.']
  const indent = ' '.repeat(4)
  const lines = advice.top.flatMap((one, i) => {
    const effect = effectOf(one, config.currency)
    const within = one.campaign_name === null ? '' : ` in ${plain(one.campaign_name)}`
    return [
      wrap(
        `${one.title}: ${LEVEL_WORDS[one.entity_type][0]} ${plain(one.entity_name)}${within}` +
          (effect === null ? '' : ` (${effect})`),
        indent,
        `${i + 1}.`.padEnd(indent.length),
      ),
      wrap(printable(one.sentence), indent, indent),
    ]
  })
  const rest = advice.active - advice.top.length
  return rest > 0
    ? [...lines, wrap(`And ${count(rest)} more: "vigia advice --config ${config.id}" lists them all.`)]
    : lines
}

const howTheyDo = (report: DailyReport): string[] => {
  const { campaigns, config, tiers, tier_changes: changes } = report
  const lines = noticesOn(report, 'tiers').map((one) => wrap(printable(one)))
  if (tiers.length > 0) lines.push(wrap(JUDGED_BY))
  if (campaigns.top.length > 0) {
    const head = `${config.currency} in 7 days`
    lines.push(
      '',
      `${' '.repeat(6 + CAMPAIGN_WIDTH)}${head.padStart(14)}${'leads'.padStart(8)}${'a lead'.padStart(11)}`,
    )
    for (const one of campaigns.top) {
      const { spend, leads, cpl } = one.week
      const { cpl: percent } = one.change
      const moved = percent !== null && percent > 999 ? '>+999%' : change(percent)
      const row =
        (one.tier === null ? '-' : TIER_WORDS[one.tier]).padEnd(6) +
        left(called(one.campaign_name, CAMPAIGN_WIDTH - 1), CAMPAIGN_WIDTH) +
        amount(spend, config.currency).padStart(14) +
        count(leads).padStart(8) +
        (cpl === null ? '-' : amount(cpl, config.currency)).padStart(11) +
        (moved === null || moved === 'no change' ? '' : moved.padStart(8))
      lines.push(clip(row, WIDTH))
    }
    const rest = campaigns.total - campaigns.top.length
    if (rest > 0) lines.push(`And ${count(rest)} more, which spent less.`)
  }
  if (tiers.length > 0) lines.push('')
  for (const level of tiers) {
    const parts = TIERS_SHOWN.flatMap((tier) =>
      level.counts[tier] > 0 ? [`${count(level.counts[tier])} ${TIER_WORDS[tier]}`] : [],
    )
    lines.push(`${LEVEL_WORDS[level.entity_type][1].padEnd(12)}${parts.join(', ')}`)
  }
  if (changes.length > 0) lines.push('')
  for (const one of changes) {
    lines.push(
      wrap(
        `${LEVEL_WORDS[one.entity_type][0]} ${plain(one.entity_name)}: ` +
          `${TIER_WORDS[one.to]}, was ${TIER_WORDS[one.from]}`,
        ' '.repeat(8),
        (one.direction === 'declined' ? 'worse' : 'better').padEnd(8),
      ),
    )
  }
  const rest = report.tier_changes_total - changes.length
  return rest > 0 ? [...lines, `And ${many(rest, 'more change')}.`] : lines
}

const whatComes = (report: DailyReport): string[] => {
  const { next_week: next, config } = report
  const lines = noticesOn(report, 'next_week').map((one) => wrap(printable(one)))
  if (!next) return lines
  const inMoney = (value: number): string => money(value, config.currency)
  return [
    ...lines,
    `${shortDay(next.from)} to ${shortDay(next.to)}`,
    `spend   ${inMoney(next.spend.predicted)} (${range(next.spend, inMoney)})`,
    `leads   ${about(next.leads.predicted)} (${range(next.leads, about)})`,
    ...(next.cpl === null ? [] : [`a lead  ${inMoney(next.cpl)}`]),
    wrap(SUMMED_BY),
    ...(next.left_out > 0
      ? [wrap(`Without ${many(next.left_out, 'campaign')} of too little history to forecast from.`)]
      : []),
  ]
}

export const renderText = (report: DailyReport): string =>
  `${[
    wrap(`${plain(report.config.name)}: ${longDay(report.date)}`),
    '',
    wrap(summaryOf(report)),
    ...noticesOn(report, 'figures').flatMap((notice) => ['', wrap(`! ${printable(notice)}`, '  ')]),
    ...heading('How it went'),
    ...whatWent(report),
    ...heading('What is odd'),
    ...whatIsOdd(report),
    ...heading('What to do'),
    ...whatToDo(report),
    ...heading('How each campaign does'),
    ...howTheyDo(report),
    ...heading('Next week'),
    ...whatComes(report),
    '',
    wrap(sourceOf(report)),
  ].join('\n')}\n`
