/** `vigia detect`: checks now, follows the work, and prints what is odd. */
import type { Command } from 'commander'
import { z } from 'zod'
import { LocalDate, lastCompleteDay, toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import { EntityId, Level, LEVELS } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import type { AnomalyRow } from '../../shared/detection/anomalies.ts'
import { requireCompleteDay } from '../../shared/entities/freshness.ts'
import { toSignalRow } from '../../shared/detection/signal-row.ts'
import { zoneOf } from '../../shared/entities/configs.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import { detectLevel } from '../../shared/jobs/detection.ts'
import type { Services } from '../../shared/services.ts'
import { incidentsLine, renderFindings } from '../findings/table.ts'
import { describeRun, exitCodeOf, followRuns } from '../follow.ts'
import { printJson, printLine, remark } from '../output.ts'
import type { Opener } from '../system.ts'
import { runJson } from './runs.ts'

const SHOWN = 40
const PAGE_SIZE = 200
const DRY_RUN_MS = 60_000

/** Of a run's result. */
const JudgedToday = z.object({ partial: z.object({ day: LocalDate, hours: z.int().min(1) }) })

export interface DetectWish {
  readonly config: AdsConfig
  readonly levels: readonly Level[]
  readonly entityIds: readonly string[] | null
  readonly day: string | null
  readonly days: number
}

/**
 * Enqueues one run per level.
 * @returns their ids
 * @throws AppError INVALID_REQUEST for a day that is not over
 */
export const startDetection = async (services: Services, wish: DetectWish): Promise<readonly string[]> => {
  const now = services.clock.now()
  if (wish.day !== null) requireCompleteDay(wish.day, now, zoneOf(wish.config))
  const asOf = now.toISOString()
  const ids: string[] = []
  for (const level of wish.levels) {
    const payload = {
      configId: wish.config.id,
      asOf,
      day: wish.day,
      days: wish.days,
      entityIds: wish.entityIds ? [...wish.entityIds] : null,
      watermark: null,
    }
    const run = await services.enqueue(detectLevel[level], payload, { actor: 'cli' })
    ids.push(run.id)
  }
  return ids
}

/** The findings that are not resolved, of the days and entities that were checked; null: all entities. */
export const findingsOf = async (
  services: Pick<Services, 'anomalies'>,
  config: Pick<AdsConfig, 'id'>,
  dateFrom: string,
  dateTo: string,
  levels: readonly Level[],
  entityIds: readonly string[] | null = null,
): Promise<readonly AnomalyRow[]> => {
  const wanted = entityIds && new Set(entityIds)
  const rows: AnomalyRow[] = []
  for (const entityType of levels) {
    for (let page = 1; ; page += 1) {
      const found = await services.anomalies.list(
        { configId: config.id, entityType, dateFrom, dateTo },
        { page, pageSize: PAGE_SIZE, afterId: null },
      )
      rows.push(
        ...found.data.filter(
          (row) => row.status !== 'resolved' && (wanted === null || wanted.has(row.entity_id)),
        ),
      )
      if (page * PAGE_SIZE >= found.total) break
    }
  }
  return rows
}

/** The day that still runs, where a run compared hours of it; null: none did. */
const todayOf = (results: readonly unknown[]): LocalDate | null => {
  for (const result of results) {
    const seen = JudgedToday.safeParse(result)
    if (seen.success) return seen.data.partial.day
  }
  return null
}

interface DetectOptions {
  readonly config?: string
  readonly entityType?: string
  readonly entityId?: string[]
  readonly date?: string
  readonly days: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

const invalid = (message: string): AppError => new AppError('INVALID_REQUEST', message)

const levelsOf = (text: string | undefined, named: boolean): readonly Level[] => {
  if (text === undefined) {
    if (named) throw invalid('--entity-id: needs --entity-type campaign, adset or ad')
    return LEVELS
  }
  const level = Level.safeParse(text)
  if (!level.success) throw invalid(`--entity-type: is one of ${LEVELS.join(', ')}`)
  return [level.data]
}

const readWish = (options: DetectOptions): Omit<DetectWish, 'config'> => {
  const days = Number(options.days)
  if (!Number.isInteger(days) || days < 1 || days > 7) throw invalid('--days: is a whole number from 1 to 7')
  if (options.date !== undefined && !LocalDate.safeParse(options.date).success) {
    throw invalid('--date: is a date such as 2026-03-10')
  }
  for (const id of options.entityId ?? []) {
    const checked = EntityId.safeParse(id)
    if (!checked.success) throw invalid(`--entity-id: ${checked.error.issues[0]?.message}`)
  }
  return {
    levels: levelsOf(options.entityType, options.entityId !== undefined),
    entityIds: options.entityId ?? null,
    day: options.date ?? null,
    days,
  }
}

export const registerDetect = (program: Command, open: Opener): void => {
  program
    .command('detect')
    .description('checks now and prints what is odd')
    .option('--config <id or name>', 'needed when there are several')
    .option('--entity-type <level>', LEVELS.join(', '))
    .option('--entity-id <id...>', 'only these')
    .option('--date <date>', 'the newest day to check; default: the newest complete day with figures')
    .option('--days <n>', 'how many days up to it, 1 to 7', '1')
    .option('--dry-run', 'shows the signals of the entities named and stores nothing')
    .option('--json', 'one JSON object')
    .action(async (options: DetectOptions) => {
      // A slip of the finger is told at once, before a database is started.
      const asked = readWish(options)
      const system = await open()
      const { services } = system
      const config = await system.configOf(options.config)
      const wish = { config, ...asked }
      if (options.dryRun) {
        const [level] = wish.levels
        if (!wish.entityIds || !level)
          throw invalid('--dry-run: name the entities with --entity-type and --entity-id')
        const signals = await services.detection.dryRun(
          level,
          {
            configId: config.id,
            asOf: services.clock.now().toISOString(),
            day: wish.day,
            days: wish.days,
            entityIds: wish.entityIds,
          },
          AbortSignal.timeout(DRY_RUN_MS),
        )
        if (options.json) printJson({ signals: signals.map((one) => toSignalRow(level, one)) })
        else
          for (const one of signals)
            printLine(`${one.day}  ${one.entityId}  ${one.severity}  ${one.type}  ${one.detector}`)
        if (!options.json && signals.length === 0) printLine('No signal.')
        return
      }
      await system.ensureWorkers()
      const runs = await followRuns(services, await startDetection(services, wish), 'checking')
      const result = runs.find((run) => run.result?.['day'] !== undefined)?.result
      const newest =
        typeof result?.['day'] === 'string'
          ? result['day']
          : (wish.day ?? toLocalDate(lastCompleteDay(services.clock.now(), zoneOf(config))))
      const oldest = toLocalDate(toDayNumber(newest) - wish.days + 1)
      const today = todayOf(runs.map((run) => run.result))
      const dateTo = today ?? newest
      const findings = await findingsOf(services, config, oldest, dateTo, wish.levels, wish.entityIds)
      process.exitCode = exitCodeOf(runs)
      if (options.json) {
        printJson({
          config_id: config.id,
          date_from: oldest,
          date_to: dateTo,
          runs: runs.map(runJson),
          anomalies: findings,
        })
        return
      }
      // An id nobody knows is no finding, but not all is well either.
      for (const run of runs)
        if (run.status !== 'succeeded' || run.counts.skipped > 0) remark(describeRun(run))
      const days =
        (wish.days === 1 ? newest : `${oldest} to ${newest}`) + (today === null ? '' : ` and ${today} so far`)
      printLine(`${config.name}, ${days}: ${findings.length} findings`)
      printLine()
      printLine(
        renderFindings(findings, { currency: config.currency, colour: process.stdout.isTTY, limit: SHOWN }),
      )
      const line = incidentsLine(findings, config.id, options.date !== undefined)
      if (line !== null) printLine(`\n${line}`)
    })
}
