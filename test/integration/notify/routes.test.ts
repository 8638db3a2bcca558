/** Webhooks, mutes and holidays over HTTP: who may do what, what is shown, and what is noted of it. */
import { expect } from 'chai'
import { adDays, insertDays } from '../../support/accounts.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { incidentEvent } from '../../support/incidents.ts'
import { startReceiver } from '../../support/receiver.ts'
import type { Receiver } from '../../support/receiver.ts'

const WEBHOOKS = '/api/v1/webhooks'
const MUTES = '/api/v1/mutes'
/** Two in the morning in São Paulo. */
const NOW = new Date('2026-03-11T05:00:00.000Z')

type Row = Readonly<Record<string, unknown>>

describe('notifications over HTTP', () => {
  let api: TestApi
  let receiver: Receiver
  let configId: number
  let other: number
  let admin: string
  let trainer: string
  let viewer: string
  let own: string
  let stranger: string
  before(async () => {
    api = await openTestApi({
      clock: { now: () => NOW },
      environment: { RATE_LIMITS: 'off', WEBHOOK_ALLOW: '127.0.0.1/32' },
    })
    configId = await api.newConfig()
    other = await api.newConfig()
    ;[admin, trainer, viewer, own, stranger] = await Promise.all([
      api.key('admin', 'admin'),
      api.key('trainer', 'trainer'),
      api.key('viewer', 'viewer'),
      api.key('own', 'admin', [configId]),
      api.key('stranger', 'admin', [other]),
    ])
    await insertDays(api.knex, configId, adDays('a1', 1, '2026-03-10', { adsetId: 's1', campaignId: 'c1' }))
    receiver = await startReceiver()
  })
  after(async () => {
    await receiver.close()
    await api.close()
  })
  beforeEach(() => api.knex('webhooks').delete())

  const send = (path: string, method: string, key: string, body?: unknown): Promise<Reply> =>
    api.ask(path, { method, key, ...(body === undefined ? {} : { body }) })
  const dataOf = (reply: Reply): readonly Row[] => reply.body['data'] as readonly Row[]
  const make = async (key = admin, more: Row = {}): Promise<Row> => {
    const reply = await send(WEBHOOKS, 'POST', key, {
      config_id: configId,
      name: 'Chat',
      url: receiver.url,
      ...more,
    })
    expect(reply.status, reply.text).to.equal(201)
    return reply.body
  }
  const newestAudit = async (): Promise<Row> =>
    (await api.knex('audit_log').orderBy('id', 'desc').first()) as Row

  describe('webhooks', () => {
    it('are made by admins; the secret is shown by that answer only', async () => {
      const reply = await send(WEBHOOKS, 'POST', admin, {
        config_id: configId,
        name: 'Chat',
        url: `${receiver.url}/secret-path?token=hush`,
      })
      expect(reply.status).to.equal(201)
      expect(reply.headers['cache-control']).to.equal('no-store')
      expect(reply.headers['location']).to.equal(`${WEBHOOKS}/${String(reply.body['id'])}`)
      const { id, secret, created_at, updated_at, ...rest } = reply.body
      expect(secret).to.match(/^whsec_/)
      expect([created_at, updated_at]).to.satisfy((texts: string[]) =>
        texts.every((text) => text.endsWith('Z')),
      )
      expect(rest).to.deep.equal({
        config_id: configId,
        name: 'Chat',
        kind: 'standard',
        url: `http://127.0.0.1:${receiver.port}/***`,
        events: ['incident.opened', 'incident.escalated', 'incident.resolved'],
        severity_min: 'LOW',
        status: 'active',
        status_reason: null,
        pending: 0,
        dead: 0,
        last_delivered_at: null,
        previous_secret_until: null,
      })
      for (const path of [WEBHOOKS, `${WEBHOOKS}/${String(id)}`]) {
        const { text } = await send(path, 'GET', admin)
        expect(text).not.to.match(/whsec_|secret-path|hush/)
      }
      const audited = JSON.stringify(await newestAudit())
      expect(audited).to.contain(`webhook/${String(id)}`)
      expect(audited).not.to.match(/whsec_|secret-path|hush/)
    })

    it('are made twice by a request that is repeated: what holds a secret is not kept', async () => {
      const body = { config_id: configId, name: 'Chat', url: receiver.url }
      const asked = { method: 'POST', key: admin, body, headers: { 'Idempotency-Key': 'once' } }
      const [first, second] = [await api.ask(WEBHOOKS, asked), await api.ask(WEBHOOKS, asked)]
      expect(first.body['secret']).not.to.equal(second.body['secret'])
      expect(JSON.stringify(await api.knex('idempotency_keys'))).not.to.contain('whsec_')
    })

    it('are closed to trainers and viewers', async () => {
      const { id } = await make()
      for (const key of [trainer, viewer]) {
        for (const [method, path, body] of [
          ['GET', WEBHOOKS],
          ['POST', WEBHOOKS, { name: 'x', url: receiver.url }],
          ['GET', `${WEBHOOKS}/${String(id)}`],
          ['PATCH', `${WEBHOOKS}/${String(id)}`, { name: 'x' }],
          ['DELETE', `${WEBHOOKS}/${String(id)}`],
          ['POST', `${WEBHOOKS}/${String(id)}/test`],
          ['GET', `${WEBHOOKS}/${String(id)}/deliveries`],
          ['POST', `${WEBHOOKS}/${String(id)}/deliveries/1/redeliver`],
        ] as const)
          expect((await send(path, method, key, body)).status, `${method} ${path}`).to.equal(403)
      }
    })

    it('of other configs, and of all, are not there for an admin of some', async () => {
      const mine = await make(own)
      const all = await make(admin, { config_id: null })
      expect(dataOf(await send(WEBHOOKS, 'GET', own)).map(({ id }) => id)).to.deep.equal([mine['id']])
      expect(dataOf(await send(WEBHOOKS, 'GET', stranger))).to.deep.equal([])
      for (const [key, { id }] of [
        [stranger, mine],
        [own, all],
      ] as const) {
        for (const [method, path, body] of [
          ['GET', ''],
          ['PATCH', '', { name: 'x' }],
          ['DELETE', ''],
          ['POST', '/test'],
          ['GET', '/deliveries'],
          ['POST', '/deliveries/1/redeliver'],
        ] as const) {
          const reply = await send(`${WEBHOOKS}/${String(id)}${path}`, method, key, body)
          expect([reply.status, reply.body['code']], `${method} ${path}`).to.deep.equal([404, 'NOT_FOUND'])
        }
      }
      const refused = { name: 'x', url: receiver.url }
      expect((await send(WEBHOOKS, 'POST', own, refused)).status).to.equal(403)
      expect((await send(WEBHOOKS, 'POST', own, { ...refused, config_id: other })).body['code']).to.equal(
        'CONFIG_NOT_FOUND',
      )
      expect((await send(`${WEBHOOKS}?config_id=${configId}`, 'GET', stranger)).status).to.equal(404)
    })

    it('are listed with those of all configs, in pages', async () => {
      const first = await make()
      const second = await make(admin, { config_id: null })
      await make(admin, { config_id: other })
      const reply = await send(`${WEBHOOKS}?config_id=${configId}&page_size=1`, 'GET', admin)
      expect(reply.body).to.include({ total: 2, page: 1 })
      expect(dataOf(reply)[0]?.['id']).to.equal(second['id'])
      const cursor = String(reply.body['next_cursor'])
      const next = await send(`${WEBHOOKS}?config_id=${configId}&cursor=${cursor}`, 'GET', admin)
      expect(dataOf(next).map(({ id }) => id)).to.deep.equal([first['id']])
    })

    it('are refused with what is wrong', async () => {
      for (const [body, field] of [
        [{ name: 'x' }, 'body.url'],
        [{ url: receiver.url }, 'body.name'],
        [{ name: 'x', url: 'http://10.0.0.1/' }, 'body.url'],
        [{ name: 'x', url: 'http://localhost:22/' }, 'body.url'],
        [{ name: 'x', url: receiver.url, kind: 'mail' }, 'body.kind'],
        [{ name: 'x', url: receiver.url, events: [] }, 'body.events'],
        [{ name: 'x', url: receiver.url, events: ['incident.closed'] }, 'body.events.0'],
        [{ name: 'x', url: receiver.url, severity_min: 'loud' }, 'body.severity_min'],
      ] as const) {
        const reply = await send(WEBHOOKS, 'POST', admin, body)
        expect(reply.status, reply.text).to.equal(400)
        expect((reply.body['errors'] as Row[])[0]?.['field']).to.equal(field)
      }
      const { id } = await make()
      expect((await send(`${WEBHOOKS}/${String(id)}`, 'PATCH', admin, {})).status).to.equal(400)
      expect((await send(`${WEBHOOKS}/${String(id)}`, 'PATCH', admin, { kind: 'slack' })).status).to.equal(
        400,
      )
      expect((await send(`${WEBHOOKS}/999999`, 'GET', admin)).status).to.equal(404)
    })

    it('are changed, paused, given another secret, and removed', async () => {
      const { id, secret } = await make()
      const path = `${WEBHOOKS}/${String(id)}`
      const changed = await send(path, 'PATCH', admin, {
        name: 'Night',
        events: ['incident.resolved', 'incident.opened', 'incident.opened'],
        severity_min: 'HIGH',
        status: 'paused',
      })
      expect(changed.body).to.deep.include({
        name: 'Night',
        events: ['incident.opened', 'incident.resolved'],
        severity_min: 'HIGH',
        status: 'paused',
        secret: null,
      })
      const rotated = await send(path, 'PATCH', admin, { rotate_secret: true })
      expect(rotated.headers['cache-control']).to.equal('no-store')
      expect(rotated.body['secret'])
        .to.match(/^whsec_/)
        .and.not.equal(secret)
      expect(rotated.body['previous_secret_until']).to.be.a('string')
      expect(JSON.stringify(await newestAudit())).not.to.contain('whsec_')
      expect(await newestAudit())
        .to.have.property('after')
        .that.includes({ secret_rotated: true })
      expect((await send(path, 'DELETE', admin)).status).to.equal(204)
      expect((await send(path, 'GET', admin)).status).to.equal(404)
    })

    it('are tried by a test call, and show what was sent and what became of it', async () => {
      const { id } = await make()
      const path = `${WEBHOOKS}/${String(id)}`
      expect((await send(`${path}/test`, 'POST', admin)).body).to.include({
        delivered: true,
        status: 200,
        error: null,
      })
      await api.services.webhooks.notify([incidentEvent(configId)])
      const all = await send(`${path}/deliveries`, 'GET', admin)
      expect(dataOf(all).map(({ event_type, status }) => [event_type, status])).to.deep.equal([
        ['incident.opened', 'pending'],
        ['webhook.test', 'delivered'],
      ])
      const pending = await send(`${path}/deliveries?status=pending`, 'GET', admin)
      expect(pending.body['total']).to.equal(1)
      const [message] = dataOf(pending)
      expect(message).to.include({ incident_id: 1, attempts: 0 })
      const again = `${path}/deliveries/${String(message?.['id'])}/redeliver`
      expect((await send(again, 'POST', admin)).body['code']).to.equal('CONFLICT')
      await api.knex('webhook_deliveries').where({ id: message?.['id'] }).update({ status: 'dead' })
      expect((await send(again, 'POST', admin)).status).to.equal(204)
      expect((await send(`${path}/deliveries?status=pending`, 'GET', admin)).body['total']).to.equal(1)
    })
  })

  describe('mutes', () => {
    it('are made by trainers from the day that is judged today to a day, seen by viewers, and ended', async () => {
      const made = await send(MUTES, 'POST', trainer, {
        config_id: configId,
        entity_type: 'campaign',
        entity_id: 'c1',
        metric: 'cpl',
        until: '2026-03-11',
        reason: 'a launch',
      })
      expect(made.status, made.text).to.equal(201)
      const { id, created_at, ...rest } = made.body
      expect(created_at).to.be.a('string')
      expect(rest).to.deep.equal({
        config_id: configId,
        entity_type: 'campaign',
        entity_id: 'c1',
        metric: 'cpl',
        from: '2026-03-10',
        until: '2026-03-11',
        reason: 'a launch',
        actor: 'key:trainer',
      })
      expect(dataOf(await send(`${MUTES}?config_id=${configId}`, 'GET', viewer))).to.have.length(1)
      expect((await send(`${MUTES}/${String(id)}`, 'DELETE', viewer)).status).to.equal(403)
      expect((await send(`${MUTES}/${String(id)}`, 'DELETE', stranger)).status).to.equal(404)
      expect((await send(`${MUTES}/${String(id)}`, 'DELETE', trainer)).status).to.equal(204)
      expect(await newestAudit()).to.include({ target: `mute/${String(id)}` })
      expect((await send(`${MUTES}/${String(id)}`, 'DELETE', trainer)).status).to.equal(404)
      expect(dataOf(await send(`${MUTES}?config_id=${configId}`, 'GET', viewer))).to.deep.equal([])
    })

    it('are one when the same is asked for twice, and another until another day or of another metric', async () => {
      const ask = async (change: Record<string, unknown> = {}) => {
        const body = { config_id: configId, metric: 'spend', until: '2026-03-15', ...change }
        const made = await send(MUTES, 'POST', trainer, body)
        expect(made.status, made.text).to.equal(201)
        return made.body
      }
      const first = await ask()
      const again = await ask({ reason: 'a sale' })
      expect(again).to.deep.equal({ ...first, reason: 'a sale' })
      expect((await ask())['reason']).to.equal('a sale')
      const others = [
        await ask({ until: '2026-03-16' }),
        await ask({ metric: 'ctr' }),
        await ask({ entity_type: 'campaign', entity_id: 'c1' }),
      ]
      const ids = [first, ...others].map((mute) => mute['id'])
      expect(new Set(ids).size).to.equal(4)
      for (const id of ids)
        expect((await send(`${MUTES}/${String(id)}`, 'DELETE', trainer)).status).to.equal(204)
    })

    it('that are over are listed when asked for', async () => {
      await api.knex('mutes').insert({
        config_id: configId,
        metric: 'ctr',
        muted_from: '2026-03-01',
        muted_until: '2026-03-10',
        actor: 'test',
      })
      expect(dataOf(await send(`${MUTES}?config_id=${configId}`, 'GET', viewer))).to.deep.equal([])
      expect(dataOf(await send(`${MUTES}?config_id=${configId}&all=true`, 'GET', viewer))).to.have.length(1)
      expect(await api.services.mutes.within(configId, '2026-03-10', '2026-03-20')).to.have.length(1)
      expect(await api.services.mutes.within(configId, '2026-03-11', '2026-03-20')).to.deep.equal([])
      expect(await api.services.mutes.within(configId, '2026-02-01', '2026-02-28')).to.deep.equal([])
    })

    it('are refused where there is nothing to mute', async () => {
      const until = '2026-03-20'
      for (const [body, status, code] of [
        [{ config_id: configId, until }, 400, 'INVALID_REQUEST'],
        [{ config_id: configId, metric: 'cpl' }, 400, 'INVALID_REQUEST'],
        [{ config_id: configId, metric: 'cpl', until: '2026-03-10' }, 400, 'INVALID_REQUEST'],
        [{ config_id: configId, entity_id: 'c1', until }, 400, 'INVALID_REQUEST'],
        [{ config_id: configId, entity_type: 'campaign', entity_id: 'c2', until }, 404, 'ENTITY_NOT_FOUND'],
        [{ config_id: 999_999, metric: 'cpl', until }, 404, 'CONFIG_NOT_FOUND'],
      ] as const) {
        const reply = await send(MUTES, 'POST', trainer, body)
        expect([reply.status, reply.body['code']], JSON.stringify(body)).to.deep.equal([status, code])
      }
      const body = { config_id: configId, metric: 'cpl', until }
      expect((await send(MUTES, 'POST', viewer, body)).status).to.equal(403)
      expect((await send(MUTES, 'POST', stranger, body)).body['code']).to.equal('CONFIG_NOT_FOUND')
      expect((await send(`${MUTES}?config_id=${configId}`, 'GET', stranger)).status).to.equal(404)
    })
  })

  describe('holidays', () => {
    const path = (): string => `/api/v1/configs/${configId}/holidays`
    const carnival = { date: '2026-02-14', days: 5, name: 'Carnaval na loja' }

    it('are none until somebody says which', async () => {
      expect((await send(path(), 'GET', viewer)).body).to.deep.equal({
        config_id: configId,
        country: null,
        region: null,
        days: [],
        national: [],
      })
    })

    it('are set by trainers: a country, a state, and days of its own', async () => {
      const put = await send(path(), 'PUT', trainer, {
        country: 'BR',
        region: 'SP',
        days: [carnival, { date: '2026-01-25' }],
      })
      expect(put.status, put.text).to.equal(200)
      expect(put.body['days']).to.deep.equal([{ date: '2026-01-25', days: 1, name: '' }, carnival])
      const dates = (put.body['national'] as Row[]).map(({ date }) => date)
      expect(dates).to.include.members(['2026-07-09', '2026-12-25', '2027-01-01'])
      const july = await send(`${path()}?date_from=2026-07-01&date_to=2026-07-31`, 'GET', viewer)
      expect((july.body['national'] as Row[]).map(({ date }) => date)).to.deep.equal(['2026-07-09'])
      // What is read can be written.
      expect((await send(path(), 'PUT', trainer, july.body)).status).to.equal(200)
      expect((await api.services.holidays.calendar(configId)).days).to.have.length(2)
      expect(await newestAudit())
        .to.have.property('after')
        .that.includes({ country: 'BR', region: 'SP' })
    })

    it('are told by day, long ones on each of their days', async () => {
      const on = async (day: string): Promise<string[]> =>
        (await api.services.holidays.between(configId, day, day)).map(
          ({ source, name }) => `${source} ${name}`,
        )
      expect(await on('2026-02-13')).to.deep.equal([])
      expect(await on('2026-02-14')).to.deep.equal(['own Carnaval na loja'])
      expect(await on('2026-02-17')).to.deep.equal(['own Carnaval na loja', 'national Carnaval'])
      expect(await on('2026-02-18')).to.deep.equal(['own Carnaval na loja'])
      expect(await on('2026-02-19')).to.deep.equal([])
    })

    it('are taken back whole', async () => {
      const put = await send(path(), 'PUT', trainer, { country: null, days: [] })
      expect(put.body).to.deep.include({ country: null, region: null, days: [], national: [] })
    })

    it('are refused with what is wrong', async () => {
      for (const [body, field] of [
        [{ days: [] }, 'body.country'],
        [{ country: 'br', days: [] }, 'body.country'],
        [{ country: 'XX', days: [] }, 'body.country'],
        [{ country: 'BR', region: 'ZZ', days: [] }, 'body.region'],
        [{ country: null, region: 'SP', days: [] }, 'body.region'],
        [{ country: null, days: [{ date: '2026-02-30' }] }, 'body.days.0.date'],
        [{ country: null, days: [{ date: '2026-02-01', days: 0 }] }, 'body.days.0.days'],
        [{ country: null, days: [{ date: '2026-02-01' }, { date: '2026-02-01' }] }, 'body.days'],
      ] as const) {
        const reply = await send(path(), 'PUT', trainer, body)
        expect(reply.status, reply.text).to.equal(400)
        expect((reply.body['errors'] as Row[])[0]?.['field']).to.equal(field)
      }
      expect((await send(path(), 'PUT', viewer, { country: null, days: [] })).status).to.equal(403)
      expect((await send(path(), 'PUT', stranger, { country: null, days: [] })).status).to.equal(404)
      expect((await send(path(), 'GET', stranger)).status).to.equal(404)
      expect((await send('/api/v1/configs/999999/holidays', 'GET', viewer)).status).to.equal(404)
      expect(
        (await send(`${path()}?date_from=2026-02-02&date_to=2026-02-01`, 'GET', viewer)).status,
      ).to.equal(400)
      expect(
        (await send(`${path()}?date_from=2000-01-01&date_to=2026-02-01`, 'GET', viewer)).status,
      ).to.equal(400)
    })
  })
})
