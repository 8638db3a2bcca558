/**
 * Few leads or clicks make ratios jump by chance. Before a change in them becomes a signal, the counts
 * behind it must be unlikely too (ads-domain section 2, volume guards).
 */
import type { Totals } from '../frame.ts'
import { binomialP, poissonP } from '../stats/two-sided.ts'
import type { BaselineMetric } from './weekday-baseline.ts'

/** Two-sided p up to which counts back a signal. */
export const GUARD_P = 0.05

const MIN_IMPRESSIONS = 1000
const MIN_CLICKS = 50
const MIN_LAMBDA = 0.5

const PERCENT = 0.01

const CHANCE: Readonly<Record<BaselineMetric, (totals: Totals, expected: number) => number>> = {
  spend: () => 0,
  leads: ({ leads }, expected) => poissonP(leads, Math.max(expected, MIN_LAMBDA)),
  cpl: ({ leads, spend }, expected) => poissonP(leads, Math.max(spend / expected, MIN_LAMBDA)),
  ctr: ({ clicks, impressions }, expected) =>
    impressions < MIN_IMPRESSIONS ? 1 : binomialP(clicks, impressions, expected * PERCENT),
  conversion_rate: ({ leads, clicks }, expected) =>
    clicks < MIN_CLICKS ? 1 : binomialP(leads, clicks, expected * PERCENT),
}

/**
 * How likely the counts are if `expected` still held; 1 when there are too few to tell, 0 for spend, which
 * is not a count.
 *
 * @param expected in the unit of the metric: money per lead, percent, leads
 */
export const volumeP = (metric: BaselineMetric, totals: Totals, expected: number): number =>
  CHANCE[metric](totals, expected)
