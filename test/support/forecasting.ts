/** Forecasting over a real database with the packages that are installed, at the hour a test says it is. */
import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { configs as configStore } from '../../db/repositories/configs.ts'
import { forecastStore } from '../../db/repositories/forecasts.ts'
import { frameSource } from '../../db/repositories/frames.ts'
import { freshness as freshnessStore } from '../../db/repositories/freshness.ts'
import { trainableEntities } from '../../db/repositories/trainable-entities.ts'
import { computeInPlace } from '../../shared/compute-in-place.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { RunCounts, WorkContext, WorkOutcome } from '../../shared/core/work.ts'
import { createConfigs } from '../../shared/entities/configs.ts'
import { createDataFreshness } from '../../shared/entities/freshness.ts'
import { createForecasting } from '../../shared/forecasting/forecasting.ts'
import type { ForecastingParts, ForecastingService } from '../../shared/forecasting/forecasting.ts'
import type { ForecastPayload, ValidatePayload } from '../../shared/jobs/forecasting.ts'
import { silentLogger } from '../../shared/platform/logger.ts'

export interface ForecastSystem extends ForecastingService {
  /** The same service with some parts replaced. */
  with(parts: Partial<ForecastingParts>): ForecastingService
  /** A running run, and the context its worker has. */
  startRun(configId: number, options?: RunOptions): Promise<WorkContext>
  payload(configId: number, asked?: Partial<ForecastPayload>): ForecastPayload
  /** One whole run as a worker does it. */
  forecast(configId: number, level: Level, asked?: Partial<ForecastPayload>): Promise<WorkOutcome>
  validate(payload: ValidatePayload, context?: WorkContext): Promise<WorkOutcome>
}

export interface RunOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (fraction: number, counts: Partial<RunCounts>) => void
}

export const WATERMARK = '2026-03-11T06:00:00.000Z'

/** @param day D @param asOf an instant after it */
export const openForecastSystem = (knex: Knex, day: string, asOf: string): ForecastSystem => {
  const artifacts = { removeConfig: () => Promise.resolve() }
  const configs = createConfigs(configStore(knex), artifacts, silentLogger)
  const parts: ForecastingParts = {
    store: forecastStore(knex),
    configs,
    freshness: createDataFreshness(freshnessStore(knex), configs, silentLogger),
    entities: trainableEntities(knex),
    frames: frameSource(knex),
    compute: computeInPlace,
  }
  const service = createForecasting(parts)
  const startRun = async (
    configId: number,
    { signal = new AbortController().signal, onProgress }: RunOptions = {},
  ): Promise<WorkContext> => {
    const id = randomUUID()
    await knex('runs').insert({
      id,
      job: 'forecast.campaign',
      key: id,
      queue: 'ml',
      config_id: configId,
      payload: '{}',
      status: 'running',
      attempt: 1,
      actor: 'test',
    })
    return {
      signal,
      fence: { runId: id, attempt: 1 },
      logger: silentLogger,
      progress: (fraction, counts = {}) => onProgress?.(fraction, { ...counts }),
    }
  }
  const payload = (configId: number, asked: Partial<ForecastPayload> = {}): ForecastPayload => ({
    configId,
    asOf,
    day,
    watermark: WATERMARK,
    entityIds: null,
    force: false,
    metrics: null,
    horizonDays: 7,
    ...asked,
  })
  return {
    ...service,
    with: (replaced) => createForecasting({ ...parts, ...replaced }),
    startRun,
    payload,
    forecast: async (configId, level, asked) =>
      service.forecastLevel(level, payload(configId, asked), await startRun(configId)),
    validate: async (asked, context) => service.validate(asked, context ?? (await startRun(asked.configId))),
  }
}
