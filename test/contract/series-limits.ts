/**
 * What every store of limits promises, whatever it counts with: nothing is spent by a refusal, and of L tokens
 * in T seconds no more than 2 L are granted in any T, no more than L + L/T * time in the long run.
 */
import { expect } from 'chai'
import fc from 'fast-check'
import type { Counter, MakeCounter } from '../../shared/series/limit-counter.ts'
import { createSeriesLimits } from '../../shared/series/series-limits.ts'
import { AppError } from '../../shared/core/errors.ts'
import type { LimitCaller, LimitRule, SeriesLimits } from '../../shared/series/limits.ts'

export interface CountedStore {
  readonly make: MakeCounter
  /** Milliseconds on the clock the store counts with, or one beside it. */
  now(): number
  /** Lets at least that much time pass. */
  pass(ms: number): Promise<void>
  /** Whole schedules; real time makes them few. */
  readonly schedules: number
  /** Of the rules tried, in seconds: real time makes them short. */
  readonly seconds: number
}

interface Step {
  readonly gapMs: number
  readonly cost: number
}

interface Grant {
  readonly before: number
  readonly after: number
  readonly cost: number
}

let names = 0
/** A name nobody has used: stores outlive tests. */
const freshName = (): string => `n_${process.pid}_${Date.now()}_${(names += 1)}`

const refusalOf = async (work: Promise<unknown>): Promise<AppError> => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof AppError)) throw new Error('it was not refused', { cause: error })
  return error
}

const callerAt = (address: string, rules: LimitCaller['rules'] = {}): LimitCaller => ({
  address,
  exempt: false,
  rules,
})

