/** Advice in words: a title, and the numbers that led to it in one sentence. */
import type { Candidate, Rule } from './matrix.ts'

type Inputs = Candidate['inputs']

const numberOf = (inputs: Inputs, name: string): number => {
  const value = inputs[name]
  return typeof value === 'number' ? value : Number.NaN
}

interface Speaker {
  readonly money: (value: number) => string
}

const percent = (value: number): string => `${Math.round(Math.abs(value))}%`
const times = (value: number): string => `${(Math.round(value * 10) / 10).toFixed(1)} times`
const chanceOf = (p: number): string => (p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`)
const grouped = (value: number, digits: number): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
const leadsOf = (count: number): string => `${count} ${count === 1 ? 'lead' : 'leads'}`

/** `51% below the account's BRL 20.00` or `2.6 times the account's BRL 20.00`. */
const against = (inputs: Inputs, own: string, base: string, { money }: Speaker): string => {
  const ratio = numberOf(inputs, own) / numberOf(inputs, base)
  const account = `the account's ${money(numberOf(inputs, base))}`
  if (Math.abs(ratio - 1) < 0.005) return `as much as ${account}`
  if (ratio >= 1.995) return `${times(ratio)} ${account}`
  return `${percent(100 * (ratio - 1))} ${ratio < 1 ? 'below' : 'above'} ${account}`
}

const trend = (value: number): string =>
  Number.isNaN(value)
    ? 'how the cost moves is not known yet'
    : Math.abs(value) < 0.5
      ? 'the cost has not moved in a week'
      : `the cost ${value > 0 ? 'rose' : 'fell'} by ${percent(value)} in a week`

