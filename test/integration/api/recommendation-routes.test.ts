/** Advice over HTTP: how it is listed, asked for, applied and dismissed, and by whom. */
import { expect } from 'chai'
import type { EntityFeatures } from '../../../ml/features/entity-features.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Level } from '../../../shared/core/entity.ts'
import { recommendLevel } from '../../../shared/jobs/recommendation.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { knowFeatures, payTwentyALead } from '../../support/classification.ts'
import { stepOf } from '../../support/features.ts'

const PATH = '/api/v1/ml/recommendations'
/** Four in the morning in São Paulo: the 10th is complete. */
const NOW = Date.parse('2026-03-11T07:00:00.000Z')
const DAY = '2026-03-10'
const DAY_MS = 86_400_000

/** At half of the account's cost: SCALE_UP of 9. */
const CHEAP: Partial<EntityFeatures> = {
  daysActive: 30,
  spend7d: 100,
  leads7d: 10,
  cpl7d: 10,
  daysWithLeads7d: 5,
  cplTrend: 0,
}
/** At 1.6 times: BUDGET_DECREASE of 6. */
const DEAR: Partial<EntityFeatures> = { daysActive: 10, spend7d: 64, leads7d: 2, cpl7d: 32, cplTrend: 5 }
/** Switched off after good weeks: REACTIVATE of 3. */
const OFF: Partial<EntityFeatures> = { daysActive: 10, isActive: false, cpl30d: 20, leads30d: 5 }

type Body = Readonly<Record<string, unknown>>

