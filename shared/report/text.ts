/** The morning report for a terminal or a mail: plain text, at most 80 columns. */
import { printable, signsOf, widthOf } from '../core/columns.ts'
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

const WIDTH = 80

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

const heading = (title: string): string[] => ['', title.toUpperCase(), '-'.repeat(title.length)]

const figuresLine = (label: string, { spend, leads, cpl }: Figures, currency: string): string =>
  `${label.padEnd(14)}${money(spend, currency).padStart(18)}${many(leads, 'lead').padStart(22)}` +
  (cpl === null ? '' : `${money(cpl, currency)} a lead`.padStart(26))

const howItWent = ({ config: { currency }, date, totals }: DailyReport): string[] => {
  const moved = [
    ['spend', change(totals.change.spend)],
    ['leads', change(totals.change.leads)],
    ['cost per lead', change(totals.change.cpl)],
  ].flatMap(([name, text]) => (text === null || text === undefined ? [] : [`${name} ${text}`]))
  return [
    ...heading('How it went'),
    figuresLine(shortDay(date), totals.day, currency),
    figuresLine('last 7 days', totals.week, currency),
    figuresLine('the 7 before', totals.week_before, currency),
    ...(moved.length > 0 ? [wrap(moved.join(', '), ' '.repeat(14), 'week on week  ')] : []),
  ]
}

const whatIsOdd = ({ anomalies, config }: DailyReport): string[] => {
  const lines = heading('What is odd')
  if (anomalies.groups.length === 0) lines.push('Nothing.')
  for (const group of anomalies.groups) {
    const part =
      group.entity_type === 'campaign'
        ? ''
        : ` > ${LEVEL_WORDS[group.entity_type][0]} ${called(group.entity_name)}`
    const more = group.findings > 1 ? `; ${count(group.findings - 1)} more in this campaign` : ''
    const mark = group.polarity === 'good' ? 'GOOD' : group.severity
    lines.push(
      wrap(`${mark}: ${called(group.campaign_name)}${part}`, '    '),
      wrap(
        `${group.what}: ${group.observed}, expected ${group.expected}, on ${shortDay(group.date)}${more}.`,
        '    ',
        '    ',
      ),
    )
  }
  const more = anomalies.campaigns - anomalies.groups.length
  if (more > 0) {
    lines.push(
      wrap(
        `And in ${many(more, 'more campaign')}: "vigia detect --config ${config.id} --days 7" lists them.`,
      ),
    )
  }
  return lines
}

const whatToDo = ({ advice, config }: DailyReport): string[] => {
  const lines = heading('What to do')
  if (advice.top.length === 0) lines.push('Nothing.')
  advice.top.forEach((one, i) => {
    const effect = effectOf(one, config.currency)
    const number = `${i + 1}. `
    const indent = ' '.repeat(number.length)
    lines.push(
      wrap(
        `${one.title}: ${LEVEL_WORDS[one.entity_type][0]} ${called(one.entity_name)}` +
          (effect === null ? '' : ` (${effect})`),
        indent,
        number,
      ),
      wrap(one.sentence, indent, indent),
    )
  })
  const more = advice.active - advice.top.length
  if (more > 0) lines.push(`And ${count(more)} more: "vigia advice --config ${config.id}" lists them all.`)
  return lines
}

const howEverythingDoes = (report: DailyReport): string[] => {
  const lines = heading('How everything does')
  if (report.tiers.length === 0) lines.push('Not known yet.')
  for (const { entity_type: level, counts } of report.tiers) {
    const parts = TIERS_SHOWN.flatMap((tier) =>
      counts[tier] > 0 ? [`${count(counts[tier])} ${TIER_WORDS[tier]}`] : [],
    )
    const label = LEVEL_WORDS[level][1].padEnd(11)
    lines.push(wrap(parts.join(', '), ' '.repeat(label.length), label))
  }
  for (const one of report.tier_changes) {
    lines.push(
      wrap(
        `${one.direction === 'declined' ? 'worse' : 'better'}: ${LEVEL_WORDS[one.entity_type][0]} ` +
          `${called(one.entity_name)}: ${TIER_WORDS[one.to]}, was ${TIER_WORDS[one.from]}`,
        '    ',
      ),
    )
  }
  const more = report.tier_changes_total - report.tier_changes.length
  if (more > 0) lines.push(`And ${many(more, 'more change')}.`)
  return lines
}

const nextWeek = ({ next_week: next, config: { currency } }: DailyReport): string[] => {
  if (!next) return [...heading('Next week'), 'Not forecast yet.']
  const inMoney = (value: number): string => money(value, currency)
  return [
    ...heading('Next week'),
    `${shortDay(next.from)} to ${shortDay(next.to)}; in brackets, what 95 of 100 such weeks keep within:`,
    `spend   ${inMoney(next.spend.predicted)} (${range(next.spend, inMoney)})`,
    `leads   ${about(next.leads.predicted)} (${range(next.leads, about)})`,
    ...(next.cpl === null ? [] : [`a lead  ${inMoney(next.cpl)}`]),
    ...(next.left_out > 0
      ? [wrap(`Without ${many(next.left_out, 'campaign')} of too little history to forecast from.`)]
      : []),
  ]
}

export const renderText = (report: DailyReport): string =>
  `${[
    wrap(`${called(report.config.name)}: ${longDay(report.date)}`),
    '',
    wrap(summaryOf(report)),
    ...report.notices.flatMap((notice) => ['', wrap(`! ${printable(notice)}`, '  ')]),
    ...howItWent(report),
    ...whatIsOdd(report),
    ...whatToDo(report),
    ...howEverythingDoes(report),
    ...nextWeek(report),
    '',
    wrap(sourceOf(report)),
  ].join('\n')}\n`
