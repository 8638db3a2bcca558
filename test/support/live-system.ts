/**
 * A system of real processes: a migrated database, a folder of models, an account, and the api, worker and
 * scheduler processes a test starts and kills. The test itself looks in through services of its own.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { accountToCsv } from '../../bench/accounts.ts'
import type { AccountShape } from '../../bench/accounts.ts'
import { migrateToLatest } from '../../db/migrate.ts'
import { openRecord } from '../../db/record.ts'
import { computeInPlace } from '../../shared/compute-in-place.ts'
import { loadConfig } from '../../shared/config.ts'
import { systemClock } from '../../shared/core/clock.ts'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { RunTicket } from '../../shared/jobs/enqueue.ts'
import { trainConfig } from '../../shared/jobs/training.ts'
import { openServices } from '../../shared/open-services.ts'
import { createLifecycle } from '../../shared/platform/lifecycle.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { createMetrics } from '../../shared/platform/metrics.ts'
import { migrateQueues } from '../../shared/queue/open-queues.ts'
import type { Run } from '../../shared/runs/run.ts'
import type { Services } from '../../shared/services.ts'
import { eventually } from './eventually.ts'
import { temporaryFolder } from './folders.ts'
import { startProcess } from './processes.ts'
import type { ProcessOptions, TestProcess } from './processes.ts'

const PROGRAMS = {
  api: '../../api/main.js',
  worker: '../../workers/main.js',
  scheduler: '../../scheduler/main.js',
} as const
type Program = keyof typeof PROGRAMS

const HISTORY_DAYS = 92
const NEWEST = toDayNumber(new Date().toISOString().slice(0, 10)) - 2

export interface LiveSystemOptions {
  readonly databaseUrl: string
  readonly redisUrl?: string | undefined
  /** Besides what every process of it is started with. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface LiveSystem {
  readonly knex: Knex
  readonly services: Services
  /** Root of the artifacts. */
  readonly models: string
  /** What its processes are started with. */
  readonly environment: Readonly<Record<string, string>>
  /** Starts a process; it may not be ready yet. */
  launch(program: Program, options?: ProcessOptions): TestProcess
  /** Starts a process and waits until it says it has started. */
  start(program: Program, options?: ProcessOptions): Promise<TestProcess>
  /** Imports an account under a new config. */
  importAccount(shape: AccountShape): Promise<number>
  /** Enqueues the training of a config as on the day `back` days before the newest. */
  train(configId: number, back?: number): Promise<RunTicket>
  /** Waits until the run ends. */
  ended(runId: string, withinMs?: number): Promise<Run>
  /** Kills what still runs and closes everything; the databases stay. */
  close(): Promise<void>
}

export const openLiveSystem = async ({
  databaseUrl,
  redisUrl,
  settings,
}: LiveSystemOptions): Promise<LiveSystem> => {
  const lifecycle = createLifecycle(silentLogger)
  const folder = await temporaryFolder()
  lifecycle.onClose('folder', () => rm(folder, { recursive: true, force: true }))
  const models = join(folder, 'models_storage')
  await mkdir(models)
  const environment = {
    DATABASE_URL: databaseUrl,
    // Blank where there is none: the tests themselves may be given one.
    REDIS_URL: redisUrl ?? '',
    MODELS_STORAGE_PATH: models,
    PORT: '0',
    VIGIA_TIMEZONE: 'UTC',
    LOG_LEVEL: 'info',
    ...settings,
  }
  const config = loadConfig(environment)
  const record = await openRecord({ config, logger: silentLogger, lifecycle, applicationName: 'vigia-test' })
  await migrateToLatest(record.knex, { migrateQueues: () => migrateQueues({ redisUrl, databaseUrl }) })
  const { services } = await openServices({
    config,
    store: record.store,
    databaseUrl,
    announcements: { publish: () => Promise.resolve(), subscribe: () => () => undefined },
    compute: computeInPlace,
    clock: systemClock,
    logger: silentLogger,
    lifecycle,
    metrics: createMetrics('test'),
  })
  const processes: TestProcess[] = []
  lifecycle.onClose('processes', async () => {
    await Promise.all(processes.map((process) => process.end()))
  })
  const launch = (program: Program, options: ProcessOptions = {}): TestProcess => {
    const process = startProcess(fileURLToPath(new URL(PROGRAMS[program], import.meta.url)), {
      cwd: folder,
      ...options,
      env: { ...environment, ...options.env },
    })
    processes.push(process)
    return process
  }
  let accounts = 0
  return {
    knex: record.knex,
    services,
    models,
    environment,
    launch,
    start: async (program, options) => {
      const process = launch(program, options)
      await process.line(/"message":"started"/)
      return process
    },
    importAccount: async (shape) => {
      accounts += 1
      const { id } = await services.configs.create({
        name: `account ${accounts}`,
        account_id: `act_${accounts}`,
        timezone: 'UTC',
        currency: 'BRL',
      })
      const csv = accountToCsv({ ...shape, days: HISTORY_DAYS, endDate: toLocalDate(NEWEST), seed: accounts })
      await services.imports.importInsights({ configId: id, source: encoded(csv), actor: 'test' })
      return id
    },
    train: (configId, back = 0) =>
      services.enqueue(trainConfig, {
        configId,
        asOf: new Date().toISOString(),
        day: toLocalDate(NEWEST - back),
        watermark: new Date(0).toISOString(),
        entityType: null,
        entityIds: null,
        verdicts: 0,
      }),
    ended: (runId, withinMs) =>
      eventually(
        `the end of run ${runId}`,
        async () => {
          const run = await services.runs.get(runId)
          return run.status !== 'queued' && run.status !== 'running' ? run : null
        },
        withinMs,
      ),
    close: () => lifecycle.close(),
  }
}

async function* encoded(text: Iterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  for (const chunk of text) yield encoder.encode(chunk)
}

/** Processes started by `pid` that are alive (Linux). */
export const childrenOf = (pid: number): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        // proc(5): after the command in parentheses come the state and the parent.
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        return state !== 'Z' && Number(parent) === pid
      } catch {
        return false
      }
    })
    .map(Number)
