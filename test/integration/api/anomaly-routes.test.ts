import { expect } from 'chai'
import { detectLevel } from '../../../shared/jobs/detection.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { adDays, insertDays } from '../../support/accounts.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { delivered } from '../../support/detection.ts'

const PARENTS = { adsetId: 's1', campaignId: 'c1' }
const ANOMALIES = '/api/v1/ml/anomalies'
/** Four in the morning in São Paulo: the 10th is complete. */
const NOW = '2026-03-11T07:00:00.000Z'
const DAY = '2026-03-10'

type Body = Readonly<Record<string, unknown>>

describe('routes of anomalies', () => {
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
    const rows = ['a1', 'a2'].flatMap((ad) =>
      adDays(ad, 40, DAY, PARENTS).map((row) => ({
        ...row,
        ...delivered(row.date === DAY ? 300 + 100 / 3 : 100),
      })),
    )
    await insertDays(api.knex, configId, rows)
    await api.knex('ads_ads').where({ config_id: configId, ad_id: 'a1' }).update({ name: 'Video' })
    await api.knex('ads_campaigns').where({ config_id: configId }).update({ name: 'Brand' })
    ;[viewer, trainer, stranger] = await Promise.all([
      api.key('viewer', 'viewer'),
      api.key('trainer', 'trainer'),
      api.key('stranger', 'admin', [other]),
    ])
    await detectNow('ad')
    await detectNow('campaign')
  })
  after(() => api.close())

  /** What the worker of a run does. */
  const detectNow = async (level: 'campaign' | 'ad'): Promise<void> => {
    const payload = { configId, asOf: NOW, day: DAY, days: 1, entityIds: null, watermark: null }
    const { id } = await api.services.enqueue(detectLevel[level], payload, { actor: 'test' })
    await api.knex('runs').where({ id }).update({ status: 'running', attempt: 1, started_at: NOW })
    const outcome = await api.services.detection.detectLevel(level, payload, {
      signal: new AbortController().signal,
      fence: { runId: id, attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    })
    await api.knex('runs').where({ id }).update({ status: outcome.status })
  }
  const get = (path: string, key = viewer): Promise<Reply> => api.ask(`${ANOMALIES}${path}`, { key })
  const post = (path: string, body: unknown, key = trainer): Promise<Reply> =>
    api.ask(`${ANOMALIES}${path}`, { method: 'POST', body, key })
  const dataOf = (reply: Reply): readonly Body[] => reply.body['data'] as readonly Body[]
  const anomalyOf = async (id: string): Promise<Body> => {
    const rows = dataOf(await get(`?config_id=${configId}&entity_type=ad&entity_id=${id}`))
    expect(rows).to.have.length(1)
    return rows[0] as Body
  }

  it('list campaigns where no level is named, as before there were others', async () => {
    const reply = await get(`?config_id=${configId}`)
    expect(reply.status).to.equal(200)
    expect(reply.body).to.include({ page: 1, page_size: 50, total: 1, next_cursor: null })
    expect(dataOf(reply).map((row) => [row['entity_type'], row['entity_id']])).to.deep.equal([
      ['campaign', 'c1'],
    ])
    expect((await get(`?config_id=${configId}&entity_type=all`)).body['total']).to.equal(3)
  })

  it('tell an entity by its name and campaign, with figures of at most six decimals', async () => {
    const row = await anomalyOf('a1')
    expect(row).to.deep.include({
      config_id: configId,
      entity_name: 'Video',
      campaign_id: 'c1',
      campaign_name: 'Brand',
      parent_id: 's1',
      type: 'spend_spike',
      metric: 'spend',
      anomaly_date: DAY,
      observed: 333.33,
      direction: 'up',
      polarity: 'bad',
      severity: 'CRITICAL',
      model_source: 'baseline',
      baseline_reason: 'no_model',
      status: 'open',
      alerted: true,
      partial: false,
      first_seen: NOW,
      times_seen: 1,
    })
    expect(row['expected']).to.be.closeTo(100, 1e-6)
    expect(row['lower']).to.be.within(50, 99)
    expect(row['upper']).to.be.within(101, 200)
    const numbers: number[] = []
    JSON.stringify(await anomalyOf('a1'), (_, value: unknown) => {
      if (typeof value === 'number') numbers.push(value)
      return value
    })
    expect(numbers.length).to.be.greaterThan(10)
    for (const one of numbers) expect(Math.abs(one * 1e6 - Math.round(one * 1e6))).to.be.below(1e-6)
  })

  it('filter by what is asked, and by days up to the newest complete one', async () => {
    const total = async (filter: string): Promise<unknown> =>
      (await get(`?config_id=${configId}&entity_type=ad&${filter}`)).body['total']
    expect(await total('severity=CRITICAL')).to.equal(2)
    expect(await total('severity=LOW')).to.equal(0)
    expect(await total('type=spend_spike')).to.equal(2)
    expect(await total('polarity=good')).to.equal(0)
    expect(await total('status=open')).to.equal(2)
    expect(await total('alerted=true')).to.equal(2)
    expect(await total('alerted=false')).to.equal(0)
    expect(await total('days=1')).to.equal(2)
    expect(await total('date_to=2026-03-09')).to.equal(0)
    expect(await total('date_from=2026-03-10&date_to=2026-03-10')).to.equal(2)
  })

  it('go on where the page before ended', async () => {
    const path = `?config_id=${configId}&entity_type=ad&page_size=1`
    const ids: unknown[] = []
    let cursor = ''
    for (let pages = 0; pages < 5; pages += 1) {
      const reply = await get(cursor === '' ? path : `${path}&cursor=${cursor}`)
      ids.push(...dataOf(reply).map((row) => row['entity_id']))
      const next = reply.body['next_cursor']
      if (typeof next !== 'string') break
      expect(next).to.not.equal(cursor)
      cursor = next
    }
    expect(ids).to.have.length(2).and.to.have.members(['a1', 'a2'])
  })

  it('refuse what is no filter', async () => {
    for (const wrong of [
      '',
      '?config_id=x',
      ...[
        'days=0',
        'days=91',
        'severity=BAD',
        'type=x',
        'status=x',
        'entity_type=account',
        'entity_id=../x',
        'alerted=maybe',
        'date_from=2026-02-30',
        'date_from=2026-03-10&date_to=2026-03-09',
        'cursor=made-up',
      ].map((filter) => `?config_id=${configId}&${filter}`),
    ])
      expect((await get(wrong)).body, wrong).to.include({ status: 400, code: 'INVALID_REQUEST' })
  })

  it('sum up all rows of the filter', async () => {
    expect((await get(`/summary?config_id=${configId}&entity_type=ad`)).body).to.deep.equal({
      total: 2,
      by_severity: { CRITICAL: 2 },
      by_type: { spend_spike: 2 },
      by_status: { open: 2 },
      critical_count: 2,
      last_detected_at: NOW,
    })
    expect((await get(`/summary?config_id=${other}`)).body).to.deep.include({
      total: 0,
      critical_count: 0,
      last_detected_at: null,
    })
  })

  it('show nothing of a config the caller does not see', async () => {
    const { id } = await anomalyOf('a1')
    for (const reply of [
      await get(`?config_id=${configId}`, stranger),
      await get(`/summary?config_id=${configId}`, stranger),
      await get(`/${String(id)}`, stranger),
      await post(`/${String(id)}/acknowledge`, {}, stranger),
      await post(`/${String(id)}/resolve`, {}, stranger),
      await post(`/${String(id)}/feedback`, { verdict: 'false_positive' }, stranger),
      await post('/detect', { config_id: configId }, stranger),
    ])
      expect(reply.status, reply.text).to.equal(404)
    // As for one that does not exist: not even that tells them apart.
    const hidden = await get(`/${String(id)}`, stranger)
    const missing = await get('/999999', stranger)
    expect(hidden.body['code']).to.equal('NOT_FOUND').and.to.equal(missing.body['code'])
    expect((await anomalyOf('a1'))['status']).to.equal('open')
  })

  it('let viewers look but not decide', async () => {
    const { id } = await anomalyOf('a1')
    expect((await get(`/${String(id)}`)).body).to.include({ id, entity_name: 'Video' })
    for (const verb of ['acknowledge', 'resolve', 'feedback'])
      expect((await post(`/${String(id)}/${verb}`, { verdict: 'true_positive' }, viewer)).status).to.equal(
        403,
      )
    expect((await post('/detect', { config_id: configId }, viewer)).status).to.equal(403)
  })

  it('acknowledge and resolve with actor and notes, once; acknowledging comes too late after', async () => {
    const { id } = await anomalyOf('a2')
    const acknowledged = await post(`/${String(id)}/acknowledge`, { notes: 'looking into it' })
    expect(acknowledged.status).to.equal(200)
    expect(acknowledged.body).to.include({
      status: 'acknowledged',
      notes: 'looking into it',
      acted_at: NOW,
    })
    const { actor } = acknowledged.body
    expect(String(actor)).to.include('trainer')
    const again = await post(`/${String(id)}/acknowledge`, { notes: 'again' })
    expect([again.status, again.body['notes']]).to.deep.equal([200, 'looking into it'])

    // Without a body at all, too.
    const resolved = await api.ask(`${ANOMALIES}/${String(id)}/resolve`, { method: 'POST', key: trainer })
    expect(resolved.body).to.include({ status: 'resolved', resolution: 'manual', notes: 'looking into it' })
    expect((await post(`/${String(id)}/resolve`, {})).status).to.equal(200)
    expect((await post(`/${String(id)}/acknowledge`, {})).body).to.include({ status: 409, code: 'CONFLICT' })
    const audited = (await api.knex('audit_log').where({ target: `anomaly/${String(id)}` })) as unknown[]
    expect(audited.length).to.be.greaterThan(1)
  })

  it('take notes of 500 characters and no more', async () => {
    const { id } = await anomalyOf('a1')
    const notes = 'x'.repeat(501)
    expect((await post(`/${String(id)}/acknowledge`, { notes })).status).to.equal(400)
    expect((await anomalyOf('a1'))['status']).to.equal('open')
    expect((await post(`/${String(id)}/acknowledge`, { notes: notes.slice(1) })).status).to.equal(200)
  })

  describe('feedback', () => {
    let id: string
    const rows = (): Promise<readonly Body[]> =>
      api.knex('ml_anomaly_feedback').where({ anomaly_id: id }).orderBy('id')
    const say = (verdict: string, key = trainer, notes?: string): Promise<Reply> =>
      post(`/${id}/feedback`, { verdict, ...(notes === undefined ? {} : { notes }) }, key)
    before(async () => {
      id = String((await anomalyOf('a1'))['id'])
      await api.knex('ml_anomalies').where({ id }).update({ status: 'open', notes: null, actor: null })
    })

    it('of a true positive leaves the anomaly as it is, and says who said so', async () => {
      const reply = await say('true_positive', trainer, 'the new offer')
      expect(reply.status, reply.text).to.equal(200)
      expect(reply.body).to.include({ status: 'open', verdict: 'true_positive', notes: 'the new offer' })
      expect((await anomalyOf('a1'))['verdict']).to.equal('true_positive')
      const [row, ...more] = await rows()
      expect(row).to.include({ verdict: 'true_positive', notes: 'the new offer' })
      expect(String(row?.['actor'])).to.include('trainer')
      expect(more).to.deep.equal([])
    })

    it('said again by the same person adds no row, by another one does', async () => {
      expect((await say('true_positive')).status).to.equal(200)
      expect((await rows()).map((row) => row['notes'])).to.deep.equal(['the new offer'])
      await say('true_positive', trainer, 'confirmed')
      expect((await rows()).map((row) => row['notes'])).to.deep.equal(['confirmed'])
      const colleague = await api.key('colleague', 'trainer')
      expect((await say('true_positive', colleague)).body).to.include({ notes: 'confirmed' })
      expect(await rows()).to.have.length(2)
    })

    it('of a false positive resolves the anomaly, and a change of mind takes that back', async () => {
      const wrong = await say('false_positive')
      expect(wrong.body).to.include({
        status: 'resolved',
        resolution: 'false_positive',
        verdict: 'false_positive',
        acted_at: NOW,
      })
      expect((await say('false_positive')).status).to.equal(200)
      expect(await rows()).to.have.length(3)
      expect((await post(`/${id}/acknowledge`, {})).body).to.include({ status: 409, code: 'CONFLICT' })
      // To resolve what is resolved is harmless, and the first resolution stays.
      expect((await post(`/${id}/resolve`, {})).body).to.include({ resolution: 'false_positive' })

      const right = await say('true_positive')
      expect(right.body).to.include({ status: 'acknowledged', resolution: null, verdict: 'true_positive' })
      expect(await rows()).to.have.length(4)
    })

    it('is heard after the anomaly was resolved, too', async () => {
      await post(`/${id}/resolve`, {})
      expect((await say('true_positive')).body).to.include({ status: 'resolved', resolution: 'manual' })
      expect((await say('false_positive')).body).to.include({
        status: 'resolved',
        resolution: 'false_positive',
      })
    })

    it('of several at once adds one row', async () => {
      const before = (await rows()).length
      const replies = await Promise.all(Array.from({ length: 5 }, () => say('true_positive')))
      expect(replies.map((reply) => reply.status)).to.deep.equal([200, 200, 200, 200, 200])
      expect(await rows()).to.have.length(before + 1)
    })

    it('is audited with the verdict before and after', async () => {
      const audited = (await api
        .knex('audit_log')
        .where({ target: `anomaly/${id}` })
        .orderBy('id', 'desc')) as Body[]
      const newest = audited.find((row) => String(row['action']).includes('feedback'))
      expect(newest?.['after']).to.include({ verdict: 'true_positive' })
    })

    it('needs a verdict there is, and notes of at most 500 characters', async () => {
      expect((await say('maybe')).status).to.equal(400)
      expect((await post(`/${id}/feedback`, {})).status).to.equal(400)
      expect((await say('true_positive', trainer, 'x'.repeat(501))).status).to.equal(400)
      expect((await say('true_positive', trainer, 'x'.repeat(500))).status).to.equal(200)
      expect((await post('/999999/feedback', { verdict: 'true_positive' })).body).to.include({
        status: 404,
        code: 'NOT_FOUND',
      })
    })

    it('makes a training of the same figures another one', async () => {
      const keyOf = async (): Promise<string> => {
        const reply = await api.ask('/api/v1/ml/models/train', {
          method: 'POST',
          body: { config_id: configId, entity_type: 'ad', date: DAY },
          key: trainer,
        })
        const row = (await api
          .knex('runs')
          .where({ id: reply.body['run_id'] as string })
          .first('key')) as { key: string }
        return row.key
      }
      const before = await keyOf()
      expect(await keyOf()).to.equal(before)
      await say('false_positive')
      const after = await keyOf()
      expect(after).to.not.equal(before)
      await say('false_positive')
      expect(await keyOf()).to.equal(after)
      const swept = await api.services.freshness.activeConfigs(api.services.clock.now())
      const ours = swept.find((config) => config.configId === configId)
      expect(after).to.include(`verdicts-${ours?.verdicts}`)
      expect(swept.find((config) => config.configId === other)?.verdicts).to.equal(0)
    })
  })

  it('know only numbers as ids', async () => {
    for (const id of ['0', '-1', '1.5', 'x', '99999999999999999999'])
      expect((await get(`/${id}`)).status, id).to.equal(400)
    expect((await get('/9007199254740991')).status).to.equal(404)
  })

  it('start a run on demand and say where to follow it', async () => {
    const reply = await post('/detect', { config_id: configId, entity_ids: ['c1'], date: DAY, days: 7 })
    expect(reply.status).to.equal(202)
    const runId = String(reply.body['run_id'])
    expect(reply.headers['location']).to.equal(`/api/v1/runs/${runId}`)
    const run = (await api.ask(`/api/v1/runs/${runId}`, { key: viewer })).body
    expect(run).to.include({ job: 'detect.campaign', status: reply.body['status'] })
    const row = (await api.knex('runs').where({ id: runId }).first('payload')) as { payload: unknown }
    expect(row.payload).to.deep.equal({
      configId,
      asOf: NOW,
      day: DAY,
      days: 7,
      entityIds: ['c1'],
      watermark: null,
    })
  })

  it('refuse a day that is not over before any run is made', async () => {
    const count = async (): Promise<unknown> => (await api.knex('runs').count('* as n').first())?.['n']
    const before = await count()
    const reply = await post('/detect', { config_id: configId, date: '2026-03-11' })
    expect(reply.body).to.include({ status: 400, code: 'INVALID_REQUEST' })
    expect(reply.text).to.include(`the newest complete day is ${DAY}`)
    expect(await count()).to.equal(before)
  })

  it('refuse detection of what cannot be asked', async () => {
    const ids = Array.from({ length: 501 }, (_, i) => `a${i}`)
    for (const wrong of [
      {},
      { config_id: configId, entity_type: 'account' },
      { config_id: configId, entity_ids: [] },
      { config_id: configId, entity_ids: ids },
      { config_id: configId, entity_ids: ['../../etc/passwd'] },
      { config_id: configId, days: 8 },
      { config_id: configId, days: 0 },
      { config_id: configId, date: '10/03/2026' },
      { config_id: configId, dry_run: true },
      { config_id: configId, dry_run: true, entity_ids: ids.slice(0, 51) },
    ])
      expect((await post('/detect', wrong)).status, JSON.stringify(wrong).slice(0, 80)).to.equal(400)
    expect((await post('/detect', { config_id: 999_999 })).body).to.include({ code: 'CONFIG_NOT_FOUND' })
  })

  it('answer the signals of a dry run of up to 50 entities and store nothing', async () => {
    const stored = () => api.knex('ml_anomalies').orderBy('id')
    const before = await stored()
    const ids = ['a1', ...Array.from({ length: 49 }, (_, i) => `nobody${i}`)]
    const reply = await post('/detect', {
      config_id: configId,
      entity_type: 'ad',
      entity_ids: ids,
      dry_run: true,
    })
    expect(reply.status).to.equal(200)
    const signals = reply.body['signals'] as readonly Body[]
    expect(
      signals.map((one) => [one['entity_id'], one['date'], one['detector'], one['observed']]),
    ).to.deep.equal([
      ['a1', DAY, 'z_iqr', 333.33],
      ['a1', DAY, 'change_point', 177.776667],
    ])
    expect(await stored()).to.deep.equal(before)
  })
})
