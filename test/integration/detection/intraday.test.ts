import { expect } from 'chai'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Level } from '../../../shared/core/entity.ts'
import type { WorkOutcome } from '../../../shared/core/work.ts'
import { DetectPayload, detectLevel } from '../../../shared/jobs/detection.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { openTestApi } from '../../support/api.ts'
import type { TestApi } from '../../support/api.ts'

/** A Wednesday; São Paulo is three hours behind UTC. */
const TODAY = '2026-03-11'
const AT_2 = '2026-03-11T05:05:00.000Z'
const AT_11 = '2026-03-11T14:05:00.000Z'
const AT_12 = '2026-03-11T15:05:00.000Z'
const NEXT_MORNING = '2026-03-12T10:00:00.000Z'

const HISTORY_DAYS = 35
const ADS = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6']
const HEADER = 'date,hour,campaign_id,adset_id,ad_id,spend,impressions,clicks,leads'
const DAILY_HEADER = HEADER.replace('hour,', '')

const FIGURES = 'adset_id, campaign_id, date, spend, impressions, clicks, leads, updated_at'
const COPIED = {
  ads_campaigns: 'campaign_id, name',
  ads_adsets: 'adset_id, campaign_id, name',
  ads_ads: 'ad_id, adset_id, campaign_id, name',
  ads_insights_daily: `ad_id, ${FIGURES}`,
  ads_insights_hourly: `hour, ad_id, ${FIGURES}`,
  ads_imports: 'sha256, date_from, date_to, report, actor, created_at',
}

interface Stored {
  readonly id: number
  readonly entity_id: string
  readonly type: string
  readonly metric: string
  readonly anomaly_date: string
  readonly partial: boolean
  readonly alerted: boolean
  readonly status: string
  readonly resolution: string | null
  readonly observed: number
  readonly expected: number
  readonly times_seen: number
  readonly last_seen: Date
}

const shiftDay = (date: string, days: number): string => toLocalDate(toDayNumber(date) + days)
/** 4 an hour, a little more by weekday and ad. */
const usual = (ad: string, date: string): number =>
  4 + 0.1 * ((toDayNumber(date) + Number(ad.slice(1)) * 3) % 7)
const place = (ad: string): string => (ad < 'a4' ? `c1,s1,${ad}` : `c2,s2,${ad}`)

type Factor = (ad: string, hour: number) => number

const hoursOf = (date: string, until: number, factor: Factor = () => 1): string[] =>
  ADS.flatMap((ad) =>
    Array.from({ length: until }, (_, hour) => {
      const spend = usual(ad, date) * factor(ad, hour)
      return spend === 0 ? [] : [`${date},${hour},${place(ad)},${spend.toFixed(2)},100,3,0`]
    }).flat(),
  )
const dayOf = (date: string, factor: (ad: string) => number = () => 1): string[] =>
  ADS.flatMap((ad) => {
    const spend = 24 * usual(ad, date) * factor(ad)
    return spend === 0 ? [] : [`${date},${place(ad)},${spend.toFixed(2)},2400,72,0`]
  })

