/**
 * Steps of the daily flow: features, then tiers and forecasts, then advice, then detection. Each is a job per
 * level, keyed by (config, D, watermark): asked again with the same data it is up to date, with newer data it
 * is another run. `needs` of a job names the steps that must have succeeded for the same data before.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Instant } from '../core/clock.ts'
import { LocalDate, lastCompleteDay, toLocalDate } from '../core/days.ts'
import { ConfigId, EntityId } from '../core/entity.ts'
import { zoneOf } from '../entities/configs.ts'
import { requireCompleteDay } from '../entities/freshness.ts'
import type { Services } from '../services.ts'
import { askedFor } from './asked-for.ts'
import { instantKey } from './define-job.ts'
import type { SweptConfig } from './sweep.ts'

export const StepPayload = z.object({
  configId: ConfigId,
  asOf: Instant,
  /** D. */
  day: LocalDate,
  watermark: Instant,
  /** Null: all entities of the level. */
  entityIds: z.array(EntityId).min(1).max(500).nullable().default(null),
  /** Does the work again although its data is known; every such request is a run of its own. */
  force: z.boolean().default(false),
})
export type StepPayload = z.output<typeof StepPayload>

/** Of a step's run; `options` are what else was asked for, where that is not the usual. */
export const stepKey = (
  { configId, asOf, day, watermark, entityIds, force }: StepPayload,
  options: Readonly<Record<string, unknown>> = {},
): (string | number)[] => {
  const asked = Object.keys(options).length === 0 ? [] : [hashOf(options)]
  return [
    configId,
    day,
    instantKey(watermark),
    askedFor(null, entityIds),
    ...asked,
    ...(force ? [instantKey(asOf)] : []),
  ]
}

const hashOf = (options: Readonly<Record<string, unknown>>): string =>
  createHash('sha256').update(JSON.stringify(options)).digest('hex').slice(0, 16)

/** The whole level on the same data: what a step needs of the one before it. */
export const wholeLevel = ({ configId, asOf, day, watermark }: StepPayload): StepPayload => ({
  configId,
  asOf,
  day,
  watermark,
  entityIds: null,
  force: false,
})

/** The step of a config as the timetable asks for it. */
export const sweptStep = (
  { configId, day, watermark }: Omit<SweptConfig, 'verdicts'>,
  asOf: Instant,
): StepPayload => ({
  configId,
  asOf,
  day,
  watermark,
  entityIds: null,
  force: false,
})

export interface StepRequest {
  readonly configId: number
  readonly entityIds: readonly string[] | null
  /** D; null: the newest complete day that has rows. */
  readonly day: LocalDate | null
  readonly force?: boolean
}

/**
 * What a person asked for as a step's payload.
 * @throws AppError CONFIG_NOT_FOUND; INVALID_REQUEST for a day that is not over
 */
export const toStepPayload = async (
  request: StepRequest,
  { clock, configs, freshness }: Pick<Services, 'clock' | 'configs' | 'freshness'>,
): Promise<StepPayload> => {
  const { configId, entityIds } = request
  const asOf = clock.now()
  const zone = zoneOf(await configs.get(configId))
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
    entityIds: entityIds && [...entityIds],
    force: request.force ?? false,
  }
}
