/** Signals of one (type, metric) make one anomaly; one of them speaks for it. */
import { compareSeverity } from './severity.ts'
import type { AnomalyDraft, Signal } from './signal.ts'

/**
 * Positive when `a` should speak rather than `b`: what the whole account was weighed for, then the loudest; z_iqr
 * has the better interval, so it wins a tie.
 */
const precedence = (a: Signal, b: Signal): number =>
  Number(a.detector === 'shift') - Number(b.detector === 'shift') ||
  compareSeverity(a.severity, b.severity) ||
  Number(a.detector === 'z_iqr') - Number(b.detector === 'z_iqr')

/** In the order in which the (type, metric) pairs appear. */
export const toAnomalies = (signals: readonly Signal[]): AnomalyDraft[] => {
  const groups = new Map<string, Signal[]>()
  for (const signal of signals) {
    const key = `${signal.type} ${signal.metric}`
    const group = groups.get(key)
    if (group) group.push(signal)
    else groups.set(key, [signal])
  }
  return Array.from(groups.values(), (group) => {
    const { detector: _, ...speaker } = group.reduce((best, next) =>
      precedence(next, best) > 0 ? next : best,
    )
    return { ...speaker, signals: group }
  })
}
