/**
 * The gate that was measured and replaced, kept for comparison: signals of the rules of single entities (z-scores,
 * change points), of which those become alerts that control of the false discovery rate lets pass. Of the signals of
 * an entity's metric the rarest counts, times the rules that looked at it; all that could be told of a level on a day
 * are its hypotheses, raised or not.
 */
import { detectDay } from '../../ml/detectors/detect-day.ts'
import { defaultDetectionParams } from '../../ml/detectors/params.ts'
import type { Metric, Signal } from '../../ml/detectors/signal.ts'
import { runsOn } from '../../ml/shifts/account.ts'
import type { ToldAnomaly } from '../../ml/shifts/incidents.ts'
import { LEVELS_UP } from '../../ml/shifts/level-name.ts'
import { entityDays } from '../../shared/replay/frames.ts'
import type { Verdicts } from './measure.ts'
import { toPanel } from './panel.ts'
import type { Account } from './simulate.ts'

const FIRST_DAY = 20_000
const FIRST_JUDGED = 7
const FALSE_DISCOVERIES = 0.1
/** Besides the z-score a change point looks at these. */
const TWICE_JUDGED: ReadonlySet<Metric> = new Set(['spend', 'cpl', 'ctr'])

/**
 * Which hypotheses are rejected by the step-up procedure of Benjamini and Hochberg (1995).
 * @param q the rate of false discoveries
 * @param hypotheses all there are, when `pValues` are the smallest of them
 */
export const rejected = (
  pValues: readonly number[],
  q: number,
  hypotheses: number = pValues.length,
): boolean[] => {
  const ascending = pValues.toSorted((a, b) => a - b)
  const last = ascending.findLastIndex((p, rank) => p <= (q * (rank + 1)) / hypotheses)
  const bound = ascending[last] ?? -1
  return pValues.map((p) => p <= bound)
}

interface Tested {
  readonly entity: number
  readonly p: number
  readonly signals: readonly Signal[]
}

const byMetric = (entity: number, signals: readonly Signal[]): Tested[] => {
  const metrics = new Set(signals.map(({ metric }) => metric))
  return [...metrics].map((metric): Tested => {
    const own = signals.filter((signal) => signal.metric === metric)
    const rarest = Math.min(...own.map(({ rarity }) => rarity ?? 1))
    return { entity, p: Math.min(1, (TWICE_JUDGED.has(metric) ? 2 : 1) * rarest), signals: own }
  })
}

/** What would be told without anything that knows of the other entities; no incidents. */
export const judgeClassic = (account: Account): Verdicts => {
  const panel = toPanel(account, true)
  const frames = panel.entities.map((_, i) => entityDays(panel, i, FIRST_DAY))
  const judgedBy = { verdict: null, modelSource: 'baseline', modelVersion: null } as const
  const excludedDays = new Set<number>()
  const alerts = Array.from({ length: panel.days }, (_, day): ToldAnomaly[] => {
    if (day >= panel.completeUntil) return []
    return LEVELS_UP.flatMap((level) => {
      let hypotheses = 0
      const tested = panel.entities.flatMap((entity, i): Tested[] => {
        if (entity.level !== level || day < entity.start + FIRST_JUDGED || !runsOn(entity, day)) return []
        const { head, frame } = frames[i]!
        const found = detectDay(
          { day: FIRST_DAY + day, frame, head, excludedDays, lastFrequencyAlertDay: null, ...judgedBy },
          defaultDetectionParams,
        )
        hypotheses += found.hypotheses
        return byMetric(
          i,
          found.signals.filter(({ rarity }) => rarity !== null),
        )
      })
      const passes = rejected(
        tested.map(({ p }) => p),
        FALSE_DISCOVERIES,
        hypotheses,
      )
      return tested.flatMap(({ entity, signals }, k): ToldAnomaly[] =>
        passes[k] && day < panel.leadsUntil
          ? signals
              .filter(({ polarity }) => polarity === 'bad')
              .map((signal) => ({
                ...signal,
                signals: [signal],
                entity,
                day,
                shift: null,
                alerted: true,
                incident: null,
              }))
          : [],
      )
    })
  })
  return { panel, alerts, incidents: [] }
}
