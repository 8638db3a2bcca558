/** Detection over the past of a config, as it would have run day by day. Nothing is stored. */
import { frameAt } from '../../ml/frame.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import { accountOf, entityKey } from '../../ml/shifts/from-frames.ts'
import type { AccountDays } from '../../ml/shifts/account.ts'
import type { ComputePool } from '../compute.ts'
import { lastCompleteDay, localDayOf, toDayNumber, toLocalDate } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { AppError } from '../core/errors.ts'
import type { JudgementParams } from '../detection/params.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'
import type { FrameSource } from '../entities/frames.ts'
import type { HolidaysService } from '../entities/holidays.ts'
import type { TrainingSettings } from '../training/training.ts'
import type { ReplayOverrides } from './overrides.ts'
import type { FolderAccount, Label } from './read-folder.ts'
import { replayOnThreads } from './replay-on-threads.ts'
import type { ReplayWatch } from './replay-on-threads.ts'
import type { ReplayStore } from './replay-store.ts'
import type { Replayed } from './replay.ts'
import { replayReport } from './report.ts'
import type { Labels, ReplayReport } from './report.ts'

/** Entities of all levels a replay holds in memory at once: with 200 days of each about 100 MB on two threads. */
export const MOST_ENTITIES = 5000
/** Entities of a batch of frames. */
const BATCH_SIZE = 500
/** Days before the first one that is asked for: what live detection has to learn from. */
const HISTORY_DAYS = 118

export interface ConfigReplayRequest {
  readonly configId: number
  readonly asOf: Date
  /** Both inclusive; null: the first and the last complete one there are. */
  readonly from: LocalDate | null
  readonly to: LocalDate | null
  /** Days between trainings of the forests. */
  readonly trainEveryDays: number
  /** Null: all levels. */
  readonly level: Level | null
  /** Null: all of the level. Whatever is asked for, all entities are judged, since they are judged by each other. */
  readonly entityIds: readonly string[] | null
  readonly overrides: ReplayOverrides
}

export interface ConfigReplay {
  readonly report: ReplayReport
  readonly account: FolderAccount
  readonly replayed: Replayed
}

export interface ReplayService {
  /** @throws AppError CONFIG_NOT_FOUND, INVALID_REQUEST for days or entities that are not there */
  replay(request: ConfigReplayRequest, watch?: ReplayWatch): Promise<ConfigReplay>
}

export interface ReplayParts {
  readonly store: ReplayStore
  readonly configs: Pick<Configs, 'get'>
  readonly frames: FrameSource
  readonly holidays: Pick<HolidaysService, 'between'>
  readonly compute: ComputePool
  /** What is in service, with what is tried instead. */
  readonly settings: (overrides: ReplayOverrides) => {
    readonly params: JudgementParams
    readonly forests: TrainingSettings
  }
}

/** The frequency of a week is of the people it reached, who do not add up over days. */
const reach7Of = (
  { entities, days }: AccountDays,
  firstDay: DayNumber,
  batches: Readonly<Record<Level, readonly FrameBatch[]>>,
): Float64Array[] => {
  const columns = new Map<string, Float64Array>()
  for (const level of LEVELS) {
    for (const batch of batches[level]) {
      batch.heads.forEach(({ id }, i) => {
        const column = new Float64Array(days).fill(Number.NaN)
        const rows = frameAt(batch, i)
        rows.days.forEach((day, row) => {
          column[day - firstDay] = rows.reach7[row] as number
        })
        columns.set(entityKey(level, id), column)
      })
    }
  }
  return entities.map(
    ({ level, id }) => columns.get(entityKey(level, id)) ?? new Float64Array(days).fill(Number.NaN),
  )
}

const invalid = (message: string): AppError => new AppError('INVALID_REQUEST', message)

