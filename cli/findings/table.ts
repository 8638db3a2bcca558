/** The table of findings: a block per day, newest first, worst first, entities by name; at most 118 columns without decisions. */
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Severity } from '../../ml/detectors/signal.ts'
import { LEVELS } from '../../shared/core/entity.ts'
import type { AnomalyRow } from '../../shared/detection/anomalies.ts'
import { clip, printable, widthOf } from '../../shared/core/columns.ts'
import { renderTable } from '../output.ts'
import { expectedText, observedText, whatHappened } from '../../shared/detection/words.ts'

const INDENT = '  '
const NAME_WIDTH = 38
/** Numbers of incidents in the line below a table. */
const INCIDENTS_NAMED = 10
/** Beside ids there is less room. */
const SHORT_NAME_WIDTH = 28

export const COLOURS: Readonly<Record<Severity, string>> = {
  CRITICAL: '\u001B[1;31m',
  HIGH: '\u001B[31m',
  MEDIUM: '\u001B[33m',
  LOW: '\u001B[2m',
}
export const PLAIN = '\u001B[0m'

const LEVEL_WORDS = { campaign: 'campaign', adset: 'ad set', ad: 'ad' } as const

const rank = (row: AnomalyRow): number => SEVERITIES.indexOf(row.severity)

/** Good news last: a reader looks for what is broken. The whole before its parts. */
const byUrgency = (a: AnomalyRow, b: AnomalyRow): number =>
  (a.anomaly_date < b.anomaly_date ? 1 : a.anomaly_date > b.anomaly_date ? -1 : 0) ||
  rank(b) - rank(a) ||
  Number(a.polarity === 'good') - Number(b.polarity === 'good') ||
  LEVELS.indexOf(a.entity_type) - LEVELS.indexOf(b.entity_type) ||
  a.id - b.id

/** What a reader calls the entity: its name, and below a campaign the campaign's. */
const entityText = (row: AnomalyRow, width: number): string => {
  const name = printable(row.entity_name ?? '') || row.entity_id
  const level = ` (${LEVEL_WORDS[row.entity_type]})`
  const campaign = row.entity_type === 'campaign' ? '' : printable(row.campaign_name ?? '')
  if (campaign === '') return clip(name, width - level.length) + level
  // Both names stay recognisable: a long one gives way to what the other leaves.
  const room = width - level.length - 2
  const ownWidth = Math.max(Math.ceil(room / 2), room - widthOf(campaign))
  const own = clip(name, ownWidth)
  return `${own}${level}, ${clip(campaign, room - widthOf(own))}`
}

export interface FindingsOptions {
  readonly currency: string
  /** ANSI colours by severity. */
  readonly colour: boolean
  /** Rows to show; the rest is counted below the table. */
  readonly limit: number
  /** Shows the ids to decide by, and what was decided already. */
  readonly forDecisions?: boolean
}

/** What people or vigia made of a finding; nothing while it is open and nobody said anything. */
const decisionText = ({ status, resolution, verdict }: AnomalyRow): string => {
  const made = status === 'resolved' ? (resolution?.replaceAll('_', ' ') ?? status) : status
  const shown = made === 'manual' ? 'resolved' : made === 'open' ? '' : made
  return verdict === 'true_positive' ? [shown, 'real'].filter(Boolean).join(', ') : shown
}

const severityText = ({ severity, partial, polarity }: AnomalyRow): string =>
  [severity, ...(partial ? ['~'] : []), ...(polarity === 'good' ? ['+'] : [])].join(' ')

export const renderFindings = (rows: readonly AnomalyRow[], options: FindingsOptions): string => {
  if (rows.length === 0) return 'Nothing unusual.'
  const sorted = rows.toSorted(byUrgency)
  const shown = sorted.slice(0, options.limit)
  const ids = options.forDecisions === true
  const nameWidth = ids ? SHORT_NAME_WIDTH : NAME_WIDTH
  const table = renderTable(
    [
      ...(ids ? [{ title: 'Id', align: 'right' as const, cell: (row: AnomalyRow) => String(row.id) }] : []),
      { title: 'Severity', cell: severityText },
      { title: 'Where', cell: (row) => entityText(row, nameWidth) },
      { title: 'What happened', cell: whatHappened },
      { title: 'Observed', align: 'right', cell: (row) => observedText(row, options.currency) },
      { title: 'Expected', align: 'right', cell: (row) => expectedText(row, options.currency) },
      ...(ids && shown.some((row) => decisionText(row) !== '')
        ? [{ title: 'Decided', cell: decisionText }]
        : []),
    ],
    shown,
  )
  const [head = '', ...lines] = table.split('\n')
  const blocks = lines.flatMap((line, i) => {
    const row = shown[i]
    if (!row) return []
    const text = INDENT + line
    const cell = options.colour ? `${COLOURS[row.severity]}${text}${PLAIN}` : text
    const opens = row.anomaly_date !== shown[i - 1]?.anomaly_date
    return opens ? [...(i === 0 ? [] : ['']), row.anomaly_date, cell] : [cell]
  })
  const hidden = sorted.length - shown.length
  const more = hidden > 0 ? ['', `... and ${hidden} more, less urgent or older`] : []
  const legend = [
    ...(shown.some(({ partial }) => partial)
      ? ['~ = the day so far, against the same hours of the days before; its final verdict replaces it']
      : []),
    ...(shown.some(({ polarity }) => polarity === 'good') ? ['+ = good news'] : []),
  ]
  return [
    INDENT + head,
    '-'.repeat(INDENT.length + head.length),
    ...blocks,
    ...more,
    ...(legend.length > 0 ? ['', ...legend] : []),
  ].join('\n')
}

/**
 * What the findings tell of together, and where to read it; null when they belong to no incident.
 * @param past of days that were asked for, which need not be those the list of incidents begins with
 */
export const incidentsLine = (rows: readonly AnomalyRow[], configId: number, past = false): string | null => {
  const ids = [...new Set(rows.flatMap(({ incident_id: id }) => id ?? []))].toSorted((a, b) => a - b)
  const [first] = ids
  if (first === undefined) return null
  const told = `They tell of ${ids.length} ${ids.length === 1 ? 'incident' : 'incidents'}`
  if (!past) return `${told}: "vigia incidents --config ${configId}" says what to look at first.`
  const others = ids.slice(1, INCIDENTS_NAMED)
  const listed =
    others.length === 0 ? '' : ` (and ${others.join(', ')}${ids.length > INCIDENTS_NAMED ? ', ...' : ''})`
  return `${told}: "vigia incidents show ${first}"${listed} says what happened.`
}
