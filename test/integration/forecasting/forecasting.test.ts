import { expect } from 'chai'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import type { ComputePool } from '../../../shared/compute.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import type { ForecastTask } from '../../../shared/forecasting/forecast-batch.ts'
import type { ForecastPayload } from '../../../shared/jobs/forecasting.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { openForecastSystem, WATERMARK } from '../../support/forecasting.ts'
import type { ForecastSystem } from '../../support/forecasting.ts'

/** A Tuesday, complete at NOON in São Paulo. */
const DAY = '2026-03-10'
const NOON = '2026-03-11T15:00:00.000Z'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }

interface StoredForecast {
  readonly id: number
  readonly entity_type: string
  readonly entity_id: string
  readonly parent_id: string | null
  readonly metric: string
  readonly horizon_days: number
  readonly forecast_date: string
  readonly watermark: Date
  readonly model: string
  readonly weights: Readonly<Record<string, number>>
  readonly metrics: Readonly<Record<string, number | null>>
  readonly insufficient_data: boolean
  readonly run_id: string
}

interface StoredPoint {
  readonly forecast_id: number
  readonly step: number
  readonly date: string
  readonly predicted: number | null
  readonly lower: number | null
  readonly upper: number | null
  readonly actual: number | null
  readonly abs_error: number | null
  readonly pct_error: number | null
  readonly in_interval: boolean | null
}

const shiftDay = (date: string, days: number): string => toLocalDate(toDayNumber(date) + days)

/** Days of an ad up to `last` that are all alike. */
const flatDays = (adId: string, days: number, last = DAY, figures: Partial<AdDay> = {}): AdDay[] =>
  adDays(adId, days, last, PARENTS).map((row) => ({
    ...row,
    spend: 100,
    impressions: 1000,
    clicks: 20,
    leads: 5,
    reach: 900,
    ...figures,
  }))

