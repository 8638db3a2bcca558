/** `vigia forecasts`: what the next days bring, as last forecast; `generate` forecasts now and shows it. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { LocalDate } from '../../shared/core/days.ts'
import { EntityId, LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import { FORECAST_METRICS, HORIZON_DAYS_MAX, HORIZON_DAYS_USUAL } from '../../shared/forecasting/forecasts.ts'
import type { ForecastMetric, ForecastRow } from '../../shared/forecasting/forecasts.ts'
import { forecastLevel } from '../../shared/jobs/forecasting.ts'
import { toStepPayload } from '../../shared/jobs/step.ts'
import type { Services } from '../../shared/services.ts'
import { renderForecasts } from '../forecasts/table.ts'
import { describeRun, exitCodeOf, followRuns } from '../follow.ts'
import { printJson, printLine, remark } from '../output.ts'
import type { Opener } from '../system.ts'
import { runJson } from './runs.ts'

const SHOWN = 60
const PAGE_SIZE = 200

const invalid = (message: string): AppError => new AppError('INVALID_REQUEST', message)

const checkId = (id: string): void => {
  const checked = EntityId.safeParse(id)
  if (!checked.success) throw invalid(`--entity-id: ${checked.error.issues[0]?.message}`)
}

export interface StoredWish {
  readonly config: Pick<AdsConfig, 'id'>
  readonly level: Level
  /** Null: all. */
  readonly entityIds: readonly string[] | null
  /** The day the forecasts were made from; null: the newest there is. */
  readonly day: LocalDate | null
}

/** The stored forecasts of one day. @returns day null when there is none */
export const storedForecasts = async (
  { forecasting }: Pick<Services, 'forecasting'>,
  { config, level, entityIds, day }: StoredWish,
): Promise<{ readonly day: LocalDate | null; readonly rows: readonly ForecastRow[] }> => {
  const [only] = entityIds ?? []
  const filter = {
    configId: config.id,
    level,
    ...(only !== undefined && entityIds?.length === 1 ? { entityId: only } : {}),
  }
  const [last] =
    day === null ? (await forecasting.list(filter, { page: 1, pageSize: 1, afterId: null })).data : []
  const newest = day ?? last?.forecast_date ?? null
  if (newest === null) return { day: null, rows: [] }
  const wanted = entityIds && new Set(entityIds)
  const rows: ForecastRow[] = []
  for (let page = 1; ; page += 1) {
    const found = await forecasting.list(
      { ...filter, dateFrom: newest, dateTo: newest },
      { page, pageSize: PAGE_SIZE, afterId: null },
    )
    rows.push(...found.data.filter((row) => wanted === null || wanted.has(row.entity_id)))
    if (page * PAGE_SIZE >= found.total) return { day: newest, rows }
  }
}

export interface GenerateWish extends StoredWish {
  readonly metrics: readonly ForecastMetric[] | null
  readonly horizonDays: number
}

/** Enqueues the forecast. @returns the id of its run @throws AppError INVALID_REQUEST for a day that is not over */
export const startForecast = async (services: Services, wish: GenerateWish): Promise<string> => {
  const { config, level, entityIds, day, metrics, horizonDays } = wish
  const step = await toStepPayload({ configId: config.id, entityIds, day }, services)
  const payload = { ...step, metrics: metrics && [...metrics], horizonDays }
  return (await services.enqueue(forecastLevel[level], payload, { actor: 'cli' })).id
}

interface ListOptions {
  readonly config?: string
  readonly entityType: Level
  readonly entityId?: string
  readonly metric?: ForecastMetric
  readonly json?: boolean
}

interface GenerateOptions {
  readonly config?: string
  readonly entityType: Level
  readonly entityId?: string[]
  readonly metric?: ForecastMetric[]
  readonly date?: string
  readonly horizon: string
  readonly json?: boolean
}

