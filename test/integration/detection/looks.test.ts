import { expect } from 'chai'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { detectionStore } from '../../../db/repositories/anomalies.ts'
import type { AnomalyDraft } from '../../../ml/detectors/signal.ts'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import type { ComputePool } from '../../../shared/compute.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { anchorOf } from '../../../shared/detection/account-judge.ts'
import type { DetectTask } from '../../../shared/detection/detect-batch.ts'
import type { ScoredBatch } from '../../../shared/detection/detection-store.ts'
import type { DetectionParts, DetectRequest } from '../../../shared/detection/detection.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openDetectionSystem } from '../../support/detection.ts'
import type { DetectionSystem } from '../../support/detection.ts'
import { rejectionOf } from '../../support/entities.ts'
import { openTrainingSystem } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

const DAY = '2026-03-10'
/** Four in the morning in São Paulo. */
const NOW = '2026-03-11T07:00:00.000Z'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }

const daysBefore = (count: number): string => toLocalDate(toDayNumber(DAY) - count)

const steady = (adId: string, days: number, lastDay = DAY): AdDay[] =>
  adDays(adId, days, lastDay, PARENTS).map((row) => ({
    ...row,
    spend: 100,
    impressions: 1000,
    clicks: 20,
    leads: 0,
    reach: 900,
  }))