describe('forecasting', () => {
  let database: TestDatabase
  let system: ForecastSystem
  let configId: number
  before(async () => {
    database = await openTestDatabase()
    system = openForecastSystem(database.knex, DAY, NOON)
  })
  after(() => database.close())
  beforeEach(async () => {
    configId = await newConfig(database.knex)
  })

  const insert = (rows: readonly AdDay[]): Promise<void> => insertDays(database.knex, configId, rows)
  const stored = (where: Record<string, unknown> = {}): Promise<StoredForecast[]> =>
    database
      .knex('ml_forecasts')
      .where({ config_id: configId, ...where })
      .orderBy(['entity_type', 'entity_id', 'horizon_days', { column: 'metric', order: 'desc' }])
  const pointsOf = (forecastId: number | undefined): Promise<StoredPoint[]> =>
    database
      .knex('ml_forecast_points')
      .where({ forecast_id: forecastId ?? 0 })
      .orderBy('step')
  const only = async (
    where: Record<string, unknown>,
  ): Promise<StoredForecast & { points: StoredPoint[] }> => {
    const rows = await stored(where)
    expect(rows).to.have.length(1)
    const [row] = rows as [StoredForecast]
    return { ...row, points: await pointsOf(row.id) }
  }

  describe('of a level', () => {
    it('stores spend, leads and cost per lead of all three levels with their points', async () => {
      await insert([...adDays('a1', 90, DAY, PARENTS), ...adDays('a2', 90, DAY, PARENTS)])
      for (const [level, entities] of [
        ['campaign', ['c1']],
        ['adset', ['s1']],
        ['ad', ['a1', 'a2']],
      ] as const) {
        const outcome = await system.forecast(configId, level)
        expect(outcome).to.deep.include({
          status: 'succeeded',
          counts: { done: entities.length, skipped: 0, failed: 0 },
          reasons: {},
        })
        expect(outcome.result).to.include({ day: DAY, horizon_days: 7, forecasts: entities.length * 3 })
        const rows = await stored({ entity_type: level })
        expect(rows.map((row) => [row.entity_id, row.metric])).to.deep.equal(
          entities.flatMap((id) => ['spend', 'leads', 'cpl'].map((metric) => [id, metric])),
        )
        for (const row of rows) {
          expect(row).to.deep.include({
            parent_id: level === 'campaign' ? null : level === 'adset' ? 'c1' : 's1',
            forecast_date: DAY,
            insufficient_data: false,
            watermark: new Date(WATERMARK),
          })
          const points = await pointsOf(row.id)
          expect(points.map(({ step, date }) => [step, date])).to.deep.equal(
            [1, 2, 3, 4, 5, 6, 7].map((step) => [step, shiftDay(DAY, step)]),
          )
          for (const { predicted, lower, upper, actual } of points) {
            expect(lower).to.be.within(0, predicted ?? 0)
            expect(upper).to.be.at.least(predicted ?? Infinity)
            expect(actual).to.equal(null)
          }
          if (row.metric === 'cpl') expect(row).to.deep.include({ model: 'spend/leads', weights: {} })
          else {
            expect(Object.keys(row.metrics)).to.have.members([
              'wape',
              'mase',
              'pinball_025',
              'pinball_975',
              'coverage',
            ])
            expect(row.metrics['wape']).to.be.above(0)
            expect(row.metrics['coverage']).to.be.within(0.8, 1)
            const weights = Object.values(row.weights).reduce((sum, weight) => sum + weight, 0)
            expect(weights).to.be.closeTo(1, 1e-9)
          }
        }
      }
      const [spend, leads, cpl] = await Promise.all(
        (await stored({ entity_type: 'campaign' })).map((row) => pointsOf(row.id)),
      )
      for (const [i, point] of (cpl ?? []).entries())
        expect(point.predicted).to.be.closeTo(
          (spend?.[i]?.predicted ?? 0) / (leads?.[i]?.predicted ?? 0),
          1e-9,
        )
    })

    it('knows insufficient data with 6 days, and forecasts with 7', async () => {
      await insert([...flatDays('a6', 6), ...flatDays('a7', 7)])
      const outcome = await system.forecast(configId, 'ad')
      expect(outcome).to.deep.include({
        status: 'succeeded',
        counts: { done: 1, skipped: 1, failed: 0 },
        reasons: { insufficient_data: 1 },
      })
      for (const row of await stored({ entity_id: 'a6' })) {
        expect(row).to.deep.include({ insufficient_data: true, model: 'none', weights: {}, metrics: {} })
        expect(await pointsOf(row.id)).to.deep.equal([])
      }
      const seven = await only({ entity_id: 'a7', metric: 'spend' })
      expect(seven.insufficient_data).to.equal(false)
      expect(seven.points.map((point) => point.predicted)).to.deep.equal(Array.from({ length: 7 }, () => 100))
    })

    it('expects no lead where there was none, and no cost of one', async () => {
      await insert(flatDays('a1', 40, DAY, { leads: 0 }))
      await system.forecast(configId, 'ad')
      const leads = await only({ metric: 'leads' })
      expect(leads.points.map((point) => point.predicted)).to.deep.equal(Array.from({ length: 7 }, () => 0))
      const cpl = await only({ metric: 'cpl' })
      for (const { predicted, lower, upper } of cpl.points)
        expect([predicted, lower, upper]).to.deep.equal([null, null, null])
    })

    it('looks at the 90 days up to D and not beyond', async () => {
      await insert([
        ...flatDays('a1', 30, shiftDay(DAY, -90), { spend: 9000 }),
        ...flatDays('a1', 90),
        ...flatDays('a1', 1, shiftDay(DAY, 1), { spend: 9000 }),
      ])
      await system.forecast(configId, 'ad', { metrics: ['spend'] })
      const { points } = await only({ metric: 'spend' })
      for (const { predicted } of points) expect(predicted).to.be.closeTo(100, 1e-6)
    })

    it('leaves out what neither is active nor delivered lately', async () => {
      await insert([...flatDays('a1', 30), ...flatDays('gone', 30, shiftDay(DAY, -14))])
      const outcome = await system.forecast(configId, 'ad', { metrics: ['spend'] })
      expect(outcome).to.deep.include({
        counts: { done: 1, skipped: 1, failed: 0 },
        reasons: { inactive: 1 },
      })
      expect((await stored()).map((row) => row.entity_id)).to.deep.equal(['a1'])
    })

    it('forecasts only the entities and metrics asked for, and counts those without data', async () => {
      await insert([...flatDays('a1', 30), ...flatDays('a2', 30)])
      const outcome = await system.forecast(configId, 'ad', { entityIds: ['a2', 'nobody'], metrics: ['cpl'] })
      expect(outcome).to.deep.include({
        counts: { done: 1, skipped: 1, failed: 0 },
        reasons: { no_data: 1 },
      })
      expect((await stored()).map((row) => [row.entity_id, row.metric])).to.deep.equal([['a2', 'cpl']])
    })

    for (const horizonDays of [1, 30]) {
      it(`has ${horizonDays} points at a horizon of ${horizonDays}`, async () => {
        await insert(flatDays('a1', 30))
        await system.forecast(configId, 'ad', { metrics: ['spend'], horizonDays })
        const { points } = await only({ horizon_days: horizonDays })
        expect(points).to.have.length(horizonDays)
        expect(points.at(-1)?.date).to.equal(shiftDay(DAY, horizonDays))
      })
    }

    it('is skipped while the figures of D are not in, and stores nothing', async () => {
      await insert(flatDays('a1', 30, shiftDay(DAY, -1)))
      expect(await system.forecast(configId, 'ad')).to.deep.include({
        status: 'skipped',
        reasons: { stale_data: 1 },
      })
      expect(await stored()).to.deep.equal([])
    })

    it('refuses a day that is not over', async () => {
      await insert(flatDays('a1', 30))
      const error = await rejectionOf(system.forecast(configId, 'ad', { day: '2026-03-11' }))
      expect(error.message).to.include('is not over')
    })

    it('repeated gives the same rows', async () => {
      await insert(adDays('a1', 60, DAY, PARENTS))
      await system.forecast(configId, 'ad')
      const before = await stored()
      const points = await Promise.all(before.map((row) => pointsOf(row.id)))
      await system.forecast(configId, 'ad')
      const after = await stored()
      const plain = (rows: readonly StoredForecast[]) =>
        rows.map((row) => ({ ...row, run_id: '', created_at: 0 }))
      expect(plain(after)).to.deep.equal(plain(before))
      expect(await Promise.all(after.map((row) => pointsOf(row.id)))).to.deep.equal(points)
    })

    it('made from newer data replaces an earlier one, and is not replaced by it', async () => {
      await insert(flatDays('a1', 30))
      await system.forecast(configId, 'ad', { metrics: ['spend'] })
      const { id } = await only({})
      await database.knex('ads_insights_daily').where({ config_id: configId }).update({ spend: 200 })
      const newer = '2026-03-11T09:00:00.000Z'
      await system.forecast(configId, 'ad', { metrics: ['spend'], watermark: newer })
      const replaced = await only({})
      expect(replaced).to.deep.include({ id, watermark: new Date(newer) })
      expect(replaced.points).to.have.length(7)
      for (const { predicted } of replaced.points) expect(predicted).to.be.closeTo(200, 1e-6)

      await database.knex('ads_insights_daily').where({ config_id: configId }).update({ spend: 300 })
      const late = await system.forecast(configId, 'ad', { metrics: ['spend'] })
      expect(late.result).to.include({ forecasts: 0 })
      const kept = await only({})
      expect(kept.watermark).to.deep.equal(new Date(newer))
      for (const { predicted } of kept.points) expect(predicted).to.be.closeTo(200, 1e-6)
    })

    it('loses its points when the newer data are too few', async () => {
      await insert(flatDays('a1', 7))
      await system.forecast(configId, 'ad', { metrics: ['spend'] })
      const row = { config_id: configId, date: shiftDay(DAY, -6) }
      await database.knex('ads_insights_daily').where(row).delete()
      await system.forecast(configId, 'ad', { metrics: ['spend'] })
      expect(await only({})).to.deep.include({ insufficient_data: true, points: [] })
    })
  })

  describe('under way', () => {
    const tenAds = (): Promise<void> =>
      insert(Array.from({ length: 10 }, (_, i) => flatDays(`a${i}`, 20)).flat())

    it('tells how far it is after every batch', async () => {
      await tenAds()
      const seen: [number, number | undefined][] = []
      const context = await system.startRun(configId, {
        onProgress: (fraction, { done }) => seen.push([fraction, done]),
      })
      await system.forecastLevel('ad', system.payload(configId, { metrics: ['spend'] }), context)
      expect(seen).to.deep.equal([
        [0.4, 4],
        [0.8, 8],
        [1, 10],
      ])
    })

    /** In place, but the signal is heard as in a thread. */
    const heeding = (tasks: string[], before: (task: number) => void): ComputePool => ({
      ...computeInPlace,
      run: (task, input, options) => {
        before(tasks.push(task))
        options?.signal?.throwIfAborted()
        return computeInPlace.run(task, input, options)
      },
    })

    it('ends where it is cancelled; started again it goes on with the entities that are left', async () => {
      await tenAds()
      const controller = new AbortController()
      const context = await system.startRun(configId, {
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('cancelled')),
      })
      const payload: ForecastPayload = system.payload(configId, { metrics: ['spend'] })
      const error = await rejectionOf(system.forecastLevel('ad', payload, context))
      expect(error.message).to.equal('cancelled')
      expect(await stored()).to.have.length(4)

      const tasks: string[] = []
      const again = system.with({ compute: heeding(tasks, () => {}) })
      const outcome = await again.forecastLevel('ad', payload, {
        ...context,
        signal: new AbortController().signal,
      })
      expect(outcome.counts).to.deep.equal({ done: 10, skipped: 0, failed: 0 })
      expect(tasks).to.have.length(2)
      expect(await stored()).to.have.length(10)
    })

    it('writes nothing once its run belongs to another attempt', async () => {
      await tenAds()
      const context = await system.startRun(configId)
      await database.knex('runs').where({ id: context.fence.runId }).update({ attempt: 2 })
      const error = await rejectionOf(system.forecastLevel('ad', system.payload(configId), context))
      expect(error).to.be.instanceOf(FenceLost)
      expect(await stored()).to.deep.equal([])
    })

    it('counts an entity that fails, and stores the others', async () => {
      await tenAds()
      const compute: ComputePool = {
        ...computeInPlace,
        run: (task, input, options) => {
          // The first of each batch of four cannot be read.
          const [head] = (input as ForecastTask).batch.heads
          if (head) Object.defineProperty(head, 'activeRanges', { value: null })
          return computeInPlace.run(task, input, options)
        },
      }
      const context = await system.startRun(configId)
      const payload = system.payload(configId, { metrics: ['spend'] })
      expect(await system.with({ compute }).forecastLevel('ad', payload, context)).to.deep.include({
        status: 'partial',
        counts: { done: 7, skipped: 0, failed: 3 },
        reasons: { forecast_failed: 3 },
      })
      expect(await stored()).to.have.length(7)
    })
  })
})
