/** Messages from the transaction that tells of something to real receivers, over a real database. */
import { createHmac, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { configs as configStore } from '../../../db/repositories/configs.ts'
import { housekeeping } from '../../../db/repositories/housekeeping.ts'
import { muteStore } from '../../../db/repositories/mutes.ts'
import { notify, webhookStore } from '../../../db/repositories/webhooks.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { systemClock } from '../../../shared/core/clock.ts'
import type { WorkContext } from '../../../shared/core/work.ts'
import { createConfigs } from '../../../shared/entities/configs.ts'
import { draftRun } from '../../../shared/jobs/enqueuer.ts'
import { notifyDeliver, sendingNow } from '../../../shared/jobs/notify.ts'
import { createNotifications } from '../../../shared/notify/notifications.ts'
import type { Notifications } from '../../../shared/notify/notifications.ts'
import { createSender } from '../../../shared/notify/send.ts'
import type { Delivery, Webhook, WebhookStore } from '../../../shared/notify/webhooks.ts'
import { WebhookDraft } from '../../../shared/notify/webhooks.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { eventually } from '../../support/eventually.ts'
import { incidentEvent } from '../../support/incidents.ts'
import { startReceiver } from '../../support/receiver.ts'
import type { Receiver, Received } from '../../support/receiver.ts'

const PAGE = { page: 1, pageSize: 200, afterId: null }
const HOUR_S = 3600

/** As a receiver does it, by the words of the specification. */
const isSignedBy = (secret: string, { headers, body }: Received): boolean => {
  const content = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const expected = createHmac('sha256', key).update(content, 'utf8').digest('base64')
  return String(headers['webhook-signature'])
    .split(' ')
    .some((signature) => signature === `v1,${expected}`)
}

describe('messages to webhooks', () => {
  let database: TestDatabase
  let store: WebhookStore
  let receiver: Receiver
  let configId: number
  let webhooks: Notifications
  let wakes: { asOf: Date; delayMs: number }[]

  const build = (withinMs = 2000): Notifications =>
    createNotifications({
      store,
      configs: createConfigs(
        configStore(database.knex),
        { removeConfig: () => Promise.resolve() },
        silentLogger,
      ),
      sender: createSender({ clock: systemClock, allowed: ['127.0.0.0/8'], withinMs }),
      clock: systemClock,
      carrier: { deliver: () => Promise.resolve(true) },
      draftRun: () => draftRun(notifyDeliver, sendingNow(systemClock), {}, systemClock.now()),
      wakeNow: () => {
        wakes.push({ asOf: systemClock.now(), delayMs: 0 })
        return Promise.resolve()
      },
      wakeAt: (asOf, delayMs) => {
        wakes.push({ asOf, delayMs })
        return Promise.resolve()
      },
      onAttempt: () => {},
    })

  before(async () => {
    database = await openTestDatabase(16)
    store = webhookStore(database.knex)
  })
  after(() => database.close())
  beforeEach(async () => {
    // What others left to be sent would be sent here.
    await database.knex('webhooks').delete()
    receiver = await startReceiver()
    configId = await newConfig(database.knex)
    wakes = []
    webhooks = build()
  })
  afterEach(() => receiver.close())

  const create = async (draft: Partial<WebhookDraft> = {}): Promise<{ webhook: Webhook; secret: string }> => {
    const parsed = WebhookDraft.parse({ config_id: configId, name: 'Chat', url: receiver.url, ...draft })
    const { webhook, secret } = await webhooks.create(parsed, 'test')
    return { webhook, secret: secret ?? '' }
  }
  const context = (abort = new AbortController()): WorkContext => ({
    signal: abort.signal,
    fence: { runId: randomUUID(), attempt: 1 },
    logger: silentLogger,
    progress: () => {},
  })
  const deliver = (by = webhooks): ReturnType<Notifications['deliver']> => by.deliver(new Date(), context())
  const deliveries = async (id: number): Promise<readonly Delivery[]> =>
    (await webhooks.deliveries(id, null, PAGE)).data
  const only = async (id: number): Promise<Delivery> => {
    const [delivery, ...others] = await deliveries(id)
    if (!delivery || others.length > 0) throw new Error('there is not one message')
    return delivery
  }
  /** Lets time pass for everything that waits. */
  const pass = async (seconds: number): Promise<void> => {
    const earlier = (column: string): ReturnType<typeof database.knex.raw> =>
      database.knex.raw(`?? - ? * interval '1 second'`, [column, seconds])
    await database.knex('webhook_deliveries').update({
      next_attempt_at: earlier('next_attempt_at'),
      retry_from: earlier('retry_from'),
    })
    await database.knex('webhooks').update({
      busy_until: earlier('busy_until'),
      previous_until: earlier('previous_until'),
    })
  }
  const status = (code: number, headers: Record<string, string> = {}): void => {
    receiver.answer = (_, response) => void response.writeHead(code, headers).end('nein')
  }

  describe('written with what they tell of', () => {
    it('are there when the transaction is committed, with a run that sends them', async () => {
      const { webhook } = await create()
      const carriages = await database.knex.transaction((trx) =>
        notify(trx, webhooks.notice([incidentEvent(configId)])),
      )
      expect(carriages).to.have.length(1)
      expect(carriages[0]).to.include({ job: 'notify.deliver', queue: 'control' })
      expect(await database.knex('outbox').where({ run_id: carriages[0]?.runId })).to.have.length(1)
      expect(await only(webhook.id)).to.deep.include({
        event_type: 'incident.opened',
        incident_id: 1,
        status: 'pending',
        attempts: 0,
      })
    })

    it('are not there when it is rolled back, nor is the run', async () => {
      const { webhook } = await create()
      const count = async (): Promise<unknown> => database.knex('runs').count('* as n').first()
      const before = await count()
      const failed = database.knex.transaction(async (trx) => {
        await notify(trx, webhooks.notice([incidentEvent(configId)]))
        throw new Error('no')
      })
      await rejectionOf(failed)
      expect(await deliveries(webhook.id)).to.deep.equal([])
      expect(await count()).to.deep.equal(before)
    })

    it('are written once, however often and from wherever it is told', async () => {
      const { webhook } = await create()
      const events = [incidentEvent(configId), incidentEvent(configId, { type: 'incident.resolved' })]
      await Promise.all(Array.from({ length: 8 }, () => webhooks.notify(events)))
      await webhooks.notify(events)
      expect(await deliveries(webhook.id)).to.have.length(2)
      await deliver()
      expect(receiver.received.map(({ body }) => (JSON.parse(body) as { type: string }).type)).to.deep.equal([
        'incident.opened',
        'incident.resolved',
      ])
      await webhooks.notify(events)
      await deliver()
      expect(receiver.received).to.have.length(2)
    })

    it('have a run each, of the same instant too: an earlier one may have looked already', async () => {
      await create()
      const clock = { now: () => new Date('2026-03-11T07:00:00.000Z') }
      const [one, two] = [sendingNow(clock), sendingNow(clock)]
      expect(notifyDeliver.key(one)).not.to.deep.equal(notifyDeliver.key(two))
      const later = { asOf: one.asOf }
      expect(notifyDeliver.key(later)).to.deep.equal(['20260311T070000Z'])
    })

    it('start no run when nobody is to be told', async () => {
      const carriages = await database.knex.transaction((trx) =>
        notify(trx, webhooks.notice([incidentEvent(configId)])),
      )
      expect(carriages).to.deep.equal([])
    })

    it('go to whom they concern', async () => {
      const other = await newConfig(database.knex)
      const told = new Map(
        await Promise.all(
          (
            [
              ['own', {}],
              ['all', { config_id: null }],
              ['other', { config_id: other }],
              ['over', { events: ['incident.resolved'] }],
              ['loud', { severity_min: 'CRITICAL' }],
              ['just', { severity_min: 'HIGH' }],
            ] as [string, Partial<WebhookDraft>][]
          ).map(async ([name, draft]) => [name, (await create(draft)).webhook.id] as const),
        ),
      )
      await webhooks.notify([
        incidentEvent(configId),
        incidentEvent(configId, { type: 'incident.escalated', severity: 'CRITICAL' }),
        incidentEvent(configId, { type: 'incident.resolved', severity: 'MEDIUM' }),
      ])
      const counts = await Promise.all(
        [...told].map(async ([name, id]) => [
          name,
          (await deliveries(id)).map(({ event_type }) => event_type.replace('incident.', '')).toReversed(),
        ]),
      )
      expect(Object.fromEntries(counts)).to.deep.equal({
        own: ['opened', 'escalated', 'resolved'],
        all: ['opened', 'escalated', 'resolved'],
        other: [],
        over: ['resolved'],
        loud: ['escalated'],
        just: ['opened', 'escalated'],
      })
    })

    it('leave out what is muted, on the days it is', async () => {
      const { webhook } = await create()
      const day = '2026-03-10'
      const dayAfter = toLocalDate(toDayNumber(day) + 1)
      const mutes = muteStore(database.knex)
      const draft = { configId, from: day, until: day, reason: null, actor: 'test' }
      await mutes.add({ ...draft, entityType: 'campaign', entityId: 'c1', metric: null })
      await mutes.add({ ...draft, entityType: 'adset', entityId: 's2', metric: 'ctr' })
      await mutes.add({ ...draft, entityType: null, entityId: null, metric: 'reach' })
      const under = (adset: string, campaign: string) => [
        { entityType: 'adset' as const, entityId: adset },
        { entityType: 'campaign' as const, entityId: campaign },
      ]
      await webhooks.notify([
        incidentEvent(configId, { incident_id: 1 }),
        incidentEvent(configId, { incident_id: 2, day: dayAfter }),
        incidentEvent(configId, { incident_id: 3, path: under('s1', 'c2') }),
        incidentEvent(configId, { incident_id: 4, path: under('s2', 'c2') }),
        incidentEvent(configId, { incident_id: 5, path: under('s2', 'c2'), metric: 'ctr' }),
        incidentEvent(configId, { incident_id: 6, path: under('s3', 'c3'), metric: 'reach' }),
        // An ad set that is named like the campaign.
        incidentEvent(configId, { incident_id: 7, path: under('c1', 'c2') }),
      ])
      const told = (await deliveries(webhook.id)).map(({ incident_id }) => incident_id)
      expect(told.toReversed()).to.deep.equal([2, 3, 4, 7])
    })
  })

  describe('sent', () => {
    it('are signed so that a receiver can check them', async () => {
      const { webhook, secret } = await create()
      await webhooks.notify([incidentEvent(configId)])
      const sinceS = Math.floor(Date.now() / 1000)
      expect(await deliver()).to.deep.equal({
        status: 'succeeded',
        counts: { done: 1, skipped: 0, failed: 0 },
        reasons: {},
      })
      const [got] = receiver.received
      if (!got) throw new Error('nothing came')
      expect(got.headers['webhook-id']).to.match(/^msg_[0-9a-f]{32}$/)
      expect(Number(got.headers['webhook-timestamp'])).to.be.within(sinceS, sinceS + 60)
      expect(isSignedBy(secret, got)).to.equal(true)
      expect(isSignedBy(secret, { ...got, body: got.body.replace('HIGH', 'LOW') })).to.equal(false)
      expect(await only(webhook.id)).to.include({
        status: 'delivered',
        attempts: 1,
        last_status: 200,
        last_error: null,
        next_attempt_at: null,
        message_id: got.headers['webhook-id'],
      })
      expect(await webhooks.get(webhook.id)).to.include({ pending: 0, dead: 0 })
    })

    it('are signed with both secrets for a day after a rotation', async () => {
      const { webhook, secret: first } = await create()
      const { secret: second, webhook: rotated } = await webhooks.change(webhook.id, { rotate_secret: true })
      if (second === null) throw new Error('no secret')
      expect(second).not.to.equal(first)
      expect(Date.parse(rotated.previous_secret_until ?? '') - Date.now()).to.be.closeTo(
        24 * HOUR_S * 1000,
        60_000,
      )
      const send = async (incident: number): Promise<Received> => {
        await webhooks.notify([incidentEvent(configId, { incident_id: incident })])
        await deliver()
        const got = receiver.received.at(-1)
        if (!got) throw new Error('nothing came')
        return got
      }
      const both = await send(1)
      expect(String(both.headers['webhook-signature']).split(' ')).to.have.length(2)
      expect([isSignedBy(first, both), isSignedBy(second, both)]).to.deep.equal([true, true])
      await pass(24 * HOUR_S + 1)
      const one = await send(2)
      expect([isSignedBy(first, one), isSignedBy(second, one)]).to.deep.equal([false, true])
      expect((await webhooks.get(webhook.id)).previous_secret_until).to.equal(null)
    })

    it('are unsigned text and blocks for Slack', async () => {
      await create({ kind: 'slack' })
      await webhooks.notify([incidentEvent(configId)])
      await deliver()
      const [got] = receiver.received
      expect(got?.headers).not.to.have.any.keys('webhook-id', 'webhook-signature')
      expect(Object.keys(JSON.parse(got?.body ?? '') as object)).to.deep.equal(['text', 'blocks'])
    })

    it('wait while the webhook is paused, and go out in order when it is resumed', async () => {
      const { webhook } = await create()
      await webhooks.change(webhook.id, { status: 'paused' })
      for (const incident_id of [1, 2, 3]) await webhooks.notify([incidentEvent(configId, { incident_id })])
      await deliver()
      expect(receiver.received).to.have.length(0)
      expect(wakes).to.deep.equal([])
      expect((await webhooks.change(webhook.id, { status: 'active' })).webhook.pending).to.equal(3)
      expect(wakes).to.have.length(1)
      await deliver()
      const incidents = receiver.received.map(
        ({ body }) => (JSON.parse(body) as { data: { incident_id: number } }).data.incident_id,
      )
      expect(incidents).to.deep.equal([1, 2, 3])
    })

    it('have their three days of tries after a pause, however long it was', async () => {
      const { webhook } = await create()
      status(500)
      await webhooks.notify([incidentEvent(configId)])
      await deliver()
      await webhooks.change(webhook.id, { status: 'paused' })
      await webhooks.notify([incidentEvent(configId, { incident_id: 2 })])
      await pass(7 * 24 * HOUR_S)
      await webhooks.change(webhook.id, { status: 'active' })
      await deliver()
      expect((await deliveries(webhook.id)).map((one) => [one.status, one.attempts])).to.deep.equal([
        ['pending', 1],
        ['pending', 2],
      ])
    })

    it('are gone with the webhook', async () => {
      const { webhook } = await create()
      await webhooks.notify([incidentEvent(configId)])
      await webhooks.remove(webhook.id)
      await deliver()
      expect(receiver.received).to.have.length(0)
      expect(await database.knex('webhook_deliveries')).to.deep.equal([])
    })

    it('go to where the URL leads now', async () => {
      const elsewhere = await startReceiver()
      try {
        const { webhook } = await create()
        await webhooks.notify([incidentEvent(configId)])
        await webhooks.change(webhook.id, { url: elsewhere.url })
        await deliver()
        expect([receiver.received.length, elsewhere.received.length]).to.deep.equal([0, 1])
      } finally {
        await elsewhere.close()
      }
    })
  })

  describe('not taken', () => {
    it('reach a receiver that was down for an hour, then for a day, with the same id', async () => {
      const { webhook } = await create()
      for (const [incident_id, downS] of [
        [1, HOUR_S],
        [2, 24 * HOUR_S],
      ] as const) {
        await webhooks.notify([incidentEvent(configId, { incident_id })])
        await receiver.down()
        let passed = 0
        while (passed <= downS) {
          await deliver()
          const [newest] = await deliveries(webhook.id)
          expect(newest).to.include({ status: 'pending' })
          const waitS = (Date.parse(newest?.next_attempt_at ?? '') - Date.now()) / 1000
          expect(waitS).to.be.within(5, HOUR_S * 1.25)
          await pass(Math.max(waitS, 30) + 1)
          passed += waitS
        }
        await receiver.up()
        await deliver()
        const [newest] = await deliveries(webhook.id)
        expect(newest).to.include({ status: 'delivered', last_error: null })
        expect(receiver.received.at(-1)?.headers['webhook-id']).to.equal(newest?.message_id)
      }
      expect(receiver.received).to.have.length(2)
    })

    it('tell the end of an incident after its beginning, whichever had to wait longer', async () => {
      const { webhook } = await create()
      const told = (): unknown[] =>
        receiver.received.map(({ body }) => {
          const { type, data } = JSON.parse(body) as { type: string; data: { incident_id: number } }
          return [data.incident_id, type]
        })
      await webhooks.notify([incidentEvent(configId)])
      status(500)
      // Down for long: the first message waits for minutes by now.
      for (let n = 0; n < 6; n += 1) {
        await deliver()
        await pass(400)
      }
      await deliver()
      await webhooks.notify([
        incidentEvent(configId, { type: 'incident.resolved' }),
        incidentEvent(configId, { incident_id: 2 }),
      ])
      const before = receiver.received.length
      await deliver()
      // The newer message reminds of the older one, which fails again, and then both wait.
      expect(told().slice(before)[0]).to.deep.equal([1, 'incident.opened'])
      const waiting = (await deliveries(webhook.id)).filter(({ incident_id }) => incident_id === 1)
      expect(waiting.map(({ attempts }) => attempts > 0)).to.deep.equal([false, true])
      expect(new Set(waiting.map(({ next_attempt_at }) => next_attempt_at)).size).to.equal(1)
      // Others are not held up, and once it is back all comes, each once.
      receiver.answer = (_, response) => void response.writeHead(200).end()
      const down = receiver.received.length
      await pass(HOUR_S)
      await deliver()
      expect(told().slice(down)).to.deep.equal([
        [1, 'incident.opened'],
        [1, 'incident.resolved'],
        [2, 'incident.opened'],
      ])
    })

    it('are given up after three days, stay to be looked at, and can be sent again', async () => {
      const { webhook } = await create()
      await webhooks.notify([incidentEvent(configId)])
      status(500)
      await deliver()
      await pass(71 * HOUR_S)
      await deliver()
      expect(await only(webhook.id)).to.include({ status: 'pending', attempts: 2 })
      await pass(HOUR_S)
      expect(await deliver()).to.deep.include({
        counts: { done: 0, skipped: 0, failed: 1 },
        reasons: { dead: 1 },
      })
      const dead = await only(webhook.id)
      expect(dead).to.include({
        status: 'dead',
        attempts: 3,
        last_status: 500,
        last_error: 'answered 500: nein',
        next_attempt_at: null,
      })
      expect(await webhooks.get(webhook.id)).to.include({ pending: 0, dead: 1, status: 'active' })
      expect((await webhooks.deliveries(webhook.id, 'dead', PAGE)).total).to.equal(1)
      expect((await webhooks.deliveries(webhook.id, 'pending', PAGE)).total).to.equal(0)
      await deliver()
      expect(receiver.received).to.have.length(3)

      status(204)
      await webhooks.redeliver(webhook.id, dead.id)
      await deliver()
      expect(await only(webhook.id)).to.include({ status: 'delivered', attempts: 1 })
      expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).to.equal(1)
      expect(await rejectionOf(webhooks.redeliver(webhook.id, dead.id))).to.include({ code: 'CONFLICT' })
    })

    it('are tried again whatever failure is answered, redirects too', async () => {
      const { webhook } = await create()
      let incident_id = 0
      for (const code of [301, 302, 307, 400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 502, 503, 504]) {
        incident_id += 1
        status(code, { location: `${receiver.url}-elsewhere` })
        await webhooks.notify([incidentEvent(configId, { incident_id })])
        await deliver()
        const [newest] = await deliveries(webhook.id)
        expect(newest, String(code)).to.include({ status: 'pending', attempts: 1, last_status: code })
        // The rest of one that is asked too much is over.
        await database.knex('webhooks').update({ busy_until: null })
      }
      expect(receiver.received.map(({ path }) => path)).not.to.include('/hook-elsewhere')
    })

    it('disable a webhook that answers 410, with all that waits for it', async () => {
      const { webhook } = await create()
      for (const incident_id of [1, 2, 3]) await webhooks.notify([incidentEvent(configId, { incident_id })])
      status(410)
      await deliver()
      expect(receiver.received).to.have.length(1)
      expect(await webhooks.get(webhook.id)).to.include({
        status: 'disabled',
        status_reason: 'answered 410: nein',
        pending: 0,
        dead: 3,
      })
      await webhooks.notify([incidentEvent(configId, { incident_id: 4 })])
      expect(await deliveries(webhook.id)).to.have.length(3)
      const [dead] = await deliveries(webhook.id)
      expect(await rejectionOf(webhooks.redeliver(webhook.id, dead?.id ?? 0))).to.include({
        code: 'CONFLICT',
      })
      // People can bring it back.
      status(200)
      await webhooks.change(webhook.id, { status: 'active' })
      await webhooks.redeliver(webhook.id, dead?.id ?? 0)
      await deliver()
      expect(receiver.received).to.have.length(2)
      expect(await webhooks.get(webhook.id)).to.include({ status: 'active', status_reason: null, dead: 2 })
    })

    it('wait as long as the receiver asks, and the others to it a moment', async () => {
      const { webhook } = await create()
      for (const incident_id of [1, 2]) await webhooks.notify([incidentEvent(configId, { incident_id })])
      status(429, { 'retry-after': '7200' })
      await deliver()
      expect(receiver.received).to.have.length(1)
      const [second, first] = await deliveries(webhook.id)
      expect((Date.parse(first?.next_attempt_at ?? '') - Date.now()) / 1000).to.be.within(7100, 7200)
      expect(second).to.include({ attempts: 0, status: 'pending' })
      const [wake] = wakes
      expect(wake?.delayMs).to.be.within(9000, 11_001)
    })

    it('do not hold up those to other webhooks', async () => {
      const hanging = await startReceiver()
      hanging.answer = () => {}
      try {
        const impatient = build(300)
        const { webhook: slow } = await create({ url: hanging.url })
        const { webhook: quick } = await create()
        for (let incident_id = 1; incident_id <= 30; incident_id += 1)
          await webhooks.notify([incidentEvent(configId, { incident_id })])
        await deliver(impatient)
        expect(receiver.received).to.have.length(30)
        expect(hanging.received).to.have.length(1)
        expect(await webhooks.get(quick.id)).to.include({ pending: 0 })
        expect(await webhooks.get(slow.id)).to.include({ pending: 30 })
        expect((await deliveries(slow.id)).at(-1)?.last_error).to.equal('no answer within 0.3 s')
      } finally {
        await hanging.close()
      }
    })

    it('are refused when the address is no public one any more', async () => {
      const { webhook } = await create()
      await database
        .knex('webhooks')
        .where({ id: webhook.id })
        .update({ url: 'http://169.254.169.254/latest' })
      await webhooks.notify([incidentEvent(configId)])
      await deliver()
      const { last_error, last_status, status: state } = await only(webhook.id)
      expect([state, last_status]).to.deep.equal(['pending', null])
      expect(last_error).to.contain('169.254.169.254 is not public')
    })

    it('keep what a receiver says of it, without what cannot be shown', async () => {
      const { webhook } = await create()
      await webhooks.notify([incidentEvent(configId)])
      receiver.answer = (_, response) =>
        void response.writeHead(400).end(`\u0000\u001b[31minvalid_payload\n${'x'.repeat(100_000)}`)
      await deliver()
      const { last_error } = await only(webhook.id)
      expect(last_error).to.match(/^answered 400: \[31minvalid_payload x+$/)
      expect(last_error).to.have.length(500)
    })
  })

  describe('with several workers', () => {
    it('come once and in order to each receiver', async () => {
      const others = await Promise.all([startReceiver(), startReceiver()])
      try {
        const all = [receiver, ...others]
        for (const { url } of all) await create({ url })
        for (let first = 1; first <= 60; first += 20) {
          await webhooks.notify(
            Array.from({ length: 20 }, (_, i) => incidentEvent(configId, { incident_id: first + i })),
          )
        }
        const outcomes = await Promise.all(Array.from({ length: 5 }, () => deliver(build())))
        expect(outcomes.reduce((sum, { counts }) => sum + counts.done, 0)).to.equal(180)
        for (const { received } of all) {
          const incidents = received.map(
            ({ body }) => (JSON.parse(body) as { data: { incident_id: number } }).data.incident_id,
          )
          expect(incidents).to.deep.equal(Array.from({ length: 60 }, (_, i) => i + 1))
          expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).to.equal(60)
        }
      } finally {
        await Promise.all(others.map((other) => other.close()))
      }
    })

    it('come again, with the same id, when a worker died before it could note them', async () => {
      const { webhook } = await create()
      await webhooks.notify([incidentEvent(configId)])
      const turn = await store.takeTurn(randomUUID(), 60_000)
      const outgoing = turn && (await store.next(turn, 60_000))
      if (!turn || !outgoing) throw new Error('nothing to send')
      // Here it was sent. While it may be alive nobody else sends.
      await deliver()
      expect(receiver.received).to.have.length(0)
      expect(wakes[0]?.delayMs).to.be.within(58_000, 61_001)
      await pass(61)
      await deliver()
      expect(receiver.received[0]?.headers['webhook-id']).to.equal(
        `msg_${outgoing.messageId.replaceAll('-', '')}`,
      )
      // It was not dead, only late: what it notes is of no effect.
      expect(await store.note(turn, outgoing, { kind: 'dead', status: 500, error: 'late' })).to.equal(false)
      expect(await store.next(turn, 60_000)).to.equal(null)
      expect(await only(webhook.id)).to.include({ status: 'delivered', attempts: 2 })
    })

    it('end when the worker is told to, between two messages', async () => {
      await create()
      const abort = new AbortController()
      for (let incident_id = 1; incident_id <= 5; incident_id += 1)
        await webhooks.notify([incidentEvent(configId, { incident_id })])
      receiver.answer = (_, response) => {
        abort.abort(new Error('shutting down'))
        response.writeHead(200).end()
      }
      const error = await rejectionOf(webhooks.deliver(new Date(), context(abort)))
      expect(error).to.include({ message: 'shutting down' })
      expect(receiver.received).to.have.length(1)
      // The turn was given back.
      await deliver()
      expect(receiver.received).to.have.length(5)
    })
  })

  describe('that are to be tried later', () => {
    it('wake a run at the next whole second after they come due', async () => {
      const { webhook } = await create()
      await webhooks.notify([incidentEvent(configId)])
      status(500)
      await deliver()
      const due = Date.parse((await only(webhook.id)).next_attempt_at ?? '')
      expect(wakes).to.have.length(1)
      const [wake] = wakes
      expect(wake?.asOf.getTime()).to.equal(Math.ceil(due / 1000) * 1000)
      expect(wake?.delayMs).to.be.within(6000, 14_000)
    })

    it('never wake the run itself', async () => {
      await create()
      await webhooks.notify([incidentEvent(configId)])
      status(500)
      await deliver()
      const asOf = wakes[0]?.asOf ?? new Date(0)
      // It comes a little early by the clock of the database.
      await webhooks.deliver(asOf, context())
      expect(wakes[1]?.asOf.getTime()).to.equal(asOf.getTime() + 1000)
    })

    it('wake nobody when there are none', async () => {
      await create()
      await webhooks.notify([incidentEvent(configId)])
      await deliver()
      expect(wakes).to.deep.equal([])
    })
  })

  describe('of a test call', () => {
    it('are sent at once, signed, and tell what came of it', async () => {
      const { webhook, secret } = await create()
      const result = await webhooks.test(webhook.id)
      expect(result).to.include({ delivered: true, status: 200, error: null })
      const [got] = receiver.received
      if (!got) throw new Error('nothing came')
      expect(isSignedBy(secret, got)).to.equal(true)
      expect(JSON.parse(got.body)).to.deep.include({ type: 'webhook.test' })
      expect(await only(webhook.id)).to.include({ event_type: 'webhook.test', status: 'delivered' })
    })

    it('are not tried again and disable nothing', async () => {
      const { webhook } = await create({ config_id: null, kind: 'slack' })
      status(410)
      expect(await webhooks.test(webhook.id)).to.include({
        delivered: false,
        status: 410,
        error: 'answered 410: nein',
      })
      expect(await webhooks.get(webhook.id)).to.include({ status: 'active' })
      const { id, status: state } = await only(webhook.id)
      expect(state).to.equal('dead')
      expect(await rejectionOf(webhooks.redeliver(webhook.id, id))).to.include({ code: 'CONFLICT' })
      await deliver()
      expect(receiver.received).to.have.length(1)
    })

    it('say that nobody listens', async () => {
      const { webhook } = await create()
      await receiver.down()
      const { delivered, error } = await webhooks.test(webhook.id)
      expect(delivered).to.equal(false)
      expect(error).to.contain('ECONNREFUSED')
    })
  })

  describe('to addresses that are entered', () => {
    it('are refused there and then', async () => {
      for (const url of [
        'http://10.0.0.1/',
        'http://[::1]/',
        'http://169.254.169.254/',
        'ftp://127.0.0.1/',
      ]) {
        expect(await rejectionOf(create({ url })), url).to.include({ code: 'INVALID_REQUEST' })
      }
      const { webhook } = await create()
      expect(await rejectionOf(webhooks.change(webhook.id, { url: 'http://10.0.0.1/' }))).to.include({
        code: 'INVALID_REQUEST',
      })
      await webhooks.notify([incidentEvent(configId)])
      await deliver()
      expect(receiver.received).to.have.length(1)
    })

    it('need a config that is there', async () => {
      expect(await rejectionOf(create({ config_id: 2_147_483_647 }))).to.include({ code: 'CONFIG_NOT_FOUND' })
    })

    it('show where they lead and nothing more', async () => {
      const { webhook } = await create({ url: `${receiver.url}/T000/B000/secret?token=1` })
      expect(webhook.url).to.equal(`http://127.0.0.1:${receiver.port}/***`)
      expect(JSON.stringify(await webhooks.list({ configIds: null }, PAGE))).not.to.contain('secret?')
    })

    it('cannot be given a secret that they have no use for', async () => {
      const { webhook } = await create({ kind: 'slack' })
      expect(await rejectionOf(webhooks.change(webhook.id, { rotate_secret: true }))).to.include({
        code: 'CONFLICT',
      })
    })
  })

  it('are dropped a quarter after they ended', async () => {
    const { webhook } = await create()
    await webhooks.notify([incidentEvent(configId), incidentEvent(configId, { incident_id: 2 })])
    await eventually('one of them', async () => {
      await deliver()
      return receiver.received.length === 2
    })
    await database.knex('webhook_deliveries').update({ created_at: new Date('2026-01-01T00:00:00Z') })
    await webhooks.notify([incidentEvent(configId, { incident_id: 3 })])
    expect(await housekeeping(database.knex).dropMessages(new Date('2026-01-01T00:00:01Z'))).to.equal(2)
    expect(await deliveries(webhook.id)).to.have.length(1)
  })
})
