/**
 * One measured system: a database of its own on vigia's embedded PostgreSQL, queues on the chosen backend,
 * an imported account, and a worker in a process of its own, as in production.
 */
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { EmbeddedPostgres } from '../db/embedded/server.ts'
import { migrateToLatest } from '../db/migrate.ts'
import { openRecord } from '../db/record.ts'
import type { OpenRecord } from '../db/record.ts'
import { computeInPlace } from '../shared/compute-in-place.ts'
import { loadConfig } from '../shared/config.ts'
import { systemClock } from '../shared/core/clock.ts'
import { toDayNumber, toLocalDate } from '../shared/core/days.ts'
import { LEVELS } from '../shared/core/entity.ts'
import { detectLevel } from '../shared/jobs/detection.ts'
import { classifyLevel } from '../shared/jobs/classification.ts'
import { featuresLevel } from '../shared/jobs/features.ts'
import { forecastLevel } from '../shared/jobs/forecasting.ts'
import { recommendLevel } from '../shared/jobs/recommendation.ts'
import { trainConfig } from '../shared/jobs/training.ts'
import { openServices } from '../shared/open-services.ts'
import { createLifecycle } from '../shared/platform/lifecycle.ts'
import type { Lifecycle } from '../shared/platform/lifecycle.ts'
import { silentLogger } from '../shared/platform/logger.ts'
import { createMetrics } from '../shared/platform/metrics.ts'
import { migrateQueues } from '../shared/queue/open-queues.ts'
import type { Run } from '../shared/runs/run.ts'
import type { Services } from '../shared/services.ts'
import { openFeatureSystem, stepOf } from '../test/support/features.ts'
import { startProcess } from '../test/support/processes.ts'
import type { TestProcess } from '../test/support/processes.ts'
import { queriesOf } from '../test/support/queries.ts'
import { accountToCsv } from './accounts.ts'
import type { AccountShape } from './accounts.ts'
import { usageOf, watchPeak } from './process-tree.ts'

const WORKER = fileURLToPath(new URL('../workers/main.js', import.meta.url))
const POLL_MS = 4
const HISTORY_DAYS = 90
const SEED = 7

export type BenchBackend = 'postgres' | 'redis'

export interface SystemOptions {
  readonly shape: AccountShape
  readonly backend: BenchBackend
  readonly postgres: EmbeddedPostgres
  readonly redisUrl: string | undefined
  readonly database: string
  readonly folder: string
  /** Days beyond the 90, so that each repetition trains on other days. */
  readonly extraDays: number
}

export interface Measured {
  readonly wallS: number
  readonly cpuS: number
  readonly peakRssMb: number
  readonly enqueueMs: number
  readonly runs: readonly Run[]
}

const openMeasured = async (options: SystemOptions, lifecycle: Lifecycle) => {
  const url = await options.postgres.urlOf(options.database)
  const models = join(options.folder, options.database)
  await mkdir(models, { recursive: true })
  const environment = {
    DATABASE_URL: url,
    MODELS_STORAGE_PATH: models,
    LOG_LEVEL: 'info',
    ...(options.redisUrl === undefined ? {} : { REDIS_URL: options.redisUrl }),
  }
  const config = loadConfig(environment)
  const record = await openRecord({ config, logger: silentLogger, lifecycle, applicationName: 'vigia-bench' })
  await migrateToLatest(record.knex, {
    migrateQueues: () => migrateQueues({ redisUrl: config.REDIS_URL, databaseUrl: url }),
  })
  const { services } = await openServices({
    config,
    store: record.store,
    databaseUrl: url,
    announcements: { publish: () => Promise.resolve(), subscribe: () => () => undefined },
    compute: computeInPlace,
    clock: systemClock,
    logger: silentLogger,
    lifecycle,
    metrics: createMetrics('bench'),
  })
  return { environment, models, record, services }
}

/** A system with its account imported and no worker yet. */
export class MeasuredSystem {
  private readonly options: SystemOptions
  private readonly lifecycle = createLifecycle(silentLogger)
  private opened!: {
    environment: Record<string, string>
    models: string
    record: OpenRecord
    services: Services
  }
  private worker: TestProcess | undefined
  private configId = 0
  /** The newest complete day of the account. */
  private readonly newest = toDayNumber(new Date().toISOString().slice(0, 10)) - 2

  private constructor(options: SystemOptions) {
    this.options = options
  }

  static async open(
    options: SystemOptions,
  ): Promise<{ system: MeasuredSystem; importS: number; rows: number }> {
    const system = new MeasuredSystem(options)
    system.opened = await openMeasured(options, system.lifecycle)
    const { services } = system.opened
    const config = await services.configs.create({
      name: options.database,
      account_id: options.database,
      timezone: 'UTC',
      currency: 'BRL',
    })
    system.configId = config.id
    const start = performance.now()
    const csv = accountToCsv({
      ...options.shape,
      days: HISTORY_DAYS + 1 + options.extraDays,
      endDate: toLocalDate(system.newest),
      seed: SEED,
    })
    const report = await services.imports.importInsights({
      configId: config.id,
      source: encoded(csv),
      actor: 'bench',
    })
    const importS = (performance.now() - start) / 1000
    await system.opened.record.knex.raw('vacuum analyze ads_insights_daily')
    return { system, importS, rows: report.rows_upserted }
  }

  /** A fresh worker process, ready to take jobs. */
  async startWorker(): Promise<void> {
    await this.stopWorker()
    this.worker = startProcess(WORKER, { env: this.opened.environment })
    await this.worker.line(/"message":"started"/)
  }

  async stopWorker(): Promise<void> {
    await this.worker?.end('SIGTERM')
    this.worker = undefined
  }

