import { expect } from 'chai'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Level } from '../../../shared/core/entity.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import type { ValidatePayload } from '../../../shared/jobs/forecasting.ts'
import { insertDays, newConfig } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { openForecastSystem, WATERMARK } from '../../support/forecasting.ts'
import type { ForecastSystem } from '../../support/forecasting.ts'

/** The day the forecasts are made from; the days after it are validated. */
const MADE = '2026-03-10'
const LATER = '2026-06-01T15:00:00.000Z'

type Metric = 'spend' | 'leads' | 'cpl'

interface Validated {
  readonly date: string
  readonly actual: number | null
  readonly abs_error: number | null
  readonly pct_error: number | null
  readonly in_interval: boolean | null
}

const shiftDay = (date: string, days: number): string => toLocalDate(toDayNumber(date) + days)

/** A day of an ad, `after` days after MADE. */
const dayOf = (after: number, spend: number, leads: number, adId = 'a1', adsetId = 's1'): AdDay => ({
  adId,
  adsetId,
  campaignId: 'c1',
  date: shiftDay(MADE, after),
  spend,
  impressions: 1000,
  clicks: 10,
  leads,
  reach: 900,
})

describe('validation of forecasts', () => {
  let database: TestDatabase
  let system: ForecastSystem
  let configId: number
  before(async () => {
    database = await openTestDatabase()
    system = openForecastSystem(database.knex, MADE, LATER)
  })
  after(() => database.close())
  beforeEach(async () => {
    configId = await newConfig(database.knex)
  })

  const insert = (rows: readonly AdDay[]): Promise<void> => insertDays(database.knex, configId, rows)

  /** A stored forecast that expects `predicted` every day, give or take a half. */
  const forecast = async (
    level: Level,
    entityId: string,
    metric: Metric,
    predicted: number | null,
    { horizonDays = 7, made = MADE } = {},
  ): Promise<number> => {
    const [row] = (await database
      .knex('ml_forecasts')
      .insert({
        config_id: configId,
        entity_type: level,
        entity_id: entityId,
        metric,
        horizon_days: horizonDays,
        forecast_date: made,
        watermark: WATERMARK,
        model: 'ets',
        weights: '{}',
        metrics: '{}',
      })
      .returning('id')) as { id: number }[]
    const id = row?.id ?? 0
    await database.knex('ml_forecast_points').insert(
      Array.from({ length: horizonDays }, (_, i) => ({
        forecast_id: id,
        step: i + 1,
        date: shiftDay(made, i + 1),
        predicted,
        lower: predicted && predicted * 0.5,
        upper: predicted && predicted * 1.5,
      })),
    )
    return id
  }
  const pointsOf = async (forecastId: number): Promise<Validated[]> =>
    database
      .knex('ml_forecast_points')
      .where({ forecast_id: forecastId })
      .orderBy('step')
      .select('date', 'actual', 'abs_error', 'pct_error', 'in_interval')
  const actualsOf = async (forecastId: number): Promise<(number | null)[]> =>
    (await pointsOf(forecastId)).map((point) => point.actual)
  /** As on the morning after the `after`th day. */
  const payload = (after: number): ValidatePayload => ({
    configId,
    asOf: LATER,
    day: shiftDay(MADE, after),
    watermark: WATERMARK,
  })
  const validate = (after: number) => system.validate(payload(after))

  it('compares the days that are over with what was, and leaves the others open', async () => {
    await insert([dayOf(1, 120, 4), dayOf(2, 40, 8)])
    const spend = await forecast('ad', 'a1', 'spend', 100)
    const outcome = await validate(2)
    expect(outcome).to.deep.include({ status: 'succeeded', counts: { done: 2, skipped: 0, failed: 0 } })
    expect(outcome.result).to.deep.equal({
      day: shiftDay(MADE, 2),
      days: 2,
      stale_days: 0,
      points: 2,
      changed: 2,
      judged: 2,
      in_interval: 1,
      coverage: 0.5,
    })
    const open = { actual: null, abs_error: null, pct_error: null, in_interval: null }
    expect(await pointsOf(spend)).to.deep.equal([
      { date: shiftDay(MADE, 1), actual: 120, abs_error: 20, pct_error: (100 * 20) / 120, in_interval: true },
      { date: shiftDay(MADE, 2), actual: 40, abs_error: 60, pct_error: 150, in_interval: false },
      ...[3, 4, 5, 6, 7].map((after) => ({ date: shiftDay(MADE, after), ...open })),
    ])
  })

  it('adds ads up to their ad sets and campaigns', async () => {
    await insert([dayOf(1, 30, 1, 'a1', 's1'), dayOf(1, 50, 2, 'a2', 's1'), dayOf(1, 20, 2, 'a3', 's2')])
    const expected: [Level, string, number, number, number][] = [
      ['ad', 'a2', 50, 2, 25],
      ['adset', 's1', 80, 3, 80 / 3],
      ['campaign', 'c1', 100, 5, 20],
    ]
    for (const [level, id, ...values] of expected) {
      const metrics = ['spend', 'leads', 'cpl'] as const
      const ids: number[] = []
      for (const metric of metrics) ids.push(await forecast(level, id, metric, 10, { horizonDays: 1 }))
      await validate(1)
      expect((await Promise.all(ids.map(actualsOf))).flat()).to.deep.equal(values)
    }
  })

  it('of an entity without rows on a day that others have: spend and leads were 0, a cost was not defined', async () => {
    await insert([dayOf(1, 30, 1)])
    const ids = [
      await forecast('ad', 'quiet', 'spend', 10, { horizonDays: 1 }),
      await forecast('ad', 'quiet', 'leads', 0, { horizonDays: 1 }),
      await forecast('ad', 'quiet', 'cpl', 5, { horizonDays: 1 }),
    ]
    const outcome = await validate(1)
    expect((await Promise.all(ids.map(pointsOf))).flat()).to.deep.equal([
      { date: shiftDay(MADE, 1), actual: 0, abs_error: 10, pct_error: null, in_interval: false },
      { date: shiftDay(MADE, 1), actual: 0, abs_error: 0, pct_error: null, in_interval: true },
      { date: shiftDay(MADE, 1), actual: null, abs_error: null, pct_error: null, in_interval: null },
    ])
    expect(outcome.result).to.include({ points: 3, judged: 2, in_interval: 1 })
  })

  it('keeps the actual where nothing was expected to compare it with', async () => {
    await insert([dayOf(1, 30, 2)])
    const id = await forecast('ad', 'a1', 'cpl', null, { horizonDays: 1 })
    await validate(1)
    expect(await pointsOf(id)).to.deep.equal([
      { date: shiftDay(MADE, 1), actual: 15, abs_error: null, pct_error: null, in_interval: null },
    ])
  })

  it('repeated changes nothing', async () => {
    await insert([dayOf(1, 30, 2), dayOf(2, 30, 0)])
    const ids = [await forecast('ad', 'a1', 'spend', 10), await forecast('ad', 'a1', 'cpl', 10)]
    await validate(2)
    const before = await Promise.all(ids.map(pointsOf))
    const outcome = await validate(2)
    expect(outcome.result).to.include({ points: 4, changed: 0 })
    expect(await Promise.all(ids.map(pointsOf))).to.deep.equal(before)
  })

  for (const { age, actual } of [
    { age: 29, actual: 44 },
    { age: 30, actual: 30 },
  ]) {
    it(`${age === 29 ? 'takes up' : 'leaves alone'} what was restated ${age} days before`, async () => {
      const id = await forecast('ad', 'a1', 'spend', 10, { horizonDays: 1 })
      await insert([dayOf(1, 30, 2), dayOf(1 + age, 30, 2)])
      await validate(1)
      await database
        .knex('ads_insights_daily')
        .where({ config_id: configId, date: shiftDay(MADE, 1) })
        .update({ spend: 44 })
      await validate(1 + age)
      expect(await actualsOf(id)).to.deep.equal([actual])
    })
  }

  it('fills in what has waited longer than that', async () => {
    const id = await forecast('ad', 'a1', 'spend', 10, { horizonDays: 1 })
    await insert([dayOf(1, 30, 2), dayOf(60, 30, 2)])
    await validate(60)
    expect(await actualsOf(id)).to.deep.equal([30])
  })

  it('reaches forecasts of the longest horizon', async () => {
    const id = await forecast('ad', 'a1', 'spend', 10, { horizonDays: 30 })
    await insert([dayOf(30, 30, 2)])
    await validate(30)
    expect((await actualsOf(id)).at(-1)).to.equal(30)
  })

  it('leaves days open whose figures are not in, and is done again for the newest of them', async () => {
    const id = await forecast('ad', 'a1', 'spend', 10, { horizonDays: 3 })
    await insert([dayOf(1, 30, 2), dayOf(3, 50, 2)])
    // The second day never came: no reason to start again.
    const outcome = await validate(3)
    expect(outcome).to.deep.include({ status: 'succeeded', reasons: {} })
    expect(outcome.result).to.include({ days: 2, stale_days: 1 })
    expect(await actualsOf(id)).to.deep.equal([30, null, 50])

    const next = await forecast('ad', 'a1', 'spend', 10, { horizonDays: 4, made: MADE })
    expect(await validate(4)).to.deep.include({
      status: 'skipped',
      counts: { done: 2, skipped: 1, failed: 0 },
      reasons: { stale_data: 1 },
    })
    expect(await actualsOf(next)).to.deep.equal([30, null, 50, null])
  })

  it('knows of a day without rows that an import covers: nothing was delivered', async () => {
    const id = await forecast('ad', 'a1', 'spend', 10, { horizonDays: 2 })
    await insert([dayOf(1, 30, 2)])
    await database.knex('ads_imports').insert({
      config_id: configId,
      sha256: 'covering',
      report: '{}',
      actor: 'test',
      date_from: shiftDay(MADE, 1),
      date_to: shiftDay(MADE, 2),
      created_at: LATER,
    })
    await validate(2)
    expect(await actualsOf(id)).to.deep.equal([30, 0])
  })

  it('looks at its own config only', async () => {
    const id = await forecast('ad', 'a1', 'spend', 10, { horizonDays: 1 })
    const mine = configId
    configId = await newConfig(database.knex)
    await insert([dayOf(1, 30, 2)])
    const outcome = await validate(1)
    expect(outcome.result).to.include({ points: 0, coverage: null })
    configId = mine
    expect(await actualsOf(id)).to.deep.equal([null])
  })

  it('writes nothing once its run belongs to another attempt, or was cancelled', async () => {
    const id = await forecast('ad', 'a1', 'spend', 10, { horizonDays: 1 })
    await insert([dayOf(1, 30, 2)])
    const lost = await system.startRun(configId)
    await database.knex('runs').where({ id: lost.fence.runId }).update({ attempt: 2 })
    expect(await rejectionOf(system.validate(payload(1), lost))).to.be.instanceOf(FenceLost)
    const cancelled = await system.startRun(configId, { signal: AbortSignal.abort(new Error('cancelled')) })
    expect((await rejectionOf(system.validate(payload(1), cancelled))).message).to.equal('cancelled')
    expect(await actualsOf(id)).to.deep.equal([null])
  })

  it('is open again for a forecast that was made again', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => dayOf(i - 19, 100, 5))
    await insert([...rows, dayOf(1, 30, 2)])
    await system.forecast(configId, 'ad', { metrics: ['spend'] })
    await validate(1)
    await system.forecast(configId, 'ad', { metrics: ['spend'] })
    const [made] = (await database.knex('ml_forecasts').where({ config_id: configId })) as { id: number }[]
    expect((await actualsOf(made?.id ?? 0))[0]).to.equal(null)
    await validate(1)
    expect((await actualsOf(made?.id ?? 0)).slice(0, 2)).to.deep.equal([30, null])
  })
})
