import { expect } from 'chai'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Level } from '../../../shared/core/entity.ts'
import { featuresLevel } from '../../../shared/jobs/features.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { adDays, insertDays } from '../../support/accounts.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { stepOf } from '../../support/features.ts'

const NOW = '2026-03-11T07:00:00.000Z'
const DAY = '2026-03-10'
const DAY_BEFORE = toLocalDate(toDayNumber(DAY) - 1)

type Body = Readonly<Record<string, unknown>>

describe('the route of features', () => {
  let api: TestApi
  let configId: number
  let other: number
  let viewer: string
  let stranger: string

  /** What the worker of a run does. */
  const compute = async (level: Level, day: string): Promise<void> => {
    const payload = stepOf(configId, day)
    const { id } = await api.services.enqueue(featuresLevel[level], payload, { actor: 'test' })
    await api.knex('runs').where({ id }).update({ status: 'running', attempt: 1, started_at: NOW })
    await featuresLevel[level].run(
      {
        payload,
        signal: new AbortController().signal,
        fence: { runId: id, attempt: 1 },
        logger: silentLogger,
        progress: () => {},
        spawn: () => Promise.resolve([]),
      },
      api.services,
    )
  }

  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    configId = await api.newConfig()
    other = await api.newConfig()
    const parents = { adsetId: 's1', campaignId: 'c1' }
    const days = ['a1', 'a2'].flatMap((ad) => adDays(ad, 40, DAY, parents))
    // A third of an amount has no end: the wire has six decimals of it.
    await insertDays(
      api.knex,
      configId,
      days.map((row) => ({ ...row, spend: 10, leads: row.adId === 'a1' ? 3 : 0 })),
    )
    ;[viewer, stranger] = await Promise.all([
      api.key('viewer', 'viewer'),
      api.key('stranger', 'admin', [other]),
    ])
    for (const day of [DAY_BEFORE, DAY])
      for (const level of ['campaign', 'adset', 'ad'] as const) await compute(level, day)
  })
  after(() => api.close())

  const get = (query: string, key = viewer): Promise<Reply> =>
    api.ask(`/api/v1/ml/features?${query}`, { key })
  const dataOf = (reply: Reply): readonly Body[] => {
    expect(reply.status, reply.text).to.equal(200)
    return reply.body['data'] as readonly Body[]
  }
  const listed = async (query: string): Promise<readonly (readonly unknown[])[]> =>
    dataOf(await get(`config_id=${configId}&${query}`)).map((row) => [row['entity_id'], row['feature_date']])

  it('answers campaigns where no level is named, newest first', async () => {
    const reply = await get(`config_id=${configId}`)
    expect(reply.body).to.include({ page: 1, page_size: 50, total: 2, next_cursor: null })
    const [row] = dataOf(reply)
    const { features, id, created_at: createdAt, ...rest } = row ?? {}
    expect(rest).to.deep.equal({
      config_id: configId,
      entity_type: 'campaign',
      entity_id: 'c1',
      parent_id: null,
      feature_date: DAY,
      watermark: `${DAY}T22:00:00.000Z`,
      insufficient_data: false,
    })
    expect(id).to.be.a('number')
    expect(createdAt).to.be.a('string')
    expect(features).to.include({
      spend_7d: 140,
      leads_7d: 21,
      cpl_7d: 6.666667,
      spend_trend: 0,
      budget_owner: null,
      is_active: true,
      share_of_parent_spend: null,
      siblings_with_leads_7d: 0,
    })
  })

  it('answers by level, entity and days', async () => {
    expect(await listed('entity_type=ad')).to.have.deep.members([
      ['a1', DAY],
      ['a2', DAY],
      ['a1', DAY_BEFORE],
      ['a2', DAY_BEFORE],
    ])
    expect(await listed('entity_type=ad&entity_id=a1&date_from=2026-03-10')).to.deep.equal([['a1', DAY]])
    expect(await listed(`entity_type=adset&date_to=${DAY_BEFORE}`)).to.deep.equal([['s1', DAY_BEFORE]])
    expect(await listed(`entity_type=adset&date=${DAY}`)).to.deep.equal([['s1', DAY]])
    expect(await listed('date=2026-01-01')).to.deep.equal([])
    const [ad] = dataOf(await get(`config_id=${configId}&entity_type=ad&entity_id=a2&date=${DAY}`))
    expect(ad).to.include({ parent_id: 's1' })
    expect(ad?.['features']).to.include({
      share_of_parent_spend: 0.5,
      share_of_parent_leads: 0,
      siblings_cpl_7d: 3.333333,
      performance_vs_siblings: -1,
    })
  })

  it('goes through pages by cursor without gap or repetition', async () => {
    const seen: unknown[] = []
    let query = `config_id=${configId}&entity_type=ad&page_size=3`
    for (let pages = 0; pages < 2; pages++) {
      const reply = await get(query)
      seen.push(...dataOf(reply).map((row) => row['id']))
      query = `config_id=${configId}&entity_type=ad&page_size=3&cursor=${String(reply.body['next_cursor'])}`
    }
    expect(new Set(seen).size).to.equal(4)
    const foreign = Buffer.from('17').toString('base64url')
    expect((await get(`config_id=${configId}&cursor=${foreign}`)).status).to.equal(400)
  })

  it('refuses what it does not understand, and hides configs of others', async () => {
    for (const query of ['entity_type=account', 'date=yesterday', 'entity_id=a%20b', 'page_size=201'])
      expect((await get(`config_id=${configId}&${query}`)).status, query).to.equal(400)
    expect((await get('')).status).to.equal(400)
    const swapped = await get(`config_id=${configId}&date_from=${DAY}&date_to=${DAY_BEFORE}`)
    expect(swapped.status).to.equal(400)
    expect(swapped.body['detail']).to.include('swap them')
    expect((await get(`config_id=${configId}`, stranger)).status).to.equal(404)
    expect((await get('config_id=2000000000')).status).to.equal(404)
  })
})
