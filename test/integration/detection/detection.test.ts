import { expect } from 'chai'
import { FenceLost } from '../../../shared/core/work.ts'
import type { ComputePool } from '../../../shared/compute.ts'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import type { DetectTask } from '../../../shared/detection/detect-batch.ts'
import { insertDays, newConfig } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import {
  delivered,
  openDetectionSystem,
  openJudgement,
  repeated,
  spendDays,
} from '../../support/detection.ts'
import type { DetectionSystem } from '../../support/detection.ts'
import { rejectionOf } from '../../support/entities.ts'
import { openTrainingSystem } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

/** A Tuesday, complete at NOON in São Paulo. */
const DAY = '2026-03-10'
const NOON = '2026-03-11T15:00:00.000Z'
const OTHERS = { adsetId: 's9', campaignId: 'c9' }

interface Stored {
  readonly id: number
  readonly entity_id: string
  readonly type: string
  readonly metric: string
  readonly anomaly_date: string
  readonly severity: string
  readonly status: string
  readonly resolution: string | null
  readonly actor: string | null
  readonly signals: readonly Readonly<Record<string, unknown>>[]
  readonly expected: number
  readonly observed: number
  readonly lower: number
  readonly upper: number
  readonly deviation: number
  readonly rarity: number | null
  readonly times_seen: number
  readonly run_id: string
  readonly first_seen: Date
  readonly last_seen: Date
}

const shiftDay = (date: string, days: number): string => toLocalDate(toDayNumber(date) + days)

