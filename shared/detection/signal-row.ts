/** Signals as they go over the wire. */
import type { Signal } from '../../ml/detectors/signal.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { wireNumber, wireShares } from '../core/wire.ts'
import type { DryRunSignal } from './detection.ts'

export interface SignalRow {
  readonly entity_type: Level
  readonly entity_id: string
  readonly date: LocalDate
  readonly detector: Signal['detector']
  readonly type: Signal['type']
  readonly metric: string
  readonly severity: Signal['severity']
  readonly polarity: Signal['polarity']
  readonly direction: Signal['direction']
  readonly score: number
  readonly rarity: number | null
  readonly observed: number | null
  readonly expected: number | null
  readonly lower: number | null
  readonly upper: number | null
  readonly deviation: number | null
  readonly contributions: Readonly<Record<string, number>> | null
  readonly model_source: string
  readonly model_version: number | null
}

export const toSignalRow = (level: Level, signal: DryRunSignal): SignalRow => ({
  entity_type: level,
  entity_id: signal.entityId,
  date: signal.day,
  detector: signal.detector,
  type: signal.type,
  metric: signal.metric,
  severity: signal.severity,
  polarity: signal.polarity,
  direction: signal.direction,
  score: wireNumber(signal.score) ?? 0,
  rarity: wireNumber(signal.rarity),
  observed: wireNumber(signal.observed),
  expected: wireNumber(signal.expected),
  lower: wireNumber(signal.lower),
  upper: wireNumber(signal.upper),
  deviation: wireNumber(signal.deviation),
  contributions: wireShares(signal.contributions),
  model_source: signal.modelSource,
  model_version: signal.modelVersion,
})
