/** Signals of one (type, metric) make one anomaly; one of them speaks for it. */
import { compareSeverity } from './severity.ts'
import type { AnomalyDraft, DetectorName, Signal } from './signal.ts'

/** Positive when `a` should speak rather than `b`; z_iqr has the better interval, so it wins a tie. */
const precedence = (a: Signal, b: Signal): number =>
  compareSeverity(a.severity, b.severity) || Number(a.detector === 'z_iqr') - Number(b.detector === 'z_iqr')

/** Rules that say all there is to say: nothing was delivered. */
const PLAIN: ReadonlySet<DetectorName> = new Set(['zero_spend', 'zero_impressions'])

/**
 * In the order in which the (type, metric) pairs appear.
 * @param speaker whose signal speaks where it is there and no plain rule does; otherwise the loudest does
 */
export const toAnomalies = (signals: readonly Signal[], speaker?: DetectorName): AnomalyDraft[] => {
  const groups = new Map<string, Signal[]>()
  for (const signal of signals) {
    const key = `${signal.type} ${signal.metric}`
    const group = groups.get(key)
    if (group) group.push(signal)
    else groups.set(key, [signal])
  }
  return Array.from(groups.values(), (group) => {
    const first =
      group.find(({ detector }) => PLAIN.has(detector)) ?? group.find(({ detector }) => detector === speaker)
    const { detector: _, ...spoken } =
      first ?? group.reduce((best, next) => (precedence(next, best) > 0 ? next : best))
    return { ...spoken, signals: group }
  })
}
