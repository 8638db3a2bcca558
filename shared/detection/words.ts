/** Findings in words a marketer uses: what happened, and the figures with their units. */
import type { AnomalyRow } from './anomalies.ts'

const METRIC_WORDS: Readonly<Record<string, string>> = {
  spend: 'Spend',
  cpl: 'Cost per lead',
  ctr: 'Click rate',
  leads: 'Leads',
  conversion_rate: 'Conversion rate',
  frequency: 'Frequency',
  impressions: 'Impressions',
  reach: 'Reach',
}

const metricWord = (metric: string): string => METRIC_WORDS[metric] ?? metric

const percent = (share: number): string => `${Math.round(share * 100)}%`

/** Longest sentence, so that a table of them fits a terminal. */
const MAX_LENGTH = 38

/** A forest's finding with the features that explain most of it, e.g. `Unusual: cost per lead 62%, spend 21%`. */
const unusual = (contributions: Readonly<Record<string, number>>): string => {
  const [leading, second] = Object.entries(contributions)
    .sort(([, a], [, b]) => b - a)
    .map(([feature, share]) => ({ share, text: `${metricWord(feature).toLowerCase()} ${percent(share)}` }))
  if (!leading) return 'Unusual mix of figures'
  const one = `Unusual: ${leading.text}`
  const both = `${one}, ${second?.text}`
  return second && second.share >= 0.2 && both.length <= MAX_LENGTH ? both : one
}

/** What is told of a finding. */
export type Told = Pick<
  AnomalyRow,
  'type' | 'metric' | 'polarity' | 'direction' | 'contributions' | 'observed' | 'expected'
> & { readonly signals: readonly Readonly<Record<string, unknown>>[] }

/** What happened, in one short sentence. */
export const whatHappened = (row: Omit<Told, 'observed' | 'expected'>): string => {
  // A type not named here is a metric that rose or fell, which is all its name says.
  const type: string = row.type
  switch (type) {
    case 'zero_spend':
      return 'Stopped spending although active'
    case 'zero_impressions':
      return 'Stopped being shown although active'
    case 'frequency_alert':
      return 'People see it too often'
    case 'reach_saturation':
      return 'More impressions, no new people'
    case 'performance_drop':
    case 'performance_spike':
      return unusual(row.contributions ?? {})
    case 'ctr_spike':
      return row.polarity === 'bad' ? 'Click rate rose but fewer convert' : 'Click rate rose'
    default: {
      const changed = row.signals.some((signal) => signal['detector'] === 'change_point')
      const rose = row.direction === 'up' ? 'rose' : 'fell'
      const since = changed && row.signals.length === 1 ? ' and stayed' : ''
      return `${metricWord(row.metric)} ${rose}${since}`
    }
  }
}

/** The metric a row's observed and expected figures are in: a forest's are those of its leading feature. */
const unitOf = (row: Pick<Told, 'metric' | 'contributions'>): string => {
  if (row.metric !== 'multivariate') return row.metric
  const [leading] = Object.entries(row.contributions ?? {}).sort(([, a], [, b]) => b - a)
  return leading?.[0] ?? ''
}

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const twoDigits = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const oneDigit = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })

/** Amounts from here on are told without cents. */
const CENTS_BELOW = 10_000

/** A figure with its unit; `-` when there is none. */
export const figure = (value: number | null, metric: string, currency: string): string => {
  if (value === null) return '-'
  switch (metric) {
    case 'spend':
    case 'cpl':
      return `${currency} ${(Math.abs(value) < CENTS_BELOW ? twoDigits : grouped).format(value)}`
    case 'ctr':
    case 'conversion_rate':
      return `${twoDigits.format(value)}%`
    case 'frequency':
      return `${oneDigit.format(value)}x`
    case 'leads':
      return `${oneDigit.format(value)} leads`
    default:
      return grouped.format(value)
  }
}

export const observedText = (row: Omit<Told, 'signals'>, currency: string): string =>
  figure(row.observed, unitOf(row), currency)

export const expectedText = (row: Omit<Told, 'signals'>, currency: string): string =>
  figure(row.expected, unitOf(row), currency)