const SENTENCES: Readonly<Record<Rule, (inputs: Inputs, candidate: Candidate, speaker: Speaker) => string>> =
  {
    scale_up: (inputs, { changePct, expected }, speaker) =>
      `${leadsOf(numberOf(inputs, 'leads_7d'))} in 7 days at ${speaker.money(numberOf(inputs, 'cpl_7d'))} each, ` +
      `${against(inputs, 'cpl_7d', 'avg_cpl', speaker)}, and ${trend(numberOf(inputs, 'cpl_trend'))}: ` +
      `raise the daily budget by ${changePct ?? 0}%` +
      (expected.leads ? ` (about ${expected.leads} more a week).` : '.'),
    budget_decrease: (inputs, { changePct }, speaker) =>
      `A lead costs ${speaker.money(numberOf(inputs, 'cpl_7d'))}, ${against(inputs, 'cpl_7d', 'avg_cpl', speaker)}, ` +
      `on ${speaker.money(numberOf(inputs, 'spend_7d'))} in 7 days, and ${trend(numberOf(inputs, 'cpl_trend'))}: ` +
      `lower the daily budget by ${percent(changePct ?? 0)}.`,
    no_leads: (inputs, _, { money }) =>
      `${money(numberOf(inputs, 'spend_7d'))} in 7 days and not one lead: pause it.`,
    worse_than_siblings: (inputs, _, { money }) =>
      `${leadsOf(numberOf(inputs, 'leads_7d'))} for ${money(numberOf(inputs, 'spend_7d'))} in 7 days, where its ` +
      `siblings pay ${money(numberOf(inputs, 'siblings_cpl_7d'))} each; that is not chance ` +
      `(${chanceOf(numberOf(inputs, 'chance'))}): pause it.`,
    high_cpl: (inputs, _, speaker) =>
      `A lead costs ${speaker.money(numberOf(inputs, 'cpl_7d'))}, ${against(inputs, 'cpl_7d', 'avg_cpl', speaker)}, ` +
      `after ${numberOf(inputs, 'days_active')} days of delivery: pause it.`,
    underperformer: (inputs, _, { money }) =>
      `Among the underperformers for ${numberOf(inputs, 'days_in_tier')} days` +
      (Number.isNaN(numberOf(inputs, 'cpl_7d'))
        ? ', now without a lead in 7 days'
        : `, now at ${money(numberOf(inputs, 'cpl_7d'))} a lead`) +
      ': pause it.',
    budget_increase: (inputs, { changePct, expected }, speaker) =>
      `${leadsOf(numberOf(inputs, 'leads_7d'))} in 7 days at ${speaker.money(numberOf(inputs, 'cpl_7d'))} each, ` +
      `${against(inputs, 'cpl_7d', 'avg_cpl', speaker)}, and steady: raise the daily budget by ${changePct ?? 0}%` +
      (expected.leads ? ` (about ${expected.leads} more a week).` : '.'),
    reactivate: (inputs, _, speaker) =>
      `Before it stopped it brought ${leadsOf(numberOf(inputs, 'leads_30d'))} in 30 days at ` +
      `${speaker.money(numberOf(inputs, 'cpl_30d'))} each, ${against(inputs, 'cpl_30d', 'avg_cpl', speaker)}: ` +
      'switch it on again.',
    audience_review: (inputs) =>
      `The cost per lead rose by ${percent(numberOf(inputs, 'cpl_trend'))} and leads fell by ` +
      `${percent(numberOf(inputs, 'leads_trend'))} in a week, while people click as before: ` +
      'look at who is targeted.',
    audience_expansion: (inputs, _, speaker) =>
      `A lead costs ${speaker.money(numberOf(inputs, 'cpl_7d'))}, ${against(inputs, 'cpl_7d', 'avg_cpl', speaker)}, ` +
      `on ${percent(100 * numberOf(inputs, 'share_of_parent_spend'))} of the campaign's spend: widen the audience.`,
    audience_narrowing: (inputs, _, speaker) =>
      `${numberOf(inputs, 'ctr_7d').toFixed(2)}% click (account ${numberOf(inputs, 'avg_ctr').toFixed(2)}%) but only ` +
      `${numberOf(inputs, 'conversion_rate_7d').toFixed(1)}% of them become leads (account ` +
      `${numberOf(inputs, 'avg_conversion_rate').toFixed(1)}%), at ${speaker.money(numberOf(inputs, 'cpl_7d'))} each: ` +
      'narrow the audience.',
    creative_refresh: (inputs) => {
      const clicks = numberOf(inputs, 'ctr_trend')
      const cost = numberOf(inputs, 'cpl_trend')
      const signs = [
        ...(clicks < -10 ? [`clicks fell by ${percent(clicks)}`] : []),
        ...(cost > 15 ? [`the cost per lead rose by ${percent(cost)}`] : []),
      ]
      return (
        `People have seen it ${times(numberOf(inputs, 'frequency_7d'))} in 7 days and ` +
        `${signs.join(' and ')}: make new creatives.`
      )
    },
    creative_test: (inputs, _, speaker) =>
      `A lead costs ${speaker.money(numberOf(inputs, 'cpl_7d'))}, ${against(inputs, 'cpl_7d', 'avg_cpl', speaker)}, ` +
      `on ${grouped(numberOf(inputs, 'impressions_7d'), 0)} impressions in 7 days: try variations.`,
    creative_winner: (inputs, _, { money }) =>
      `${leadsOf(numberOf(inputs, 'leads_7d'))} in 7 days at ${money(numberOf(inputs, 'cpl_7d'))} each, ` +
      `where the other ads of its set pay ${money(numberOf(inputs, 'siblings_cpl_7d'))}: give it more of the budget.`,
  }

const TITLES: Readonly<Record<Rule, string>> = {
  scale_up: 'Raise the budget',
  budget_decrease: 'Lower the budget',
  no_leads: 'Pause: it spends without leads',
  worse_than_siblings: 'Pause: its siblings do better',
  high_cpl: 'Pause: its leads are too dear',
  underperformer: 'Pause: it has done badly for a week',
  budget_increase: 'Raise the budget a little',
  reactivate: 'Switch it on again',
  audience_review: 'Review the audience',
  audience_expansion: 'Widen the audience',
  audience_narrowing: 'Narrow the audience',
  creative_refresh: 'Make new creatives',
  creative_test: 'Try variations of the creative',
  creative_winner: 'Give the winner more budget',
}

export const titleOf = ({ rule, changePct }: Pick<Candidate, 'rule' | 'changePct'>): string =>
  changePct === null ? TITLES[rule] : `${TITLES[rule]} by ${Math.abs(changePct)}%`

/** @param currency ISO 4217, e.g. `BRL` */
export const sentenceOf = (candidate: Candidate, currency: string): string => {
  const money = (value: number): string => `${currency} ${grouped(value, 2)}`
  return SENTENCES[candidate.rule](candidate.inputs, candidate, { money })
}
