/** Training asked for by a person: which day and data it answers for. */
import { lastCompleteDay, toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { zoneOf } from '../entities/configs.ts'
import { requireCompleteDay } from '../entities/freshness.ts'
import type { TrainConfigPayload } from '../jobs/training.ts'
import type { Services } from '../services.ts'

export interface TrainRequest {
  readonly configId: number
  /** Null: all levels. */
  readonly entityType: Level | null
  /** Null: all entities. */
  readonly entityIds: readonly string[] | null
  /** D; null: the newest complete day that has rows. */
  readonly day: LocalDate | null
}

/** @throws AppError CONFIG_NOT_FOUND; INVALID_REQUEST for a day that is not over */
export const toTrainPayload = async (
  request: TrainRequest,
  { clock, configs, freshness }: Pick<Services, 'clock' | 'configs' | 'freshness'>,
): Promise<TrainConfigPayload> => {
  const { configId, entityType, entityIds } = request
  const config = await configs.get(configId)
  const asOf = clock.now()
  const zone = zoneOf(config)
  if (request.day !== null) requireCompleteDay(request.day, asOf, zone)
  const day =
    request.day ??
    (await freshness.newestCompleteDayWithRows(configId, asOf)) ??
    toLocalDate(lastCompleteDay(asOf, zone))
  const watermark = await freshness.watermark(configId, day)
  return {
    configId,
    asOf: asOf.toISOString(),
    day,
    watermark: watermark.toISOString(),
    entityType,
    entityIds: entityIds && [...entityIds],
  }
}
