/** Training asked for by a person: which day and data it answers for. */
import type { LocalDate } from '../core/days.ts'
import type { Level } from '../core/entity.ts'
import { toStepPayload } from '../jobs/step.ts'
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
  services: Pick<Services, 'clock' | 'configs' | 'freshness'>,
): Promise<TrainConfigPayload> => {
  const { configId, entityType, entityIds } = request
  const { asOf, day, watermark } = await toStepPayload({ configId, entityIds, day: request.day }, services)
  const verdicts = await services.freshness.verdicts(configId, day)
  return { configId, asOf, day, watermark, entityType, entityIds: entityIds && [...entityIds], verdicts }
}
