import { expect } from 'chai'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Level } from '../../../shared/core/entity.ts'
import { forecastLevel, ForecastPayload } from '../../../shared/jobs/forecasting.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { adDays, insertDays } from '../../support/accounts.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'

const FORECASTS = '/api/v1/ml/forecasts'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }
/** Four in the morning in São Paulo: the 10th is complete. */
const NOW = '2026-03-11T07:00:00.000Z'
const DAY = '2026-03-10'
const WATERMARK = '2026-03-11T06:00:00.000Z'
const shiftDay = (date: string, days: number): string => toLocalDate(toDayNumber(date) + days)
const DAY_BEFORE = shiftDay(DAY, -1)

type Body = Readonly<Record<string, unknown>>

describe('routes of forecasts', () => {
  let api: TestApi
  let configId: number
  let other: number
  let viewer: string
  let trainer: string
  let stranger: string
  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    configId = await api.newConfig()
    other = await api.newConfig()
    await insertDays(
      api.knex,
      configId,
      ['a1', 'a2'].flatMap((ad) => adDays(ad, 20, DAY, PARENTS)),
    )
    await insertDays(api.knex, configId, adDays('new', 3, DAY, PARENTS))
    await api.knex('ads_ads').where({ config_id: configId, ad_id: 'a1' }).update({ name: 'Video' })
    ;[viewer, trainer, stranger] = await Promise.all([
      api.key('viewer', 'viewer'),
      api.key('trainer', 'trainer'),
      api.key('stranger', 'admin', [other]),
    ])
    await forecastNow('ad', DAY_BEFORE)
    await forecastNow('ad', DAY)
    await forecastNow('campaign', DAY)
  })
  after(() => api.close())

  /** What the worker of a run does. */
  const forecastNow = async (level: Level, day: string): Promise<void> => {
    const payload = ForecastPayload.parse({ configId, asOf: NOW, day, watermark: WATERMARK })
    const { id } = await api.services.enqueue(forecastLevel[level], payload, { actor: 'test' })
    await api.knex('runs').where({ id }).update({ status: 'running', attempt: 1, started_at: NOW })
    const outcome = await api.services.forecasting.forecastLevel(level, payload, {
      signal: new AbortController().signal,
      fence: { runId: id, attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    })
    await api.knex('runs').where({ id }).update({ status: outcome.status })
  }
  const get = (query: string, key = viewer): Promise<Reply> => api.ask(`${FORECASTS}?${query}`, { key })
  const post = (body: unknown, key = trainer): Promise<Reply> =>
    api.ask(`${FORECASTS}/generate`, { method: 'POST', body, key })
  const dataOf = (reply: Reply): readonly Body[] => {
    expect(reply.status, reply.text).to.equal(200)
    return reply.body['data'] as readonly Body[]
  }
  const listed = async (query: string): Promise<readonly (readonly unknown[])[]> =>
    dataOf(await get(`config_id=${configId}&${query}`)).map((row) => [
      row['entity_id'],
      row['metric'],
      row['forecast_date'],
    ])

  describe('reading them', () => {
    it('lists campaigns where no level is named', async () => {
      const rows = dataOf(await get(`config_id=${configId}`))
      expect(rows.map((row) => [row['entity_type'], row['entity_id']])).to.deep.equal(
        Array.from({ length: 3 }, () => ['campaign', 'c1']),
      )
    })

    it('tells a forecast with its points, the days to come still open', async () => {
      const [row] = dataOf(await get(`config_id=${configId}&entity_type=ad&entity_id=a1&metric=spend`))
      expect(row).to.deep.include({
        config_id: configId,
        entity_type: 'ad',
        entity_id: 'a1',
        entity_name: 'Video',
        parent_id: 's1',
        metric: 'spend',
        horizon_days: 7,
        forecast_date: DAY,
        watermark: WATERMARK,
        insufficient_data: false,
      })
      expect(row?.['metrics']).to.have.keys('wape', 'mase', 'pinball_025', 'pinball_975', 'coverage')
      const points = row?.['points'] as readonly Body[]
      expect(points.map((point) => [point['step'], point['date']])).to.deep.equal(
        [1, 2, 3, 4, 5, 6, 7].map((step) => [step, shiftDay(DAY, step)]),
      )
      expect(points[0]).to.include({ actual: null, abs_error: null, pct_error: null, in_interval: null })
      for (const { predicted } of points as readonly { predicted: number }[])
        expect(Math.abs(predicted * 1e6 - Math.round(predicted * 1e6))).to.be.below(1e-6)
    })

    it('tells what a day that is over was', async () => {
      const payload = { configId, asOf: NOW, day: DAY, watermark: WATERMARK }
      const [run] = (await api.knex('runs').where({ config_id: configId }).orderBy('created_at')) as {
        id: string
      }[]
      const id = run?.id ?? ''
      await api.knex('runs').where({ id }).update({ status: 'running', attempt: 1 })
      await api.services.forecasting.validate(payload, {
        signal: new AbortController().signal,
        fence: { runId: id, attempt: 1 },
        logger: silentLogger,
        progress: () => {},
      })
      const query = `config_id=${configId}&entity_type=ad&entity_id=a1&metric=spend&date=${DAY_BEFORE}`
      const [row] = dataOf(await get(query))
      const [over, open] = (row?.['points'] ?? []) as readonly Body[]
      const spend = adDays('a1', 1, DAY, PARENTS)[0]?.spend ?? 0
      expect(over?.['actual']).to.equal(spend)
      expect(over?.['abs_error']).to.be.closeTo(Math.abs(spend - Number(over?.['predicted'])), 1e-6)
      expect(over?.['in_interval']).to.be.a('boolean')
      expect(open?.['actual']).to.equal(null)
    })

    it('tells an entity with too few days by no points', async () => {
      const rows = dataOf(await get(`config_id=${configId}&entity_type=ad&entity_id=new&date=${DAY}`))
      expect(rows).to.have.length(3)
      for (const row of rows)
        expect(row).to.deep.include({ insufficient_data: true, model: 'none', points: [], weights: {} })
      expect(rows[0]?.['metrics']).to.deep.equal({
        wape: null,
        mase: null,
        pinball_025: null,
        pinball_975: null,
        coverage: null,
      })
    })

    it('answers newest first, by day and by range', async () => {
      expect(await listed('entity_type=ad&entity_id=a1&metric=leads')).to.deep.equal([
        ['a1', 'leads', DAY],
        ['a1', 'leads', DAY_BEFORE],
      ])
      expect(await listed(`entity_type=ad&entity_id=a1&metric=leads&date_to=${DAY_BEFORE}`)).to.deep.equal([
        ['a1', 'leads', DAY_BEFORE],
      ])
      expect(
        await listed(`entity_type=ad&entity_id=a1&metric=leads&date_from=${DAY}&date_to=${DAY}`),
      ).to.deep.equal([['a1', 'leads', DAY]])
      expect(await listed('date=2026-03-01')).to.deep.equal([])
    })

    it('comes in pages, each row once', async () => {
      const seen: unknown[] = []
      let cursor = ''
      let pages = 0
      do {
        const reply = await get(`config_id=${configId}&entity_type=ad&page_size=4${cursor}`)
        seen.push(...dataOf(reply).map((row) => row['id']))
        const next = reply.body['next_cursor']
        cursor = typeof next === 'string' ? `&cursor=${next}` : ''
        pages += 1
      } while (cursor !== '')
      const second = dataOf(await get(`config_id=${configId}&entity_type=ad&page_size=4&page=2`))
      expect(seen.slice(4, 8)).to.deep.equal(second.map((row) => row['id']))
      expect([seen.length, new Set(seen).size, pages]).to.deep.equal([18, 18, 5])
    })

    it('refuses what it cannot read, and a config the caller may not see', async () => {
      for (const query of [
        'entity_type=page',
        'metric=ctr',
        'date=2026-02-30',
        'entity_id=a%2Fb',
        'page_size=0',
        `date_from=${DAY}&date_to=${DAY_BEFORE}`,
        'cursor=bm9uZQ',
      ])
        expect((await get(`config_id=${configId}&${query}`)).body['code'], query).to.equal('INVALID_REQUEST')
      expect((await get('')).status).to.equal(400)
      expect((await get('config_id=99999999')).body['code']).to.equal('CONFIG_NOT_FOUND')
      expect((await get(`config_id=${configId}`, stranger)).body['code']).to.equal('CONFIG_NOT_FOUND')
    })
  })

  describe('making them', () => {
    interface Enqueued {
      readonly job: string
      readonly payload: Body
      readonly actor: string
    }
    const enqueued = async (reply: Reply): Promise<Enqueued> => {
      expect(reply.status, reply.text).to.equal(202)
      const id = reply.body['run_id']
      expect(reply.headers['location']).to.equal(`/api/v1/runs/${String(id)}`)
      return (await api.knex('runs').where({ id }).first()) as Enqueued
    }

    it('starts a run for the newest day with figures, all metrics, 7 days, campaigns', async () => {
      const run = await enqueued(await post({ config_id: configId }))
      expect(run).to.deep.include({ job: 'forecast.campaign', actor: 'key:trainer' })
      expect(run.payload).to.deep.include({
        configId,
        day: DAY,
        metrics: null,
        horizonDays: 7,
        entityIds: null,
      })
    })

    it('takes level, entities, day, metrics and horizon', async () => {
      for (const horizon of [1, 30]) {
        const run = await enqueued(
          await post({
            config_id: configId,
            entity_type: 'ad',
            entity_ids: ['a2'],
            date: DAY_BEFORE,
            metrics: ['cpl'],
            horizon_days: horizon,
          }),
        )
        expect(run.job).to.equal('forecast.ad')
        expect(run.payload).to.deep.include({
          day: DAY_BEFORE,
          metrics: ['cpl'],
          horizonDays: horizon,
          entityIds: ['a2'],
        })
      }
    })

    it('answers with the same run when the same is asked again', async () => {
      const asked = { config_id: configId, entity_type: 'adset', metrics: ['leads', 'spend'] }
      const [first, second] = [await post(asked), await post({ ...asked, metrics: ['spend', 'leads'] })]
      expect(second.body['run_id']).to.equal(first.body['run_id'])
    })

    it('refuses what cannot be forecast', async () => {
      for (const wrong of [
        { horizon_days: 0 },
        { horizon_days: 31 },
        { horizon_days: 1.5 },
        { horizon_days: '7' },
        { metrics: [] },
        { metrics: ['ctr'] },
        { metrics: 'spend' },
        { entity_type: 'account' },
        { entity_ids: [] },
        { entity_ids: ['a b'] },
        { entity_ids: Array.from({ length: 501 }, (_, i) => `a${i}`) },
        { date: 'yesterday' },
        { date: '2026-03-11' },
        { config_id: 0 },
      ]) {
        const reply = await post({ config_id: configId, ...wrong })
        expect([reply.status, reply.body['code']], JSON.stringify(wrong)).to.deep.equal([
          400,
          'INVALID_REQUEST',
        ])
      }
    })

    it('is closed to viewers, and to those who may not see the config', async () => {
      expect((await post({ config_id: configId }, viewer)).status).to.equal(403)
      expect((await post({ config_id: configId }, stranger)).body['code']).to.equal('CONFIG_NOT_FOUND')
      expect((await post({ config_id: 99_999_999 })).body['code']).to.equal('CONFIG_NOT_FOUND')
    })
  })
})
