import { expect } from 'chai'
import { toDayNumber } from '../../../shared/core/days.ts'
import type { IncidentLink, SavedIncident } from '../../../shared/detection/incident-store.ts'
import { toEvents } from '../../../shared/detection/incident-events.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import {
  insertLinked,
  insertTree,
  linkTo,
  MONDAY,
  ROOM,
  runningFence,
  savedIncident,
  nothingFound,
} from '../../support/incidents.ts'

const INCIDENTS = '/api/v1/ml/incidents'
/** Four in the morning in São Paulo: the 10th is complete. */
const NOW = '2026-03-11T07:00:00.000Z'
const TUESDAY = MONDAY + 1

type Body = Readonly<Record<string, unknown>>

describe('routes of incidents', () => {
  let api: TestApi
  let configId: number
  let viewer: string
  let trainer: string
  let stranger: string
  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    const other = await api.newConfig()
    ;[viewer, trainer, stranger] = await Promise.all([
      api.key('viewer', 'viewer'),
      api.key('trainer', 'trainer'),
      api.key('stranger', 'admin', [other]),
    ])
  })
  after(() => api.close())
  beforeEach(async () => {
    configId = await api.newConfig()
    await insertTree(api.knex, configId)
    await api.knex('webhooks').insert({
      config_id: configId,
      name: 'Chat',
      kind: 'standard',
      url: 'https://example.com/',
      events: ['incident.resolved'],
      // Nothing is sent from here.
      status: 'paused',
      actor: 'test',
    })
  })

  const save = async (
    incidents: readonly SavedIncident[],
    links: readonly IncidentLink[] = [],
    day = TUESDAY,
  ): Promise<void> => {
    const at = new Date(NOW)
    await api.store.incidentWriter.save(
      await runningFence(api.knex),
      { configId, day, ...nothingFound(configId), leadsDay: day, at, budget: ROOM, incidents, links },
      (changes) => api.services.webhooks.notice(toEvents(changes, at, day)),
    )
  }
  const get = (path: string, key = viewer): Promise<Reply> => api.ask(`${INCIDENTS}${path}`, { key })
  const post = (path: string, body: Body = {}, key = trainer): Promise<Reply> =>
    api.ask(`${INCIDENTS}${path}`, { method: 'POST', body, key })
  const listed = async (query = ''): Promise<readonly Body[]> => {
    const { status, body, text } = await get(`?config_id=${configId}${query}`)
    expect(status, text).to.equal(200)
    return body['data'] as Body[]
  }
  const idsOf = async (query = ''): Promise<readonly unknown[]> => (await listed(query)).map(({ id }) => id)
  /** One with two anomalies. */
  const openOne = async (): Promise<number> => {
    await insertLinked(api.knex, configId)
    await insertLinked(api.knex, configId, { entityType: 'ad', entityId: 'a1', observed: 60 })
    await save([savedIncident()], [linkTo(0), linkTo(0, { entityType: 'ad', entityId: 'a1' })])
    return Number((await idsOf())[0])
  }
  const anomalies = (): Promise<Body[]> =>
    api.knex('ml_anomalies').where({ config_id: configId }).orderBy('id')
  const messages = async (): Promise<readonly Body[]> =>
    api.knex('webhook_deliveries').where({ config_id: configId }).orderBy('id')

  it('show one with its sentence, its ranked causes and its anomalies', async () => {
    const id = await openOne()
    const { status, body } = await get(`/${id}`)
    expect(status).to.equal(200)
    expect(body).to.deep.include({
      id,
      config_id: configId,
      campaign_id: 'c1',
      campaign_name: 'Spring',
      root: { entity_type: 'adset', entity_id: 's1', name: 'Lookalike 2%' },
      family: 'yield',
      metric: 'cpl',
      direction: 'up',
      polarity: 'bad',
      severity: 'HIGH',
      date_from: '2026-03-09',
      date_to: '2026-03-09',
      sentence:
        'Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 since 9 March, 312.40 BRL more than expected; ad "Video 1" makes up 87% of it.',
      figures_of: { entity_type: 'adset', entity_id: 's1', name: 'Lookalike 2%' },
      observed: 41.5,
      expected: 20,
      money: { amount: 312.4, currency: 'BRL' },
      main_cause: { entity_type: 'ad', entity_id: 'a1', name: 'Video 1', share: 0.87 },
      findings: 2,
      alerted: true,
      alerted_at: NOW,
      status: 'open',
      resolution: null,
      notes: null,
      actor: null,
      acted_at: null,
      causes: [
        {
          entity_type: 'ad',
          entity_id: 'a1',
          name: 'Video 1',
          depth: 1,
          share: 0.87,
          observed: 60,
          expected: 20,
        },
        {
          entity_type: 'ad',
          entity_id: 'a2',
          name: 'Photo',
          depth: 1,
          share: 0.13,
          observed: 22,
          expected: 20,
        },
      ],
    })
    const members = body['members'] as Body[]
    expect(members.map((row) => [row['entity_id'], row['entity_name'], row['incident_id']])).to.deep.equal([
      ['s1', 'Lookalike 2%', id],
      ['a1', 'Video 1', id],
    ])
  })

  it('list them newest first, by page and by cursor', async () => {
    await save([
      savedIncident({ metric: 'spend' }),
      savedIncident({ metric: 'ctr', dateFrom: TUESDAY, dateTo: TUESDAY }),
      savedIncident({ metric: 'cpl' }),
    ])
    const metrics = (rows: readonly Body[]): readonly unknown[] => rows.map(({ metric }) => metric)
    expect(metrics(await listed())).to.deep.equal(['ctr', 'cpl', 'spend'])
    const first = await get(`?config_id=${configId}&page_size=2`)
    expect(first.body).to.include({ total: 3, page: 1, page_size: 2 })
    expect(metrics(await listed(`&page_size=2&page=2`))).to.deep.equal(['spend'])
    expect(metrics(await listed(`&page_size=2&cursor=${String(first.body['next_cursor'])}`))).to.deep.equal([
      'spend',
    ])
    expect((await get(`?config_id=${configId}&cursor=MTI`)).body).to.include({ code: 'INVALID_REQUEST' })
  })

  it('list those of the days asked for, by any of their days', async () => {
    const from = (date: string, to: string, metric: SavedIncident['metric']): SavedIncident =>
      savedIncident({ metric, dateFrom: toDayNumber(date), dateTo: toDayNumber(to) })
    await save(
      [from('2026-02-20', '2026-03-03', 'spend'), from('2026-02-20', '2026-03-04', 'cpl')],
      [],
      toDayNumber('2026-03-04'),
    )
    const metrics = async (query: string): Promise<readonly unknown[]> =>
      (await listed(query)).map(({ metric }) => metric)
    // The last seven complete days begin on the fourth.
    expect(await metrics('')).to.deep.equal(['cpl'])
    expect(await metrics('&days=8')).to.have.members(['cpl', 'spend'])
    expect(await metrics('&date_from=2026-02-01&date_to=2026-02-20')).to.have.length(2)
    expect(await metrics('&date_from=2026-02-01&date_to=2026-02-19')).to.have.length(0)
    for (const wrong of ['&days=0', '&days=91', '&date_from=2026-03-02&date_to=2026-03-01', '&status=new'])
      expect((await get(`?config_id=${configId}${wrong}`)).status).to.equal(400)
    expect((await get('')).status).to.equal(400)
  })

  it('list those of a status and of a severity', async () => {
    await save([
      savedIncident({ metric: 'spend', severity: 'LOW' }),
      savedIncident({ metric: 'cpl', severity: 'CRITICAL' }),
    ])
    const [loud] = await idsOf('&severity=CRITICAL')
    expect(await idsOf('&severity=CRITICAL&status=open')).to.deep.equal([loud])
    await post(`/${String(loud)}/resolve`)
    expect(await idsOf('&status=resolved')).to.deep.equal([loud])
    expect(await idsOf('&status=open'))
      .to.have.length(1)
      .and.not.include(loud)
    expect(await idsOf('&severity=MEDIUM')).to.deep.equal([])
  })

  it('hide them from those who may not see the config, whatever they ask', async () => {
    const id = await openOne()
    expect((await get(`?config_id=${configId}`, stranger)).body).to.include({ code: 'CONFIG_NOT_FOUND' })
    const missing = await get('/999999999')
    expect(missing.body).to.include({ status: 404, code: 'NOT_FOUND' })
    for (const reply of [
      await get(`/${id}`, stranger),
      await post(`/${id}/acknowledge`, {}, stranger),
      await post(`/${id}/resolve`, {}, stranger),
    ]) {
      expect(reply.body).to.include({ status: 404, code: 'NOT_FOUND' })
      expect(reply.body['detail']).to.equal(String(missing.body['detail']).replace('999999999', String(id)))
    }
    expect(await idsOf('&status=open')).to.deep.equal([id])
  })

  it('let viewers read and trainers decide', async () => {
    const id = await openOne()
    for (const verb of ['acknowledge', 'resolve']) {
      expect((await post(`/${id}/${verb}`, {}, viewer)).body).to.include({ code: 'FORBIDDEN' })
      expect((await post(`/${id}/${verb}`, { notes: 'x'.repeat(501) })).status).to.equal(400)
      expect((await api.ask(`${INCIDENTS}/${id}/${verb}`, { method: 'POST' })).status).to.equal(401)
    }
    expect((await anomalies()).map(({ status }) => status)).to.deep.equal(['open', 'open'])
  })

  it('acknowledge one with its anomalies, as often as asked', async () => {
    const id = await openOne()
    const seen = await post(`/${id}/acknowledge`, { notes: 'on it' })
    expect(seen.status).to.equal(200)
    const first = { status: 'acknowledged', notes: 'on it', actor: 'key:trainer', acted_at: NOW }
    expect(seen.body).to.include(first)
    expect((seen.body['members'] as Body[]).map(({ status }) => status)).to.deep.equal([
      'acknowledged',
      'acknowledged',
    ])
    const again = await post(`/${id}/acknowledge`, { notes: 'me too' })
    expect(again.status).to.equal(200)
    expect(again.body).to.include(first)
    expect(await messages()).to.deep.equal([])
    const audited = await api
      .knex('audit_log')
      .where({ target: `incident/${id}` })
      .orderBy('id')
      .first<Body>()
    expect(audited).to.deep.include({
      before: { status: 'open' },
      after: { status: 'acknowledged', notes: 'on it' },
    })
  })

  it('resolve one with its anomalies, tell it once, and refuse to acknowledge it then', async () => {
    const id = await openOne()
    await api.knex('ml_anomalies').where({ entity_id: 'a1', config_id: configId }).update({
      status: 'resolved',
      resolution: 'false_positive',
    })
    const replies = await Promise.all([
      post(`/${id}/resolve`),
      post(`/${id}/resolve`),
      post(`/${id}/resolve`),
    ])
    for (const { status, body } of replies) {
      expect(status).to.equal(200)
      expect(body).to.include({ status: 'resolved', resolution: 'manual' })
    }
    expect((await anomalies()).map(({ resolution }) => resolution)).to.deep.equal([
      'manual',
      'false_positive',
    ])
    expect((await messages()).map((row) => [row['event_type'], row['incident_id']])).to.deep.equal([
      ['incident.resolved', id],
    ])
    const late = await post(`/${id}/acknowledge`)
    expect(late.body).to.include({ status: 409, code: 'CONFLICT' })
    expect(late.body['detail']).to.equal(`incident ${id} is resolved (by hand) and needs no acknowledgement`)
  })

  it('tell nobody that one is over of which nobody was told', async () => {
    await save([savedIncident({ alerted: false })])
    const [id] = await idsOf()
    expect((await post(`/${String(id)}/resolve`)).body).to.include({ status: 'resolved', alerted_at: null })
    expect(await messages()).to.deep.equal([])
  })

  it('give the most urgent first: what goes on, loud, dear, new', async () => {
    const made = (metric: SavedIncident['metric'], changes: Partial<SavedIncident>): SavedIncident =>
      savedIncident({ metric, severity: 'MEDIUM', ...changes })
    await save([
      made('spend', { money: null }),
      made('cpl', { money: 10 }),
      made('ctr', { money: -20 }),
      made('leads', { severity: 'HIGH', money: 1 }),
      made('reach', { severity: 'CRITICAL' }),
      made('frequency', { polarity: 'good', severity: 'CRITICAL' }),
    ])
    const over = (await listed('&severity=CRITICAL')).find(({ metric }) => metric === 'reach')
    await post(`/${String(over?.['id'])}/resolve`)
    const { rows, total } = await api.services.incidents.mostUrgent(
      { configId, dateFrom: '2026-03-01', dateTo: '2026-03-11' },
      5,
    )
    expect(total).to.equal(6)
    expect(rows.map(({ metric }) => metric)).to.deep.equal(['leads', 'ctr', 'cpl', 'spend', 'frequency'])
  })

  it('are described to those who read the documentation', async () => {
    const { body } = await api.ask('/openapi.json', { key: viewer })
    const paths = body['paths'] as Record<string, Body>
    expect(Object.keys(paths)).to.include.members([
      INCIDENTS,
      `${INCIDENTS}/{id}`,
      `${INCIDENTS}/{id}/acknowledge`,
      `${INCIDENTS}/{id}/resolve`,
    ])
  })
})
