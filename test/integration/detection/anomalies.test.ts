import { expect } from 'chai'
import { anomalyStore } from '../../../db/repositories/anomalies.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { createAnomalies } from '../../../shared/detection/anomalies.ts'
import type { AnomaliesService, AnomalyFilter } from '../../../shared/detection/anomalies.ts'
import { toPageRequest } from '../../../shared/core/page.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'

const SEEN = new Date('2026-03-11T15:00:00.000Z')
const ALL = { page: 1, pageSize: 50, afterId: null }

describe('anomalies', () => {
  let database: TestDatabase
  let service: AnomaliesService
  let configId: number
  before(async () => {
    database = await openTestDatabase()
    service = createAnomalies(anomalyStore(database.knex))
  })
  after(() => database.close())
  beforeEach(async () => {
    configId = await newConfig(database.knex)
  })

  const add = async (row: Record<string, unknown> = {}): Promise<number> => {
    const [inserted] = (await database
      .knex('ml_anomalies')
      .insert({
        config_id: configId,
        entity_type: 'ad',
        entity_id: 'a1',
        type: 'spend_spike',
        metric: 'spend',
        anomaly_date: '2026-03-10',
        severity: 'HIGH',
        signals: '[]',
        model_source: 'baseline',
        score: 0.9,
        direction: 'up',
        polarity: 'bad',
        first_seen: SEEN,
        last_seen: SEEN,
        ...row,
      })
      .returning('id')) as { id: number }[]
    if (!inserted) throw new Error('nothing inserted')
    return inserted.id
  }
  const filter = (more: Partial<AnomalyFilter> = {}): AnomalyFilter => ({
    configId,
    dateFrom: '2026-03-01',
    dateTo: '2026-03-31',
    ...more,
  })
  const idsOf = async (more: Partial<AnomalyFilter>): Promise<readonly number[]> =>
    (await service.list(filter(more), ALL)).data.map((row) => row.id)

  it('are listed by every filter', async () => {
    const usual = await add()
    const odd = {
      entityType: 'campaign',
      entityId: 'c1',
      severity: 'LOW',
      type: 'leads_spike',
      status: 'acknowledged',
      polarity: 'good',
      alerted: false,
    } as const
    const other = await add({
      entity_type: 'campaign',
      entity_id: 'c1',
      severity: 'LOW',
      type: 'leads_spike',
      metric: 'leads',
      status: 'acknowledged',
      polarity: 'good',
      alerted: false,
    })
    expect(await idsOf({})).to.deep.equal([other, usual])
    for (const [name, value] of Object.entries(odd))
      expect(await idsOf({ [name]: value }), name).to.deep.equal([other])
    expect(await idsOf({ alerted: true })).to.deep.equal([usual])
    expect(await service.summary(filter({ status: 'open' }))).to.include({ total: 1, critical_count: 0 })
  })

  it('of the first and last day belong to the list, those beside them do not', async () => {
    const dates = ['2026-03-02', '2026-03-03', '2026-03-05', '2026-03-06']
    const ids: number[] = []
    for (const date of dates) ids.push(await add({ anomaly_date: date }))
    expect(await idsOf({ dateFrom: '2026-03-03', dateTo: '2026-03-05' })).to.deep.equal([ids[2], ids[1]])
  })

  it('are paged newest first, by number and by cursor, without gap or repetition', async () => {
    for (let i = 0; i < 7; i += 1) await add({ anomaly_date: `2026-03-1${i % 3}`, entity_id: `a${i}` })
    const whole = await idsOf({})
    const byNumber: number[] = []
    const byCursor: number[] = []
    for (let page = 1; page <= 4; page += 1)
      byNumber.push(
        ...(await service.list(filter(), { page, pageSize: 2, afterId: null })).data.map((row) => row.id),
      )
    let cursor: string | null = null
    do {
      const request = toPageRequest({ page: 1, page_size: 2, ...(cursor === null ? {} : { cursor }) })
      const page = await service.list(filter(), request)
      expect(page.total).to.equal(7)
      byCursor.push(...page.data.map((row) => row.id))
      cursor = page.next_cursor
    } while (cursor !== null)
    expect(byNumber).to.deep.equal(whole)
    expect(byCursor).to.deep.equal(whole)
    const rows = (await service.list(filter(), ALL)).data
    expect(rows.map((row) => row.anomaly_date)).to.deep.equal(
      rows
        .map((row) => row.anomaly_date)
        .toSorted()
        .toReversed(),
    )
  })

  it('are not paged by a cursor of another list', async () => {
    const request = toPageRequest({ page: 1, page_size: 2, cursor: Buffer.from('77').toString('base64url') })
    const error = await rejectionOf(service.list(filter(), request))
    expect(error).to.be.instanceOf(AppError).with.property('code', 'INVALID_REQUEST')
  })

  it('carry the names of the entity and its campaign', async () => {
    await insertDays(
      database.knex,
      configId,
      adDays('a1', 1, '2026-03-10', { adsetId: 's1', campaignId: 'c1' }),
    )
    await database.knex('ads_ads').where({ config_id: configId }).update({ name: 'Video 1' })
    await database.knex('ads_adsets').where({ config_id: configId }).update({ name: 'Women 25-34' })
    await database.knex('ads_campaigns').where({ config_id: configId }).update({ name: 'Launch' })
    await add()
    await add({ entity_type: 'adset', entity_id: 's1' })
    await add({ entity_type: 'campaign', entity_id: 'c1' })
    await add({ entity_id: 'gone' })
    const { data } = await service.list(filter(), ALL)
    expect(
      data.map((row) => [row.entity_id, row.entity_name, row.campaign_id, row.campaign_name]),
    ).to.deep.equal([
      ['gone', null, null, null],
      ['c1', 'Launch', 'c1', 'Launch'],
      ['s1', 'Women 25-34', 'c1', 'Launch'],
      ['a1', 'Video 1', 'c1', 'Launch'],
    ])
  })

  it('are counted over all rows of the filter', async () => {
    await add({ severity: 'CRITICAL' })
    await add({
      entity_id: 'a2',
      status: 'resolved',
      resolution: 'manual',
      last_seen: '2026-03-12T01:00:00Z',
    })
    await add({ entity_id: 'a3', type: 'zero_spend' })
    expect(await service.summary(filter())).to.deep.equal({
      total: 3,
      by_severity: { CRITICAL: 1, HIGH: 2 },
      by_type: { spend_spike: 2, zero_spend: 1 },
      by_status: { open: 2, resolved: 1 },
      critical_count: 1,
      last_detected_at: '2026-03-12T01:00:00.000Z',
    })
    expect(await service.summary(filter({ entityId: 'nobody' }))).to.deep.equal({
      total: 0,
      by_severity: {},
      by_type: {},
      by_status: {},
      critical_count: 0,
      last_detected_at: null,
    })
  })

  const verdict = (actor: string, notes: string | null = null) => ({ actor, notes, at: SEEN })

  it('are acknowledged once; who comes second changes nothing', async () => {
    const id = await add()
    const first = await service.acknowledge(id, verdict('ana', 'on it'))
    expect(first).to.include({
      status: 'acknowledged',
      actor: 'ana',
      notes: 'on it',
      acted_at: SEEN.toISOString(),
    })
    expect(await service.acknowledge(id, verdict('bia', 'me too'))).to.deep.equal(first)
  })

  it('are resolved from open and acknowledged, and keep notes that are not replaced', async () => {
    const open = await add()
    const seen = await add({ entity_id: 'a2' })
    await service.acknowledge(seen, verdict('ana', 'looking'))
    expect(await service.resolve(open, verdict('ana'))).to.include({
      status: 'resolved',
      resolution: 'manual',
    })
    const resolved = await service.resolve(seen, verdict('bia'))
    expect(resolved).to.include({ status: 'resolved', actor: 'bia', notes: 'looking' })
    expect(await service.resolve(seen, verdict('carl', 'again'))).to.deep.equal(resolved)
  })

  it('cannot be acknowledged once resolved', async () => {
    const id = await add()
    await service.resolve(id, verdict('ana'))
    const error = await rejectionOf(service.acknowledge(id, verdict('bia')))
    expect(error).to.be.instanceOf(AppError).with.property('code', 'CONFLICT')
    expect((await service.get(id)).status).to.equal('resolved')
  })

  it('that are unknown are not found', async () => {
    for (const ask of [
      service.get(999_999),
      service.resolve(999_999, verdict('ana')),
      service.acknowledge(999_999, verdict('ana')),
    ])
      expect(await rejectionOf(ask))
        .to.be.instanceOf(AppError)
        .with.property('code', 'NOT_FOUND')
  })
})
