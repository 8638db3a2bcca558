/**
 * Where the limits of series are counted: in Redis, if there is one; else trainings in PostgreSQL, and
 * predictions in each process, since a count in PostgreSQL would cost more than most predictions.
 */
import type { Knex } from 'knex'
import type { Config } from '../../shared/config.ts'
import { messageOf } from '../../shared/core/errors.ts'
import { createStoreWatch } from '../../shared/core/store-watch.ts'
import type { Lifecycle } from '../../shared/platform/lifecycle.ts'
import type { Logger } from '../../shared/platform/logger.ts'
import type { Metrics } from '../../shared/platform/metrics.ts'
import type { LimitCounters } from '../../shared/series/limit-counter.ts'
import { openRedis } from '../redis/open.ts'
import { insuredCounter } from './insured-counter.ts'
import { memoryCounter } from './memory-counter.ts'
import { postgresCounter } from './postgres-counter.ts'
import { redisCounter } from './redis-counter.ts'

/** A prediction waits for the store no longer than it may take itself; a training has time. */
const REDIS_PATIENCE_MS = 250
const POSTGRES_PATIENCE_MS = 2000

export interface OpenLimitsOptions {
  readonly config: Pick<Config, 'RATE_LIMITS' | 'REDIS_URL'>
  readonly knex: Knex
  readonly logger: Logger
  readonly lifecycle: Lifecycle
  readonly metrics: Pick<Metrics, 'breakerState'>
}

/**
 * @returns null when RATE_LIMITS is off
 * @throws STORAGE_UNAVAILABLE when Redis does not answer at the start
 */
export const openLimitCounters = async (options: OpenLimitsOptions): Promise<LimitCounters | null> => {
  const { config, logger, lifecycle, metrics } = options
  if (!config.RATE_LIMITS) return null
  const watch = createStoreWatch({
    now: () => performance.now(),
    onChange: (isUp, error) => {
      metrics.breakerState('limits', isUp ? 'closed' : 'open')
      if (isUp) logger.info('limits are counted in their store again')
      else logger.warn('limits are counted in memory for now', { error: messageOf(error) })
    },
  })
  metrics.breakerState('limits', 'closed')
  if (config.REDIS_URL !== undefined) {
    const connection = await openRedis({ redisUrl: config.REDIS_URL, logger })
    lifecycle.onClose('limits', () => connection.close())
    const counter = insuredCounter(redisCounter(connection.redis), watch, REDIS_PATIENCE_MS)
    return { trainings: counter, predictions: counter }
  }
  return {
    trainings: insuredCounter(postgresCounter(options.knex), watch, POSTGRES_PATIENCE_MS),
    predictions: memoryCounter,
  }
}
