/**
 * What `vigia doctor` looks at. A check that cannot be made because an earlier one failed is left out: its
 * answer would only repeat the first. Nothing is changed, except that the embedded database is made and kept
 * current as any command does.
 */
import { access, constants, mkdtemp, rmdir, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pendingMigrations } from '../../db/migrate.ts'
import { openRecord } from '../../db/record.ts'
import type { OpenRecord } from '../../db/record.ts'
import { ConfigError, loadConfig, redactedConfig } from '../../shared/config.ts'
import type { Config } from '../../shared/config.ts'
import type { Clock } from '../../shared/core/clock.ts'
import { messageOf } from '../../shared/core/errors.ts'
import { allJobs } from '../../shared/jobs/all.ts'
import { createLifecycle } from '../../shared/platform/lifecycle.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { openQueues } from '../../shared/queue/open-queues.ts'
import type { Queues } from '../../shared/queue/queues.ts'
import { createSchedulesService } from '../../shared/schedules/schedules-service.ts'
import { migrateAll } from '../system.ts'

export type CheckStatus = 'ok' | 'warning' | 'problem'

export interface Check {
  readonly check: string
  readonly status: CheckStatus
  readonly message: string
  /** What to do; null when all is well. */
  readonly advice: string | null
}

export interface Diagnosis {
  /** The worst of the checks. */
  readonly status: CheckStatus
  readonly checks: readonly Check[]
  /** Secrets masked; null when it cannot be used. */
  readonly configuration: Readonly<Record<string, unknown>> | null
}

export interface ExamineParts {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly version: string
  readonly nodeVersion: string
}

const PATIENCE_MS = 3000
const OLDEST_NODE = [20, 19] as const
/** Leases and schedules go by the database's clock, days and log lines by this one. */
const CLOCK_WARNING_MS = 2000
const MEBIBYTE = 1024 * 1024
const SPACE_WARNING_MB = 1024
const SPACE_PROBLEM_MB = 100
/** The timetable starts something every hour. */
const SILENT_MS = 2 * 3_600_000
const WAITING_WARNING_S = 600

const ok = (check: string, message: string): Check => ({ check, status: 'ok', message, advice: null })
const warning = (check: string, message: string, advice: string): Check => ({
  check,
  status: 'warning',
  message,
  advice,
})
const problem = (check: string, message: string, advice: string): Check => ({
  check,
  status: 'problem',
  message,
  advice,
})

/** What an error of ours says after the first semicolon is what to do. */
const failed = (check: string, error: unknown): Check => {
  const [message = '', ...advice] = messageOf(error).split('; ')
  return problem(check, message, advice.join('; ') || 'see the message')
}

export const checkNode = (nodeVersion: string): Check => {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_NODE
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
    ? ok('node', nodeVersion)
    : problem('node', `${nodeVersion} is too old`, `install Node.js ${OLDEST_NODE.join('.')} or newer`)
}

export const checkClock = (differenceMs: number): Check => {
  const seconds = (Math.abs(differenceMs) / 1000).toFixed(1)
  return Math.abs(differenceMs) <= CLOCK_WARNING_MS
    ? ok('clock', `${seconds} s from the database's`)
    : warning(
        'clock',
        `this machine is ${seconds} s ${differenceMs > 0 ? 'ahead of' : 'behind'} the database`,
        'let both follow a time server (NTP)',
      )
}

/** @param freeBytes NaN when the file system does not tell */
export const checkSpace = (check: string, folder: string, freeBytes: number): Check => {
  const free = freeBytes / MEBIBYTE
  if (Number.isNaN(free)) return ok(check, `${folder} is writable`)
  const size = free >= 1024 ? `${(free / 1024).toFixed(1)} GiB` : `${Math.floor(free)} MiB`
  const message = `${folder} is writable, ${size} free`
  if (free < SPACE_PROBLEM_MB) return problem(check, message, 'make room: the next training may fail')
  if (free < SPACE_WARNING_MB) return warning(check, message, 'make room soon')
  return ok(check, message)
}

