/** Tiers, advice and the report over HTTP. The work itself is done here, as a worker would. */
import { expect } from 'chai'
import { classifyLevel } from '../../../shared/jobs/classification.ts'
import { featuresLevel } from '../../../shared/jobs/features.ts'
import { recommendLevel } from '../../../shared/jobs/recommendation.ts'
import type { Job } from '../../../shared/jobs/define-job.ts'
import type { StepPayload } from '../../../shared/jobs/step.ts'
import type { Level } from '../../../shared/core/entity.ts'
import type { WorkContext, WorkOutcome } from '../../../shared/core/work.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { adDays, insertDays } from '../../support/accounts.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'

/** Four in the morning in São Paulo: the 10th is complete. */
const NOW = '2026-03-11T07:00:00.000Z'
const DAY = '2026-03-10'
const ML = '/api/v1/ml'

type Body = Readonly<Record<string, unknown>>

describe('routes of tiers, advice and the report', () => {
  let api: TestApi
  let configId: number
  let viewer: string
  let trainer: string
  let stranger: string
  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    configId = await api.newConfig()
    const other = await api.newConfig()
    // One campaign pays 8 a lead, the other 60.
    const rows = (
      [
        ['good', 'camp-1', 40, 5],
        ['bad', 'camp-2', 60, 1],
      ] as const
    ).flatMap(([ad, campaignId, spend, leads]) =>
      adDays(ad, 30, DAY, { adsetId: `set-${ad}`, campaignId }).map((row) => ({
        ...row,
        spend,
        leads,
        impressions: 2000,
        clicks: 40,
        reach: 1500,
      })),
    )
    await insertDays(api.knex, configId, rows)
    await api
      .knex('ads_campaigns')
      .where({ config_id: configId, campaign_id: 'camp-2' })
      .update({ name: 'Old <b>friend</b>' })
    ;[viewer, trainer, stranger] = await Promise.all([
      api.key('viewer', 'viewer'),
      api.key('trainer', 'trainer'),
      api.key('stranger', 'admin', [other]),
    ])
    const { services } = api
    await work(featuresLevel, 'campaign', (payload, context) =>
      services.features.computeLevel('campaign', payload, context),
    )
    await work(classifyLevel, 'campaign', (payload, context) =>
      services.classification.classifyLevel('campaign', payload, context),
    )
    await work(recommendLevel, 'campaign', (payload, context) =>
      services.recommendation.recommendLevel('campaign', payload, context),
    )
  })
  after(() => api.close())

  /** What the worker of a run does. */
  const work = async (
    jobs: Readonly<Record<Level, Job<StepPayload>>>,
    level: Level,
    doIt: (payload: StepPayload, context: WorkContext) => Promise<WorkOutcome>,
  ): Promise<void> => {
    const payload: StepPayload = {
      configId,
      asOf: NOW,
      day: DAY,
      watermark: NOW,
      entityIds: null,
      force: true,
    }
    const { id } = await api.services.enqueue(jobs[level], payload, { actor: 'test' })
    await api.knex('runs').where({ id }).update({ status: 'running', attempt: 1, started_at: NOW })
    const outcome = await doIt(payload, {
      signal: new AbortController().signal,
      fence: { runId: id, attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    })
    await api.knex('runs').where({ id }).update({ status: outcome.status })
  }
  const get = (path: string, key = viewer): Promise<Reply> => api.ask(path, { key })
  const post = (path: string, body: unknown, key = trainer): Promise<Reply> =>
    api.ask(path, { method: 'POST', body, key })
  const dataOf = (reply: Reply): readonly Body[] => reply.body['data'] as readonly Body[]
  const rowOf = async (list: string, entityId: string): Promise<Body> => {
    const rows = dataOf(await get(`${ML}/${list}?config_id=${configId}&entity_id=${entityId}`))
    return rows[0] as Body
  }

  it('list the tiers of campaigns where no level is named, with what they stand on', async () => {
    const reply = await get(`${ML}/classifications?config_id=${configId}`)
    expect(reply.status).to.equal(200)
    expect(reply.body).to.include({ page: 1, total: 2 })
    const bad = await rowOf('classifications', 'camp-2')
    expect(bad).to.deep.include({
      entity_type: 'campaign',
      entity_name: 'Old <b>friend</b>',
      tier: 'UNDERPERFORMER',
      confidence: 0.7,
      previous_tier: null,
      direction: 'stable',
      tier_since: DAY,
      days_in_tier: 1,
      classification_date: DAY,
      model_version: 'rules@1',
    })
    expect(bad['metrics_snapshot']).to.include({ cpl_7d: 60, leads_7d: 7, avg_cpl: 16.666667 })
    for (const [query, total] of [
      ['&tier=UNDERPERFORMER', 1],
      ['&min_confidence=0.71', 1],
      ['&min_confidence=0.9', 0],
      ['&entity_type=ad', 0],
      [`&date=${DAY}`, 2],
      ['&date=2026-03-09', 0],
      [`&date_from=${DAY}&date_to=${DAY}`, 2],
    ] as const) {
      const found = await get(`${ML}/classifications?config_id=${configId}${query}`)
      expect(found.body['total'], query).to.equal(total)
    }
    const first = await get(`${ML}/classifications?config_id=${configId}&page_size=1`)
    const next = await get(
      `${ML}/classifications?config_id=${configId}&page_size=1&cursor=${String(first.body['next_cursor'])}`,
    )
    expect(dataOf(first)[0]?.['id']).not.to.equal(dataOf(next)[0]?.['id'])
  })

  it('take what people say about a tier', async () => {
    const { id } = await rowOf('classifications', 'camp-2')
    const path = `${ML}/classifications/${String(id)}/feedback`
    const reply = await post(path, { correct_tier: 'LOW', reason: 'new product' })
    expect(reply.status).to.equal(201)
    expect(reply.body).to.deep.include({
      classification_id: id,
      original_tier: 'UNDERPERFORMER',
      correct_tier: 'LOW',
      reason: 'new product',
    })
    expect((await post(path, { correct_tier: 'LOW' }, viewer)).status).to.equal(403)
    expect((await post(path, { correct_tier: 'LOW' }, stranger)).status).to.equal(404)
    expect((await post(path, { correct_tier: 'GREAT' })).status).to.equal(400)
    expect((await post(`${ML}/classifications/999999/feedback`, { correct_tier: 'LOW' })).status).to.equal(
      404,
    )
  })

  it('list advice with its reasons, the active where no status is named', async () => {
    const good = await rowOf('recommendations', 'camp-1')
    expect(good).to.include({ type: 'SCALE_UP', status: 'active', priority: 9 })
    expect((good['reasoning'] as Body)['sentence']).to.match(
      /^35 leads in 7 days at BRL 8\.00 each, 52% below/,
    )
    for (const [query, total] of [
      ['', 2],
      ['&type=SCALE_UP', 1],
      ['&priority_min=9', 1],
      ['&status=dismissed', 0],
      ['&entity_type=adset', 0],
      [`&date_from=${DAY}&date_to=${DAY}`, 2],
      ['&date_from=2026-03-11', 0],
      ['&date_to=2026-03-09', 0],
    ] as const) {
      const found = await get(`${ML}/recommendations?config_id=${configId}${query}`)
      expect(found.body['total'], query).to.equal(total)
    }
    for (const query of [
      'status=open',
      'type=EAT',
      'priority_min=0',
      'priority_min=11',
      'entity_id=a%20b',
      'date_from=2026-03-10&date_to=2026-03-09',
      'date_from=2026-02-30',
      'cursor=bm90LW91cnM',
    ]) {
      const refused = await get(`${ML}/recommendations?config_id=${configId}&${query}`)
      expect(refused.status, query).to.equal(400)
    }
    expect((await get(`${ML}/recommendations`)).status).to.equal(400)
    expect((await get(`${ML}/recommendations?config_id=${configId}`, stranger)).status).to.equal(404)
  })

  it('let advice be applied or dismissed once, and by those who may', async () => {
    const { id } = await rowOf('recommendations', 'camp-2')
    const path = `${ML}/recommendations/${String(id)}`
    expect((await post(`${path}/apply`, {}, viewer)).status).to.equal(403)
    expect((await post(`${path}/apply`, {}, stranger)).status).to.equal(404)
    expect((await post(`${path}/dismiss`, { reason: 'x'.repeat(501) })).status).to.equal(400)
    const reply = await post(`${path}/dismiss`, { reason: 'not now' })
    expect(reply.status).to.equal(200)
    expect(reply.body).to.deep.include({ status: 'dismissed', reason: 'not now', actor: 'key:trainer' })
    expect((await post(`${path}/apply`, {})).status).to.equal(409)
    expect((await post(`${ML}/recommendations/999999/apply`, {})).status).to.equal(404)
    const audit = await api.knex('audit_log').where({ target: `recommendation/${String(id)}` })
    expect(audit).to.have.length(1)
  })

  for (const path of ['classifications/classify', 'recommendations/generate', 'forecasts/generate']) {
    it(`${path} starts a run, once for the same data`, async () => {
      const body = { config_id: configId, entity_type: 'adset' }
      const reply = await post(`${ML}/${path}`, body)
      expect(reply.status).to.equal(202)
      expect(reply.headers['location']).to.equal(`/api/v1/runs/${String(reply.body['run_id'])}`)
      expect((await post(`${ML}/${path}`, body)).body['run_id']).to.equal(reply.body['run_id'])
      expect((await post(`${ML}/${path}`, body, viewer)).status).to.equal(403)
      expect((await post(`${ML}/${path}`, body, stranger)).status).to.equal(404)
      for (const bad of [
        { date: '2026-03-11' },
        { date: '2026-02-30' },
        { entity_type: 'account' },
        { entity_ids: [] },
        { entity_ids: ['../x'] },
        { config_id: 'x' },
      ])
        expect((await post(`${ML}/${path}`, { ...body, ...bad })).status, JSON.stringify(bad)).to.equal(400)
      expect((await post(`${ML}/${path}`, { ...body, config_id: 99_999 })).status).to.equal(404)
    })
  }

  it('give the report as JSON, as text and as a page', async () => {
    const path = `/api/v1/reports/daily?config_id=${configId}`
    const json = await get(path)
    expect(json.status).to.equal(200)
    expect(json.body['date']).to.equal(DAY)
    expect((json.body['totals'] as Body)['week']).to.deep.equal({ spend: 700, leads: 42, cpl: 16.666667 })
    expect(json.body['advice']).to.deep.include({ active: 1 })
    const missing = (json.body['notices'] as Body[]).map((notice) => notice['part'])
    expect(missing).to.deep.equal(['anomalies', 'next_week'])

    const raw = async (query: string, accept = '*/*') => {
      const reply = await fetch(`${api.url}${path}${query}`, {
        headers: { 'x-api-key': viewer, accept },
      })
      return { type: reply.headers.get('content-type'), text: await reply.text(), status: reply.status }
    }
    const text = await raw('&format=text')
    expect(text.type).to.equal('text/plain; charset=utf-8')
    expect(text.text.replace(/\s+/g, ' ')).to.match(
      / 7 days .*BRL 700\.00 brought 42 leads at BRL 16\.67 each/,
    )
    const page = await raw('', 'text/html,application/xhtml+xml,*/*;q=0.8')
    expect(page.type).to.equal('text/html; charset=utf-8')
    expect(page.text).to.contain('<h2 id="do">What to do</h2>').and.not.to.contain('<b>friend</b>')
    expect((await raw('&format=pdf')).status).to.equal(400)
    expect((await raw('&date=2026-03-11')).status).to.equal(400)
    expect((await get(path, stranger)).status).to.equal(404)
    const empty = await api.newConfig()
    expect((await get(`/api/v1/reports/daily?config_id=${empty}`)).status).to.equal(422)
  })
})