describe('detection', () => {
  let database: TestDatabase
  let system: TrainingSystem
  let detection: DetectionSystem
  let configId: number
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    system = await openTrainingSystem(database.knex)
    system.setNow(NOON)
    detection = openDetectionSystem(system)
    configId = await newConfig(database.knex)
  })

  /** Rows that were there long before. */
  const insert = async (rows: readonly AdDay[]): Promise<void> => {
    await insertDays(database.knex, configId, rows)
    await database
      .knex('ads_insights_daily')
      .where({ config_id: configId })
      .update({ updated_at: new Date(0) })
  }
  const found = (where: Record<string, unknown> = {}): Promise<Stored[]> =>
    database
      .knex('ml_anomalies')
      .where({ config_id: configId, ...where })
      .orderBy(['anomaly_date', 'entity_id', 'type'])
  const only = async (where: Record<string, unknown> = {}): Promise<Stored> => {
    const rows = await found(where)
    expect(rows).to.have.length(1)
    return rows[0] as Stored
  }
  /** As an import changes a row, at the hour it is. */
  const restate = (date: string, spend: number, adId = 'a1') =>
    database
      .knex('ads_insights_daily')
      .where({ config_id: configId, ad_id: adId, date })
      .update({ ...delivered(spend), updated_at: system.now() })
  const hoursLater = (hours: number): void =>
    system.setNow(new Date(system.now().getTime() + hours * 3_600_000).toISOString())
  /** 28 days of spend 100 and a day of `spend`. */
  const spike = (spend: number, adId = 'a1') => insert(spendDays(adId, DAY, [...repeated(100, 28), spend]))

  describe('of a day against its baseline', () => {
    for (const { spend, type, severity } of [
      { spend: 112, type: null, severity: null },
      { spend: 113, type: 'spend_spike', severity: 'LOW' },
      { spend: 130, type: 'spend_spike', severity: 'CRITICAL' },
    ]) {
      it(`finds ${severity ?? 'nothing'} in spend ${spend} after 28 days of 100`, async () => {
        await spike(spend)
        const outcome = await detection.detect(configId)
        expect(outcome).to.deep.include({ status: 'succeeded', counts: { done: 1, skipped: 0, failed: 0 } })
        const rows = await found()
        expect(rows.map((row) => [row.type, row.severity])).to.deep.equal(
          type === null ? [] : [[type, severity]],
        )
        for (const row of rows) {
          expect(row).to.deep.include({
            expected: 100,
            lower: 87.5,
            upper: 112.5,
            observed: spend,
            status: 'open',
          })
          expect(row.deviation).to.be.closeTo((spend - 100) / 5, 1e-9)
        }
        if (spend === 113) expect(rows[0]?.rarity).to.be.closeTo(0.0149, 5e-5)
      })
    }

    it('knows the weekday: 40 is normal on a Sunday where 100 is 30 deviations off', async () => {
      const sunday = '2026-03-08'
      const spends = Array.from({ length: 28 }, (_, i) => {
        const weekday = (toDayNumber(sunday) - 28 + i + 4) % 7
        return weekday === 0 || weekday === 6 ? 40 : 100
      })
      await insert([
        ...spendDays('calm', sunday, [...spends, 40]),
        ...spendDays('wild', sunday, [...spends, 100]),
      ])
      await detection.detect(configId, { day: sunday })
      const row = await only()
      expect(row).to.include({ entity_id: 'wild', expected: 40, severity: 'CRITICAL' })
      expect(row.deviation).to.be.closeTo(30, 1e-9)
    })

    it('finds a stop of an active ad while others deliver', async () => {
      await insert(spendDays('a1', shiftDay(DAY, -1), repeated(50, 7)))
      await insert(spendDays('a2', DAY, repeated(50, 8), OTHERS))
      await detection.detect(configId)
      const row = await only({ type: 'zero_spend' })
      expect(row).to.include({
        entity_id: 'a1',
        severity: 'HIGH',
        observed: 0,
        deviation: -1,
      })
      expect(row.expected).to.be.closeTo(50, 1e-9)
    })

    it('finds no stop of an ad that was paused on the day, nor of its ad set, which has no other', async () => {
      await insert(spendDays('a1', shiftDay(DAY, -1), repeated(50, 7)))
      await insert(spendDays('a2', DAY, repeated(50, 8), OTHERS))
      const status = { config_id: configId, entity_type: 'ad', entity_id: 'a1' }
      await database.knex('ads_entity_status').insert([
        { ...status, status: 'ACTIVE', from_at: '2026-01-01T03:00:00Z', to_at: '2026-03-10T12:00:00Z' },
        { ...status, status: 'PAUSED', from_at: '2026-03-10T12:00:00Z', to_at: null },
      ])
      for (const level of LEVELS) await detection.detect(configId, { level })
      expect(await found()).to.deep.equal([])
    })

    it('is skipped as stale while the config has no row of the day', async () => {
      await insert(spendDays('a1', shiftDay(DAY, -1), repeated(50, 7)))
      expect(await detection.detect(configId, { day: DAY })).to.deep.include({
        status: 'skipped',
        reasons: { stale_data: 1 },
        result: { day: DAY, expired: 0 },
      })
      expect(await found()).to.deep.equal([])
    })

    it('is skipped as stale for a config without any data', async () => {
      expect(await detection.detect(configId)).to.deep.include({
        status: 'skipped',
        counts: { done: 0, skipped: 1, failed: 0 },
        reasons: { stale_data: 1 },
      })
    })

    it('finds a level that changed and stayed at 131 but none at 129', async () => {
      await insert([
        ...spendDays('a129', DAY, [...repeated(100, 28), 129, 129, 129]),
        ...spendDays('a131', DAY, [...repeated(100, 28), 131, 131, 131]),
      ])
      await detection.detect(configId)
      const changes = (await found()).map((row) => [
        row.entity_id,
        row.severity,
        row.signals
          .filter((signal) => signal['detector'] === 'change_point')
          .map((signal) => [signal['severity'], Math.round(Number(signal['deviation']) * 1e9) / 1e9]),
      ])
      expect(changes).to.deep.equal([
        ['a129', 'CRITICAL', []],
        ['a131', 'CRITICAL', [['MEDIUM', 0.31]]],
      ])
    })

    it('leaves days labelled true_positive out of history', async () => {
      // The odd days are all Mondays' and Tuesdays'; as history they would widen what is normal.
      await insert(spendDays('a1', DAY, [...repeated(100, 21), ...repeated(300, 7), 130]))
      await detection.detect(configId, {}, { params: openJudgement({ changePointPct: 10 }) })
      expect(await found({ type: 'spend_spike' })).to.deep.equal([])
      for (let ago = 7; ago >= 1; ago -= 1) {
        const [row] = (await database
          .knex('ml_anomalies')
          .insert({
            config_id: configId,
            entity_type: 'ad',
            entity_id: 'a1',
            type: 'spend_spike',
            metric: 'spend',
            anomaly_date: shiftDay(DAY, -ago),
            severity: 'HIGH',
            signals: '[]',
            model_source: 'baseline',
            score: 1,
            direction: 'up',
            polarity: 'bad',
            status: 'resolved',
            resolution: 'manual',
            first_seen: system.now(),
            last_seen: system.now(),
          })
          .returning('id')) as { id: number }[]
        await database
          .knex('ml_anomaly_feedback')
          .insert({ anomaly_id: row?.id, verdict: 'true_positive', actor: 'test' })
      }
      await detection.detect(configId, {}, { params: openJudgement({ changePointPct: 10 }) })
      expect(await only({ anomaly_date: DAY, type: 'spend_spike' })).to.include({ expected: 100 })
    })
  })

  describe('again and again', () => {
    it('keeps 24 hourly runs of one anomaly in one row, acknowledged after the third', async () => {
      await spike(130)
      for (let hour = 1; hour <= 24; hour += 1) {
        await detection.detect(configId)
        if (hour === 3)
          await database
            .knex('ml_anomalies')
            .where({ config_id: configId })
            .update({ status: 'acknowledged' })
        hoursLater(0.2)
      }
      expect(await only()).to.include({ times_seen: 24, status: 'acknowledged' })
    })

    it('counts the second execution of the same run once', async () => {
      await spike(130)
      const context = await detection.startRun(configId)
      const service = detection.with({})
      const request = { configId, asOf: NOON, day: null, days: 1, entityIds: null }
      const first = await service.detectLevel('ad', request, context)
      hoursLater(1)
      const second = await service.detectLevel('ad', request, context)
      expect([first.result?.['created'], second.result?.['created']]).to.deep.equal([1, 0])
      const row = await only()
      expect(row.times_seen).to.equal(1)
      expect(row.last_seen.getTime() - row.first_seen.getTime()).to.equal(3_600_000)
    })

    it('takes back what restated figures no longer show, and opens it again when they do', async () => {
      await spike(130)
      await detection.detect(configId)
      hoursLater(1)
      await restate(DAY, 100)
      expect((await detection.detect(configId)).result).to.include({ restated: 1, anomalies: 0 })
      expect(await only()).to.include({ status: 'resolved', resolution: 'restated', actor: 'system' })
      hoursLater(1)
      await restate(DAY, 131)
      expect((await detection.detect(configId)).result).to.include({ created: 0, anomalies: 1 })
      expect(await only()).to.include({ status: 'open', resolution: null, actor: null, observed: 131 })
    })

    it('looks again at the week from a day on whose figures came late, but not beyond 7 days', async () => {
      await insert(spendDays('a1', DAY, repeated(100, 60)))
      await detection.detect(configId)
      hoursLater(2)
      await restate(shiftDay(DAY, -6), 400)
      await restate(shiftDay(DAY, -7), 400)
      const { result } = await detection.detect(configId)
      expect(result?.['days']).to.deep.equal([6, 5, 4, 3, 2, 1, 0].map((back) => shiftDay(DAY, -back)))
      // The two days after it have it in their means of three.
      expect((await found({ type: 'spend_spike' })).map((row) => row.anomaly_date)).to.deep.equal(
        [6, 5, 4].map((back) => shiftDay(DAY, -back)),
      )
    })

    it('looks again at figures whose import was still under way when the run before looked', async () => {
      await insert(spendDays('a1', DAY, repeated(100, 60)))
      const stampedBefore = system.now()
      hoursLater(0.5)
      await detection.detect(configId)
      // Stamped when the import began to write, seen when it was committed: after that look.
      await database
        .knex('ads_insights_daily')
        .where({ config_id: configId, ad_id: 'a1', date: shiftDay(DAY, -3) })
        .update({ spend: 400, updated_at: stampedBefore })
      hoursLater(1)
      const days = [3, 2, 1, 0].map((back) => shiftDay(DAY, -back))
      expect((await detection.detect(configId)).result?.['days']).to.deep.equal(days)
      hoursLater(1)
      expect((await detection.detect(configId)).result?.['days']).to.deep.equal([DAY])
    })

    it('looks at nothing twice because of a run of named entities', async () => {
      await insert(spendDays('a1', DAY, repeated(100, 60)))
      await detection.detect(configId, { entityIds: ['a1'] })
      hoursLater(2)
      await restate(shiftDay(DAY, -3), 400)
      expect((await detection.detect(configId)).result?.['days']).to.deep.equal([DAY])
    })

    it('never raises again what people resolved', async () => {
      await spike(130)
      await detection.detect(configId)
      await database
        .knex('ml_anomalies')
        .where({ config_id: configId })
        .update({ status: 'resolved', resolution: 'manual', actor: 'ana' })
      hoursLater(1)
      await detection.detect(configId)
      expect(await only()).to.include({
        status: 'resolved',
        resolution: 'manual',
        actor: 'ana',
        times_seen: 2,
      })
    })

    it('lets an anomaly expire after 7 days open, not a second earlier', async () => {
      await spike(130)
      await detection.detect(configId)
      await insert(spendDays('a1', shiftDay(DAY, 7), repeated(100, 7)))
      hoursLater(7 * 24 - 1 / 3600)
      expect((await detection.detect(configId)).result).to.include({ expired: 0 })
      hoursLater(1 / 3600)
      expect((await detection.detect(configId)).result).to.include({ expired: 1 })
      const row = await only({ anomaly_date: DAY })
      expect(row).to.include({ status: 'resolved', resolution: 'expired', actor: 'system' })
    })

    it('lets anomalies expire also while no new data arrives', async () => {
      await spike(130)
      await detection.detect(configId)
      hoursLater(7 * 24)
      const outcome = await detection.detect(configId, { day: shiftDay(DAY, 7) })
      expect(outcome).to.deep.include({ status: 'skipped', result: { day: shiftDay(DAY, 7), expired: 1 } })
      expect(await only()).to.include({ resolution: 'expired' })
    })

    it('ends in one row when two runs find the same at once', async () => {
      await spike(130)
      await spike(140, 'a2')
      const outcomes = await Promise.all([detection.detect(configId), detection.detect(configId)])
      expect(outcomes.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded'])
      expect(outcomes.reduce((sum, { result }) => sum + Number(result?.['created']), 0)).to.equal(2)
      expect((await found()).map((row) => [row.entity_id, row.times_seen])).to.deep.equal([
        ['a1', 2],
        ['a2', 2],
      ])
    })

    it('does not let a run that looked earlier overwrite one that looked later', async () => {
      await spike(130)
      const slow = await detection.startRun(configId)
      let goOn = (): void => undefined
      const waiting = new Promise<void>((resolve) => {
        goOn = resolve
      })
      let started = (): void => undefined
      const judging = new Promise<void>((resolve) => {
        started = resolve
      })
      const compute: ComputePool = {
        ...computeInPlace,
        run: async (task, input) => {
          const result = await computeInPlace.run(task, input)
          started()
          await waiting
          return result
        },
      }
      const request = { configId, asOf: NOON, day: DAY, days: 1, entityIds: null }
      const late = detection.with({ compute }).detectLevel('ad', request, slow)
      await judging
      hoursLater(1)
      await detection.detect(configId)
      hoursLater(1)
      await restate(DAY, 100)
      await detection.detect(configId)
      goOn()
      await late
      expect(await only()).to.include({ status: 'resolved', resolution: 'restated', times_seen: 1 })
    })
  })

  describe('of some of a config', () => {
    it('counts the entities it does not know', async () => {
      await spike(130)
      expect(
        await detection.detect(configId, { entityIds: ['a1', 'nobody', 'a1', 'noone'] }),
      ).to.deep.include({
        status: 'succeeded',
        counts: { done: 1, skipped: 2, failed: 0 },
        reasons: { no_data: 2 },
      })
    })

    it('takes back nothing of entities that were not looked at', async () => {
      await spike(130)
      await spike(130, 'a2')
      await detection.detect(configId)
      hoursLater(1)
      await restate(DAY, 100, 'a1')
      await restate(DAY, 100, 'a2')
      await detection.detect(configId, { entityIds: ['a2'] })
      expect((await found()).map((row) => [row.entity_id, row.status])).to.deep.equal([
        ['a1', 'open'],
        ['a2', 'resolved'],
      ])
    })

    it('stores nothing of a dry run, which answers every signal', async () => {
      await insert(spendDays('a1', DAY, [...repeated(100, 28), 131, 131, 131]))
      const request = { configId, asOf: NOON, day: null, days: 1, entityIds: ['a1'] }
      const signals = await detection.with({}).dryRun('ad', request, new AbortController().signal)
      expect(signals.map((one) => [one.entityId, one.day, one.detector])).to.have.deep.members([
        ['a1', DAY, 'z_iqr'],
        ['a1', DAY, 'change_point'],
      ])
      expect(await found()).to.deep.equal([])
    })
  })

  describe('when something goes wrong', () => {
    it('writes nothing once another execution has the run', async () => {
      await spike(130)
      const context = await detection.startRun(configId)
      await database.knex('runs').where({ id: context.fence.runId }).update({ attempt: 2 })
      const request = { configId, asOf: NOON, day: null, days: 1, entityIds: null }
      const error = await rejectionOf(detection.with({}).detectLevel('ad', request, context))
      expect(error).to.be.instanceOf(FenceLost)
      expect(await found()).to.deep.equal([])
    })

    it('goes on with the siblings of an entity that cannot be judged, whose anomalies stay as they were', async () => {
      await spike(130)
      await spike(130, 'a2')
      await detection.detect(configId)
      hoursLater(1)
      const compute: ComputePool = {
        ...computeInPlace,
        run: (task, input) => {
          const { batch } = input as DetectTask
          const heads = batch.heads as unknown as { id: string; activeRanges: unknown }[]
          for (const head of heads) if (head.id === 'a1') head.activeRanges = undefined
          return computeInPlace.run(task, input)
        },
      }
      const outcome = await detection.detect(configId, {}, { compute })
      expect(outcome).to.deep.include({
        status: 'partial',
        counts: { done: 1, skipped: 0, failed: 1 },
        reasons: { detection_failed: 1 },
      })
      expect((await found()).map((row) => [row.entity_id, row.status, row.times_seen])).to.deep.equal([
        ['a1', 'open', 1],
        ['a2', 'open', 2],
      ])
    })
  })
})
