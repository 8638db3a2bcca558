/** Incidents as detection writes them: over a real database, with the messages they leave. */
import { expect } from 'chai'
import { incidentStore, incidentWriter } from '../../../db/repositories/incidents.ts'
import { systemClock } from '../../../shared/core/clock.ts'
import { toLocalDate } from '../../../shared/core/days.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import type { Fence } from '../../../shared/core/work.ts'
import type {
  IncidentBatch,
  IncidentChange,
  IncidentLink,
  IncidentSaved,
  SavedIncident,
  StoredIncident,
} from '../../../shared/detection/incident-store.ts'
import { toEvents } from '../../../shared/detection/incident-events.ts'
import { draftRun } from '../../../shared/jobs/enqueuer.ts'
import { notifyDeliver, sendingNow } from '../../../shared/jobs/notify.ts'
import { bodyOf, eventIdOf } from '../../../shared/notify/events.ts'
import type { Notice } from '../../../shared/notify/webhooks.ts'
import { newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
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

const AT = new Date('2026-03-10T06:00:00.000Z')
const TUESDAY = MONDAY + 1
const WEDNESDAY = MONDAY + 2
const DAY_MS = 86_400_000

describe('incidents', () => {
  let database: TestDatabase
  let configId: number
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    configId = await newConfig(database.knex)
    await insertTree(database.knex, configId)
    await database.knex('webhooks').insert({
      config_id: configId,
      name: 'Chat',
      kind: 'standard',
      url: 'https://example.com/',
      events: ['incident.opened', 'incident.escalated', 'incident.resolved'],
      actor: 'test',
    })
  })

  const newFence = (): Promise<Fence> => runningFence(database.knex)
  const noticeOf =
    (at: Date, day: number) =>
    (changes: readonly IncidentChange[]): Notice => ({
      messages: toEvents(changes, at, day).map((event) => ({
        configId: event.data.config_id,
        eventId: eventIdOf(event),
        type: event.type,
        incidentId: event.data.incident_id,
        severity: event.data.severity,
        metric: event.data.metric,
        day: event.day,
        path: event.path,
        body: bodyOf(event.type, event.at, event.data),
      })),
      run: draftRun(notifyDeliver, sendingNow(systemClock), {}, at),
    })
  const batchOf = (
    day: number,
    incidents: readonly SavedIncident[],
    links: readonly IncidentLink[] = [],
  ): IncidentBatch => ({
    configId,
    day,
    ...nothingFound(configId),
    leadsDay: day,
    at: new Date(AT.getTime() + (day - MONDAY) * DAY_MS),
    budget: ROOM,
    incidents,
    links,
  })
  const saveBatch = async (batch: IncidentBatch, fence?: Fence): Promise<IncidentSaved> =>
    incidentWriter(database.knex).save(fence ?? (await newFence()), batch, noticeOf(batch.at, batch.day))
  const save = async (
    day: number,
    incidents: readonly SavedIncident[],
    links: readonly IncidentLink[] = [],
  ): Promise<IncidentSaved> => saveBatch(batchOf(day, incidents, links))
  const known = (): Promise<readonly StoredIncident[]> =>
    incidentWriter(database.knex).known(configId, MONDAY - 10)
  const only = async (): Promise<StoredIncident> => {
    const [incident, ...others] = await known()
    expect(others).to.deep.equal([])
    return incident as StoredIncident
  }
  /** All that was told, in order. */
  const told = async (): Promise<readonly { type: string; sentence: string; [name: string]: unknown }[]> =>
    (
      (await database
        .knex('webhook_deliveries')
        .where({ config_id: configId })
        .orderBy('id')
        .pluck('body')) as string[]
    ).map((text) => {
      const body = JSON.parse(text) as { type: string; data: { sentence: string } }
      return { type: body.type, ...body.data }
    })
  const toldTypes = async (): Promise<readonly string[]> => (await told()).map(({ type }) => type)
  const everything = async (): Promise<readonly unknown[]> => [
    await database.knex('ml_incidents').where({ config_id: configId }).orderBy('id'),
    await database.knex('ml_anomalies').where({ config_id: configId }).orderBy('id'),
    await database.knex('webhook_deliveries').where({ config_id: configId }).orderBy('id'),
  ]
  const insert = (changes: Partial<IncidentLink> & Readonly<Record<string, unknown>> = {}): Promise<number> =>
    insertLinked(database.knex, configId, changes)
  /** The incident of Monday, with its one anomaly. */
  const open = async (changes: Partial<SavedIncident> = {}): Promise<StoredIncident> => {
    await insert()
    await save(MONDAY, [savedIncident(changes)], [linkTo(0)])
    return only()
  }
  const again = (stored: StoredIncident, changes: Partial<SavedIncident> = {}): SavedIncident => ({
    ...savedIncident(),
    id: stored.id,
    dateTo: TUESDAY,
    ...changes,
  })

  it('are written with their anomalies and told of, in the words people read', async () => {
    const anomaly = await insert()
    const saved = await save(MONDAY, [savedIncident()], [linkTo(0)])
    expect(saved).to.include({ opened: 1, escalated: 0, resolved: 0 })
    expect(saved.carriages).to.have.length(1)
    const stored = await only()
    const { id: _, deviation: _deviation, ...state } = savedIncident()
    expect(stored).to.deep.equal({
      ...state,
      id: stored.id,
      status: 'open',
      members: [{ entityType: 'adset', entityId: 's1' }],
    })
    expect(await database.knex('ml_anomalies').where({ id: anomaly }).first<object>()).to.include({
      incident_id: stored.id,
      alerted: true,
    })
    expect(await told()).to.deep.equal([
      {
        type: 'incident.opened',
        config_id: configId,
        config_name:
          stored &&
          (await database.knex('ads_configs').where({ id: configId }).first<{ name: string }>())?.name,
        incident_id: stored.id,
        status: 'open',
        severity: 'HIGH',
        previous_severity: null,
        metric: 'cpl',
        direction: 'up',
        polarity: 'bad',
        date_from: '2026-03-09',
        date_to: '2026-03-09',
        campaign: { entity_type: 'campaign', entity_id: 'c1', name: 'Spring' },
        root: { entity_type: 'adset', entity_id: 's1', name: 'Lookalike 2%' },
        sentence:
          'Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 since 9 March, 312.40 BRL more than expected; ad "Video 1" makes up 87% of it.',
        main_cause: { entity_type: 'ad', entity_id: 'a1', name: 'Video 1', share: 0.87 },
        money: { amount: 312.4, currency: 'BRL' },
      },
    ])
  })

  it('say whose figures they bear when those are not of the root', async () => {
    await insert({ entityType: 'ad', entityId: 'a1' })
    await save(
      MONDAY,
      [
        savedIncident({
          root: { entityType: 'campaign', entityId: 'c1' },
          figuresOf: { entityType: 'ad', entityId: 'a1' },
          causes: [],
        }),
      ],
      [linkTo(0, { entityType: 'ad', entityId: 'a1' })],
    )
    expect((await told()).map(({ sentence }) => sentence)).to.deep.equal([
      'Leads of ad "Video 1" cost 41.50 BRL instead of 20.00 in campaign "Spring" since 9 March, 312.40 BRL more than expected.',
    ])
  })

  it('are not written twice by a repetition, whatever it is called', async () => {
    await open()
    const before = await everything()
    const stored = await only()
    // As after a kill: the new attempt may know of the row, or may not.
    for (const id of [null, stored.id]) {
      const saved = await save(MONDAY, [savedIncident({ id })], [linkTo(0)])
      expect(saved).to.deep.include({ opened: 0, escalated: 0, resolved: 0, carriages: [] })
      expect(await everything()).to.deep.equal(before)
    }
  })

  it('are not written at all by a run that lost its fence', async () => {
    const fence = await newFence()
    await database.knex('runs').where({ id: fence.runId }).update({ attempt: 2 })
    await insert()
    const failure = await rejectionOf(saveBatch(batchOf(MONDAY, [savedIncident()], [linkTo(0)]), fence))
    expect(failure).to.be.instanceOf(FenceLost)
    expect(await known()).to.deep.equal([])
    expect(await told()).to.deep.equal([])
  })

  it('leave nothing behind when the message cannot be written, and are all there once it can', async () => {
    // What its entity had the day before is no longer raised.
    const stale = await insert({ day: MONDAY - 1 })
    await insert()
    const { entityId, entityType } = linkTo(0)
    const batch = {
      ...batchOf(MONDAY, [savedIncident()], [linkTo(0)]),
      findings: {
        configId,
        level: entityType,
        entityIds: [entityId],
        days: [MONDAY - 1],
        anomalies: [],
        seenAt: new Date(Date.now() + DAY_MS),
      },
    }
    const fails = (): Notice => {
      throw new Error('killed')
    }
    const before = await everything()
    await rejectionOf(incidentWriter(database.knex).save(await newFence(), batch, fails))
    expect(await everything()).to.deep.equal(before)
    expect((await saveBatch(batch)).restated).to.equal(1)
    expect(await database.knex('ml_anomalies').where({ id: stale }).first('resolution')).to.deep.equal({
      resolution: 'restated',
    })
    expect(await toldTypes()).to.deep.equal(['incident.opened'])
  })

  it('are one row and one message when two writers save at once', async () => {
    await insert()
    const batch = batchOf(MONDAY, [savedIncident()], [linkTo(0)])
    const fences = [await newFence(), await newFence(), await newFence()]
    const saved = await Promise.all(fences.map((fence) => saveBatch(batch, fence)))
    expect(saved.map(({ opened }) => opened).toSorted((a, b) => a - b)).to.deep.equal([0, 0, 1])
    await only()
    expect(await toldTypes()).to.deep.equal(['incident.opened'])
  })

  it('keep what they are called by, and grow otherwise', async () => {
    const stored = await open()
    await insert({ day: TUESDAY })
    await save(
      TUESDAY,
      [
        again(stored, {
          root: { entityType: 'campaign', entityId: 'c1' },
          causes: [{ entityType: 'adset', entityId: 's1', depth: 1, share: 1, observed: 9, expected: 8 }],
          metric: 'leads',
          direction: 'down',
          dateFrom: TUESDAY,
          family: 'volume',
          alerted: false,
          observed: 1,
          expected: 5,
          money: 500,
        }),
      ],
      [linkTo(0, { day: TUESDAY })],
    )
    const grown = await only()
    expect(grown).to.deep.include({
      id: stored.id,
      metric: 'cpl',
      direction: 'up',
      family: 'yield',
      alerted: true,
      dateFrom: MONDAY,
      dateTo: TUESDAY,
      root: { entityType: 'campaign', entityId: 'c1' },
      // Leads are no cost of leads.
      observed: 41.5,
      expected: 20,
      money: 500,
    })
    expect(grown.causes).to.deep.equal([
      { entityType: 'adset', entityId: 's1', depth: 1, share: 1, observed: null, expected: null },
    ])
    expect(await toldTypes()).to.deep.equal(['incident.opened'])
  })

  it('get louder once, tell it once, and get no quieter while the loudest of it stands', async () => {
    const stored = await open()
    await insert({ day: TUESDAY, severity: 'CRITICAL' })
    const links = [linkTo(0, { day: TUESDAY, severity: 'CRITICAL' })]
    const louder = again(stored, { severity: 'CRITICAL' })
    expect(await save(TUESDAY, [louder], links)).to.include({ escalated: 1 })
    expect(await save(TUESDAY, [louder], links)).to.include({ escalated: 0 })
    await insert({ day: WEDNESDAY, severity: 'MEDIUM' })
    const quieter = again(stored, { severity: 'MEDIUM', dateTo: WEDNESDAY })
    const after = [linkTo(0, { day: WEDNESDAY, severity: 'MEDIUM' })]
    expect(await save(WEDNESDAY, [quieter], after)).to.include({ escalated: 0 })
    expect((await only()).severity).to.equal('CRITICAL')
    // The loudest day was restated, and is loud again an hour later: nobody has to hear of that.
    const thatDay = database
      .knex('ml_anomalies')
      .where({ config_id: configId, anomaly_date: toLocalDate(TUESDAY) })
    await thatDay.clone().update({ status: 'resolved', resolution: 'restated' })
    await save(WEDNESDAY, [quieter], after)
    expect((await only()).severity).to.equal('HIGH')
    await thatDay.clone().update({ status: 'open', resolution: null })
    await save(WEDNESDAY, [again(stored, { severity: 'CRITICAL', dateTo: WEDNESDAY })], [...links, ...after])
    expect((await only()).severity).to.equal('CRITICAL')
    const messages = await told()
    expect(messages.map(({ type }) => type)).to.deep.equal(['incident.opened', 'incident.escalated'])
    expect(messages[1]).to.include({ severity: 'CRITICAL', previous_severity: 'HIGH' })
  })

  it('keep what is newer when an older day is looked at again', async () => {
    const stored = await open()
    await insert({ day: TUESDAY })
    await save(TUESDAY, [again(stored, { money: 700, observed: 50 })], [linkTo(0, { day: TUESDAY })])
    await save(MONDAY, [again(stored, { dateTo: MONDAY })], [linkTo(0)])
    expect(await only()).to.include({ dateTo: TUESDAY, money: 700, observed: 50, status: 'open' })
  })

  describe('last from the first to the last day of what stands of them', () => {
    const SUNDAY = MONDAY - 1
    const takeBack = (day: number) =>
      database
        .knex('ml_anomalies')
        .where({ config_id: configId, anomaly_date: toLocalDate(day) })
        .update({ status: 'resolved', resolution: 'restated' })
    const days = async (): Promise<[number, number]> => {
      const { dateFrom, dateTo } = await only()
      return [dateFrom, dateTo]
    }

    it('also when an earlier day comes late', async () => {
      const stored = await open()
      await insert({ day: SUNDAY })
      await save(MONDAY, [again(stored, { dateTo: MONDAY })], [linkTo(0, { day: SUNDAY }), linkTo(0)])
      expect(await days()).to.deep.equal([SUNDAY, MONDAY])
    })

    it('also when the first or the last day of it is taken back, by whomever that is noticed', async () => {
      const stored = await open()
      for (const day of [SUNDAY, TUESDAY]) await insert({ day })
      const all = [SUNDAY, MONDAY, TUESDAY].map((day) => linkTo(0, { day }))
      await save(TUESDAY, [again(stored)], all)
      expect(await days()).to.deep.equal([SUNDAY, TUESDAY])
      await takeBack(SUNDAY)
      await save(TUESDAY, [again(stored)], [linkTo(0, { day: TUESDAY })])
      expect(await days()).to.deep.equal([MONDAY, TUESDAY])
      await takeBack(TUESDAY)
      await save(TUESDAY, [])
      expect(await days()).to.deep.equal([MONDAY, MONDAY])
      expect(await toldTypes()).to.deep.equal(['incident.opened'])
    })

    it('counting what is still to be written', async () => {
      const stored = await open()
      await save(TUESDAY, [again(stored)], [linkTo(0, { day: TUESDAY, entityId: 's2' })])
      expect(await days()).to.deep.equal([MONDAY, TUESDAY])
    })

    it('unless another of the same name began on that first day', async () => {
      const stored = await open()
      await insert({ entityId: 's2', day: SUNDAY })
      const root = { entityType: 'adset', entityId: 's2' } as const
      const other = savedIncident({ root, causes: [], dateFrom: SUNDAY, dateTo: SUNDAY })
      await save(SUNDAY, [other], [linkTo(0, { entityId: 's2', day: SUNDAY })])
      await insert({ day: SUNDAY })
      await save(MONDAY, [again(stored, { dateTo: MONDAY })], [linkTo(0, { day: SUNDAY }), linkTo(0)])
      const both = (await known()).map(({ root: { entityId }, dateFrom, dateTo }) => [
        entityId,
        dateFrom,
        dateTo,
      ])
      expect(both).to.deep.equal([
        ['s1', MONDAY, MONDAY],
        ['s2', SUNDAY, SUNDAY],
      ])
    })
  })

  it('are over when nothing was seen the day before and on the day, and tell it once', async () => {
    await open()
    expect(await save(TUESDAY, [])).to.include({ resolved: 0 })
    expect((await only()).status).to.equal('open')
    expect(await save(WEDNESDAY, [])).to.include({ resolved: 1 })
    expect((await only()).status).to.equal('resolved')
    expect(await save(WEDNESDAY, [])).to.include({ resolved: 0 })
    const messages = await told()
    expect(messages.map(({ type }) => type)).to.deep.equal(['incident.opened', 'incident.resolved'])
    expect(messages[1]?.sentence).to.equal(
      'Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 on 9 March, 312.40 BRL more than expected; ad "Video 1" makes up 87% of it.',
    )
  })

  it('of leads are not over before leads of later days have arrived', async () => {
    const volume = { family: 'volume', metric: 'spend' } as const
    await insert()
    await insert({ metric: 'spend', type: 'spend_spike' })
    const links = [linkTo(0), linkTo(1, { metric: 'spend', type: 'spend_spike' })]
    await save(MONDAY, [savedIncident(), savedIncident(volume)], links)
    const states = async (): Promise<readonly unknown[]> =>
      (await known()).map(({ metric, status }) => [metric, status])
    for (const leadsDay of [MONDAY, TUESDAY]) {
      await saveBatch({ ...batchOf(WEDNESDAY, []), leadsDay })
      expect(await states()).to.deep.equal([
        ['cpl', 'open'],
        ['spend', 'resolved'],
      ])
    }
    await saveBatch({ ...batchOf(WEDNESDAY, []), leadsDay: WEDNESDAY })
    expect(await states()).to.deep.equal([
      ['cpl', 'resolved'],
      ['spend', 'resolved'],
    ])
  })

  it('are told of late when there was no room before, once', async () => {
    const stored = await open({ alerted: false })
    expect(await toldTypes()).to.deep.equal([])
    for (const day of [TUESDAY, TUESDAY]) {
      await save(day, [again(stored)], [linkTo(0)])
      expect(await toldTypes()).to.deep.equal(['incident.opened'])
    }
    expect((await only()).alerted).to.equal(true)
  })

  describe('within the alarm budget', () => {
    const METRICS = ['cpl', 'ctr', 'leads', 'conversion_rate'] as const
    const alertedMetrics = async (): Promise<readonly string[]> =>
      (await database
        .knex('ml_incidents')
        .where({ config_id: configId })
        .whereNotNull('alerted_at')
        .orderBy('id')
        .pluck('metric')) as string[]
    const ofMetrics = (metrics: readonly SavedIncident['metric'][]): SavedIncident[] =>
      metrics.map((metric) => savedIncident({ metric }))
    const within = (batch: IncidentBatch, perDay: number, timeZone = 'UTC'): Promise<IncidentSaved> =>
      saveBatch({ ...batch, budget: { perDay, timeZone } })

    it('are told as far as there is room, however many runs save at once', async () => {
      for (const metric of METRICS) await insert({ metric, type: `${metric}_drop` })
      const saves = METRICS.map((metric) =>
        within(
          batchOf(MONDAY, ofMetrics([metric]), [linkTo(0, { metric, type: `${metric}_drop` as 'ctr_drop' })]),
          2,
        ),
      )
      const outcomes = await Promise.all(saves)
      expect(outcomes.map(({ opened }) => opened)).to.deep.equal([1, 1, 1, 1])
      expect(await alertedMetrics()).to.have.length(2)
      expect((await told()).map(({ metric }) => metric)).to.have.members([...(await alertedMetrics())])
      const alerts = (await database
        .knex('ml_anomalies')
        .where({ config_id: configId, alerted: true })
        .orderBy('incident_id')
        .pluck('metric')) as string[]
      expect(alerts).to.deep.equal(await alertedMetrics())
    })

    it('are told again of nobody by a repetition, which finds no more room', async () => {
      const batch = batchOf(MONDAY, ofMetrics(METRICS))
      await within(batch, 2)
      const before = await everything()
      await within(batch, 2)
      expect(await everything()).to.deep.equal(before)
      await within(batch, 3)
      expect(await alertedMetrics()).to.have.length(3)
    })

    it('are told by severity, then by how odd they are, then by what they cost', async () => {
      const incidents = [
        savedIncident({ metric: 'cpl', deviation: 5, money: 10 }),
        savedIncident({ metric: 'ctr', deviation: 5, money: -20 }),
        savedIncident({ metric: 'leads', deviation: 6, money: null }),
        savedIncident({ metric: 'conversion_rate', severity: 'CRITICAL', deviation: 1, money: null }),
      ]
      const order: string[] = []
      for (let perDay = 1; perDay <= incidents.length; perDay++) {
        await within(batchOf(MONDAY, incidents), perDay)
        order.push(...(await alertedMetrics()).filter((metric) => !order.includes(metric)))
      }
      expect(order).to.deep.equal(['conversion_rate', 'leads', 'ctr', 'cpl'])
    })

    it('leave the room to what goes on, before what is over as it is found', async () => {
      const past = { severity: 'CRITICAL', dateFrom: MONDAY - 4, dateTo: MONDAY - 4 } as const
      const both = [savedIncident({ metric: 'ctr', ...past }), savedIncident({ metric: 'leads' })]
      await within(batchOf(MONDAY, both), 1)
      expect(await alertedMetrics()).to.deep.equal(['leads'])
      expect((await told()).map(({ metric }) => metric)).to.deep.equal(['leads'])
    })

    it('count on the local day on which they were told of', async () => {
      const zone = 'America/Sao_Paulo'
      const at = (time: string, metrics: readonly SavedIncident['metric'][]): IncidentBatch => ({
        ...batchOf(MONDAY, ofMetrics(metrics)),
        at: new Date(time),
      })
      await within(at('2026-03-11T02:59:59Z', ['cpl']), 1, zone)
      await within(at('2026-03-11T02:59:59Z', ['ctr']), 1, zone)
      expect(await alertedMetrics()).to.deep.equal(['cpl'])
      await within(at('2026-03-11T03:00:00Z', ['ctr']), 1, zone)
      expect(await alertedMetrics()).to.deep.equal(['cpl', 'ctr'])
      await within(at('2026-03-11T03:00:00Z', ['leads']), 1, zone)
      expect(await alertedMetrics()).to.deep.equal(['cpl', 'ctr'])
    })
  })

  it('are not told of late once somebody looks into them', async () => {
    const stored = await open({ alerted: false })
    await database.knex('ml_incidents').where({ id: stored.id }).update({ status: 'acknowledged' })
    await save(TUESDAY, [again(stored)], [linkTo(0)])
    expect(await toldTypes()).to.deep.equal([])
  })

  it('are over when no anomaly of theirs is open, and back when one is again', async () => {
    const stored = await open()
    const restated = { status: 'resolved', resolution: 'restated' }
    await database.knex('ml_anomalies').where({ config_id: configId }).update(restated)
    expect((await only()).members).to.deep.equal([])
    expect(await save(MONDAY, [])).to.include({ resolved: 1 })
    await database
      .knex('ml_anomalies')
      .where({ config_id: configId })
      .update({ status: 'open', resolution: null })
    const back = batchOf(MONDAY, [again(stored, { dateTo: MONDAY })], [linkTo(0)])
    await saveBatch({ ...back, at: new Date(AT.getTime() + 3_600_000) })
    expect((await only()).status).to.equal('open')
    expect(await toldTypes()).to.deep.equal(['incident.opened', 'incident.resolved', 'incident.opened'])
  })

  it('come back when they are seen again after they were over, and are told of as opened and over again', async () => {
    const stored = await open()
    await save(WEDNESDAY, [])
    const thursday = WEDNESDAY + 1
    await insert({ day: thursday })
    const back = again(stored, { dateTo: thursday })
    // The check of a day that is known already brings nothing back.
    await save(MONDAY, [again(stored, { dateTo: MONDAY })], [linkTo(0)])
    expect((await only()).status).to.equal('resolved')
    const twice = ['incident.opened', 'incident.resolved', 'incident.opened']
    for (let times = 0; times < 2; times++) {
      await save(thursday, [back], [linkTo(0, { day: thursday })])
      expect(await only()).to.include({ id: stored.id, status: 'open', dateTo: thursday, alerted: true })
      expect(await toldTypes()).to.deep.equal(twice)
    }
    await save(thursday + 2, [])
    expect(await toldTypes()).to.deep.equal([...twice, 'incident.resolved'])
  })

  it('go on when they are seen two days later, and are opened again when nobody saw them in between', async () => {
    for (const [gap, types] of [
      [2, ['incident.opened']],
      [3, ['incident.opened', 'incident.resolved', 'incident.opened']],
    ] as const) {
      await database.knex('webhook_deliveries').where({ config_id: configId }).delete()
      await database.knex('ml_incidents').where({ config_id: configId }).delete()
      await database.knex('ml_anomalies').where({ config_id: configId }).delete()
      const stored = await open()
      for (let day = MONDAY + 1; day < MONDAY + gap; day++) await save(day, [])
      await insert({ day: MONDAY + gap })
      const link = linkTo(0, { day: MONDAY + gap })
      await save(MONDAY + gap, [again(stored, { dateTo: MONDAY + gap })], [link])
      expect(await toldTypes(), `${gap}`).to.deep.equal(types)
    }
  })

  it('are not told of when they come back and there is no room, nor that they are over again', async () => {
    const stored = await open()
    await save(WEDNESDAY, [])
    const thursday = WEDNESDAY + 1
    const anomaly = await insert({ day: thursday })
    const batch = batchOf(thursday, [again(stored, { dateTo: thursday })], [linkTo(0, { day: thursday })])
    await saveBatch({ ...batch, budget: { ...ROOM, perDay: 0 } })
    expect(await only()).to.include({ status: 'open', alerted: false })
    const row = await database.knex('ml_anomalies').where({ id: anomaly }).first<{ alerted: boolean }>()
    expect(row).to.include({ alerted: false })
    await save(thursday + 2, [])
    expect(await toldTypes()).to.deep.equal(['incident.opened', 'incident.resolved'])
  })

  it('stay open while they are seen and their anomalies are still to be written', async () => {
    await save(MONDAY, [savedIncident()], [linkTo(0)])
    expect((await only()).status).to.equal('open')
    // By Tuesday nobody has seen it again, and there is nothing of it.
    await save(TUESDAY, [])
    expect((await only()).status).to.equal('resolved')
  })

  it('of one campaign, metric, direction and first day are one, at what they have in common', async () => {
    await insert()
    await insert({ entityId: 's2', severity: 'CRITICAL' })
    const other = savedIncident({
      root: { entityType: 'adset', entityId: 's2' },
      severity: 'CRITICAL',
      causes: [],
      observed: 90,
      expected: 30,
      money: 104.13,
    })
    const links = [linkTo(0), linkTo(1, { entityId: 's2', severity: 'CRITICAL' })]
    await save(MONDAY, [savedIncident(), other], links)
    const stored = await only()
    expect(stored).to.deep.include({
      root: { entityType: 'campaign', entityId: 'c1' },
      severity: 'CRITICAL',
      observed: 90,
      expected: 30,
      members: [
        { entityType: 'adset', entityId: 's1' },
        { entityType: 'adset', entityId: 's2' },
      ],
    })
    expect(stored.money).to.be.closeTo(416.53, 1e-9)
    expect(
      stored.causes.map(({ entityId, share, depth }) => [entityId, depth, Math.round(share * 1000)]),
    ).to.deep.equal([
      ['s1', 1, 750],
      ['s2', 1, 250],
    ])
    const before = await everything()
    await save(MONDAY, [savedIncident(), other], links)
    await save(
      MONDAY,
      [other],
      [links[1] as IncidentLink].map((link) => ({ ...link, incident: 0 })),
    )
    expect(await everything()).to.deep.equal(before)
  })

  it('take an anomaly that belongs to another, or to none, out', async () => {
    const anomaly = await insert()
    await insert({ entityId: 's2', metric: 'ctr', type: 'ctr_drop' })
    const two = savedIncident({ metric: 'ctr', direction: 'down' })
    await save(MONDAY, [savedIncident(), two], [linkTo(0)])
    const [first, second] = await known()
    const belongsTo = async (): Promise<unknown> =>
      (await database.knex('ml_anomalies').where({ id: anomaly }).first<{ incident_id: number }>())
        ?.incident_id
    expect(await belongsTo()).to.equal(first?.id)
    const both = [savedIncident({ id: first?.id ?? 0 }), { ...two, id: second?.id ?? 0 }]
    await save(MONDAY, both, [linkTo(1)])
    expect(await belongsTo()).to.equal(second?.id)
    await save(MONDAY, both, [linkTo(null)])
    expect(await belongsTo()).to.equal(null)
  })

  it('are told of only when they are alerted and not good', async () => {
    await insert()
    await save(MONDAY, [
      savedIncident({ alerted: false }),
      savedIncident({ metric: 'spend', polarity: 'good' }),
      savedIncident({ metric: 'ctr', polarity: 'neutral' }),
    ])
    expect((await told()).map(({ metric }) => metric)).to.deep.equal(['ctr'])
    await save(WEDNESDAY, [])
    expect((await told()).map(({ metric }) => metric)).to.deep.equal(['ctr', 'ctr'])
  })

  it('of other configs are neither known nor touched', async () => {
    const stored = await open()
    const other = await newConfig(database.knex)
    expect(await incidentWriter(database.knex).known(other, MONDAY)).to.deep.equal([])
    await saveBatch({ ...batchOf(WEDNESDAY, []), configId: other })
    // An id of another config is none of this one.
    await saveBatch({ ...batchOf(MONDAY, [again(stored, { severity: 'CRITICAL' })]), configId: other })
    expect(await only()).to.include({ id: stored.id, status: 'open', severity: 'HIGH' })
  })

  it('are known from the day they were last seen on', async () => {
    await open()
    const writer = incidentWriter(database.knex)
    expect(await writer.known(configId, MONDAY)).to.have.length(1)
    expect(await writer.known(configId, MONDAY + 1)).to.deep.equal([])
  })

  describe('on which somebody decided', () => {
    const decide = (id: number, status: 'acknowledged' | 'resolved') =>
      incidentStore(database.knex).decide(
        id,
        configId,
        status,
        { actor: 'ana', notes: 'seen', at: AT },
        noticeOf(AT, MONDAY),
      )

    it('stay acknowledged while they go on, and are told of when they are over', async () => {
      const stored = await open()
      await decide(stored.id, 'acknowledged')
      await insert({ day: TUESDAY })
      await save(TUESDAY, [again(stored)], [linkTo(0, { day: TUESDAY })])
      expect((await only()).status).to.equal('acknowledged')
      await save(TUESDAY + 2, [])
      expect(await toldTypes()).to.deep.equal(['incident.opened', 'incident.resolved'])
      const friday = TUESDAY + 3
      await insert({ day: friday })
      // That somebody looked after it was of the time before.
      await save(friday, [again(stored, { dateTo: friday })], [linkTo(0, { day: friday })])
      expect((await only()).status).to.equal('open')
      expect((await toldTypes()).at(-1)).to.equal('incident.opened')
    })

    it('stay resolved when they are seen again, and nothing of them is told any more', async () => {
      const stored = await open()
      expect(await decide(stored.id, 'resolved')).to.have.length(1)
      expect(await decide(stored.id, 'resolved')).to.deep.equal([])
      await insert({ day: TUESDAY })
      await save(TUESDAY, [again(stored, { severity: 'CRITICAL' })], [linkTo(0, { day: TUESDAY })])
      expect((await only()).status).to.equal('resolved')
      await save(TUESDAY + 2, [])
      expect(await toldTypes()).to.deep.equal(['incident.opened', 'incident.resolved'])
    })
  })
})
