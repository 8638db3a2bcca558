/** `account_id,entity_id,kind,date,factor`: what was done to an account, as folders and live accounts are told of it. */
import type { DayNumber } from '../../../ml/frame.ts'
import { parseIsoDay } from './dates.ts'
import { parseNumber } from './numbers.ts'

/** A budget was multiplied; a child of the entity started or ended. */
export const CHANGE_KINDS = ['budget', 'mix_start', 'mix_end'] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

/** Amounts are kept relative to 100 in numeric(15,2): beyond these a factor is a slip of the pen. */
const LEAST_FACTOR = 0.0001
const GREATEST_FACTOR = 1_000_000

const EXPONENT = /^\d+(?:\.\d+)?e[+-]?\d+$/i

export interface ChangeRow {
  readonly entityId: string
  readonly kind: ChangeKind
  readonly day: DayNumber
  /** New budget as a multiple of the old one; 1 where the kind is another. */
  readonly factor: number
}

/** Why a row cannot be used. */
export interface ChangeProblem {
  readonly column: 'entity_id' | 'kind' | 'date' | 'factor'
  readonly reason: string
}

/** @param cell the trimmed text of a column, empty when the file has no such column */
export const parseChange = (cell: (column: string) => string): ChangeRow | ChangeProblem => {
  const entityId = cell('entity_id')
  if (entityId === '') return { column: 'entity_id', reason: 'is empty' }
  const kind = CHANGE_KINDS.find((known) => known === cell('kind'))
  if (!kind)
    return {
      column: 'kind',
      reason: `is ${CHANGE_KINDS.join(', ')}, not ${JSON.stringify(cell('kind').slice(0, 40))}`,
    }
  const day = parseIsoDay(cell('date'))
  if (day === null)
    return {
      column: 'date',
      reason: `is a date like 2026-03-31, not ${JSON.stringify(cell('date').slice(0, 40))}`,
    }
  if (kind !== 'budget') return { entityId, kind, day, factor: 1 }
  const text = cell('factor')
  // Programs write small numbers with an exponent; people do not.
  const factor = EXPONENT.test(text) ? Number(text) : parseNumber(text, '.')
  if (!(factor >= LEAST_FACTOR && factor <= GREATEST_FACTOR))
    return {
      column: 'factor',
      reason: `is what the budget was multiplied by, from ${LEAST_FACTOR} to ${GREATEST_FACTOR}, not ${JSON.stringify(text.slice(0, 40))}`,
    }
  return { entityId, kind, day, factor }
}

export const isProblem = (change: ChangeRow | ChangeProblem): change is ChangeProblem => 'reason' in change
