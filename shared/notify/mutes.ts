/**
 * What nobody wants to hear of: an entity with everything below it, a metric, or one metric of one entity, up to and
 * including a day. Days are those of the figures, and the first is the one that is judged as the mute is made: the
 * newest complete one. What was told before stays told.
 */
import { z } from 'zod'
import type { Metric } from '../../ml/detectors/signal.ts'
import type { Clock } from '../core/clock.ts'
import { LocalDate, localDayOf, toDayNumber, toLocalDate } from '../core/days.ts'
import { ConfigId, EntityId, Level } from '../core/entity.ts'
import { AppError } from '../core/errors.ts'
import type { Page, PageRequest } from '../core/page.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'
import type { Entities } from '../entities/entities.ts'
import { MetricName } from './events.ts'

export const MuteDraft = z
  .object({
    config_id: ConfigId,
    entity_type: Level.optional(),
    entity_id: EntityId.optional(),
    metric: MetricName.optional(),
    until: LocalDate.describe('The last muted day, in the zone of the config'),
    reason: z.string().trim().min(1, 'must not be empty').max(500).optional(),
  })
  .refine((draft) => draft.entity_id === undefined || draft.entity_type !== undefined, {
    error: 'is needed with entity_id',
    path: ['entity_type'],
  })
  .refine((draft) => draft.entity_type === undefined || draft.entity_id !== undefined, {
    error: 'is needed with entity_type',
    path: ['entity_id'],
  })
  .refine((draft) => draft.entity_id !== undefined || draft.metric !== undefined, {
    error: 'name an entity, a metric, or both',
    path: ['metric'],
  })
export type MuteDraft = z.output<typeof MuteDraft>

/** Wire form. */
export const Mute = z
  .object({
    id: z.int(),
    config_id: z.int(),
    entity_type: Level.nullable(),
    entity_id: z.string().nullable(),
    metric: MetricName.nullable(),
    from: LocalDate.describe('The first muted day: the newest complete one as it was made'),
    until: LocalDate,
    reason: z.string().nullable(),
    actor: z.string(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Mute' })
export type Mute = z.infer<typeof Mute>

export interface NewMute {
  readonly configId: number
  readonly entityType: Level | null
  readonly entityId: string | null
  readonly metric: Metric | null
  readonly from: LocalDate
  readonly until: LocalDate
  readonly reason: string | null
  readonly actor: string
}

export interface MuteStore {
  /** One of the same until the same day is that one: it begins with the earlier day, and takes a new reason. */
  add(mute: NewMute): Promise<Mute>
  /** Newest first. @param day only those in force on it or later */
  list(configId: number, day: LocalDate | null, page: PageRequest): Promise<Page<Mute>>
  /** Those in force on any of the days, both included. */
  within(configId: number, from: LocalDate, to: LocalDate): Promise<readonly Mute[]>
  find(id: number): Promise<Mute | null>
  remove(id: number): Promise<boolean>
}

export interface Mutes {
  /** @throws AppError CONFIG_NOT_FOUND, ENTITY_NOT_FOUND; INVALID_REQUEST when the last day is over */
  create(draft: MuteDraft, actor: string): Promise<Mute>
  /** Newest first; `all` also those that are over. @throws AppError CONFIG_NOT_FOUND */
  list(configId: number, all: boolean, page: PageRequest): Promise<Page<Mute>>
  /** Those in force on any of the days, both included: what a detection over these days needs. */
  within(configId: number, from: LocalDate, to: LocalDate): Promise<readonly Mute[]>
  /** @throws AppError NOT_FOUND */
  get(id: number): Promise<Mute>
  /** From now on it is heard of again. @throws AppError NOT_FOUND */
  remove(id: number): Promise<void>
}

/** What may be muted. */
export interface Mutable {
  /** The entity and what is above it. */
  readonly path: readonly { readonly entityType: Level; readonly entityId: string }[]
  readonly metric: Metric
  readonly day: LocalDate
}

/** Whether any of `mutes`, all of one config, covers it. */
export const isMuted = (mutes: readonly Mute[], { path, metric, day }: Mutable): boolean =>
  mutes.some(
    (mute) =>
      mute.from <= day &&
      day <= mute.until &&
      (mute.metric === null || mute.metric === metric) &&
      (mute.entity_id === null ||
        path.some(
          ({ entityType, entityId }) => entityType === mute.entity_type && entityId === mute.entity_id,
        )),
  )

export const createMutes = (parts: {
  readonly store: MuteStore
  readonly configs: Pick<Configs, 'get'>
  readonly entities: Pick<Entities, 'mustExist'>
  readonly clock: Clock
}): Mutes => {
  const { store, configs, entities, clock } = parts
  const today = async (configId: number): Promise<LocalDate> =>
    toLocalDate(localDayOf(clock.now(), zoneOf(await configs.get(configId))))
  const missing = (id: number): AppError =>
    new AppError('NOT_FOUND', `there is no mute ${id}; list them with GET /api/v1/mutes`)
  return {
    create: async ({ config_id: configId, entity_type, entity_id, metric, until, reason }, actor) => {
      const now = await today(configId)
      if (until < now) {
        const message = `is over: today is ${now}`
        throw new AppError('INVALID_REQUEST', `until: ${message}`, {
          errors: [{ field: 'body.until', message }],
        })
      }
      if (entity_type !== undefined && entity_id !== undefined) {
        await entities.mustExist({ configId, entityType: entity_type, entityId: entity_id })
      }
      return store.add({
        configId,
        entityType: entity_type ?? null,
        entityId: entity_id ?? null,
        metric: metric ?? null,
        from: toLocalDate(toDayNumber(now) - 1),
        until,
        reason: reason ?? null,
        actor,
      })
    },
    list: async (configId, all, page) => {
      const day = await today(configId)
      return store.list(configId, all ? null : day, page)
    },
    within: (configId, from, to) => store.within(configId, from, to),
    get: async (id) => {
      const mute = await store.find(id)
      if (!mute) throw missing(id)
      return mute
    },
    remove: async (id) => {
      if (!(await store.remove(id))) throw missing(id)
    },
  }
}