const readGenerate = (options: GenerateOptions): Omit<GenerateWish, 'config'> => {
  const horizonDays = Number(options.horizon)
  if (!Number.isInteger(horizonDays) || horizonDays < 1 || horizonDays > HORIZON_DAYS_MAX)
    throw invalid(`--horizon: is a whole number from 1 to ${HORIZON_DAYS_MAX}`)
  if (options.date !== undefined && !LocalDate.safeParse(options.date).success)
    throw invalid('--date: is a date such as 2026-03-10')
  for (const id of options.entityId ?? []) checkId(id)
  return {
    level: options.entityType,
    entityIds: options.entityId ?? null,
    day: options.date ?? null,
    metrics: options.metric ?? null,
    horizonDays,
  }
}

const levelOption = (): Option =>
  new Option('--entity-type <level>', 'the level').choices(LEVELS).default('campaign')

export const registerForecasts = (program: Command, open: Opener): void => {
  const forecasts = program
    .command('forecasts')
    .description('what the next days bring: spend, leads and cost per lead')
  forecasts
    .command('list', { isDefault: true })
    .description('the newest forecasts')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(levelOption())
    .option('--entity-id <id>', 'only this one')
    .addOption(new Option('--metric <metric>', 'only this one').choices(FORECAST_METRICS))
    .option('--json', 'one JSON object, with every day')
    .action(async (options: ListOptions) => {
      if (options.entityId !== undefined) checkId(options.entityId)
      const system = await open()
      const config = await system.configOf(options.config)
      const wish = {
        config,
        level: options.entityType,
        entityIds: options.entityId === undefined ? null : [options.entityId],
        day: null,
      }
      const { day, rows } = await storedForecasts(system.services, wish)
      const { metric } = options
      if (options.json) {
        const data = rows.filter((row) => metric === undefined || row.metric === metric)
        printJson({ config_id: config.id, forecast_date: day, forecasts: data })
        return
      }
      if (day === null) {
        printLine(`No forecasts yet; make them with "vigia forecasts generate --config ${config.id}".`)
        return
      }
      printLine(`${config.name}, forecast from the figures up to ${day}`)
      printLine()
      const metrics = metric === undefined ? FORECAST_METRICS : [metric]
      printLine(renderForecasts(rows, { currency: config.currency, metrics, limit: SHOWN }))
    })
  forecasts
    .command('generate')
    .description('forecasts now, waits for it and shows it')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(levelOption())
    .option('--entity-id <id...>', 'only these')
    .addOption(new Option('--metric <metric...>', 'only these').choices(FORECAST_METRICS))
    .option('--date <date>', 'the last day to learn from; default: the newest complete day with figures')
    .option('--horizon <days>', `days ahead, 1 to ${HORIZON_DAYS_MAX}`, String(HORIZON_DAYS_USUAL))
    .option('--json', 'one JSON object, with every day')
    .action(async (options: GenerateOptions) => {
      // A slip of the finger is told at once, before a database is started.
      const asked = readGenerate(options)
      const system = await open()
      const { services } = system
      const config = await system.configOf(options.config)
      const wish = { config, ...asked }
      await system.ensureWorkers()
      const runs = await followRuns(services, [await startForecast(services, wish)], 'forecasting')
      const [run] = runs
      process.exitCode = exitCodeOf(runs)
      const made = run?.result?.['day']
      const stored = await storedForecasts(services, {
        ...wish,
        day: typeof made === 'string' ? made : wish.day,
      })
      const metrics = FORECAST_METRICS.filter((metric) => asked.metrics?.includes(metric) ?? true)
      const rows = stored.rows.filter((row) => row.horizon_days === asked.horizonDays)
      if (options.json) {
        printJson({
          config_id: config.id,
          forecast_date: stored.day,
          run: run ? runJson(run) : null,
          forecasts: rows.filter((row) => metrics.includes(row.metric)),
        })
        return
      }
      if (run && (run.status !== 'succeeded' || run.counts.skipped > 0)) remark(describeRun(run))
      if (rows.length === 0) return
      printLine(`${config.name}, forecast from the figures up to ${stored.day}`)
      printLine()
      printLine(renderForecasts(rows, { currency: config.currency, metrics, limit: SHOWN }))
    })
}
