import { expect } from 'chai'
import { createHash } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { detectionStore } from '../../../db/repositories/anomalies.ts'
import { configs as configStore } from '../../../db/repositories/configs.ts'
import { frameSource } from '../../../db/repositories/frames.ts'
import { freshness as freshnessStore } from '../../../db/repositories/freshness.ts'
import { defaultDetectionParams } from '../../../ml/detectors/params.ts'
import type { AnomalyDraft } from '../../../ml/detectors/signal.ts'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import type { ComputePool } from '../../../shared/compute.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { WorkContext, WorkOutcome } from '../../../shared/core/work.ts'
import type { DetectTask } from '../../../shared/detection/detect-batch.ts'
import type { ScoredBatch } from '../../../shared/detection/detection-store.ts'
import { createDetection } from '../../../shared/detection/detection.ts'
import type { DetectionParts, DetectionService, DetectRequest } from '../../../shared/detection/detection.ts'
import { createConfigs } from '../../../shared/entities/configs.ts'
import { createDataFreshness } from '../../../shared/entities/freshness.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
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
  let parts: DetectionParts
  let configId: number
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    const { knex } = database
    system = await openTrainingSystem(knex)
    system.setNow(NOW)
    configId = await newConfig(knex)
    const configs = createConfigs(configStore(knex), system.artifacts, silentLogger)
    parts = {
      clock: { now: () => system.now() },
      store: detectionStore(knex),
      configs,
      freshness: createDataFreshness(freshnessStore(knex), configs, silentLogger),
      frames: frameSource(knex),
      registry: system.registry,
      models: system.loader,
      compute: computeInPlace,
      params: defaultDetectionParams,
      useForests: true,
    }
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
  const startRun = async (request: DetectRequest): Promise<WorkContext> => {
    const context = await system.startRun(configId)
    await database
      .knex('runs')
      .where({ id: context.fence.runId })
      .update({ job: 'detect.ad', payload: JSON.stringify(request), started_at: system.now() })
    return context
  }
  /** One run, recorded as a worker records it. */
  const detect = async (asked?: Partial<DetectRequest>, service?: DetectionService): Promise<WorkOutcome> => {
    const request = requestOf(asked)
    const context = await startRun(request)
    const outcome = await (service ?? createDetection(parts)).detectLevel('ad', request, context)
    await database
      .knex('runs')
      .where({ id: context.fence.runId })
      .update({ status: outcome.status, result: JSON.stringify(outcome.result) })
    return outcome
  }
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
      const dry = requestOf({ days: 7, entityIds: ['a1'] })
      const signals = await createDetection(parts).dryRun('ad', dry, new AbortController().signal)
      expect(signals.map((one) => one.day)).to.not.include(daysBefore(3))
    })

    it("refuses a day until the account's midnight has ended it", async () => {
      await insert(steady('a1', 28))
      system.setNow('2026-03-11T02:59:59.999Z')
      const error = await rejectionOf(detect())
      expect(error).to.include({ code: 'INVALID_REQUEST' })
      expect(error.message).to.include(`the newest complete day is ${daysBefore(1)}`)
      const dry = createDetection(parts).dryRun('ad', requestOf(), new AbortController().signal)
      expect(await rejectionOf(dry)).to.include({ code: 'INVALID_REQUEST' })
      system.setNow('2026-03-11T03:00:00.000Z')
      expect((await detect()).status).to.equal('succeeded')
    })

    it('looks again at a restated day although an older day was looked at in between', async () => {
      await insert(steady('a1', 40))
      await detect()
      await restate(daysBefore(2), '2026-03-11T07:30:00Z')
      system.setNow('2026-03-11T08:00:00Z')
      await detect({ day: daysBefore(7) })
      system.setNow('2026-03-11T09:00:00Z')
      expect((await detect()).result?.['days']).to.deep.equal([daysBefore(2), DAY])
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

    it('counts what was written up to ten minutes before the last look as unseen, and nothing older', async () => {
      await insert(steady('a1', 40))
      await detect()
      await restate(daysBefore(2), '2026-03-11T06:50:00.000Z')
      await restate(daysBefore(4), '2026-03-11T06:50:00.001Z')
      system.setNow('2026-03-11T08:00:00Z')
      expect((await detect()).result?.['days']).to.deep.equal([daysBefore(4), DAY])
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
    const exists = (uri: string): Promise<boolean> =>
      stat(join(system.root, uri)).then(
        () => true,
        () => false,
      )
    /** A pool that keeps what it was asked, with the models as they were when asked. */
    const watching = (tasks: DetectTask[]): ComputePool => ({
      ...computeInPlace,
      run: (task, input) => {
        if (task === 'detect') tasks.push(input as DetectTask)
        return computeInPlace.run(task, input)
      },
    })
    const versionsIn = (task: DetectTask, entity: string): (number | null)[] => {
      const row = task.batch.heads.findIndex((head) => head.id === entity)
      return task.days.map((_, d) => {
        const index = task.modelOf[row * task.days.length + d] as number
        return index < 0 ? null : (task.models[index]?.version ?? null)
      })
    }

    it('judges each of seven days only with a model trained before it', async () => {
      await account()
      await system.train(configId, daysBefore(3), { entityType: 'ad' })
      await system.train(configId, DAY, { entityType: 'ad' })
      const tasks: DetectTask[] = []
      await detect({ days: 7 }, createDetection({ ...parts, compute: watching(tasks) }))
      expect(tasks).to.have.length(1)
      for (const id of ['a1', 'a2'])
        expect(versionsIn(tasks[0] as DetectTask, id)).to.deep.equal([null, null, null, 1, 1, 1, 2])
    })

    it('asks no model when forests are switched off, and says so', async () => {
      await account()
      await system.train(configId, DAY, { entityType: 'ad' })
      await database
        .knex('ads_insights_daily')
        .where({ config_id: configId, date: DAY })
        .update({ spend: 9000 })
      const tasks: DetectTask[] = []
      await detect({}, createDetection({ ...parts, useForests: false, compute: watching(tasks) }))
      expect(tasks[0]?.models).to.deep.equal([])
      expect((await found()).map((row) => [row.model_source, row.baseline_reason])).to.deep.include([
        'baseline',
        'disabled',
      ])
    })

    for (const [how, spoil] of [
      ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
      ['changed in one bit', (bytes: Buffer) => bytes.fill((bytes.at(-1) as number) ^ 1, bytes.length - 1)],
    ] as const) {
      it(`answers from statistics where an artifact was ${how}, puts the file aside, and spares the others`, async () => {
        await account()
        await system.train(configId, DAY, { entityType: 'ad' })
        await database
          .knex('ads_insights_daily')
          .where({ config_id: configId, date: DAY })
          .update({ spend: 9000 })
        const { artifact_uri: uri = '' } = (await version('a1')) ?? {}
        await writeFile(join(system.root, uri), spoil(await readFile(join(system.root, uri))))
        const outcome = await detect()
        expect(outcome).to.deep.include({ status: 'succeeded', counts: { done: 2, skipped: 0, failed: 0 } })
        const reasons = (await found()).map(
          (row) => `${row.entity_id} ${row.model_source} ${row.baseline_reason}`,
        )
        expect([...new Set(reasons)].sort()).to.deep.equal(['a1 baseline broken_artifact', 'a2 own null'])
        expect((await version('a1'))?.state).to.equal('broken')
        expect([await exists(uri), await exists(`${uri}.corrupt`)]).to.deep.equal([false, true])
        expect((await version('a2'))?.state).to.equal('ready')
      })
    }

    it('puts aside a file that is as it was written but no model, though not in a dry run', async () => {
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
      const request = requestOf({ entityIds: ['a1', 'a2'] })
      await createDetection(parts).dryRun('ad', request, new AbortController().signal)
      expect((await version('a1'))?.state).to.equal('ready')

      expect((await detect()).status).to.equal('succeeded')
      expect((await version('a1'))?.state).to.equal('broken')
      expect(await exists(uri)).to.equal(false)
      expect((await version('a2'))?.state).to.equal('ready')
    })

    it('goes on where such a file cannot be put aside', async () => {
      await account()
      await system.train(configId, DAY, { entityType: 'ad' })
      const compute: ComputePool = {
        ...computeInPlace,
        run: async (task, input) => Object.assign(await computeInPlace.run(task, input), { unreadable: [0] }),
      }
      const registry = { ...system.registry, markBroken: () => Promise.reject(new Error('read-only disk')) }
      expect((await detect({}, createDetection({ ...parts, compute, registry }))).status).to.equal(
        'succeeded',
      )
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
        run: async (_, { batch }) => {
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
        const error = await rejectionOf(detect({}, createDetection({ ...parts, compute })))
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
      const [one, two] = [await startRun(requestOf()), await startRun(requestOf())]
      for (let round = 0; round < 6; round += 1) {
        await parts.store.write(
          one.fence,
          batch(() => true),
        )
        await Promise.all([
          parts.store.write(
            one.fence,
            batch((i) => i % 2 === 0),
          ),
          parts.store.write(
            two.fence,
            batch((i) => i % 2 === 1),
          ),
        ])
      }
      expect(await found()).to.have.length(400)
    })
  })
})
