/**
 * The figures a shift can show in. Each is a level on a log scale that a day is compared with: `gaussian` ones
 * are logs of amounts and of ratios of large numbers, `count` ones are events among an exposure, over-dispersed
 * (negative binomial; Hilbe 2011).
 *
 * Their independent parts multiply to what a lead costs: cpm / (ctr x conversion rate). Leads and cost per lead
 * are tested besides because a shift of several parts may show in no single one.
 */

export const FIGURES = ['spend', 'cpm', 'ctr', 'conversion_rate', 'cpl', 'leads', 'frequency'] as const
export type FigureName = (typeof FIGURES)[number]

export interface Figure {
  readonly name: FigureName
  readonly kind: 'gaussian' | 'count'
  /** What a budget, a holiday or a sibling can move. */
  readonly volume: boolean
  readonly usesLeads: boolean
  /** The direction in which its level shifts when money is lost; 0: both. `cpl` is kept as leads per money. */
  readonly bad: -1 | 0 | 1
  /**
   * Asked for beyond the threshold. What brings fewer leads from a click shows in all figures of leads, and chance in
   * each has a chance of its own.
   */
  readonly surplus: number
  /** Standard deviation of its noise from day to day before anything is known, as a log. */
  readonly noise: number
  /** Standard deviation of what its level wanders in a day, as a log. */
  readonly wander: number
  /**
   * What an entity contributes to the total of its parent: this column times, or by a sign of -1 divided by, the
   * exponential of its level. `scale`: its known budget.
   */
  readonly base: 'scale' | 'spend' | 'impressions' | 'clicks'
  /** That total; of a count, the events. */
  readonly whole: 'spend' | 'impressions' | 'clicks' | 'leads' | 'reach'
  /** How the log of total / parts relates to the figure: -1 where the parts are divided by it. */
  readonly sign: 1 | -1
  /** Total of a day from which its ratio says anything. */
  readonly fewest: number
  /** Of the weekday pattern, from sums over the account. */
  readonly ofAccount: ((sums: AccountSums, day: number) => number) | null
}

export interface AccountSums {
  readonly spend: Float64Array
  readonly impressions: Float64Array
  readonly clicks: Float64Array
  readonly leads: Float64Array
}

/** Fewest impressions, and people reached, of a day whose price or frequency is looked at. */
const FEWEST_IMPRESSIONS = 50
const FEWEST_REACHED = 30

const at = (column: Float64Array, day: number): number => column[day] as number

export const FIGURE_TABLE: readonly Figure[] = [
  {
    name: 'spend',
    kind: 'gaussian',
    volume: true,
    usesLeads: false,
    bad: 0,
    surplus: 0,
    noise: 0.12,
    wander: 0.03,
    base: 'scale',
    whole: 'spend',
    sign: 1,
    fewest: 0,
    ofAccount: ({ spend }, t) => Math.log(at(spend, t)),
  },
  {
    name: 'cpm',
    kind: 'gaussian',
    volume: false,
    usesLeads: false,
    bad: 1,
    surplus: 0,
    noise: 0.07,
    wander: 0.02,
    base: 'spend',
    whole: 'impressions',
    sign: -1,
    fewest: FEWEST_IMPRESSIONS,
    ofAccount: ({ spend, impressions }, t) => Math.log(at(spend, t) / at(impressions, t)),
  },
  {
    name: 'ctr',
    kind: 'count',
    volume: false,
    usesLeads: false,
    bad: -1,
    surplus: 0,
    noise: 0.06,
    wander: 0.02,
    base: 'impressions',
    whole: 'clicks',
    sign: 1,
    fewest: 0,
    ofAccount: ({ clicks, impressions }, t) => Math.log((at(clicks, t) + 0.5) / at(impressions, t)),
  },
  {
    name: 'conversion_rate',
    kind: 'count',
    volume: false,
    usesLeads: true,
    bad: -1,
    surplus: 0,
    noise: 0.12,
    wander: 0.015,
    base: 'clicks',
    whole: 'leads',
    sign: 1,
    fewest: 0,
    ofAccount: ({ leads, clicks }, t) => Math.log((at(leads, t) + 0.5) / at(clicks, t)),
  },
  {
    name: 'cpl',
    kind: 'count',
    volume: false,
    usesLeads: true,
    bad: -1,
    surplus: 0.5,
    noise: 0.15,
    wander: 0.02,
    base: 'spend',
    whole: 'leads',
    sign: 1,
    fewest: 0,
    ofAccount: ({ leads, spend }, t) => Math.log((at(leads, t) + 0.5) / at(spend, t)),
  },
  {
    name: 'leads',
    kind: 'count',
    volume: true,
    usesLeads: true,
    bad: -1,
    surplus: 0.9,
    noise: 0.2,
    wander: 0.04,
    base: 'scale',
    whole: 'leads',
    sign: 1,
    fewest: 0,
    ofAccount: ({ leads }, t) => Math.log(at(leads, t) + 0.5),
  },
  {
    name: 'frequency',
    kind: 'gaussian',
    volume: false,
    usesLeads: false,
    bad: 1,
    surplus: 0,
    noise: 0.06,
    wander: 0.015,
    base: 'impressions',
    whole: 'reach',
    sign: -1,
    fewest: FEWEST_REACHED,
    ofAccount: null,
  },
]

export const FIGURE_COUNT = FIGURE_TABLE.length
// The same in columns, for what is asked for all the time.
export const IS_COUNT = Uint8Array.from(FIGURE_TABLE, ({ kind }) => (kind === 'count' ? 1 : 0))
export const IS_VOLUME = Uint8Array.from(FIGURE_TABLE, ({ volume }) => (volume ? 1 : 0))
export const USES_LEADS = Uint8Array.from(FIGURE_TABLE, ({ usesLeads }) => (usesLeads ? 1 : 0))
export const SIGNS = Int8Array.from(FIGURE_TABLE, ({ sign }) => sign)

export const SPEND = FIGURES.indexOf('spend')
export const CONVERSION = FIGURES.indexOf('conversion_rate')