  private async measure(enqueue: () => Promise<readonly string[]>): Promise<Measured> {
    const serverPid = await this.options.postgres.serverPid()
    const roots = [this.worker?.pid, serverPid].filter((pid) => typeof pid === 'number')
    const before = usageOf(roots).cpuSeconds
    const peak = watchPeak(roots)
    const start = performance.now()
    const ids = await enqueue()
    const enqueueMs = performance.now() - start
    const runs = await this.ended(ids)
    const wallS = (performance.now() - start) / 1000
    return { wallS, cpuS: usageOf(roots).cpuSeconds - before, peakRssMb: peak.stop(), enqueueMs, runs }
  }

  private async ended(ids: readonly string[]): Promise<readonly Run[]> {
    for (;;) {
      const { rows } = await this.opened.record.knex.raw<{ rows: { open: number }[] }>(
        `select count(*) as open from runs where id = any(?::uuid[]) and status in ('queued', 'running')`,
        [[...ids]],
      )
      if (Number(rows[0]?.open) === 0) break
      await delay(POLL_MS)
    }
    const runs = await Promise.all(ids.map((id) => this.opened.services.runs.get(id)))
    for (const run of runs) {
      if (run.status !== 'succeeded')
        throw new Error(`${run.job} ended ${run.status}: ${run.error ?? JSON.stringify(run.reasons)}`)
    }
    return runs
  }

  /** Trains the whole config as on the day `back` days before the newest. */
  train(back: number): Promise<Measured> {
    const { services } = this.opened
    return this.measure(async () => {
      const run = await services.enqueue(trainConfig, {
        configId: this.configId,
        asOf: new Date().toISOString(),
        day: toLocalDate(this.newest - back),
        watermark: new Date().toISOString(),
        entityType: null,
        entityIds: null,
        verdicts: 0,
      })
      return [run.id]
    })
  }

  /** Checks the newest day at all three levels. */
  detect(): Promise<Measured> {
    const { services } = this.opened
    return this.measure(() =>
      Promise.all(
        LEVELS.map(async (level) => {
          const run = await services.enqueue(detectLevel[level], {
            configId: this.configId,
            asOf: new Date().toISOString(),
            day: toLocalDate(this.newest),
            days: 1,
            entityIds: null,
            watermark: null,
          })
          return run.id
        }),
      ),
    )
  }

  /** Features of the newest day at all three levels, however often they were made before. */
  features(): Promise<Measured> {
    const { services } = this.opened
    const asked = { asOf: new Date().toISOString(), force: true }
    return this.measure(() =>
      Promise.all(
        LEVELS.map(async (level) => {
          const step = stepOf(this.configId, toLocalDate(this.newest), asked)
          return (await services.enqueue(featuresLevel[level], step)).id
        }),
      ),
    )
  }

  /** Tiers and advice of all levels made anew; the features and forecasts they stand on are there already. */
  async advise(): Promise<Measured> {
    const { services } = this.opened
    const day = toLocalDate(this.newest)
    const asOf = new Date().toISOString()
    const usual = stepOf(this.configId, day, { asOf })
    // Once through the flow, not measured: forecasts take far longer than what is measured here.
    await this.measure(() =>
      Promise.all(LEVELS.map(async (level) => (await services.enqueue(recommendLevel[level], usual)).id)),
    )
    const anew = stepOf(this.configId, day, { asOf, force: true })
    return this.measure(() =>
      Promise.all(
        [classifyLevel, recommendLevel].flatMap((jobs) =>
          LEVELS.map(async (level) => (await services.enqueue(jobs[level], anew)).id),
        ),
      ),
    )
  }

  /** Spend and leads of every `every`th entity of each level, the features they wait for included. */
  forecast(every: number): Promise<Measured> {
    const { services, record } = this.opened
    return this.measure(async () => {
      const withRows = await record.store.trainable.withRows(this.configId, 0, this.newest)
      const asOf = new Date().toISOString()
      const tickets = await Promise.all(
        LEVELS.map((level) =>
          services.enqueue(forecastLevel[level], {
            configId: this.configId,
            asOf,
            day: toLocalDate(this.newest),
            watermark: asOf,
            entityIds: every === 1 ? null : withRows[level].filter((_, i) => i % every === 0),
            force: false,
            metrics: ['spend', 'leads'],
            horizonDays: 7,
          }),
        ),
      )
      return tickets.map((ticket) => ticket.id)
    })
  }

  /** Statements of the pass over each level, the write included, without those of the run and the freshness. */
  async featureQueries(): Promise<Record<string, number>> {
    const system = openFeatureSystem(this.opened.record.knex)
    const counts: Record<string, number> = {}
    for (const level of LEVELS) {
      const context = await system.startRun(this.configId, level)
      const step = stepOf(this.configId, toLocalDate(this.newest))
      const [, ...pass] = await queriesOf(() => system.computeAs(level, step, context))
      counts[level] = pass.length
    }
    return counts
  }

  /** Bytes of the published artifacts: how many there are, their median and largest. */
  async artifacts(): Promise<{ files: number; medianBytes: number; largestBytes: number }> {
    const folder = join(this.opened.models, 'anomaly_detector', `config_${this.configId}`)
    const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'))
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size))
    sizes.sort((a, b) => a - b)
    return {
      files: sizes.length,
      medianBytes: sizes[sizes.length >> 1] ?? 0,
      largestBytes: sizes.at(-1) ?? 0,
    }
  }

  async close(): Promise<void> {
    await this.stopWorker()
    await this.lifecycle.close()
  }
}

async function* encoded(text: Iterable<string> | AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  for await (const chunk of text) yield encoder.encode(chunk)
}
