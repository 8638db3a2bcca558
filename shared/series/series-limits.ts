/**
 * The limits of series over counters: two rules at once, of which both or none are spent.
 */
import { AppError } from '../core/errors.ts'
import { LIMIT_RULES } from './limits.ts'
import type { LimitCaller, LimitName, LimitRule, LimitState, SeriesLimits } from './limits.ts'
import type { Counter, LimitCounters, Spent } from './limit-counter.ts'

/** Keys with rules of their own are few; what is counted for more sets of figures starts anew. */
const MOST_OWN_RULES = 1000

const WORDS: Readonly<Record<LimitName, string>> = {
  train_per_series: 'trainings of one series',
  train_per_address: 'trainings from one address',
  predict_per_series: 'points predicted of one series',
  predict_per_address: 'points predicted from one address',
}

export interface SeriesLimitsOptions extends LimitCounters {
  readonly onRefused: (rule: LimitName) => void
}

/** IPv4 as IPv4, whichever kind of socket it came through. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '')

export const createSeriesLimits = (options: SeriesLimitsOptions): SeriesLimits => {
  const make = (name: LimitName, rule: LimitRule): Counter =>
    (name.startsWith('train') ? options.trainings : options.predictions)(name, rule)
  const usual: Readonly<Record<LimitName, Counter>> = {
    train_per_series: make('train_per_series', LIMIT_RULES.train_per_series),
    train_per_address: make('train_per_address', LIMIT_RULES.train_per_address),
    predict_per_series: make('predict_per_series', LIMIT_RULES.predict_per_series),
    predict_per_address: make('predict_per_address', LIMIT_RULES.predict_per_address),
  }
  const own = new Map<string, Counter>()

  /** Null: no limit for this caller. */
  const counterOf = (name: LimitName, caller: LimitCaller): Counter | null => {
    const rule = caller.rules[name]
    if (rule === undefined) return usual[name]
    if (rule === null) return null
    const id = `${name}:${rule.points}/${rule.seconds}`
    const known = own.get(id)
    if (known) return known
    if (own.size >= MOST_OWN_RULES) own.clear()
    const counter = make(name, rule)
    own.set(id, counter)
    return counter
  }

  const stateOf = ({ counter, remaining, waitMs }: Spent): LimitState => ({
    limit: counter.rule.points,
    remaining,
    resetS: Math.ceil(waitMs / 1000),
  })

  const described = (name: LimitName, { points, seconds }: LimitRule): string =>
    `at most ${points} ${WORDS[name]} in ${seconds} s`

  const refuse = (name: LimitName, state: LimitState, cost: number, message: string): never => {
    options.onRefused(name)
    throw new AppError('RATE_LIMITED', message, {
      retryAfterS: Math.max(1, state.resetS),
      rateLimit: state,
      details: { rule: name, cost, limit: state.limit, remaining: state.remaining },
    })
  }

  const assertFits = (name: LimitName, { rule }: Counter, cost: number): void => {
    if (cost <= rule.points) return
    const state = { limit: rule.points, remaining: rule.points, resetS: rule.seconds }
    refuse(name, state, cost, `${described(name, rule)}, and this asks for ${cost} at once; split it`)
  }

  const assertGranted = (name: LimitName, spent: Spent, cost: number): void => {
    if (spent.granted) return
    const state = stateOf(spent)
    const { rule } = spent.counter
    refuse(name, state, cost, `${described(name, rule)}; try again in ${Math.max(1, state.resetS)} s`)
  }

  const spendOne = async (
    name: LimitName,
    counter: Counter,
    key: string,
    cost: number,
  ): Promise<LimitState> => {
    assertFits(name, counter, cost)
    const spent = await counter.spend(key, cost)
    assertGranted(name, spent, cost)
    return stateOf(spent)
  }

  const spend = async (
    seriesRule: LimitName,
    addressRule: LimitName,
    seriesId: string,
    caller: LimitCaller,
    cost: number,
  ): Promise<LimitState | null> => {
    if (caller.exempt || cost === 0) return null
    const perSeries = counterOf(seriesRule, caller)
    const perAddress = counterOf(addressRule, caller)
    const address = plainAddress(caller.address)
    if (!perSeries) return perAddress && spendOne(addressRule, perAddress, address, cost)
    if (!perAddress) return spendOne(seriesRule, perSeries, seriesId, cost)
    assertFits(seriesRule, perSeries, cost)
    assertFits(addressRule, perAddress, cost)
    const [bySeries, byAddress] = await Promise.all([
      perSeries.spend(seriesId, cost),
      perAddress.spend(address, cost),
    ])
    if (!bySeries.granted || !byAddress.granted) {
      if (bySeries.granted) await bySeries.counter.refund(seriesId, cost)
      if (byAddress.granted) await byAddress.counter.refund(address, cost)
      // Of two that refuse, the one that takes longer.
      const addressLast = !byAddress.granted && (bySeries.granted || byAddress.waitMs > bySeries.waitMs)
      assertGranted(addressLast ? addressRule : seriesRule, addressLast ? byAddress : bySeries, cost)
    }
    const seriesShare = bySeries.remaining / perSeries.rule.points
    return stateOf(byAddress.remaining / perAddress.rule.points < seriesShare ? byAddress : bySeries)
  }

  return {
    spendTraining: (seriesId, caller) => spend('train_per_series', 'train_per_address', seriesId, caller, 1),
    spendPrediction: (seriesId, caller, cost) =>
      spend('predict_per_series', 'predict_per_address', seriesId, caller, cost),
    returnTraining: async (seriesId, caller) => {
      if (caller.exempt) return
      await Promise.all([
        counterOf('train_per_series', caller)?.refund(seriesId, 1),
        counterOf('train_per_address', caller)?.refund(plainAddress(caller.address), 1),
      ])
    },
  }
}