describe('routes of advice', () => {
  let api: TestApi
  let now: number
  let configId: number
  let other: number
  let viewer: string
  let trainer: string
  let stranger: string
  let own: string
  before(async () => {
    now = NOW
    api = await openTestApi({ clock: { now: () => new Date(now) }, environment: { RATE_LIMITS: 'off' } })
    other = await api.newConfig()
    ;[viewer, trainer, stranger] = await Promise.all([
      api.key('viewer', 'viewer'),
      api.key('trainer', 'trainer'),
      api.key('stranger', 'admin', [other]),
    ])
  })
  after(() => api.close())
  let configs = 0
  beforeEach(async () => {
    now = NOW
    configId = await api.newConfig()
    own = await api.key(`own-${(configs += 1)}`, 'trainer', [configId])
    await payTwentyALead(api.knex, configId, DAY)
  })

  /** What the worker of a run does. */
  const recommend = async (level: Level = 'campaign', day = DAY): Promise<void> => {
    const payload = stepOf(configId, day, { asOf: new Date(now).toISOString(), force: true })
    const { id } = await api.services.enqueue(recommendLevel[level], payload, { actor: 'test' })
    await api
      .knex('runs')
      .where({ id })
      .update({ status: 'running', attempt: 1, started_at: new Date(now) })
    const outcome = await recommendLevel[level].run(
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
  const advise = async (entities: Readonly<Record<string, Partial<EntityFeatures>>>): Promise<void> => {
    await knowFeatures(api.knex, configId, DAY, entities)
    await recommend()
  }
  const get = (query = '', key = viewer): Promise<Reply> =>
    api.ask(`${PATH}?config_id=${configId}${query}`, { key })
  const post = (path: string, body?: unknown, key = trainer): Promise<Reply> =>
    api.ask(`${PATH}/${path}`, { method: 'POST', body, key })
  const dataOf = (reply: Reply): readonly Body[] => {
    expect(reply.status, reply.text).to.equal(200)
    return reply.body['data'] as readonly Body[]
  }
  const entitiesOf = async (query = ''): Promise<readonly string[]> =>
    dataOf(await get(query))
      .map((row) => String(row['entity_id']))
      .toSorted((a, b) => a.localeCompare(b))
  const idOf = async (entityId: string): Promise<number> =>
    dataOf(await get(`&entity_id=${entityId}`))[0]?.['id'] as number
  const problemOf = (reply: Reply): readonly unknown[] => [reply.status, reply.body['code']]

  describe('reading it', () => {
    it('tells all of it: what to do, to what, why, and how long it stands', async () => {
      await advise({ camp: CHEAP })
      const rows = dataOf(await get())
      expect(rows).to.have.length(1)
      const [{ id, created_at, run_id, reasoning, suggested_action, ...row } = {}] = rows
      expect(id).to.be.a('number')
      expect(Number.isNaN(Date.parse(String(created_at)))).to.equal(false)
      expect(run_id).to.be.a('string')
      expect(row).to.deep.equal({
        config_id: configId,
        entity_type: 'campaign',
        entity_id: 'camp',
        entity_name: 'camp',
        parent_id: null,
        type: 'SCALE_UP',
        rule: 'scale_up',
        priority: 9,
        confidence: 0.9,
        title: 'Raise the budget by 100%',
        status: 'active',
        recommendation_date: DAY,
        acted_at: null,
        actor: null,
        reason: null,
        outcome: null,
        expires_at: new Date(NOW + 7 * DAY_MS).toISOString(),
      })
      expect(reasoning).to.deep.include({
        rule: 'scale_up',
        inputs: { cpl_7d: 10, avg_cpl: 20, leads_7d: 10, days_with_leads_7d: 5, cpl_trend: 0 },
        thresholds: { cpl_ratio: 0.7, leads_7d: 3, days_with_leads_7d: 4, cpl_trend: 10 },
      })
      expect((reasoning as Body)['sentence']).to.match(/^10 leads in 7 days at BRL 10\.00 each, 50% below/)
      expect(suggested_action).to.deep.equal({
        action: 'daily_budget',
        target: { entity_type: 'campaign', entity_ids: ['camp'] },
        change_pct: 100,
        current_daily_budget: null,
        suggested_daily_budget: null,
        expected: { leads: 8, cpl: 11 },
        budget_unknown: true,
      })
    })

    it('answers by entity, type, priority and days, and by all of them together', async () => {
      await advise({ a: CHEAP, b: DEAR, c: OFF, d: CHEAP })
      expect(await entitiesOf()).to.deep.equal(['a', 'b', 'c', 'd'])
      expect(await entitiesOf('&entity_id=b')).to.deep.equal(['b'])
      expect(await entitiesOf('&type=SCALE_UP')).to.deep.equal(['a', 'd'])
      expect(await entitiesOf('&type=SCALE_UP&entity_id=b')).to.deep.equal([])
      expect(await entitiesOf('&priority_min=6')).to.deep.equal(['a', 'b', 'd'])
      expect(await entitiesOf('&priority_min=7')).to.deep.equal(['a', 'd'])
      expect(await entitiesOf(`&date_from=${DAY}&date_to=${DAY}`)).to.deep.equal(['a', 'b', 'c', 'd'])
      expect(await entitiesOf('&date_from=2026-03-11')).to.deep.equal([])
      expect(await entitiesOf('&date_to=2026-03-09')).to.deep.equal([])
      expect(await entitiesOf('&entity_type=adset')).to.deep.equal([])
    })

    it('tells the active where no status is named, and every status when it is', async () => {
      await advise({ a: CHEAP, b: CHEAP, c: CHEAP, d: CHEAP, e: OFF })
      expect((await post(`${await idOf('a')}/apply`, {})).status).to.equal(200)
      expect((await post(`${await idOf('b')}/dismiss`, {})).status).to.equal(200)
      await api
        .knex('ml_recommendations')
        .where({ id: await idOf('c') })
        .update({ status: 'superseded' })
      const statuses = async () =>
        Promise.all(
          ['active', 'applied', 'dismissed', 'expired', 'superseded'].map((status) =>
            entitiesOf(`&status=${status}`),
          ),
        )
      expect(await statuses()).to.deep.equal([['d', 'e'], ['a'], ['b'], [], ['c']])
      expect(await entitiesOf()).to.deep.equal(['d', 'e'])
      // SCALE_UP stands for 7 days, REACTIVATE for 14.
      now = NOW + 7 * DAY_MS
      expect(await statuses()).to.deep.equal([['e'], ['a'], ['b'], ['d'], ['c']])
      expect(dataOf(await get('&status=expired'))[0]?.['status']).to.equal('expired')
    })

    it('comes in pages, the newest first, each row once, by number and by cursor', async () => {
      await advise(Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((id) => [id, CHEAP])))
      const first = await get('&page_size=2')
      expect(first.body).to.include({ page: 1, page_size: 2, total: 5 })
      const ids: number[] = []
      let cursor: unknown = ''
      let pages = 0
      do {
        const reply = await get(`&page_size=2${cursor === '' ? '' : `&cursor=${String(cursor)}`}`)
        ids.push(...dataOf(reply).map((row) => row['id'] as number))
        cursor = reply.body['next_cursor']
        pages += 1
      } while (cursor !== null && pages < 9)
      expect(pages).to.equal(3)
      expect(ids)
        .to.deep.equal([...new Set(ids)].toSorted((a, b) => b - a))
        .and.to.have.length(5)
      expect(dataOf(await get('&page_size=2&page=2')).map((row) => row['id'])).to.deep.equal(ids.slice(2, 4))
      expect(dataOf(await get('&page_size=200&page=2'))).to.deep.equal([])
    })

    it('refuses what it cannot read, and a config the caller may not see', async () => {
      for (const query of [
        'entity_type=account',
        'entity_id=a%2Fb',
        'type=scale_up',
        'status=open',
        'status=',
        'priority_min=0',
        'priority_min=11',
        'priority_min=5.5',
        'page=0',
        'page_size=0',
        'page_size=201',
        'cursor=bm9uZQ',
        'date_from=2026-02-30',
        `date_from=${DAY}&date_to=2026-03-09`,
      ])
        expect(problemOf(await get(`&${query}`)), query).to.deep.equal([400, 'INVALID_REQUEST'])
      expect((await api.ask(PATH, { key: viewer })).status).to.equal(400)
      expect(problemOf(await get('', stranger))).to.deep.equal([404, 'CONFIG_NOT_FOUND'])
      const unknown = await api.ask(`${PATH}?config_id=99999999`, { key: viewer })
      expect(problemOf(unknown)).to.deep.equal([404, 'CONFIG_NOT_FOUND'])
      expect((await api.ask(`${PATH}?config_id=${configId}`)).status).to.equal(401)
    })
  })

  describe('asking for it', () => {
    interface Enqueued {
      readonly job: string
      readonly payload: Body
      readonly actor: string
      readonly config_id: number
    }
    const enqueued = async (body: Body, key = trainer): Promise<Enqueued & { readonly id: string }> => {
      const reply = await post('generate', { config_id: configId, ...body }, key)
      expect(reply.status, reply.text).to.equal(202)
      expect(reply.body).to.have.all.keys('run_id', 'status')
      const id = String(reply.body['run_id'])
      expect(reply.headers['location']).to.equal(`/api/v1/runs/${id}`)
      return (await api.knex('runs').where({ id }).first()) as Enqueued & { readonly id: string }
    }

    it('takes campaigns and the newest day with figures where nothing else is said', async () => {
      const run = await enqueued({})
      expect(run).to.include({ job: 'recommend.campaign', actor: 'key:trainer', config_id: configId })
      expect(run.payload).to.deep.include({ configId, day: DAY, entityIds: null, force: false })
      expect((await api.ask(`/api/v1/runs/${run.id}`, { key: viewer })).status).to.equal(200)
    })

    it('takes level, entities, up to 500 of them, day and force_refresh', async () => {
      const entity_ids = Array.from({ length: 500 }, (_, i) => `e${i}`)
      const run = await enqueued(
        { entity_type: 'ad', entity_ids, date: '2026-03-09', force_refresh: true },
        own,
      )
      expect(run.job).to.equal('recommend.ad')
      expect(run.payload).to.deep.include({ day: '2026-03-09', entityIds: entity_ids, force: true })
    })

    it('answers a repetition with the same run, and what is forced with one of its own', async () => {
      const first = await enqueued({})
      expect((await enqueued({})).id).to.equal(first.id)
      now += 1000
      expect((await enqueued({})).id).to.equal(first.id)
      const forced = await enqueued({ force_refresh: true })
      expect(forced.id).not.to.equal(first.id)
      now += 1000
      expect((await enqueued({ force_refresh: true })).id).not.to.equal(forced.id)
    })

    it('refuses what cannot be advised on', async () => {
      for (const wrong of [
        { entity_type: 'account' },
        { entity_ids: [] },
        { entity_ids: ['a b'] },
        { entity_ids: 'a' },
        { entity_ids: Array.from({ length: 501 }, (_, i) => `e${i}`) },
        { date: 'yesterday' },
        { date: '2026-02-30' },
        { date: '2026-03-11' },
        { force_refresh: 'yes' },
        { config_id: 0 },
        { config_id: null },
      ])
        expect(
          problemOf(await post('generate', { config_id: configId, ...wrong })),
          JSON.stringify(wrong),
        ).to.deep.equal([400, 'INVALID_REQUEST'])
    })

    it('is closed to viewers, and to those who may not see the config', async () => {
      expect((await post('generate', { config_id: configId }, viewer)).status).to.equal(403)
      for (const [id, key] of [
        [configId, stranger],
        [99_999_999, trainer],
      ] as const)
        expect(problemOf(await post('generate', { config_id: id }, key))).to.deep.equal([
          404,
          'CONFIG_NOT_FOUND',
        ])
    })
  })

  describe('deciding on it', () => {
    for (const [verb, status] of [
      ['apply', 'applied'],
      ['dismiss', 'dismissed'],
    ] as const) {
      it(`${verb} keeps who did it, when and why, and writes it to the audit log`, async () => {
        await advise({ camp: CHEAP })
        const id = await idOf('camp')
        now += 1234
        const reply = await post(`${id}/${verb}`, { reason: '  as agreed ' }, own)
        expect(reply.status, reply.text).to.equal(200)
        expect(reply.body).to.deep.include({
          id,
          status,
          actor: `key:own-${configs}`,
          reason: 'as agreed',
          acted_at: new Date(now).toISOString(),
          outcome: null,
        })
        const audited = await api
          .knex('audit_log')
          .where({ target: `recommendation/${id}` })
          .select('actor', 'action', 'before', 'after')
        expect(audited).to.deep.equal([
          {
            actor: `key:own-${configs}`,
            action: `POST ${PATH}/:id/${verb}`,
            before: { status: 'active' },
            after: { status, reason: 'as agreed' },
          },
        ])
      })

      it(`${verb} needs no reason and no body`, async () => {
        await advise({ a: CHEAP, b: CHEAP })
        for (const [entity, body] of [
          ['a', undefined],
          ['b', {}],
        ] as const) {
          const reply = await post(`${await idOf(entity)}/${verb}`, body)
          expect(reply.status, reply.text).to.equal(200)
          expect(reply.body).to.include({ status, reason: null })
        }
      })

      it(`${verb} is for active advice alone`, async () => {
        await advise({ applied: CHEAP, dismissed: CHEAP, expired: CHEAP, superseded: CHEAP })
        const ids = new Map<string, number>()
        for (const entity of ['applied', 'dismissed', 'expired', 'superseded'])
          ids.set(entity, await idOf(entity))
        for (const [state, id] of ids)
          await api.knex('ml_recommendations').where({ id }).update({ status: state })
        for (const [state, id] of ids) {
          const reply = await post(`${id}/${verb}`, {})
          expect(problemOf(reply), state).to.deep.equal([409, 'CONFLICT'])
          expect(reply.body['detail']).to.equal(
            `recommendation ${id} is ${state}; only an active one can be ${status}`,
          )
        }
        const after = await api.knex('ml_recommendations').whereIn('id', [...ids.values()])
        expect(after.map((row: Body) => [row['status'], row['acted_at'], row['actor']])).to.have.deep.members(
          [...ids.keys()].map((state) => [state, null, null]),
        )
        expect(
          await api.knex('audit_log').whereIn(
            'target',
            [...ids.values()].map((id) => `recommendation/${id}`),
          ),
        ).to.deep.equal([])
      })

      it(`${verb} refuses a bad reason and a number that is none`, async () => {
        await advise({ camp: CHEAP })
        const id = await idOf('camp')
        for (const reason of ['', '   ', 'x'.repeat(501), 7, null])
          expect(problemOf(await post(`${id}/${verb}`, { reason })), String(reason)).to.deep.equal([
            400,
            'INVALID_REQUEST',
          ])
        for (const wrong of ['0', '-1', 'x', '1.5', '9007199254740992'])
          expect((await post(`${wrong}/${verb}`, {})).status, wrong).to.equal(400)
        expect((await post(`${id}/${verb}`, { reason: 'x'.repeat(500) })).status).to.equal(200)
      })

      it(`${verb} tells those who do not see the config nothing, and lets no viewer`, async () => {
        await advise({ camp: CHEAP })
        const id = await idOf('camp')
        expect(problemOf(await post(`${id}/${verb}`, {}, viewer))).to.deep.equal([403, 'FORBIDDEN'])
        const hidden = await post(`${id}/${verb}`, {}, stranger)
        const missing = await post(`9007199254740991/${verb}`, {}, stranger)
        expect(problemOf(hidden)).to.deep.equal([404, 'NOT_FOUND'])
        expect(problemOf(missing)).to.deep.equal([404, 'NOT_FOUND'])
        // Nothing tells one from the other but the number that was asked for.
        expect(String(hidden.body['detail']).replace(String(id), 'N')).to.equal(
          String(missing.body['detail']).replace('9007199254740991', 'N'),
        )
        expect(await entitiesOf()).to.deep.equal(['camp'])
      })
    }

    it('is done once when several decide at the same moment', async () => {
      await advise({ camp: CHEAP })
      const id = await idOf('camp')
      const replies = await Promise.all(
        ['apply', 'dismiss', 'apply', 'dismiss'].map((verb) => post(`${id}/${verb}`, {})),
      )
      expect(replies.map(({ status }) => status)).to.have.members([200, 409, 409, 409])
      expect(await api.knex('audit_log').where({ target: `recommendation/${id}` })).to.have.length(1)
    })

    it('shows a week later what came of it', async () => {
      await advise({ camp: CHEAP })
      const id = await idOf('camp')
      expect((await post(`${id}/apply`, {})).status).to.equal(200)
      const row = (await api.knex('ads_insights_daily').where({ config_id: configId }).first()) as Body
      await api
        .knex('ads_insights_daily')
        .insert(
          Array.from({ length: 8 }, (_, i) => ({ ...row, date: toLocalDate(toDayNumber(DAY) + 1 + i) })),
        )
      await recommend('campaign', '2026-03-18')
      const [applied] = dataOf(await get('&status=applied'))
      expect(applied?.['outcome']).to.deep.include({
        verdict: 'neutral',
        metric: 'cpl',
        baseline: 'account',
        evaluated_on: '2026-03-18',
      })
    })
  })
})