export const createReplays = (parts: ReplayParts): ReplayService => {
  const framesOf = async (
    configId: number,
    level: Level,
    from: DayNumber,
    to: DayNumber,
    signal: AbortSignal | undefined,
  ): Promise<FrameBatch[]> => {
    const batches: FrameBatch[] = []
    for await (const batch of parts.frames.batches({ configId, level, from, to, batchSize: BATCH_SIZE })) {
      signal?.throwIfAborted()
      batches.push(batch)
    }
    return batches
  }

  const holidaysOf = async (configId: number, from: DayNumber, to: DayNumber): Promise<DayNumber[]> => {
    const found = await parts.holidays.between(configId, toLocalDate(from), toLocalDate(to))
    return found.flatMap(({ date, days }) => Array.from({ length: days }, (_, n) => toDayNumber(date) + n))
  }

  /** The verdicts of people: they speak of what was found, not of all there was. */
  const labelsOf = async (
    configId: number,
    accountId: string,
    from: DayNumber,
    to: DayNumber,
  ): Promise<Labels> => {
    const verdicts = await parts.store.verdicts(configId, from, to)
    const of = (wanted: 'true_positive' | 'false_positive'): Label[] =>
      verdicts
        .filter(({ verdict }) => verdict === wanted)
        .map(({ entityType, entityId, metric, day }) => ({
          id: `${entityType} ${entityId} ${metric} ${toLocalDate(day)}`,
          accountId,
          level: entityType,
          entityId,
          type: '',
          start: day,
          end: day,
          metric,
          direction: '',
          class: '',
        }))
    return { faults: of('true_positive'), falseAlarms: of('false_positive') }
  }

  const namesOf = async (configId: number, { entities }: AccountDays): Promise<string[]> => {
    const names = new Map<string, string>()
    for (const named of await Promise.all(LEVELS.map((level) => parts.store.names(configId, level))))
      for (const { entityType, entityId, name } of named)
        if (name !== null) names.set(`${entityType} ${entityId}`, name)
    return entities.map(({ level, id }) => names.get(`${level} ${id}`) ?? id)
  }

  const wantedOf = (
    { entities }: AccountDays,
    { level, entityIds }: Pick<ConfigReplayRequest, 'level' | 'entityIds'>,
  ): number[] | null => {
    if (level === null) return null
    const ids = entityIds && new Set(entityIds)
    const wanted = entities.flatMap((entity, i) =>
      entity.level === level && (!ids || ids.has(entity.id)) ? [i] : [],
    )
    if (wanted.length === 0) throw invalid(`entity_ids: no ${level} of them has figures in these days`)
    return wanted
  }

  return {
    replay: async (request, watch = {}) => {
      const { configId, asOf, trainEveryDays, overrides } = request
      const config = await parts.configs.get(configId)
      const span = await parts.store.span(configId)
      const complete = lastCompleteDay(asOf, zoneOf(config))
      if (!span || span.first > complete) throw invalid('the config has no figures of a complete day yet')
      const last = Math.min(span.last, complete)
      const from = Math.max(span.first, request.from === null ? span.first : toDayNumber(request.from))
      const to = Math.min(last, request.to === null ? last : toDayNumber(request.to))
      if (from > to) {
        throw invalid(
          `there are figures of complete days from ${toLocalDate(span.first)} to ${toLocalDate(last)}; choose from and to among them`,
        )
      }
      // Trainings are counted from the first day there is, whatever is asked for.
      const ahead = Math.max(0, from - HISTORY_DAYS - (trainEveryDays - 1) - span.first)
      const firstDay = span.first + Math.floor(ahead / trainEveryDays) * trainEveryDays
      const entities = await parts.store.entities(configId, firstDay, to)
      if (entities > MOST_ENTITIES) {
        throw invalid(
          `${entities} entities have figures in these days, of which at most ${MOST_ENTITIES} are replayed at once; choose fewer days`,
        )
      }
      const [campaign, adset, ad, holidays, labels] = await Promise.all([
        framesOf(configId, 'campaign', firstDay, to, watch.signal),
        framesOf(configId, 'adset', firstDay, to, watch.signal),
        framesOf(configId, 'ad', firstDay, to, watch.signal),
        holidaysOf(configId, firstDay, to),
        labelsOf(configId, config.account_id, from, to),
      ])
      const batches = { campaign, adset, ad }
      const days = accountOf({
        batches,
        from: firstDay,
        to,
        holidays,
        leadsArrived: localDayOf(asOf, zoneOf(config)) - config.attribution_lag_days,
        // What people said since is what a replay is held against, so it must not be judged by it.
        tolerances: new Map(),
        confirmed: new Map(),
      })
      const account: FolderAccount = {
        id: config.account_id,
        firstDay,
        names: await namesOf(configId, days),
        currency: config.currency,
        days,
      }
      const replayed = await replayOnThreads(
        {
          account: days,
          firstDay,
          from: from - firstDay,
          to: to - firstDay,
          wanted: wantedOf(days, request),
          reach7: reach7Of(days, firstDay, batches),
          trainEveryDays,
          ...parts.settings(overrides),
        },
        parts.compute,
        watch,
      )
      return { report: replayReport([{ account, replayed }], labels), account, replayed }
    },
  }
}
