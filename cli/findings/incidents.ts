/** Incidents on a terminal: the most urgent first, each with its sentence below what it is called by. */
import { clip, printable, widthOf } from '../../shared/core/columns.ts'
import { toDayNumber } from '../../shared/core/days.ts'
import type { IncidentDetail, IncidentRow } from '../../shared/detection/incidents.ts'
import { dayText, entityText } from '../../shared/detection/sentence.ts'
import { figure, whatHappened } from '../../shared/detection/words.ts'
import { renderTable } from '../output.ts'
import { COLOURS, PLAIN } from './table.ts'

const WIDTH = 118
const INDENT = '       '
const NAME_WIDTH = 44

/** Lines of at most so many columns; a word that is longer by itself is cut. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ').map((one) => clip(one, width))) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

const stateOf = ({ status, alerted, date_from: from, date_to: to }: IncidentRow): string => {
  const since = dayText(toDayNumber(from))
  if (status !== 'resolved')
    return `${alerted ? '' : 'not told of, '}${status === 'open' ? '' : `${status}, `}since ${since}`
  return from === to ? `over, ${since}` : `over, ${since} to ${dayText(toDayNumber(to))}`
}

export interface IncidentsOptions {
  /** ANSI colours by severity. */
  readonly colour: boolean
  /** How many there are; the rows are the most urgent of them. */
  readonly total: number
  /** What there is besides and was not asked for. */
  readonly folded?: FoldedIncidents
}

export interface FoldedIncidents {
  /** Going on, and nobody was told of them. */
  readonly quiet: number
  /** Told of, and over. */
  readonly over: number
}

/** One line; null when there is nothing besides. */
const foldedLine = ({ quiet, over }: FoldedIncidents): string | null => {
  const parts = [
    ...(quiet > 0 ? [`${quiet} that nobody was told of`] : []),
    ...(over > 0 ? [`${over} that ${over === 1 ? 'is' : 'are'} over`] : []),
  ]
  return parts.length === 0 ? null : `Besides: ${parts.join(', ')}; "vigia incidents --all" lists them.`
}

const headOf = (row: IncidentRow, colour: boolean): string => {
  const campaign = clip(printable(row.campaign_name ?? ''), NAME_WIDTH) || `campaign ${row.campaign_id}`
  const mark = row.polarity === 'good' ? 'GOOD' : row.severity
  const head = `${String(row.id).padStart(5)}  ${mark.padEnd(8)}  ${campaign}, ${stateOf(row)}`
  return colour ? `${COLOURS[row.severity]}${head}${PLAIN}` : head
}

export const renderIncidents = (
  rows: readonly IncidentRow[],
  { colour, total, folded = { quiet: 0, over: 0 } }: IncidentsOptions,
): string => {
  const besides = foldedLine(folded)
  if (rows.length === 0) return ['No incidents.', ...(besides === null ? [] : [besides])].join('\n')
  const blocks = rows.map((row) =>
    [headOf(row, colour), ...wrap(row.sentence, WIDTH - INDENT.length).map((line) => INDENT + line)].join(
      '\n',
    ),
  )
  const hidden = total - rows.length
  return [
    ...blocks,
    ...(hidden > 0 ? [`... and ${hidden} more, less urgent`] : []),
    ...(besides === null ? [] : ['', besides]),
  ].join('\n')
}

const named = (row: {
  entity_type: IncidentRow['root']['entity_type']
  entity_id: string
  name: string | null
}): string =>
  clip(entityText({ entityType: row.entity_type, entityId: row.entity_id, name: row.name }), NAME_WIDTH)

/** How far a name is pushed in, by the depth of its cause. */
const step = (depth: number): string => '  '.repeat(depth - 1)

export const renderIncident = (incident: IncidentDetail, currency: string, colour: boolean): string => {
  const parts = [renderIncidents([incident], { colour, total: 1 })]
  const figures = (value: number | null): string => figure(value, incident.metric, currency)
  if (incident.causes.length > 0) {
    parts.push(
      renderTable(
        [
          {
            title: 'Cause',
            cell: (cause: IncidentDetail['causes'][number]) => step(cause.depth) + named(cause),
          },
          { title: 'Share', align: 'right', cell: ({ share }) => `${Math.round(share * 100)}%` },
          { title: 'Observed', align: 'right', cell: ({ observed }) => figures(observed) },
          { title: 'Expected', align: 'right', cell: ({ expected }) => figures(expected) },
        ],
        incident.causes,
      ),
    )
  }
  if (incident.members.length > 0) {
    parts.push(
      renderTable(
        [
          {
            title: 'Finding',
            align: 'right',
            cell: ({ id }: IncidentDetail['members'][number]) => String(id),
          },
          { title: 'Day', cell: ({ anomaly_date: day }) => day },
          { title: 'Severity', cell: ({ severity }) => severity },
          { title: 'Where', cell: (row) => named({ ...row, name: row.entity_name }) },
          { title: 'What happened', cell: whatHappened },
          { title: 'Status', cell: ({ status, resolution }) => resolution ?? status },
        ],
        incident.members,
      ),
    )
  }
  if (incident.notes !== null) {
    const by = `${incident.actor ?? 'somebody'}: ${printable(incident.notes)}`
    parts.push(wrap(by, WIDTH).join('\n'))
  }
  return parts.join('\n\n')
}