export const describeSeriesLimits = (name: string, open: () => CountedStore): void => {
  describe(`limits counted in ${name}`, () => {
    let store: CountedStore
    let limits: SeriesLimits
    let refused: string[]
    before(() => {
      store = open()
    })
    beforeEach(() => {
      refused = []
      limits = createSeriesLimits({
        trainings: store.make,
        predictions: store.make,
        onRefused: (rule) => refused.push(rule),
      })
    })

    /** Runs the steps one after the other. */
    const run = async (counter: Counter, steps: readonly Step[]): Promise<Grant[]> => {
      const key = freshName()
      const grants: Grant[] = []
      for (const { gapMs, cost } of steps) {
        if (gapMs > 0) await store.pass(gapMs)
        const before = store.now()
        const { granted, remaining } = await counter.spend(key, cost)
        if (granted) grants.push({ before, after: store.now(), cost })
        else expect(remaining, 'what is left when refused').to.be.lessThan(cost)
      }
      return grants
    }

    const expectBounds = (grants: readonly Grant[], { points, seconds }: LimitRule): void => {
      const windowMs = seconds * 1000
      for (const [at, first] of grants.entries()) {
        let sum = 0
        // Surely within one T: asked after its start and answered before its end.
        for (const { after, cost } of grants.slice(at)) if (after < first.before + windowMs) sum += cost
        expect(sum, 'granted in one T').to.be.at.most(2 * points)
      }
      const [first, last] = [grants[0], grants.at(-1)]
      if (!first || !last) return
      const total = grants.reduce((sum, { cost }) => sum + cost, 0)
      const spanMs = last.after - first.before
      expect(total, 'granted in all').to.be.at.most(points + (points * spanMs) / windowMs)
    }

    it('keeps within its bounds whatever is asked and when', async () => {
      const rule = { points: 10, seconds: store.seconds }
      const counter = store.make('predict_per_series', rule)
      const step = fc.record({
        gapMs: fc.oneof(
          { weight: 3, arbitrary: fc.constant(0) },
          { weight: 2, arbitrary: fc.integer({ min: 1, max: (rule.seconds * 1000) / 4 }) },
          { weight: 1, arbitrary: fc.integer({ min: rule.seconds * 950, max: rule.seconds * 1050 }) },
        ),
        cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: rule.points })),
      })
      const schedules = fc.sample(fc.array(step, { minLength: 1, maxLength: 25 }), {
        numRuns: store.schedules,
        seed: 20_260_731,
      })
      if (store.seconds > 2) {
        // A clock of the test's own is one for all: one schedule after the other.
        for (const steps of schedules) expectBounds(await run(counter, steps), rule)
      } else {
        const all = await Promise.all(schedules.map((steps) => run(counter, steps)))
        for (const grants of all) expectBounds(grants, rule)
      }
    })

    it('grants many at once no more than there is', async () => {
      const counter = store.make('predict_per_series', { points: 7, seconds: 60 })
      const key = freshName()
      const all = await Promise.all(Array.from({ length: 30 }, () => counter.spend(key, 1)))
      expect(all.filter(({ granted }) => granted)).to.have.length(7)
    })

    it('lets the last token go, refuses one more, and says when to come back', async () => {
      const counter = store.make('predict_per_series', { points: 10, seconds: 60 })
      const key = freshName()
      expect(await counter.spend(key, 9)).to.include({ granted: true, remaining: 1 })
      expect(await counter.spend(key, 2)).to.include({ granted: false, remaining: 1 })
      // The refusal has spent nothing.
      expect(await counter.spend(key, 1)).to.include({ granted: true, remaining: 0 })
      const none = await counter.spend(key, 1)
      expect(none).to.include({ granted: false, remaining: 0 })
      expect(none.waitMs).to.be.within(1, 60_000)
    })

    it('grants again when the time it named is over', async () => {
      const counter = store.make('predict_per_series', { points: 4, seconds: store.seconds })
      const key = freshName()
      expect((await counter.spend(key, 4)).granted).to.equal(true)
      const { granted, waitMs } = await counter.spend(key, 2)
      expect(granted).to.equal(false)
      await store.pass(waitMs + 1)
      expect((await counter.spend(key, 2)).granted).to.equal(true)
    })

    it('what is given back can be spent again, and never makes more than there was', async () => {
      const counter = store.make('predict_per_series', { points: 10, seconds: 60 })
      const key = freshName()
      await counter.refund(key, 5)
      expect(await counter.spend(key, 10)).to.include({ granted: true, remaining: 0 })
      await counter.refund(key, 3)
      expect((await counter.spend(key, 4)).granted).to.equal(false)
      expect(await counter.spend(key, 3)).to.include({ granted: true, remaining: 0 })
      await counter.refund(key, 10)
      await counter.refund(key, 10)
      expect((await counter.spend(key, 10)).granted).to.equal(true)
      expect((await counter.spend(key, 1)).granted).to.equal(false)
    })

    it('what is given back after its time makes no more than there was', async () => {
      const counter = store.make('predict_per_series', { points: 3, seconds: store.seconds })
      const key = freshName()
      await counter.spend(key, 3)
      await store.pass(store.seconds * 1000 + 1)
      await counter.refund(key, 3)
      expect((await counter.spend(key, 3)).granted).to.equal(true)
      expect((await counter.spend(key, 1)).granted).to.equal(false)
    })

    it('trains a series once in five minutes, whoever asks, and others meanwhile', async () => {
      const series = freshName()
      const here = callerAt(freshName())
      expect(await limits.spendTraining(series, here)).to.deep.include({ limit: 1, remaining: 0 })
      const error = await refusalOf(limits.spendTraining(series, callerAt(freshName())))
      expect(error.code).to.equal('RATE_LIMITED')
      expect(error.extra.retryAfterS).to.be.within(1, 300)
      expect(error.extra.rateLimit).to.include({ limit: 1, remaining: 0 })
      expect(error.extra.details).to.include({ rule: 'train_per_series' })
      expect(refused).to.deep.equal(['train_per_series'])
      expect(await limits.spendTraining(freshName(), here)).not.to.equal(null)
    })

    it('a training that did not start gives its tokens back', async () => {
      const series = freshName()
      const caller = callerAt(freshName(), { train_per_address: { points: 1, seconds: 60 } })
      await limits.spendTraining(series, caller)
      await limits.returnTraining(series, caller)
      await limits.spendTraining(series, caller)
      expect((await refusalOf(limits.spendTraining(series, caller))).code).to.equal('RATE_LIMITED')
    })

    it('spends neither rule when one of them refuses', async () => {
      const rules = {
        predict_per_series: { points: 10, seconds: 60 },
        predict_per_address: { points: 15, seconds: 60 },
      }
      const [one, two, three] = [freshName(), freshName(), freshName()]
      const caller = callerAt(freshName(), rules)
      await limits.spendPrediction(one, caller, 8)
      // The series refuses: the address keeps its 7.
      const bySeries = await refusalOf(limits.spendPrediction(one, caller, 5))
      expect(bySeries.extra.details).to.include({ rule: 'predict_per_series', remaining: 2 })
      expect(await limits.spendPrediction(two, caller, 2)).to.include({ limit: 15, remaining: 5 })
      // The address refuses: the series keeps its 10.
      const byAddress = await refusalOf(limits.spendPrediction(three, caller, 6))
      expect(byAddress.extra.details).to.include({ rule: 'predict_per_address', remaining: 5 })
      const elsewhere = callerAt(freshName(), rules)
      expect(await limits.spendPrediction(three, elsewhere, 10)).to.include({ limit: 10, remaining: 0 })
      expect(refused).to.deep.equal(['predict_per_series', 'predict_per_address'])
    })

    it('lets a request of exactly the capacity through and tells one above it to split', async () => {
      const series = freshName()
      const caller = callerAt(freshName())
      const error = await refusalOf(limits.spendPrediction(series, caller, 1001))
      expect(error.code).to.equal('RATE_LIMITED')
      expect(error.message).to.match(/at most 1000 .*1001.*split it/)
      expect(error.extra.retryAfterS).to.equal(60)
      expect(await limits.spendPrediction(series, caller, 1000)).to.include({ limit: 1000, remaining: 0 })
    })

    it('a key without limits per address is counted per series only, one without any not at all', async () => {
      const gateway = callerAt(freshName(), { predict_per_address: null })
      for (let n = 0; n < 11; n += 1) await limits.spendPrediction(freshName(), gateway, 1000)
      const series = freshName()
      await limits.spendPrediction(series, gateway, 1000)
      expect((await refusalOf(limits.spendPrediction(series, gateway, 1))).code).to.equal('RATE_LIMITED')
      const free = callerAt(freshName(), { predict_per_address: null, predict_per_series: null })
      expect(await limits.spendPrediction(series, free, 1_000_000)).to.equal(null)
      const exempt = { ...callerAt(freshName()), exempt: true }
      expect(await limits.spendPrediction(series, exempt, 1_000_000)).to.equal(null)
      expect(await limits.spendTraining(series, exempt)).to.equal(null)
    })

    it('takes one address for one, whichever kind of socket it came through', async () => {
      const plain = `203.0.113.7-${freshName()}`
      const rules = { train_per_address: { points: 1, seconds: 60 } }
      await limits.spendTraining(freshName(), callerAt(plain, rules))
      const error = await refusalOf(limits.spendTraining(freshName(), callerAt(`::ffff:${plain}`, rules)))
      expect(error.extra.details).to.include({ rule: 'train_per_address' })
    })
  })
}
