import { expect } from 'chai'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { newRunId } from '../../../shared/runs/run-id.ts'
import { toTrainPayload } from '../../../shared/training/train-request.ts'
import { adDays, insertDays } from '../../support/accounts.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'

const PARENTS = { adsetId: 's1', campaignId: 'c1' }
const MODELS = '/api/v1/ml/models'

describe('routes of models', () => {
  let api: TestApi
  let configId: number
  let viewer: string
  let trainer: string
  let admin: string
  let stranger: string
  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date('2026-03-11T12:00:00Z') } })
    configId = await api.newConfig()
    const other = await api.newConfig()
    for (const ad of ['a1', 'a2']) await insertDays(api.knex, configId, adDays(ad, 91, '2026-03-10', PARENTS))
    ;[viewer, trainer, admin, stranger] = await Promise.all([
      api.key('viewer', 'viewer'),
      api.key('trainer', 'trainer'),
      api.key('admin', 'admin'),
      api.key('stranger', 'admin', [other]),
    ])
    await trainNow('2026-03-09')
    await trainNow('2026-03-10')
  })
  after(() => api.close())

  /** What the worker of a run does. */
  const trainNow = async (day: string): Promise<void> => {
    const payload = await toTrainPayload({ configId, entityType: null, entityIds: null, day }, api.services)
    const runId = newRunId(new Date())
    await api.knex('runs').insert({
      id: runId,
      job: 'train.config',
      key: `test ${day}`,
      queue: 'training',
      payload: JSON.stringify(payload),
      status: 'running',
      attempt: 1,
      actor: 'test',
    })
    const { signal } = new AbortController()
    await api.services.training.trainConfig(payload, {
      signal,
      fence: { runId, attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    })
  }
  const get = (path: string, key = viewer): Promise<Reply> => api.ask(`${MODELS}${path}`, { key })
  const post = (path: string, body: unknown, key: string): Promise<Reply> =>
    api.ask(`${MODELS}${path}`, { method: 'POST', body, key })
  const dataOf = (reply: Reply) => reply.body['data'] as Record<string, unknown>[]

  it('lists versions newest first, in pages', async () => {
    const all = await get(`?config_id=${configId}`)
    expect(all.status).to.equal(200)
    // Four of entities, and of each level those of its ancestors: 3, 2 and 1.
    const models = 4 + 6
    expect(all.body).to.include({ total: 2 * models, page: 1, page_size: 50, next_cursor: null })
    expect(dataOf(all).map((row) => row['version'])).to.deep.equal(
      [2, 1].flatMap((version) => Array.from({ length: models }, () => version)),
    )
    const first = await get(`?config_id=${configId}&page_size=3`)
    const next = await get(`?config_id=${configId}&page_size=3&cursor=${String(first.body['next_cursor'])}`)
    expect(dataOf(next)).to.deep.equal(dataOf(all).slice(3, 6))
  })

  it('narrows by level, entity, family and alias', async () => {
    const total = async (query: string): Promise<unknown> =>
      (await get(`?config_id=${configId}&${query}`)).body['total']
    expect(await total('entity_type=ad')).to.equal(2 * (2 + 3))
    expect(await total('entity_type=ad&entity_id=a1&alias=stable')).to.equal(1)
    expect(await total('family=anomaly_detector&alias=previous')).to.equal(4 + 6)
    expect(await total('family=classifier')).to.equal(0)
  })

  it('shows of a pooled model whose entities it is of', async () => {
    const row = dataOf(await get(`?config_id=${configId}&alias=stable`)).find(
      ({ model }) => model === `anomaly_detector/config_${configId}/pooled_ad_campaign_c1`,
    )
    expect(row).to.deep.include({ entity_type: 'ad', entity_id: null, samples: 180 })
    expect(row?.['params']).to.deep.include({ ancestor_type: 'campaign', ancestor_id: 'c1' })
  })

  it('shows a version with its metrics and its siblings', async () => {
    const [row] = dataOf(await get(`?config_id=${configId}&entity_type=ad&entity_id=a1`))
    const reply = await get(`/${String(row?.['id'])}`)
    expect(reply.status).to.equal(200)
    expect(reply.body).to.deep.include({
      model: `anomaly_detector/config_${configId}/ad_a1`,
      version: 2,
      entity_type: 'ad',
      entity_id: 'a1',
      state: 'ready',
      aliases: ['stable'],
      samples: 90,
      features: ['spend', 'cpl', 'ctr', 'frequency', 'leads'],
      train_start: '2025-12-10',
      train_end: '2026-03-09',
    })
    expect(reply.body['metrics']).to.have.keys([
      'threshold',
      'oof_median',
      'oof_p90',
      'oof_share_above_threshold',
    ])
    expect(reply.body['versions']).to.have.length(2)
  })

  it('gives metadata.json, and 404 before the first training', async () => {
    const reply = await get(`/metadata?config_id=${configId}`)
    expect(reply.body).to.deep.include({
      format_version: 1,
      config_id: configId,
      models_count: { campaign: 1, adset: 1, ad: 2 },
    })
    const fresh = await get(`/metadata?config_id=${await api.newConfig()}`)
    expect(fresh.status).to.equal(404)
    expect(fresh.body).to.include({ code: 'MODEL_NOT_FOUND' })
    expect((await get('/metadata?config_id=99999')).body).to.include({ code: 'CONFIG_NOT_FOUND' })
  })

  it('accepts a training once: the same question names the same run', async () => {
    const body = { config_id: configId, entity_type: 'ad', entity_ids: ['a1'] }
    const reply = await post('/train', body, trainer)
    expect(reply.status).to.equal(202)
    expect(reply.body).to.include({ status: 'queued' })
    expect(reply.headers['location']).to.equal(`/api/v1/runs/${String(reply.body['run_id'])}`)
    expect((await post('/train', body, trainer)).body['run_id']).to.equal(reply.body['run_id'])
    const run = await api.services.runs.get(String(reply.body['run_id']))
    expect(run.payload).to.deep.include({
      configId,
      day: '2026-03-10',
      entityType: 'ad',
      entityIds: ['a1'],
    })
    expect(run).to.include({ job: 'train.config', actor: 'key:trainer', configId })
  })

  it('trains campaigns when no level is named, a day when one is, all levels when asked', async () => {
    const payloadOf = async (body: object) => {
      const reply = await post('/train', { config_id: configId, ...body }, trainer)
      return (await api.services.runs.get(String(reply.body['run_id']))).payload
    }
    expect(await payloadOf({})).to.deep.include({ entityType: 'campaign', entityIds: null })
    expect(await payloadOf({ date: '2026-03-05' })).to.deep.include({ day: '2026-03-05' })
    expect(await payloadOf({ entity_type: 'all' })).to.deep.include({ entityType: null })
  })

  it('refuses what it cannot train', async () => {
    const ids = (count: number) => Array.from({ length: count }, (_, i) => `a${i}`)
    const status = async (body: object): Promise<number> =>
      (await post('/train', { config_id: configId, entity_type: 'ad', ...body }, trainer)).status
    expect(await status({ entity_ids: ids(500) })).to.equal(202)
    expect(await status({ family: 'classifier' })).to.equal(202)
    for (const body of [
      { entity_ids: ids(501) },
      { entity_ids: [] },
      { entity_ids: ['../../etc/passwd'] },
      { entity_ids: ['a\0'] },
      { entity_ids: ['a'.repeat(4096)] },
      { entity_type: 'account' },
      { entity_type: 'all', entity_ids: ['a1'] },
      { date: '2026-02-30' },
      { family: 'forest' },
      { family: 'classifier', entity_ids: ['a1'] },
    ])
      expect(await status(body), JSON.stringify(body).slice(0, 80)).to.equal(400)
    expect((await post('/train', { config_id: 99_999 }, trainer)).status).to.equal(404)
  })

  it('activates a version for admins, and leaves an audit row', async () => {
    const rows = dataOf(await get(`?config_id=${configId}&entity_type=ad&entity_id=a2`))
    const old = rows.find((row) => row['version'] === 1)
    const path = `/${String(old?.['id'])}/activate`
    expect((await post(path, {}, trainer)).status).to.equal(403)
    const reply = await post(path, {}, admin)
    expect(reply.status).to.equal(200)
    expect(reply.body).to.deep.include({ version: 1, aliases: ['stable'] })
    expect((await post(path, {}, admin)).status).to.equal(200)
    const [audit] = (await api.knex('audit_log').orderBy('id').where({ actor: 'key:admin' })) as {
      before: unknown
      after: unknown
    }[]
    expect(audit).to.deep.include({ before: { stable: 2 }, after: { stable: 1 } })
    await api.knex('model_versions').where({ id: rows[0]?.['id'] }).update({ state: 'archived' })
    const archived = await post(`/${String(rows[0]?.['id'])}/activate`, {}, admin)
    expect(archived.status).to.equal(409)
    expect(archived.body).to.include({ code: 'VERSION_ARCHIVED' })
  })

  it('hides other accounts as if they did not exist', async () => {
    const [row] = dataOf(await get(`?config_id=${configId}`))
    expect((await get(`?config_id=${configId}`, stranger)).status).to.equal(404)
    expect((await get(`/metadata?config_id=${configId}`, stranger)).status).to.equal(404)
    for (const reply of [
      await get(`/${String(row?.['id'])}`, stranger),
      await post(`/${String(row?.['id'])}/activate`, {}, stranger),
      await get('/999999'),
    ]) {
      expect(reply.status).to.equal(404)
      expect(reply.body).to.include({ code: 'MODEL_NOT_FOUND' })
    }
    expect((await post('/train', { config_id: configId }, stranger)).status).to.equal(404)
    expect((await get('/none')).status).to.equal(400)
  })
})