const exists = (path: string): Promise<boolean> =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  )

/** The folder, or the one it would be made in. */
const nearestFolder = async (path: string): Promise<string> => {
  let folder = resolve(path)
  while (!(await exists(folder)) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

const checkFolder = async (check: string, path: string, setting: string): Promise<Check> => {
  const folder = await nearestFolder(path)
  try {
    // Permissions alone say nothing of a read-only file system.
    await rmdir(await mkdtemp(join(folder, '.vigia-doctor-')))
  } catch (error) {
    return problem(
      check,
      `${path} cannot be written to: ${messageOf(error)}`,
      `set ${setting} to a folder you may write to`,
    )
  }
  const space = await statfs(folder).catch(() => null)
  return checkSpace(check, path, space ? space.bavail * space.bsize : Number.NaN)
}

const differenceTo = async ({ knex }: OpenRecord, clock: Clock): Promise<number> => {
  const before = clock.now().getTime()
  const { rows } = (await knex.raw('select clock_timestamp() as now')) as { rows: { now: Date }[] }
  const after = clock.now().getTime()
  return (before + after) / 2 - (rows[0]?.now.getTime() ?? Number.NaN)
}

const checkDatabase = async (record: OpenRecord, clock: Clock): Promise<readonly Check[]> => {
  const { rows } = (await record.knex.raw(`select current_setting('server_version') as version`)) as {
    rows: { version: string }[]
  }
  const whose = record.embedded ? 'its own' : 'of DATABASE_URL'
  return [
    ok('postgresql', `${rows[0]?.version ?? 'unknown'}, ${whose}`),
    checkClock(await differenceTo(record, clock)),
  ]
}

const checkWorkers = async (queues: Queues): Promise<Check> => {
  const used = [...new Set(allJobs.map((job) => job.queue))]
  const alive = await Promise.all(
    used.map(async (queue) => ({ queue, workers: await queues.workersAlive(queue) })),
  )
  const without = alive.filter(({ workers }) => workers === 0).map(({ queue }) => queue)
  if (without.length === 0) {
    return ok('workers', alive.map(({ queue, workers }) => `${queue} ${workers}`).join(', '))
  }
  return warning(
    'workers',
    without.length === used.length ? 'none is running' : `none for ${without.join(', ')}`,
    'start "vigia up", or the worker process of a larger installation',
  )
}

const checkQueues = async (queues: Queues): Promise<readonly Check[]> => {
  await queues.check()
  const depths = await queues.depths()
  const waiting = depths.reduce((sum, depth) => sum + depth.waiting, 0)
  const oldest = depths.reduce((most, depth) => Math.max(most, depth.oldestWaitingS), 0)
  const where = queues.backend === 'redis' ? 'Redis (noeviction)' : 'PostgreSQL'
  const message = `in ${where}, ${waiting} waiting`
  return [
    oldest > WAITING_WARNING_S
      ? warning(
          'queues',
          `${message}, the oldest for ${Math.round(oldest / 60)} minutes`,
          'see whether workers run; raise WORKER_CONCURRENCY or start more of them',
        )
      : ok('queues', message),
    await checkWorkers(queues),
  ]
}

const checkSchedules = async (record: OpenRecord, clock: Clock): Promise<Check> => {
  const schedules = await createSchedulesService({ schedules: record.store.schedules, clock }).list()
  if (schedules.length === 0) {
    return warning('schedules', 'none yet', 'start "vigia up" once: its scheduler writes the timetable')
  }
  const running = schedules.filter((schedule) => !schedule.paused)
  const [next] = running
    .flatMap(({ id, nextRunAt }) => (nextRunAt ? [{ id, at: nextRunAt }] : []))
    .toSorted((a, b) => a.at.getTime() - b.at.getTime())
  const paused = schedules.length - running.length
  const message =
    `${schedules.length} (${paused} paused)` + (next ? `, next ${next.id} at ${next.at.toISOString()}` : '')
  const newest = running.reduce(
    (latest, { lastClaimed, since }) => Math.max(latest, (lastClaimed ?? since).getTime()),
    0,
  )
  const silent = running.length > 0 && clock.now().getTime() - newest > SILENT_MS
  return silent
    ? warning(
        'schedules',
        `${message}; nothing was started since ${new Date(newest).toISOString()}`,
        'start "vigia up", or the scheduler process of a larger installation',
      )
    : ok('schedules', message)
}

const ANY_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }

const checkApi = async ({ HOST, PORT }: Config): Promise<Check> => {
  if (PORT === 0) return ok('api', 'takes any free port (PORT=0), so it is not looked for')
  const host = ANY_ADDRESS[HOST] ?? (HOST.includes(':') ? `[${HOST}]` : HOST)
  const url = `http://${host}:${PORT}`
  const answer = await fetch(`${url}/readyz?verbose`, { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(
    () => null,
  )
  if (!answer) return warning('api', `nothing answers at ${url}`, 'start "vigia up"')
  const body: unknown = await answer.json().catch(() => null)
  const ready = body && typeof body === 'object' && 'checks' in body
  if (!ready) return problem('api', `another program answers at ${url}`, 'set PORT to another')
  return answer.ok
    ? ok('api', `ready at ${url}`)
    : problem('api', `${url} is not ready`, `see ${url}/readyz?verbose for what it waits for`)
}

/** The schema, and what lives in it. */
const checkContents = async (
  record: OpenRecord,
  config: Config,
  clock: Clock,
  opened: (close: () => Promise<void>) => void,
): Promise<readonly Check[]> => {
  if (record.embedded) await migrateAll(record, config, silentLogger)
  const pending = await pendingMigrations(record.knex)
  if (pending.length > 0) {
    return [problem('migrations', `${pending.length} pending (${pending.join(', ')})`, 'run "vigia migrate"')]
  }
  const checks = [ok('migrations', 'the schema is current')]
  try {
    const queues = await openQueues({
      redisUrl: config.REDIS_URL,
      databaseUrl: record.url,
      logger: silentLogger,
      patienceMs: PATIENCE_MS,
    })
    opened(() => queues.close())
    await queues.ready()
    checks.push(...(await checkQueues(queues)))
  } catch (error) {
    checks.push(failed('queues', error))
  }
  return [...checks, await checkSchedules(record, clock)]
}

const RANK: Readonly<Record<CheckStatus, number>> = { ok: 0, warning: 1, problem: 2 }

const diagnosis = (checks: readonly Check[], config: Config | null): Diagnosis => ({
  status: checks.reduce<CheckStatus>(
    (worst, { status }) => (RANK[status] > RANK[worst] ? status : worst),
    'ok',
  ),
  checks,
  configuration: config && redactedConfig(config),
})

export const examine = async ({
  environment,
  clock,
  version,
  nodeVersion,
}: ExamineParts): Promise<Diagnosis> => {
  const checks: Check[] = [ok('vigia', version), checkNode(nodeVersion)]
  let config: Config
  try {
    config = loadConfig(environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const wrong = error.problems.map((one) =>
      problem('configuration', one, 'correct it in the environment or .env'),
    )
    return diagnosis([...checks, ...wrong], null)
  }
  checks.push(ok('configuration', 'every setting can be used'))
  checks.push(await checkFolder('storage', config.MODELS_STORAGE_PATH, 'MODELS_STORAGE_PATH'))
  const lifecycle = createLifecycle(silentLogger)
  try {
    const record = await openRecord({
      config,
      logger: silentLogger,
      lifecycle,
      applicationName: 'vigia-doctor',
      patienceMs: PATIENCE_MS,
    })
    if (record.embedded) checks.push(await checkFolder('home', config.VIGIA_HOME, 'VIGIA_HOME'))
    checks.push(...(await checkDatabase(record, clock)))
    checks.push(
      ...(await checkContents(record, config, clock, (close) => lifecycle.onClose('queues', close))),
    )
  } catch (error) {
    checks.push(failed('postgresql', error))
  } finally {
    await lifecycle.close()
  }
  checks.push(await checkApi(config))
  return diagnosis(checks, config)
}
