/**
 * How often a series may be trained and predicted on (series-service section 10). Token buckets whose
 * capacity is the limit; a key may have rules of its own and may be let past those per address.
 */
import { z } from 'zod'
import type { Principal } from '../access/principal.ts'
import { AppError } from '../core/errors.ts'

/** `points` tokens, refilled evenly over `seconds`. */
export interface LimitRule {
  readonly points: number
  readonly seconds: number
}

/** By the names that replies, metrics and keys use. */
export const LIMIT_RULES = {
  train_per_series: { points: 1, seconds: 300 },
  train_per_address: { points: 100, seconds: 3600 },
  predict_per_series: { points: 1000, seconds: 60 },
  predict_per_address: { points: 10_000, seconds: 60 },
} as const satisfies Record<string, LimitRule>
export type LimitName = keyof typeof LIMIT_RULES
const LIMIT_NAMES = Object.keys(LIMIT_RULES) as [LimitName, ...LimitName[]]

const Rule = z.object({ points: z.int().min(1).max(100_000_000), seconds: z.int().min(1).max(86_400) })

/** What a key changes: a rule of its own, or null for no limit at all. */
export const KeyLimits = z.partialRecord(z.enum(LIMIT_NAMES), Rule.nullable())
export type KeyLimits = z.infer<typeof KeyLimits>

/**
 * `NAME=POINTS/SECONDS` or `NAME=off`, as the command line takes it.
 * @throws INVALID_REQUEST
 */
export const parseKeyLimits = (texts: readonly string[]): KeyLimits =>
  KeyLimits.parse(
    Object.fromEntries(
      texts.map((text) => {
        const [name = '', value = ''] = text.split('=', 2)
        const [points, seconds, ...more] = value.split('/')
        const rule =
          value === 'off'
            ? null
            : { points: Number(points), seconds: more.length > 0 ? NaN : Number(seconds) }
        if (Object.hasOwn(LIMIT_RULES, name) && KeyLimits.safeParse({ [name]: rule }).success)
          return [name, rule]
        throw new AppError(
          'INVALID_REQUEST',
          `--limit ${text}: is NAME=POINTS/SECONDS or NAME=off, e.g. predict_per_address=30000/1, where NAME ` +
            `is one of ${LIMIT_NAMES.join(', ')}, SECONDS at most 86400`,
        )
      }),
    ),
  )

/** For people to read, e.g. `train_per_series 10/300, predict_per_address off`. */
export const describeKeyLimits = (limits: KeyLimits): string =>
  LIMIT_NAMES.flatMap((name) => {
    const rule = limits[name]
    if (rule === undefined) return []
    return [`${name} ${rule ? `${rule.points}/${rule.seconds}` : 'off'}`]
  }).join(', ')

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