describe('what detection looks at', () => {
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
    system.setNow(NOW)
    configId = await newConfig(database.knex)
    detection = openDetectionSystem(system)
  })

  /** Rows that have been there for a day. */
  const insert = async (rows: readonly AdDay[]): Promise<void> => {
    await insertDays(database.knex, configId, rows)
    await database
      .knex('ads_insights_daily')
      .where({ config_id: configId })
      .update({ updated_at: '2026-03-10T07:00:00Z' })
  }
  const restate = (date: string, at: string): Promise<number> =>
    database
      .knex('ads_insights_daily')
      .where({ config_id: configId, date })
      .update({ spend: 500, updated_at: at })
  const requestOf = (asked: Partial<DetectRequest> = {}): DetectRequest => ({
    configId,
    asOf: system.now().toISOString(),
    day: DAY,
    days: 1,
    entityIds: null,
    ...asked,
  })
  const detect = (asked: Partial<DetectRequest> = {}, parts: Partial<DetectionParts> = {}) =>
    detection.detect(configId, { day: DAY, ...asked }, parts)
  const dryRun = (asked?: Partial<DetectRequest>) =>
    detection.with({}).dryRun('ad', requestOf(asked), new AbortController().signal)
  const found = (): Promise<
    { anomaly_date: string; entity_id: string; baseline_reason: string | null; model_source: string }[]
  > => database.knex('ml_anomalies').where({ config_id: configId }).orderBy(['anomaly_date', 'entity_id'])

  describe('among days', () => {
    it('does not judge a day whose figures never came, and says which', async () => {
      await insert(steady('a1', 28).filter((row) => row.date !== daysBefore(3)))
      const outcome = await detect({ days: 7 })
      expect(outcome.status).to.equal('succeeded')
      expect(outcome.result).to.deep.include({
        days: [6, 5, 4, 2, 1, 0].map(daysBefore),
        stale_days: [daysBefore(3)],
      })
      expect((await found()).map((row) => row.anomaly_date)).to.not.include(daysBefore(3))
      const signals = await dryRun({ days: 7, entityIds: ['a1'] })
      expect(signals.map((one) => one.day)).to.not.include(daysBefore(3))
    })

    it("refuses a day until the account's midnight has ended it", async () => {
      await insert(steady('a1', 28))
      system.setNow('2026-03-11T02:59:59.999Z')
      const error = await rejectionOf(detect())
      expect(error).to.include({ code: 'INVALID_REQUEST' })
      expect(error.message).to.include(`the newest complete day is ${daysBefore(1)}`)
      expect(await rejectionOf(dryRun())).to.include({ code: 'INVALID_REQUEST' })
      system.setNow('2026-03-11T03:00:00.000Z')
      expect((await detect()).status).to.equal('succeeded')
    })

    it('looks again at a restated day although an older day was looked at in between', async () => {
      await insert(steady('a1', 40))
      await detect()
      await restate(daysBefore(2), '2026-03-11T07:15:00Z')
      // The run of the older day sees this, which is newer, and not the other.
      await restate(daysBefore(8), '2026-03-11T07:30:00Z')
      system.setNow('2026-03-11T08:00:00Z')
      await detect({ day: daysBefore(7) })
      system.setNow('2026-03-11T09:00:00Z')
      // What came in before the week is what all of it builds on.
      expect((await detect()).result?.['days']).to.deep.equal([6, 5, 4, 3, 2, 1, 0].map(daysBefore))
      system.setNow('2026-03-11T10:00:00Z')
      expect((await detect()).result?.['days']).to.deep.equal([DAY])
    })

    it('looks again at the days after a restated one, which build on it, but for those whose figures never came', async () => {
      await insert(steady('a1', 40).filter(({ date }) => date !== daysBefore(1)))
      await detect()
      await restate(daysBefore(3), '2026-03-11T07:15:00Z')
      system.setNow('2026-03-11T08:00:00Z')
      expect((await detect()).result?.['days']).to.deep.equal([3, 2, 0].map(daysBefore))
    })

    it('does not look again for what lies before all that is looked at', async () => {
      const first = anchorOf(toDayNumber(DAY))
      await insert(steady('a1', 130))
      await detect()
      await restate(toLocalDate(first - 1), '2026-03-11T07:15:00Z')
      system.setNow('2026-03-11T08:00:00Z')
      expect((await detect()).result?.['days']).to.deep.equal([DAY])
      await restate(toLocalDate(first), '2026-03-11T08:15:00Z')
      system.setNow('2026-03-11T09:00:00Z')
      expect((await detect()).result?.['days']).to.have.length(7)
    })

    it('looks at the days that passed while no run did', async () => {
      await insert(steady('a1', 40))
      await database
        .knex('ads_insights_daily')
        .where({ config_id: configId })
        .where('date', '<', daysBefore(2))
        .update({ updated_at: '2026-03-08T05:00:00Z' })
      system.setNow('2026-03-08T07:00:00Z')
      await detect({ day: daysBefore(3) })
      system.setNow(NOW)
      expect((await detect()).result?.['days']).to.deep.equal([2, 1, 0].map(daysBefore))
      system.setNow('2026-03-11T08:00:00Z')
      expect((await detect()).result?.['days']).to.deep.equal([DAY])
    })

    it('looks again at what is newer than all the last look saw, whatever the clock said then', async () => {
      await insert(steady('a1', 40))
      await detect()
      await restate(daysBefore(2), '2026-03-10T07:00:00.000Z')
      await restate(daysBefore(4), '2026-03-10T07:00:00.001Z')
      system.setNow('2026-03-11T08:00:00Z')
      expect((await detect()).result?.['days']).to.deep.equal([4, 3, 2, 1, 0].map(daysBefore))
    })

    it('does not look again at a week that was imported a moment ago', async () => {
      await insertDays(database.knex, configId, steady('a1', 40))
      await detect()
      expect((await detect()).result?.['days']).to.deep.equal([DAY])
    })

    it('looks at nothing else the first time', async () => {
      await insert(steady('a1', 40))
      expect((await detect()).result?.['days']).to.deep.equal([DAY])
    })
  })

  describe('with models', () => {
    const account = () => insert(['a1', 'a2'].flatMap((id) => adDays(id, 100, DAY, PARENTS)))
    const version = (id: string) =>
      database
        .knex('model_versions')
        .where({ config_id: configId, entity_type: 'ad', entity_id: id })
        .orderBy('version', 'desc')
        .first<{ artifact_uri: string; state: string } | undefined>()
    it('leaves a file that is no model where it is in a dry run, which changes nothing', async () => {
      await account()
      await system.train(configId, DAY, { entityType: 'ad' })
      const foreign = Buffer.from('a file of some other program, of a decent length')
      const { artifact_uri: uri = '' } = (await version('a1')) ?? {}
      await writeFile(join(system.root, uri), foreign)
      await database
        .knex('model_versions')
        .where({ config_id: configId, entity_type: 'ad', entity_id: 'a1' })
        .update({
          artifact_sha256: createHash('sha256').update(foreign).digest('hex'),
          artifact_bytes: foreign.length,
        })
      await dryRun({ entityIds: ['a1', 'a2'] })
      expect((await version('a1'))?.state).to.equal('ready')
      await detect()
      expect((await version('a1'))?.state).to.equal('broken')
    })

    it('goes on where such a file cannot be put aside', async () => {
      await account()
      await system.train(configId, DAY, { entityType: 'ad' })
      const compute: ComputePool = {
        ...computeInPlace,
        run: async (task, input) => Object.assign(await computeInPlace.run(task, input), { unreadable: [0] }),
      }
      const registry = { ...system.registry, markBroken: () => Promise.reject(new Error('read-only disk')) }
      expect((await detect({}, { compute, registry })).status).to.equal('succeeded')
    })
  })

  describe('at once', () => {
    it('leaves no failure of a batch unwatched while an earlier one is under way', async () => {
      await insert(Array.from({ length: 300 }, (_, i) => steady(`a${i}`, 8)).flat())
      let failSecond = (): void => undefined
      const secondFailed = new Promise<void>((resolve) => {
        failSecond = resolve
      })
      const compute: ComputePool = {
        ...computeInPlace,
        threads: 2,
        run: async (_, input) => {
          const { batch } = input as DetectTask
          if (batch.heads.some((head) => head.id === 'a0')) {
            await secondFailed
            throw new Error('the first batch fails')
          }
          // Two turns of the event loop: time enough for Node to call the failure unhandled.
          setImmediate(() => setImmediate(failSecond))
          throw new Error('another batch fails')
        },
      }
      const unwatched: unknown[] = []
      const note = (reason: unknown): void => void unwatched.push(reason)
      const others = process.listeners('unhandledRejection')
      process.removeAllListeners('unhandledRejection')
      process.on('unhandledRejection', note)
      try {
        const error = await rejectionOf(detect({}, { compute }))
        expect(error.message).to.equal('the first batch fails')
      } finally {
        process.removeListener('unhandledRejection', note)
        for (const listener of others) process.on('unhandledRejection', listener)
      }
      expect(unwatched).to.deep.equal([])
    })

    it('lets two writers of opposite findings take turns instead of deadlocking', async () => {
      const ids = Array.from({ length: 400 }, (_, i) => `e${i}`)
      const day = toDayNumber(DAY)
      const anomaly: AnomalyDraft = {
        type: 'spend_spike',
        metric: 'spend',
        severity: 'LOW',
        polarity: 'bad',
        direction: 'up',
        score: 0.99,
        rarity: 0.01,
        observed: 113,
        expected: 100,
        lower: 87.5,
        upper: 112.5,
        deviation: 2.6,
        contributions: null,
        modelSource: 'baseline',
        modelVersion: null,
        signals: [],
      }
      let instant = Date.parse(NOW)
      const batch = (raised: (i: number) => boolean): ScoredBatch => ({
        configId,
        level: 'ad',
        entityIds: ids,
        days: [day],
        seenAt: new Date((instant += 1000)),
        anomalies: ids
          .filter((_, i) => raised(i))
          .map((entityId) => ({ entityId, parentId: null, day, anomaly, baselineReason: 'no_model' })),
      })
      const store = detectionStore(database.knex)
      const [one, two] = [await detection.startRun(configId), await detection.startRun(configId)]
      for (let round = 0; round < 6; round += 1) {
        await store.write(
          one.fence,
          batch(() => true),
        )
        await Promise.all([
          store.write(
            one.fence,
            batch((i) => i % 2 === 0),
          ),
          store.write(
            two.fence,
            batch((i) => i % 2 === 1),
          ),
        ])
      }
      expect(await found()).to.have.length(400)
    })
  })
})
