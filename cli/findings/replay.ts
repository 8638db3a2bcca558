/** A replay on a terminal: what would have been told, the most urgent first, each with its sentence. */
import { clip } from '../../shared/core/columns.ts'
import { dayText, entityText } from '../../shared/detection/sentence.ts'
import { toDayNumber } from '../../shared/core/days.ts'
import { mostUrgentFirst } from '../../shared/replay/incidents.ts'
import type { ReplayIncident } from '../../shared/replay/incidents.ts'
import { wrap } from './incidents.ts'
import { COLOURS, PLAIN } from './table.ts'

const WIDTH = 118
const INDENT = '          '
const NAME_WIDTH = 44
/** More than one reads before a threshold is changed, unless asked for. */
const SHOWN = 15

const whenOf = ({ date_from: from, date_to: to, status, alerted }: ReplayIncident): string => {
  const first = dayText(toDayNumber(from))
  const quiet = alerted ? '' : 'not told of, '
  if (status === 'open') return `${quiet}since ${first}`
  return quiet + (from === to ? first : `${first} to ${dayText(toDayNumber(to))}`)
}

export interface ReplayOptions {
  /** ANSI colours by severity. */
  readonly colour: boolean
  /** Whether incidents say which account they are of. */
  readonly withAccount: boolean
  /** Whether to show what is less urgent, and what nobody was told of, too. */
  readonly all: boolean
}

/** @param incidents in any order; @param totals in sentences */
export const renderReplay = (
  incidents: readonly ReplayIncident[],
  totals: readonly string[],
  { colour, withAccount, all }: ReplayOptions,
): string => {
  const told = mostUrgentFirst(incidents.filter(({ alerted }) => alerted))
  const quiet = mostUrgentFirst(incidents.filter(({ alerted }) => !alerted))
  const blocks = (all ? [...told, ...quiet] : told.slice(0, SHOWN)).map((one) => {
    const account = withAccount ? `${clip(one.account_id, NAME_WIDTH)}, ` : ''
    const campaign = entityText({
      entityType: 'campaign',
      entityId: one.campaign_id,
      name: one.campaign_name,
    })
    const head = `${one.severity.padEnd(INDENT.length)}${account}${clip(campaign, NAME_WIDTH)}, ${whenOf(one)}`
    return [
      colour ? `${COLOURS[one.severity]}${head}${PLAIN}` : head,
      ...wrap(one.sentence, WIDTH - INDENT.length).map((line) => INDENT + line),
    ].join('\n')
  })
  const hidden = all ? 0 : told.length - blocks.length
  return [
    ...blocks,
    ...(hidden > 0
      ? [`... and ${hidden} more, less urgent: --all lists them, --from and --to look at fewer days`]
      : []),
    ...(blocks.length > 0 ? [''] : []),
    ...totals.flatMap((line) => wrap(line, WIDTH)),
  ].join('\n')
}