describe('today so far', () => {
  let api: TestApi
  let key: string
  let now = new Date(AT_11)
  let configId: number
  let runs = 0
  let example: number
  before(async () => {
    api = await openTestApi({ clock: { now: () => now } })
    key = await api.key('admin', 'admin')
    now = new Date(AT_2)
    example = configId = await api.newConfig()
    await importCsv(
      HEADER,
      history.flatMap((date) => hoursOf(date, 24)),
    )
    await importCsv(
      DAILY_HEADER,
      history.flatMap((date) => dayOf(date)),
    )
  })
  after(() => api.close())

  const importCsv = async (header: string, rows: readonly string[]): Promise<void> => {
    const reply = await api.ask(`/api/v1/imports?config_id=${configId}`, {
      method: 'POST',
      key,
      headers: { 'Content-Type': 'text/csv' },
      body: [header, ...rows].join('\n'),
    })
    expect(reply.status, reply.text).to.equal(201)
    expect(reply.body).to.include({ rows_rejected: 0 })
  }
  const importHours = (until: number, factor?: Factor): Promise<void> =>
    importCsv(HEADER, hoursOf(TODAY, until, factor))
  const history = Array.from({ length: HISTORY_DAYS }, (_, i) => shiftDay(TODAY, i - HISTORY_DAYS))

  /** A config like the example. */
  beforeEach(async () => {
    now = new Date(AT_11)
    configId = await api.newConfig()
    for (const [table, columns] of Object.entries(COPIED))
      await api.knex.raw(
        `insert into ${table} (config_id, ${columns}) select ?, ${columns} from ${table} where config_id = ?`,
        [configId, example],
      )
  })

  /** A run as a worker does it. */
  const detect = async (
    level: Level = 'ad',
    asked: Partial<DetectPayload> = {},
  ): Promise<WorkOutcome & { readonly partial: Readonly<Record<string, unknown>> }> => {
    const payload = DetectPayload.parse({ configId, asOf: now.toISOString(), ...asked })
    runs += 1
    const { id } = await api.services.enqueue(detectLevel[level], payload, { actor: `test ${runs}` })
    await api.knex('runs').where({ id }).update({ status: 'running', attempt: 1 })
    const context = {
      payload,
      signal: new AbortController().signal,
      fence: { runId: id, attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    }
    const outcome = await detectLevel[level].run(
      context as unknown as Parameters<(typeof detectLevel)['ad']['run']>[0],
      api.services,
    )
    await api
      .knex('runs')
      .where({ id })
      .update({ status: outcome.status, result: JSON.stringify(outcome.result) })
    return { ...outcome, partial: outcome.result?.['partial'] as Readonly<Record<string, unknown>> }
  }
  const found = (where: Record<string, unknown> = {}): Promise<Stored[]> =>
    api
      .knex('ml_anomalies')
      .where({ config_id: configId, anomaly_date: TODAY, ...where })
      .orderBy(['entity_id', 'type'])

  const tenfold: Factor = (ad) => (ad === 'a1' ? 10 : 1)

  it('is compared with the same hours of the days before', async () => {
    await importHours(11)
    expect((await detect()).partial).to.include({ day: TODAY, hours: 11, findings: 0 })
    expect(await found()).to.deep.equal([])
  })

  it('tells of a spike in the morning, marked as partial and waking nobody, at every level', async () => {
    await importHours(11, tenfold)
    for (const level of ['ad', 'adset', 'campaign'] as const)
      expect((await detect(level)).partial).to.include({ hours: 11, findings: 1, created: 1 })
    const rows = await found()
    expect(rows.map((row) => [row.entity_id, row.type, row.partial, row.alerted, row.status])).to.deep.equal(
      ['a1', 'c1', 's1'].map((id) => [id, 'spend_spike', true, false, 'open']),
    )
    expect(rows[0]?.observed).to.be.closeTo(110 * usual('a1', TODAY), 1e-6)
    expect(rows[0]?.expected).to.be.within(40, 60)
    const reply = await api.ask(
      `/api/v1/ml/anomalies?config_id=${configId}&entity_type=ad&date_from=${TODAY}&date_to=${TODAY}`,
      { key },
    )
    expect((reply.body['data'] as Record<string, unknown>[])[0]).to.include({ partial: true, alerted: false })
  })

  it('changes nothing when it is asked again, and takes back what the next hours no longer show', async () => {
    await importHours(11, tenfold)
    await detect()
    const [before] = await found()
    expect((await detect()).partial).to.include({ findings: 1, created: 0, restated: 0 })
    const [again] = await found()
    expect({ ...again, times_seen: 1, last_seen: null, run_id: null }).to.deep.equal({
      ...before,
      last_seen: null,
      run_id: null,
    })

    now = new Date(AT_12)
    await importHours(12)
    expect((await detect()).partial).to.include({ hours: 12, findings: 0, restated: 1 })
    expect((await found())[0]).to.include({ status: 'resolved', resolution: 'restated', partial: true })
    expect((await detect()).partial).to.include({ findings: 0, restated: 0 })
  })

  it('is replaced by the final verdict that confirms it', async () => {
    await importHours(11, tenfold)
    await detect()
    now = new Date(NEXT_MORNING)
    await importCsv(
      DAILY_HEADER,
      dayOf(TODAY, (ad) => (ad === 'a1' ? 10 : 1)),
    )
    await detect()
    const spikes = (await found()).filter(({ type }) => type === 'spend_spike')
    expect(spikes).to.have.length(1)
    expect(spikes[0]).to.include({ partial: false, alerted: true, status: 'open', resolution: null })
    expect(spikes[0]?.observed).to.be.closeTo(240 * usual('a1', TODAY), 1e-6)
  })

  it('is taken back by the final verdict that does not, and never comes again for that day', async () => {
    await importHours(11, tenfold)
    await detect()
    const [partial] = await found()
    await api.ask(`/api/v1/ml/anomalies/${partial?.id}/acknowledge`, { method: 'POST', key, body: {} })
    now = new Date(NEXT_MORNING)
    await importCsv(DAILY_HEADER, dayOf(TODAY))
    await detect()
    const [after] = await found()
    expect(after).to.include({ partial: true, status: 'resolved', resolution: 'restated' })
    // A run of yesterday morning that comes through only now.
    expect((await detect('ad', { asOf: AT_11 })).partial).to.include({ findings: 1, created: 0, restated: 0 })
    expect(await found()).to.deep.equal([after])
  })

  it('tells of an ad that stopped, but not of one that was paused', async () => {
    await api.knex('ads_entity_status').insert([
      {
        config_id: configId,
        entity_type: 'ad',
        entity_id: 'a2',
        status: 'ACTIVE',
        from_at: '2026-01-01T00:00:00Z',
        to_at: '2026-03-11T04:00:00Z',
      },
      {
        config_id: configId,
        entity_type: 'ad',
        entity_id: 'a2',
        status: 'PAUSED',
        from_at: '2026-03-11T04:00:00Z',
        to_at: null,
      },
    ])
    await importHours(11, (ad, hour) => (ad === 'a1' || (ad === 'a2' && hour > 0) ? 0 : 1))
    await detect()
    expect((await found()).map((row) => [row.entity_id, row.type, row.observed])).to.deep.equal([
      ['a1', 'zero_spend', 0],
    ])
  })

  it('judges those asked for only, and nothing when a day of the past is asked for', async () => {
    await importHours(11, (ad) => (ad === 'a1' || ad === 'a4' ? 10 : 1))
    expect((await detect('ad', { entityIds: ['a4'] })).partial).to.include({ findings: 1 })
    expect((await found()).map((row) => row.entity_id)).to.deep.equal(['a4'])
    expect((await detect('ad', { day: shiftDay(TODAY, -2) })).partial).to.include({ hours: 0, findings: 0 })
    expect((await detect('ad', { day: shiftDay(TODAY, -1) })).partial).to.include({ hours: 11, findings: 2 })
  })

  it('says nothing before six hours are complete', async () => {
    now = new Date('2026-03-11T08:59:00.000Z')
    await importHours(6, tenfold)
    expect((await detect()).partial).to.include({ hours: 0, findings: 0 })
    now = new Date('2026-03-11T09:01:00.000Z')
    // The rows are from before the hour was over.
    expect((await detect()).partial).to.include({ hours: 0 })
    await importHours(6, (ad, hour) => tenfold(ad, hour) * (hour === 5 ? 1.1 : 1))
    expect((await detect()).partial).to.include({ hours: 6, findings: 1 })
  })

  it('leaves out days whose hours do not reach as far', async () => {
    await importHours(11, tenfold)
    expect((await detect()).partial).to.include({ hours: 11, findings: 1 })
    // Of all but six days only two hours are known, as they were while those days still ran.
    const earlier = (): ReturnType<typeof api.knex> =>
      api.knex('ads_insights_hourly').where({ config_id: configId }).where('date', '<', shiftDay(TODAY, -6))
    await earlier().where('hour', '>=', 2).del()
    await earlier().update({ updated_at: api.knex.raw(`date + interval '5 hours 30 minutes'`) })
    expect((await detect()).partial).to.include({ hours: 11, findings: 0 })
  })

  it('takes no example from days people called odd', async () => {
    const odd = shiftDay(TODAY, -1)
    await api.knex('ads_insights_hourly').where({ config_id: configId, ad_id: 'a1', date: odd }).update({
      spend: 0,
    })
    await importHours(11, (ad) => (ad === 'a1' ? 0 : 1))
    await api.knex('ads_insights_hourly').where({ config_id: configId, ad_id: 'a1', date: TODAY }).del()
    await detect()
    // It stood still a day ago already; of the seven days before six at least have to have spent.
    const [before] = await found()
    expect(before).to.include({ type: 'zero_spend' })
    const expected = before?.expected as number
    const [anomaly] = (await api
      .knex('ml_anomalies')
      .insert({
        config_id: configId,
        entity_type: 'ad',
        entity_id: 'a1',
        type: 'zero_spend',
        metric: 'spend',
        anomaly_date: odd,
        severity: 'HIGH',
        signals: '[]',
        model_source: 'baseline',
        score: 0.75,
        direction: 'down',
        polarity: 'bad',
        status: 'open',
        first_seen: AT_2,
        last_seen: AT_2,
      })
      .returning('id')) as { id: number }[]
    await api.ask(`/api/v1/ml/anomalies/${anomaly?.id}/feedback`, {
      method: 'POST',
      key,
      body: { verdict: 'true_positive' },
    })
    await detect()
    expect((await found())[0]?.expected).to.be.closeTo((expected * 7) / 6, 1e-6)
  })

  it('compares no hour that was lost today, and no day that lost one of the hours', async () => {
    const lost = (hours: readonly number[], date: string): Promise<number> =>
      api
        .knex('ads_insights_hourly')
        .where({ config_id: configId, date })
        .whereIn('hour', [...hours])
        .del()
    await importHours(11)
    await lost([4, 5, 6, 7], TODAY)
    for (let back = 1; back <= 2; back++) await lost([0, 1, 2, 9], shiftDay(TODAY, -back))
    expect((await detect()).partial).to.deep.include({ hours: 7, missing_hours: [4, 5, 6, 7], findings: 0 })
    await importHours(11, tenfold)
    expect((await detect()).partial).to.deep.include({ hours: 11, missing_hours: [], findings: 1 })
    expect((await found())[0]?.expected).to.be.within(40, 60)
    // Five hours are left.
    await lost([1, 2, 4, 5, 6, 7], TODAY)
    expect((await detect()).partial).to.deep.include({ hours: 0, missing_hours: [], findings: 0 })
  })

  it('reads nothing of a config without hourly rows', async () => {
    await api.knex('ads_insights_hourly').where({ config_id: configId }).del()
    const { status, partial } = await detect()
    expect(status).to.equal('succeeded')
    expect(partial).to.include({ day: TODAY, hours: 0, findings: 0 })
    expect(await found()).to.deep.equal([])
  })

  it('is told while the figures of yesterday are not in, and does not stand for them', async () => {
    await importHours(11, tenfold)
    now = new Date(NEXT_MORNING)
    const { status, partial } = await detect('ad', { day: TODAY })
    expect([status, partial['hours']]).to.deep.equal(['skipped', 0])
    now = new Date(AT_11)
    await api
      .knex('ads_insights_daily')
      .where({ config_id: configId, date: shiftDay(TODAY, -1) })
      .del()
    await api.knex('ads_imports').where({ config_id: configId }).del()
    const today = await detect('ad', { day: shiftDay(TODAY, -1) })
    expect([today.status, today.partial['findings']]).to.deep.equal(['skipped', 1])
  })
})
