/** Tiers over HTTP: their history, how they are asked for, and who may say what about them. */
import { expect } from 'chai'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { classifyLevel } from '../../../shared/jobs/classification.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { knowFeatures, payTwentyALead, weekAt } from '../../support/classification.ts'
import { stepOf } from '../../support/features.ts'

const PATH = '/api/v1/ml/classifications'
/** Four in the morning in São Paulo: the 10th is complete. */
const NOW = '2026-03-11T07:00:00.000Z'
const DAY = '2026-03-10'
const back = (days: number): string => toLocalDate(toDayNumber(DAY) - days)

type Body = Readonly<Record<string, unknown>>

describe('routes of tiers', () => {
  let api: TestApi
  let configId: number
  let other: number
  let viewer: string
  let trainer: string
  let stranger: string
  let ownTrainer: string
  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    configId = await api.newConfig()
    other = await api.newConfig()
    ;[viewer, trainer, stranger, ownTrainer] = await Promise.all([
      api.key('viewer', 'viewer'),
      api.key('trainer', 'trainer'),
      api.key('stranger', 'trainer', [other]),
      api.key('own', 'trainer', [configId]),
    ])
    await payTwentyALead(api.knex, configId, DAY)
    // One campaign comes down from the top, the other stays where it is.
    for (const [daysBack, cost] of [
      [2, 10],
      [1, 18],
      [0, 18],
    ] as const) {
      await knowFeatures(api.knex, configId, back(daysBack), { camp: weekAt(cost), steady: weekAt(10) })
      await classify(back(daysBack))
    }
  })
  after(() => api.close())

  /** What the worker of a run does. */
  const classify = async (day: string): Promise<void> => {
    const payload = stepOf(configId, day)
    const { id } = await api.services.enqueue(classifyLevel.campaign, payload, { actor: 'test' })
    await api.knex('runs').where({ id }).update({ status: 'running', attempt: 1, started_at: NOW })
    const outcome = await classifyLevel.campaign.run(
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
    await api.knex('runs').where({ id }).update({ status: outcome.status })
  }
  const get = (query: string, key = viewer): Promise<Reply> => api.ask(`${PATH}?${query}`, { key })
  const post = (path: string, body: unknown, key = trainer): Promise<Reply> =>
    api.ask(`${PATH}/${path}`, { method: 'POST', body, key })
  const dataOf = (reply: Reply): readonly Body[] => {
    expect(reply.status, reply.text).to.equal(200)
    return reply.body['data'] as readonly Body[]
  }

  describe('reading them', () => {
    it('tells the history of an entity, newest first, with the days in each tier', async () => {
      const rows = dataOf(await get(`config_id=${configId}&entity_id=camp`))
      expect(
        rows.map((row) => [
          row['classification_date'],
          row['tier'],
          row['previous_tier'],
          row['direction'],
          row['tier_since'],
          row['days_in_tier'],
        ]),
      ).to.deep.equal([
        [DAY, 'MODERATE', 'MODERATE', 'stable', back(1), 2],
        [back(1), 'MODERATE', 'HIGH_PERFORMER', 'declined', back(1), 1],
        [back(2), 'HIGH_PERFORMER', null, 'stable', back(2), 1],
      ])
    })

    it('answers by tier, certainty and days, together', async () => {
      const listed = async (query: string): Promise<readonly unknown[]> =>
        dataOf(await get(`config_id=${configId}&${query}`)).map(
          (row) => `${String(row['entity_id'])} ${String(row['classification_date'])}`,
        )
      expect(await listed('tier=HIGH_PERFORMER&entity_id=camp')).to.deep.equal([`camp ${back(2)}`])
      expect(await listed(`min_confidence=0.85&date=${DAY}`)).to.deep.equal([`steady ${DAY}`])
      expect(await listed(`min_confidence=0.86`)).to.deep.equal([])
      expect(await listed(`entity_id=steady&date_from=${back(1)}`)).to.deep.equal([
        `steady ${DAY}`,
        `steady ${back(1)}`,
      ])
      expect(await listed(`entity_id=steady&date_to=${back(2)}`)).to.deep.equal([`steady ${back(2)}`])
    })

    it('comes in pages, each row once', async () => {
      const seen: unknown[] = []
      let cursor = ''
      do {
        const reply = await get(`config_id=${configId}&page_size=4${cursor}`)
        expect(reply.body['total']).to.equal(6)
        seen.push(...dataOf(reply).map((row) => row['id']))
        const next = reply.body['next_cursor']
        cursor = typeof next === 'string' ? `&cursor=${next}` : ''
      } while (cursor !== '')
      expect(new Set(seen).size).to.equal(6)
      expect(seen).to.have.length(6)
    })

    it('refuses what it cannot read, and a config the caller may not see', async () => {
      for (const query of [
        'entity_type=account',
        'entity_id=a%2Fb',
        'tier=GREAT',
        'tier=low',
        'min_confidence=1.01',
        'min_confidence=-0.01',
        'min_confidence=sure',
        'date=2026-02-30',
        'date_from=yesterday',
        'page_size=201',
        'page=0',
        'cursor=bm9uZQ',
        `date_from=${DAY}&date_to=${back(1)}`,
      ])
        expect((await get(`config_id=${configId}&${query}`)).body['code'], query).to.equal('INVALID_REQUEST')
      expect((await get('')).status).to.equal(400)
      expect((await get(`config_id=${configId}`, stranger)).body['code']).to.equal('CONFIG_NOT_FOUND')
      expect((await get('config_id=99999999')).body['code']).to.equal('CONFIG_NOT_FOUND')
    })
  })

  describe('asking for them', () => {
    interface Enqueued {
      readonly job: string
      readonly key: string
      readonly payload: Body
      readonly actor: string
    }
    const enqueued = async (reply: Reply): Promise<Enqueued> => {
      expect(reply.status, reply.text).to.equal(202)
      return (await api.knex('runs').where({ id: reply.body['run_id'] }).first()) as Enqueued
    }

    it('takes campaigns and the newest day with figures where nothing else is said', async () => {
      const run = await enqueued(await post('classify', { config_id: configId }))
      expect(run).to.include({ job: 'classify.campaign', actor: 'key:trainer' })
      expect(run.payload).to.deep.include({ configId, day: DAY, entityIds: null, force: false })
    })

    it('takes level, entities, up to 500 of them, and day', async () => {
      const ids = Array.from({ length: 500 }, (_, i) => `a${i}`)
      const run = await enqueued(
        await post('classify', { config_id: configId, entity_type: 'ad', entity_ids: ids, date: back(2) }),
      )
      expect(run.job).to.equal('classify.ad')
      expect(run.payload).to.deep.include({ day: back(2), entityIds: ids })
      const body = { config_id: configId, entity_type: 'ad', entity_ids: [...ids, 'one-more'] }
      expect((await post('classify', body)).status).to.equal(400)
    })

    it('answers a repetition with the same run, and what is forced with one of its own', async () => {
      const body = { config_id: configId, entity_type: 'adset' }
      const first = await enqueued(await post('classify', body))
      expect((await enqueued(await post('classify', body))).key).to.equal(first.key)
      const forced = await enqueued(await post('classify', { ...body, force: true }))
      expect(forced.key).to.not.equal(first.key)
      expect(forced.payload).to.deep.include({ force: true })
      for (const force of ['yes', 1, null])
        expect((await post('classify', { ...body, force })).status, String(force)).to.equal(400)
    })
  })

  describe('saying what is right', () => {
    const newest = async (entityId: string): Promise<number> =>
      dataOf(await get(`config_id=${configId}&entity_id=${entityId}`))[0]?.['id'] as number

    it('is kept with who said it, and in the audit log', async () => {
      const id = await newest('camp')
      const reply = await post(
        `${id}/feedback`,
        { correct_tier: 'LOW', reason: '  brand campaign ' },
        ownTrainer,
      )
      expect(reply.status, reply.text).to.equal(201)
      expect(reply.body).to.include({
        classification_id: id,
        entity_type: 'campaign',
        entity_id: 'camp',
        classification_date: DAY,
        original_tier: 'MODERATE',
        correct_tier: 'LOW',
        reason: 'brand campaign',
        actor: 'key:own',
      })
      const audited = await api
        .knex('audit_log')
        .where({ target: `classification/${id}` })
        .select('actor', 'action', 'before', 'after')
      expect(audited).to.deep.equal([
        {
          actor: 'key:own',
          action: 'POST /api/v1/ml/classifications/:id/feedback',
          before: { tier: 'MODERATE' },
          after: { correct_tier: 'LOW', reason: 'brand campaign' },
        },
      ])
    })

    it('counts with the newest word; the tier itself stays', async () => {
      const id = await newest('steady')
      for (const tier of ['LOW', 'MODERATE'])
        expect((await post(`${id}/feedback`, { correct_tier: tier })).status).to.equal(201)
      const valid = await api
        .knex('ml_classification_feedback')
        .where({ classification_id: id, is_valid: true })
        .pluck('correct_tier')
      expect(valid).to.deep.equal(['MODERATE'])
      expect(dataOf(await get(`config_id=${configId}&entity_id=steady`))[0]?.['tier']).to.equal(
        'HIGH_PERFORMER',
      )
    })

    it('is refused where it says nothing, and unknown to those who do not see the config', async () => {
      const id = await newest('camp')
      const said = async (): Promise<unknown> =>
        (await api.knex('ml_classification_feedback').count('* as n').first())?.['n']
      const before = await said()
      for (const body of [
        {},
        { correct_tier: 'low' },
        { correct_tier: 'LOW', reason: '' },
        { correct_tier: 'LOW', reason: '  ' },
        { correct_tier: 'LOW', reason: 'x'.repeat(501) },
        { correct_tier: 'LOW', reason: 7 },
      ])
        expect((await post(`${id}/feedback`, body)).body['code'], JSON.stringify(body)).to.equal(
          'INVALID_REQUEST',
        )
      for (const wrong of ['0', '-1', 'x', '1.5', '9007199254740992'])
        expect((await post(`${wrong}/feedback`, { correct_tier: 'LOW' })).status, wrong).to.equal(400)
      const hidden = await post(`${id}/feedback`, { correct_tier: 'LOW' }, stranger)
      const missing = await post('9007199254740991/feedback', { correct_tier: 'LOW' }, stranger)
      for (const reply of [hidden, missing]) expect(reply.status).to.equal(404)
      // Nothing tells one from the other but the number that was asked for.
      expect(String(hidden.body['detail']).replace(String(id), 'N')).to.equal(
        String(missing.body['detail']).replace('9007199254740991', 'N'),
      )
      expect(hidden.body['code']).to.equal(missing.body['code'])
      expect((await post(`${id}/feedback`, { correct_tier: 'LOW' }, viewer)).status).to.equal(403)
      expect(await said()).to.equal(before)
    })
  })
})
