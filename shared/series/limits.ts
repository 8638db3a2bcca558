/**
 * How often a series may be trained and predicted on (series-service section 10). Token buckets whose
 * capacity is the limit; a key may have rules of its own and may be let past those per address.
 */
import { z } from 'zod'
import type { Principal } from '../access/principal.ts'

/** `points` tokens, refilled evenly over `seconds`. */
export interface LimitRule {
  readonly points: number
  readonly seconds: number
}

export const LIMIT_RULES = {
  trainPerSeries: { points: 1, seconds: 300 },
  trainPerAddress: { points: 100, seconds: 3600 },
  predictPerSeries: { points: 1000, seconds: 60 },
  predictPerAddress: { points: 10_000, seconds: 60 },
} as const satisfies Record<string, LimitRule>
export type LimitName = keyof typeof LIMIT_RULES

/** As metrics and replies name them. */
export const RULE_NAMES: Readonly<Record<LimitName, string>> = {
  trainPerSeries: 'train_per_series',
  trainPerAddress: 'train_per_address',
  predictPerSeries: 'predict_per_series',
  predictPerAddress: 'predict_per_address',
}

const Rule = z.object({ points: z.int().min(1).max(100_000_000), seconds: z.int().min(1).max(86_400) })

/** What a key changes: a rule of its own, or null for no limit at all. */
export const KeyLimits = z.partialRecord(
  z.enum(Object.keys(LIMIT_RULES) as [LimitName, ...LimitName[]]),
  Rule.nullable(),
)
export type KeyLimits = z.infer<typeof KeyLimits>

export interface LimitCaller {
  /** Of the connection. */
  readonly address: string
  /** The open loopback caller and the command line: nothing is counted. */
  readonly exempt: boolean
  readonly rules: KeyLimits
}

/** The command line: nothing is counted. */
export const EXEMPT_CALLER: LimitCaller = { address: '', exempt: true, rules: {} }

const NO_RULES: KeyLimits = {}

/** Whom to count. `local` is a caller on this machine of a server without keys, who is let past. */
export const limitCallerOf = (principal: Principal, address: string): LimitCaller => ({
  address,
  exempt: principal.actor === 'local',
  rules: principal.limits ?? NO_RULES,
})

/** For the RateLimit headers: the rule that is nearest to its end. */
export interface LimitState {
  readonly limit: number
  readonly remaining: number
  /** Until everything is there again; of a refusal, until the same may succeed. */
  readonly resetS: number
}

/** The RateLimit headers of an answer. */
export const limitHeaders = (state: LimitState | null): Readonly<Record<string, string>> =>
  state === null
    ? {}
    : {
        'RateLimit-Limit': String(state.limit),
        'RateLimit-Remaining': String(state.remaining),
        'RateLimit-Reset': String(state.resetS),
      }

export interface SeriesLimits {
  /** One token per series and one per address. @throws RATE_LIMITED with nothing spent */
  spendTraining(seriesId: string, caller: LimitCaller): Promise<LimitState | null>
  /** Gives back what a training that did not start had spent. */
  returnTraining(seriesId: string, caller: LimitCaller): Promise<void>
  /**
   * `cost` tokens: one per point or window. Null: nothing was counted.
   * @throws RATE_LIMITED with nothing spent; "split it" when the cost is above the capacity
   */
  spendPrediction(seriesId: string, caller: LimitCaller, cost: number): Promise<LimitState | null>
}

/** Counts nothing: RATE_LIMITS is off, or nobody asks from outside. */
export const noLimits: SeriesLimits = {
  spendTraining: () => Promise.resolve(null),
  returnTraining: () => Promise.resolve(),
  spendPrediction: () => Promise.resolve(null),
}
