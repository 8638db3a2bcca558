import { expect } from 'chai'
import { insertDays } from '../../support/accounts.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { insertAdvice, insertForecast, insertTier } from '../../support/report.ts'

const DAY = '2026-03-10'
const NOW = '2026-03-11T10:00:00.000Z'
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'

describe('GET /api/v1/reports/daily', () => {
  let api: TestApi
  let configId: number
  let empty: number
  let viewer: string
  let stranger: string
  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    configId = await api.newConfig()
    empty = await api.newConfig()
    await insertDays(api.knex, configId, [
      {
        adId: 'a1',
        adsetId: 's1',
        campaignId: 'c1',
        date: DAY,
        spend: 100,
        impressions: 1000,
        clicks: 30,
        leads: 10,
        reach: 900,
      },
    ])
    await api.knex('ads_campaigns').where({ config_id: configId }).update({ name: '<b>Summer</b> & more' })
    const campaign = { level: 'campaign', id: 'c1', day: DAY } as const
    await insertTier(api.knex, configId, { ...campaign, tier: 'LOW', previous: 'MODERATE' })
    await insertAdvice(api.knex, configId, {
      ...campaign,
      type: 'PAUSE',
      spend7d: 100,
      title: 'Pause it',
      expiresAt: '2026-03-20T00:00:00Z',
    })
    for (const metric of ['spend', 'leads'] as const)
      await insertForecast(api.knex, configId, { ...campaign, metric, predicted: 10, halfWidth: 2 })
    viewer = await api.key('viewer', 'viewer', [configId, empty])
    stranger = await api.key('stranger', 'admin', [empty])
  })
  after(() => api.close())

  const get = (query: string, headers: Readonly<Record<string, string>> = {}, key = viewer): Promise<Reply> =>
    api.ask(`/api/v1/reports/daily?${query}`, { key, headers })
  const ours = (more = '', accept?: string): Promise<Reply> =>
    get(`config_id=${configId}${more}`, accept === undefined ? {} : { Accept: accept })

  it('is JSON to those that ask for nothing else', async () => {
    for (const accept of [undefined, '*/*', 'image/png', 'application/json']) {
      const reply = await ours('', accept)
      expect(reply.status, reply.text).to.equal(200)
      expect(reply.headers['content-type']).to.match(/^application\/json/)
      expect(reply.headers['vary']).to.match(/\bAccept\b/)
      expect(reply.body).to.include({ date: DAY })
      expect(reply.body['config']).to.include({ id: configId })
      expect(Object.keys(reply.body)).to.have.members([
        'config',
        'date',
        'data_as_of',
        'notices',
        'totals',
        'history',
        'next_week',
        'tiers',
        'tier_changes',
        'tier_changes_total',
        'incidents',
        'anomalies',
        'advice',
        'campaigns',
      ])
    }
  })

  it('is text or a page when asked by name, whatever the header says', async () => {
    const text = await ours('&format=text', BROWSER)
    expect(text.headers['content-type']).to.equal('text/plain; charset=utf-8')
    expect(text.text).to.include('<b>Summer</b> & more').and.to.include('WHAT TO DO')
    const page = await ours('&format=html', 'application/json')
    expect(page.headers['content-type']).to.equal('text/html; charset=utf-8')
    expect(page.text).to.match(/^<!doctype html>/)
    expect(page.text).to.include('&lt;b&gt;Summer&lt;/b&gt; &amp; more').and.not.to.include('<b>Summer')
    expect((await ours('&format=json', BROWSER)).headers['content-type']).to.match(/^application\/json/)
  })

  it('is what the Accept header would rather have', async () => {
    const typeFor = async (accept: string): Promise<string> =>
      String((await ours('', accept)).headers['content-type']).split(';', 1)[0] ?? ''
    expect(await typeFor(BROWSER)).to.equal('text/html')
    expect(await typeFor('text/plain')).to.equal('text/plain')
    expect(await typeFor('application/json, text/plain, */*')).to.equal('application/json')
    expect(await typeFor('text/html;q=0.5, text/plain;q=0.7, application/json;q=0.6')).to.equal('text/plain')
    expect(await typeFor('Text/HTML; q=1, application/json;q=0.1')).to.equal('text/html')
    expect(await typeFor('text/html;q=0')).to.equal('application/json')
    expect(await typeFor('text/html;q=much')).to.equal('application/json')
  })

  it('refuses dates, formats and configs that are none', async () => {
    for (const query of [
      `config_id=${configId}&date=yesterday`,
      `config_id=${configId}&date=2026-02-30`,
      `config_id=${configId}&date=2026-03-11`,
      `config_id=${configId}&format=pdf`,
      'config_id=x',
      'date=2026-03-10',
    ]) {
      const reply = await get(query)
      expect(reply.status, query).to.equal(400)
      expect(reply.body, query).to.include({ code: 'INVALID_REQUEST' })
    }
  })

  it('hides configs of others as if they did not exist', async () => {
    for (const [query, key] of [
      [`config_id=${configId}`, stranger],
      ['config_id=999999', viewer],
    ] as const) {
      const reply = await get(query, { Accept: BROWSER }, key)
      expect(reply.status).to.equal(404)
      expect(reply.body).to.include({ code: 'CONFIG_NOT_FOUND' })
    }
    expect((await api.ask('/api/v1/reports/daily?config_id=1')).status).to.equal(401)
  })

  it('says that an account without figures has too little data', async () => {
    const reply = await get(`config_id=${empty}`)
    expect(reply.status).to.equal(422)
    expect(reply.body).to.include({ code: 'INSUFFICIENT_DATA' })
    expect(reply.body['detail']).to.include('vigia import')
  })
})
