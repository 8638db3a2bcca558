/**
 * Forecasts of one level of one config: freshness; then per batch of entities the days, the models on the
 * threads, the points into the store. Each morning the points of the days that are over are compared with what
 * was. Batches overlap; memory stays a few batches.
 */
import type { FrameBatch } from '../../ml/frame.ts'
import type { ComputePool } from '../compute.ts'
import { mapBounded } from '../core/bounded.ts'
import { toDayNumber, toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'
import { requireCompleteDay } from '../entities/freshness.ts'
import type { DataFreshness } from '../entities/freshness.ts'
import { frameBuffers } from '../entities/frames.ts'
import type { FrameSource } from '../entities/frames.ts'
import type { ForecastPayload, ValidatePayload } from '../jobs/forecasting.ts'
import type { TrainableEntities } from '../training/training.ts'
import { FORECAST_METRICS } from './forecasts.ts'
import type {
  ForecastBatch,
  ForecastFilter,
  ForecastRow,
  ForecastStore,
  ForecastTarget,
} from './forecasts.ts'

const HISTORY_DAYS = 90
/**
 * Entities per thread task. Choosing among models takes a good part of a second per series: batches this small
 * keep the threads busy to the end, show progress, and cost a cancelled or killed run little.
 */
const BATCH_SIZE = 4
/** Days whose figures may still be restated. */
const RESTATED_DAYS = 30
const FRESHNESS_AT_ONCE = 4

export interface ForecastingService {
  /** Forecasts the entities of a level that are active, or delivered lately, from the 90 days up to D. */
  forecastLevel(level: Level, payload: ForecastPayload, context: WorkContext): Promise<WorkOutcome>
  /** Compares the points of all days up to D whose figures are in with those figures. */
  validate(payload: ValidatePayload, context: WorkContext): Promise<WorkOutcome>
  list(filter: ForecastFilter, page: PageRequest): Promise<Page<ForecastRow>>
}

export interface ForecastingParts {
  readonly store: ForecastStore
  readonly configs: Configs
  readonly freshness: DataFreshness
  readonly entities: TrainableEntities
  readonly frames: FrameSource
  readonly compute: ComputePool
}

const stale = (day: LocalDate): WorkOutcome => ({
  status: 'skipped',
  counts: { done: 0, skipped: 1, failed: 0 },
  reasons: { stale_data: 1 },
  result: { day },
})

const onlyCounted = (reasons: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(reasons).filter(([, count]) => count > 0))

export const createForecasting = (parts: ForecastingParts): ForecastingService => {
  const { store } = parts

  const requireComplete = async ({ configId, asOf, day }: ValidatePayload): Promise<void> =>
    requireCompleteDay(day, new Date(asOf), zoneOf(await parts.configs.get(configId)))

  /** Forecasts of `ids` in their order, with a batch more under way than there are threads. */
  async function* forecast(
    level: Level,
    { configId, day, horizonDays, metrics }: ForecastPayload,
    ids: readonly string[],
    signal: AbortSignal,
  ): AsyncGenerator<ForecastBatch> {
    const to = toDayNumber(day)
    const from = to - HISTORY_DAYS + 1
    const wanted = FORECAST_METRICS.filter((metric) => metrics === null || metrics.includes(metric))
    const forecastBatch = async (batch: FrameBatch): Promise<ForecastBatch> => {
      const heads = batch.heads.map(({ id, parentId }) => ({ id, parentId }))
      const result = await parts.compute.run(
        'forecast',
        { batch, from, day: to, horizonDays, metrics: wanted },
        { signal, transfer: frameBuffers(batch) },
      )
      return {
        ids: heads.map((head) => head.id),
        parents: heads.map((head) => head.parentId),
        result,
      }
    }
    const underWay: Promise<ForecastBatch>[] = []
    try {
      const request = { configId, level, from, to, entityIds: ids, batchSize: BATCH_SIZE }
      for await (const batch of parts.frames.batches(request)) {
        signal.throwIfAborted()
        const forecasts = forecastBatch(batch)
        // It may fail while an earlier one is being written; whoever takes it sees the failure then.
        forecasts.catch(() => {})
        underWay.push(forecasts)
        if (underWay.length > parts.compute.threads) yield await underWay.shift()!
      }
      while (underWay.length > 0) yield await underWay.shift()!
    } finally {
      // An early end leaves nothing unwatched behind.
      await Promise.allSettled(underWay)
    }
  }

  return {
    forecastLevel: async (level, payload, context) => {
      const { configId, day, horizonDays } = payload
      await requireComplete(payload)
      if ((await parts.freshness.freshness(configId, day)) === 'stale') return stale(day)

      const target: ForecastTarget = {
        configId,
        level,
        day,
        watermark: new Date(payload.watermark),
        horizonDays,
      }
      const last = toDayNumber(day)
      const [withRows, written] = await Promise.all([
        parts.entities.withRows(configId, last - HISTORY_DAYS + 1, last),
        store.writtenBy(context.fence.runId, target),
      ])
      const wanted = payload.entityIds && new Set(payload.entityIds)
      const known = withRows[level].filter((id) => wanted === null || wanted.has(id))
      const ids = known.filter((id) => !written.has(id))

      const noData = (wanted?.size ?? known.length) - known.length
      const counts = { done: known.length - ids.length, skipped: noData, failed: 0 }
      const models: Record<string, number> = {}
      let insufficient = 0
      let inactive = 0
      let forecasts = 0
      for await (const batch of forecast(level, payload, ids, context.signal)) {
        const { result } = batch
        for (const { entity, message } of result.failed)
          context.logger.error('an entity could not be forecast', {
            entity_id: batch.ids[entity],
            error: message,
          })
        for (const { chosen } of result.drafts)
          if (chosen) models[chosen.model] = (models[chosen.model] ?? 0) + 1
        if (result.drafts.length > 0) forecasts += await store.write(context.fence, target, batch)
        insufficient += result.insufficient
        inactive += result.inactive
        counts.failed += result.failed.length
        counts.skipped += result.insufficient + result.inactive
        counts.done += batch.ids.length - result.failed.length - result.insufficient - result.inactive
        context.progress((counts.done + counts.skipped + counts.failed) / (known.length + noData), counts)
      }
      return {
        status: counts.failed === 0 ? 'succeeded' : counts.done > 0 ? 'partial' : 'failed',
        counts,
        reasons: onlyCounted({
          no_data: noData,
          insufficient_data: insufficient,
          inactive,
          forecast_failed: counts.failed,
        }),
        result: { day, horizon_days: horizonDays, forecasts, models },
      }
    },

    validate: async (payload, context) => {
      const { configId, day } = payload
      await requireComplete(payload)
      const again = toLocalDate(toDayNumber(day) - RESTATED_DAYS + 1)
      const days = await store.daysToValidate(configId, day, again)
      const states = await mapBounded(days, FRESHNESS_AT_ONCE, (one) =>
        parts.freshness.freshness(configId, one),
      )
      const fresh = days.filter((_, i) => states[i] === 'fresh')
      context.signal.throwIfAborted()
      const { points, changed, judged, inInterval } = await store.validate(context.fence, configId, fresh)
      // Only D can still come in with the same data as the newest; older gaps may stay gaps.
      const isStale = days.includes(day) && !fresh.includes(day)
      return {
        status: isStale ? 'skipped' : 'succeeded',
        counts: { done: changed, skipped: isStale ? 1 : 0, failed: 0 },
        reasons: onlyCounted({ stale_data: isStale ? 1 : 0 }),
        result: {
          day,
          days: fresh.length,
          stale_days: days.length - fresh.length,
          points,
          changed,
          judged,
          in_interval: inInterval,
          coverage: judged === 0 ? null : inInterval / judged,
        },
      }
    },

    list: (filter, page) => store.list(filter, page),
  }
}
