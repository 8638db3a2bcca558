/** The table of findings: newest day first, worst first, entities by name. */
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Severity } from '../../ml/detectors/signal.ts'
import type { AnomalyRow } from '../../shared/detection/anomalies.ts'
import { renderTable } from '../output.ts'
import { expectedText, observedText, whatHappened } from './words.ts'

const NAME_WIDTH = 36
const WORDS_WIDTH = 40

const COLOURS: Readonly<Record<Severity, string>> = {
  CRITICAL: '\u001B[1;31m',
  HIGH: '\u001B[31m',
  MEDIUM: '\u001B[33m',
  LOW: '\u001B[2m',
}
const PLAIN = '\u001B[0m'

const LEVEL_WORDS = { campaign: 'campaign', adset: 'ad set', ad: 'ad' } as const

const clip = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`

const rank = (row: AnomalyRow): number => SEVERITIES.indexOf(row.severity)

/** Good news last: a reader looks for what is broken. */
const byUrgency = (a: AnomalyRow, b: AnomalyRow): number =>
  (a.anomaly_date < b.anomaly_date ? 1 : a.anomaly_date > b.anomaly_date ? -1 : 0) ||
  rank(b) - rank(a) ||
  Number(a.polarity === 'good') - Number(b.polarity === 'good') ||
  a.id - b.id

/** What a reader calls the entity: its name, and below a campaign the campaign's. */
const entityText = (row: AnomalyRow): string => {
  const name = row.entity_name ?? row.entity_id
  const own = `${name} (${LEVEL_WORDS[row.entity_type]})`
  return row.entity_type === 'campaign' || !row.campaign_name ? own : `${own}, ${row.campaign_name}`
}

export interface FindingsOptions {
  readonly currency: string
  /** ANSI colours by severity. */
  readonly colour: boolean
  /** Rows to show; the rest is counted below the table. */
  readonly limit: number
}

export const renderFindings = (rows: readonly AnomalyRow[], options: FindingsOptions): string => {
  if (rows.length === 0) return 'Nothing unusual.'
  const sorted = rows.toSorted(byUrgency)
  const shown = sorted.slice(0, options.limit)
  const table = renderTable(
    [
      { title: 'Date', cell: (row: AnomalyRow) => row.anomaly_date },
      { title: 'Severity', cell: (row) => (row.polarity === 'good' ? `${row.severity} +` : row.severity) },
      { title: 'Where', cell: (row) => clip(entityText(row), NAME_WIDTH) },
      { title: 'What happened', cell: (row) => clip(whatHappened(row), WORDS_WIDTH) },
      { title: 'Observed', align: 'right', cell: (row) => observedText(row, options.currency) },
      { title: 'Expected', align: 'right', cell: (row) => expectedText(row, options.currency) },
    ],
    shown,
  )
  const [head = '', ...lines] = table.split('\n')
  const coloured = lines.map((line, i) => {
    const severity = shown[i]?.severity
    return options.colour && severity ? `${COLOURS[severity]}${line}${PLAIN}` : line
  })
  const hidden = sorted.length - shown.length
  const more = hidden > 0 ? [`... and ${hidden} more, less urgent or older`] : []
  const legend = shown.some((row) => row.polarity === 'good') ? ['+ = good news'] : []
  return [head, '-'.repeat(head.length), ...coloured, ...more, ...legend].join('\n')
}
