/** The morning report for a terminal or a mail: plain text, at most 80 columns but for names. */
import type { DailyReport, Figures } from './daily-report.ts'
import {
  about,
  change,
  count,
  effectOf,
  LEVEL_WORDS,
  longDay,
  money,
  range,
  shortDay,
  summaryOf,
  TIERS_SHOWN,
  TIER_WORDS,
} from './words.ts'

const WIDTH = 80

/** Words of `text` on lines of at most 80 columns, each begun by `indent`. */
export const wrap = (text: string, indent = ''): string => {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') lines.push(indent + line)
  return lines.join('\n')
}

/** Control characters of a name would move the cursor of a terminal. */
const plain = (name: string): string => name.replace(/\p{Cc}/gu, ' ')

const heading = (title: string): string[] => ['', title.toUpperCase(), '-'.repeat(title.length)]

const figuresLine = (label: string, { spend, leads, cpl }: Figures, currency: string): string =>
  `${label.padEnd(18)}${money(spend, currency).padStart(16)}${`${count(leads)} leads`.padStart(16)}` +
  (cpl === null ? '-' : `${money(cpl, currency)} each`).padStart(22)

export const renderText = (report: DailyReport): string => {
  const { config, totals, next_week: next, tiers, tier_changes: changes, anomalies, advice } = report
  const { currency } = config
  const lines: string[] = [
    `${plain(config.name)}: ${longDay(report.date)}`,
    '',
    wrap(summaryOf(report)),
    ...report.notices.flatMap((notice) => ['', wrap(`! ${notice}`)]),
    ...heading('How it went'),
    figuresLine(shortDay(report.date), totals.day, currency),
    figuresLine('last 7 days', totals.week, currency),
    figuresLine('the 7 before', totals.week_before, currency),
  ]
  const moved = [
    ['spend', change(totals.change.spend)],
    ['leads', change(totals.change.leads)],
    ['cost per lead', change(totals.change.cpl)],
  ].flatMap(([name, text]) => (text === null || text === undefined ? [] : [`${name} ${text}`]))
  if (moved.length > 0) lines.push(`change${' '.repeat(12)}${moved.join(', ')}`)

  lines.push(...heading('What is odd'))
  if (anomalies.groups.length === 0) lines.push('Nothing.')
  for (const group of anomalies.groups) {
    const where =
      group.entity_type === 'campaign'
        ? plain(group.campaign_name)
        : `${plain(group.campaign_name)} > ${LEVEL_WORDS[group.entity_type][0]} ${plain(group.entity_name)}`
    const more = group.findings > 1 ? ` (and ${group.findings - 1} more here)` : ''
    const mark = group.polarity === 'good' ? 'GOOD' : group.severity
    lines.push(
      wrap(`${mark}  ${where}`),
      wrap(
        `${group.what}: ${group.observed}, expected ${group.expected}, on ${shortDay(group.date)}${more}.`,
        '    ',
      ),
    )
  }

  lines.push(...heading('What to do'))
  if (advice.top.length === 0) lines.push('Nothing.')
  advice.top.forEach((one, i) => {
    const effect = effectOf(one, currency)
    lines.push(
      wrap(
        `${i + 1}. ${one.title}: ${LEVEL_WORDS[one.entity_type][0]} ${plain(one.entity_name)}` +
          (effect === null ? '' : ` (${effect})`),
      ),
      wrap(one.sentence, '   '),
    )
  })
  if (advice.active > advice.top.length) {
    lines.push(wrap(`And ${advice.active - advice.top.length} more: "vigia advice --config ${config.id}".`))
  }

  lines.push(...heading('How everything does'))
  if (tiers.length === 0) lines.push('Not known yet.')
  for (const level of tiers) {
    const parts = TIERS_SHOWN.flatMap((tier) =>
      level.counts[tier] > 0 ? [`${count(level.counts[tier])} ${TIER_WORDS[tier]}`] : [],
    )
    lines.push(`${LEVEL_WORDS[level.entity_type][1].padEnd(12)}${parts.join(', ')}`)
  }
  for (const one of changes) {
    lines.push(
      wrap(
        `${one.direction === 'declined' ? 'v' : '^'} ${LEVEL_WORDS[one.entity_type][0]} ${plain(one.entity_name)}: ` +
          `${TIER_WORDS[one.to]}, was ${TIER_WORDS[one.from]}`,
      ),
    )
  }

  lines.push(...heading('Next week'))
  if (next) {
    lines.push(
      `${shortDay(next.from)} to ${shortDay(next.to)}, with what 95 of 100 such weeks would bring:`,
      `spend   ${money(next.spend.predicted, currency)} (${range(next.spend, (value) => money(value, currency))})`,
      `leads   ${about(next.leads.predicted)} (${range(next.leads, about)})`,
      ...(next.cpl === null ? [] : [`a lead  ${money(next.cpl, currency)}`]),
    )
  } else lines.push('Not forecast yet.')
  return `${lines.join('\n')}\n`
}
