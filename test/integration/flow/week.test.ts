/**
 * A week of the timetable with the real jobs, over a real database. Time is the test's: it steps through the week
 * by quarters of an hour, starts what is due and lets it run to its end before it goes on. One night the figures
 * come late, one night no scheduler lives, and one day's figures are restated after the morning's flow.
 */
import { expect } from 'chai'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openRecord } from '../../../db/record.ts'
import { migrateToLatest } from '../../../db/migrate.ts'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import { loadConfig } from '../../../shared/config.ts'
import type { Config } from '../../../shared/config.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { createEnqueuer } from '../../../shared/jobs/enqueuer.ts'
import { openServices } from '../../../shared/open-services.ts'
import { createLifecycle } from '../../../shared/platform/lifecycle.ts'
import type { Lifecycle } from '../../../shared/platform/lifecycle.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createMetrics } from '../../../shared/platform/metrics.ts'
import { migrateQueues } from '../../../shared/queue/open-queues.ts'
import type { QueueJob } from '../../../shared/queue/queues.ts'
import { createCarrier } from '../../../shared/runs/carrier.ts'
import { dueInstants, nextInstant } from '../../../shared/schedules/due.ts'
import { timetable } from '../../../shared/schedules/timetable.ts'
import { createExecutor } from '../../../workers/execute.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openEmptyDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { temporaryFolder } from '../../support/folders.ts'

const ZONE = 'America/Sao_Paulo'
const MINUTE_MS = 60_000
const QUARTER_MS = 15 * MINUTE_MS
const DAY_MS = 24 * 60 * MINUTE_MS
/** Local midnight of Monday, 9 March 2026. */
const MONDAY_MS = Date.parse('2026-03-09T03:00:00Z')
const HISTORY_DAYS = 24

/** The instant of a local time of the week's day 0..6 (the zone has no clock change). */
const at = (day: number, time: string): number => {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return MONDAY_MS + day * DAY_MS + (hours * 60 + minutes) * MINUTE_MS
}
/** D of the flow that runs on the week's day 0..6. */
const dayBefore = (day: number): string => toLocalDate(toDayNumber('2026-03-09') + day - 1)

const LATE = 2
const DOWN = 4
const RESTATED = 5
/** When the figures of D arrive. */
const arrival = (day: number): number => at(day, day === LATE ? '06:40' : '01:00')
const RESTATED_AT = at(RESTATED, '04:10')
const DOWN_UNTIL = at(DOWN, '09:20')

interface RunRow {
  readonly job: string
  readonly key: string
  readonly status: string
  readonly reasons: Record<string, number>
  readonly counts: { done: number; skipped: number; failed: number }
  readonly payload: { day?: string; watermark?: string; asOf: string }
  readonly started_at: Date
  readonly finished_at: Date
}

const STEPS = ['features', 'classify', 'forecast', 'recommend'] as const
const LEVELS = ['campaign', 'adset', 'ad'] as const

for (const preset of ['default', 'compact'] as const satisfies readonly Config['SCHEDULE_PRESET'][]) {
  describe(`a week of the ${preset} timetable`, () => {
    let database: TestDatabase
    let lifecycle: Lifecycle
    let runs: readonly RunRow[]
    /** What was known of Wednesday's D just before its figures came. */
    let beforeArrival: { features: number; tiers: number; anomalies: number }

    before(async function () {
      this.timeout(180_000)
      database = await openEmptyDatabase()
      lifecycle = createLifecycle(silentLogger)
      const folder = await temporaryFolder()
      lifecycle.onClose('folder', () => rm(folder, { recursive: true, force: true }))
      const models = join(folder, 'models_storage')
      await mkdir(models)
      const config = loadConfig({
        DATABASE_URL: database.url,
        MODELS_STORAGE_PATH: models,
        SCHEDULE_PRESET: preset,
        VIGIA_TIMEZONE: ZONE,
      })
      const record = await openRecord({ config, logger: silentLogger, lifecycle, applicationName: 'week' })
      const { knex, store } = record
      await migrateToLatest(knex, {
        migrateQueues: () => migrateQueues({ redisUrl: undefined, databaseUrl: database.url }),
      })
      let nowMs = MONDAY_MS
      const clock = { now: () => new Date(nowMs) }
      const open = await openServices({
        config,
        store,
        databaseUrl: database.url,
        announcements: { publish: () => Promise.resolve(), subscribe: () => () => undefined },
        compute: computeInPlace,
        clock,
        logger: silentLogger,
        lifecycle,
        metrics: createMetrics('test'),
      })
      const waiting: QueueJob[] = []
      const carrier = createCarrier({
        runs: store.runs,
        queues: { add: async (jobs) => void waiting.push(...jobs), remove: async () => {} },
        jobs: open.jobs,
        logger: silentLogger,
      })
      const enqueuer = createEnqueuer({ runs: store.runs, carrier, clock })
      const executor = createExecutor({
        runs: store.runs,
        carrier,
        spawn: enqueuer.spawn,
        jobs: open.jobs,
        services: open.services,
        logger: silentLogger,
      })
      lifecycle.onClose('executor', () => executor.close())
      const drain = async (): Promise<void> => {
        for (let job = waiting.shift(); job; job = waiting.shift()) {
          await executor.process({ queueJobId: job.id, queue: job.queue, name: job.name, runId: job.runId })
        }
      }

      const configId = await newConfig(knex, ZONE)
      const ads = [
        ['ad-1', { adsetId: 'set-1', campaignId: 'camp-1' }],
        ['ad-2', { adsetId: 'set-1', campaignId: 'camp-1' }],
        ['ad-3', { adsetId: 'set-2', campaignId: 'camp-2' }],
      ] as const
      const deliver = async (days: number, lastDay: string): Promise<void> => {
        await insertDays(
          knex,
          configId,
          ads.flatMap(([id, parents]) => adDays(id, days, lastDay, parents)),
        )
        await knex('ads_insights_daily')
          .where({ config_id: configId })
          .where('date', '>', toLocalDate(toDayNumber(lastDay) - days))
          .update({ updated_at: clock.now() })
      }
      await deliver(HISTORY_DAYS, dayBefore(-1))

      const entries = timetable(config)
      const lastClaimed = new Map<string, Date>()
      const wakeMs = new Map<string, number>()
      const since = new Date(MONDAY_MS - 1)
      for (; nowMs < MONDAY_MS + 7 * DAY_MS; nowMs += QUARTER_MS) {
        for (let day = 0; day < 7; day++) {
          if (nowMs - QUARTER_MS < arrival(day) && arrival(day) <= nowMs) {
            if (day === LATE) {
              const ofDay = { config_id: configId }
              const count = async (table: string, column: string): Promise<number> => {
                const [row] = await knex(table)
                  .where({ ...ofDay, [column]: dayBefore(LATE) })
                  .count<{ n: number }[]>({ n: '*' })
                return Number(row?.n)
              }
              beforeArrival = {
                features: await count('ml_features', 'feature_date'),
                tiers: await count('ml_classifications', 'classification_date'),
                anomalies: await count('ml_anomalies', 'anomaly_date'),
              }
            }
            await deliver(1, dayBefore(day))
          }
        }
        if (nowMs - QUARTER_MS < RESTATED_AT && RESTATED_AT <= nowMs) {
          await knex('ads_insights_daily')
            .where({ config_id: configId, date: dayBefore(RESTATED), ad_id: 'ad-1' })
            .update({ leads: 9, updated_at: clock.now() })
        }
        if (at(DOWN, '00:00') <= nowMs && nowMs < DOWN_UNTIL) continue
        // After the first day's, afternoons have nothing but the hourly looks at what has not changed.
        if (nowMs >= at(1, '00:00') && (nowMs - MONDAY_MS) % DAY_MS >= DAY_MS / 2) continue
        for (const { id, job, cron, timezone } of entries) {
          if (nowMs < (wakeMs.get(id) ?? 0)) continue
          // There are no series to look at every five minutes.
          if (id === 'series.drift' && nowMs % DAY_MS !== 0) continue
          wakeMs.set(id, nextInstant(cron, timezone, clock.now())?.getTime() ?? Infinity)
          const row = { cronInForce: cron, timezone, paused: false, since }
          const due = dueInstants(row, lastClaimed.get(id) ?? null, clock.now())
          const newest = [...due.missed, ...due.run].sort((a, b) => a.getTime() - b.getTime()).at(-1)
          if (newest) lastClaimed.set(id, newest)
          for (const instant of due.run) {
            await enqueuer.enqueue(job, { asOf: instant.toISOString() }, { actor: 'scheduler' })
          }
        }
        await drain()
      }
      runs = (await knex('runs').orderBy('started_at')) as RunRow[]
    })
    after(async () => {
      await lifecycle.close()
      await database.close()
    })

    const ofJob = (job: string, day?: string): readonly RunRow[] =>
      runs.filter((run) => run.job === job && (day === undefined || run.payload.day === day))
    /** The sweep a schedule started at an instant. */
    const sweptAt = (job: string, instantMs: number): RunRow | undefined =>
      ofJob(job).find((run) => Date.parse(run.payload.asOf) === instantMs)

    it('ends every run, and none in failure', () => {
      const odd = runs.filter(({ status }) => status !== 'succeeded' && status !== 'skipped')
      expect(odd.map(({ job, status }) => `${job} ${status}`)).to.deep.equal([])
    })

    it('takes every step of every level once for each state of the data', () => {
      for (const step of STEPS) {
        for (const level of LEVELS) {
          for (let day = 0; day < 7; day++) {
            const done = ofJob(`${step}.${level}`, dayBefore(day)).filter(
              ({ status }) => status === 'succeeded',
            )
            const states = day === RESTATED ? 2 : 1
            expect(done.length, `${step}.${level} of ${dayBefore(day)}`).to.be.at.most(states)
            // The compact morning is over when the late figures come: its next entry is about the next day.
            const least = preset === 'compact' && day === LATE ? 0 : 1
            expect(done.length, `${step}.${level} of ${dayBefore(day)}`).to.be.at.least(least)
          }
        }
      }
    })

    it('takes no step before those it builds on succeeded for the same data', () => {
      const before = {
        classify: ['features'],
        forecast: ['features'],
        recommend: ['classify', 'forecast'],
      } as const
      for (const [step, needed] of Object.entries(before)) {
        for (const level of LEVELS) {
          for (const run of ofJob(`${step}.${level}`).filter(({ status }) => status === 'succeeded')) {
            for (const other of needed) {
              const base = ofJob(`${other}.${level}`, run.payload.day).find(
                ({ payload, status }) =>
                  payload.watermark === run.payload.watermark && status === 'succeeded',
              )
              expect(base, `${other} before ${step}.${level} ${run.key}`).not.to.equal(undefined)
              expect(base?.finished_at.getTime()).to.be.at.most(run.finished_at.getTime())
            }
          }
        }
      }
    })

    it('does the whole flow at 02:00 where the figures are in, and counts the morning as up to date', () => {
      const monday = ofJob('pipeline.config', dayBefore(0))
      expect(monday.map(({ status }) => status)).to.deep.equal(['succeeded'])
      const time = preset === 'default' ? '06:00' : '05:00'
      for (const job of ['classify.all.campaign', 'recommend.all.campaign']) {
        const instant = at(0, job.startsWith('recommend') && preset === 'default' ? '07:15' : time)
        const sweep = sweptAt(job, instant)
        expect(sweep?.counts, job).to.deep.equal({ done: 0, skipped: 1, failed: 0 })
        expect(sweep?.reasons, job).to.deep.equal({ up_to_date: 1 })
      }
    })

    it('reads nothing from stale data, and catches up at the next entries once the figures came', () => {
      expect(beforeArrival).to.deep.equal({ features: 0, tiers: 0, anomalies: 0 })
      const wednesday = dayBefore(LATE)
      expect(ofJob('pipeline.config', wednesday).map(({ reasons }) => reasons)).to.deep.equal([
        { stale_data: 1 },
      ])
      for (const level of LEVELS) {
        const advice = ofJob(`recommend.${level}`, wednesday).filter(({ status }) => status === 'succeeded')
        expect(advice.length, level).to.equal(preset === 'default' ? 1 : 0)
      }
      // The hour after the figures came sees them.
      const seven = ofJob('detect.campaign').find(
        ({ payload }) => Date.parse(payload.asOf) === at(LATE, '07:00'),
      )
      expect(seven?.status).to.equal('succeeded')
      const six = ofJob('detect.campaign').find(
        ({ payload }) => Date.parse(payload.asOf) === at(LATE, '06:00'),
      )
      expect(six?.reasons).to.deep.equal({ stale_data: 1 })
    })

    it('makes up for a night without schedulers', () => {
      const friday = dayBefore(DOWN)
      expect(ofJob('pipeline.config', friday)).to.deep.equal([])
      expect(ofJob('train.config', friday).map(({ status }) => status)).to.deep.equal(['succeeded'])
    })

    it('starts over on restated figures, parents first', () => {
      const day = dayBefore(RESTATED)
      for (const level of LEVELS) {
        const tiers = ofJob(`classify.${level}`, day).filter(({ status }) => status === 'succeeded')
        expect(tiers.length, level).to.equal(2)
        expect(new Set(tiers.map(({ payload }) => payload.watermark)).size).to.equal(2)
      }
    })
  })
}
