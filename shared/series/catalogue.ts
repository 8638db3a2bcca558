/**
 * The catalogue of series: which there are, what they are set to, the versions of their models, which of them
 * answers, and what becomes of old ones. Files follow the record: a version's file is there before its row,
 * and is removed or moved after it.
 */
import { createHash } from 'node:crypto'
import type { SeriesClass } from '../../ml/series/member.ts'
import { mapBounded } from '../core/bounded.ts'
import type { Clock } from '../core/clock.ts'
import { AppError, messageOf } from '../core/errors.ts'
import type { Logger } from '../platform/logger.ts'
import type { Announcements } from '../registry/model-registry.ts'
import { readCursor, writeCursor } from './cursor.ts'
import type { SeriesFiles } from './files.ts'
import type {
  Author,
  Found,
  RegistryOrder,
  Search,
  SeriesFilter,
  SeriesOverview,
  SeriesRegistryStore,
  SeriesVersionFilter,
  VersionSummary,
} from './registry-store.ts'
import { CLASS_LIMITS, SERIES_CHANGED } from './series.ts'
import type {
  ArchivedFile,
  PlausibleRange,
  Series,
  SeriesRecord,
  SeriesSettings,
  SeriesVersion,
  ServedVersion,
  TimestampUnit,
} from './series.ts'
import { changeTags } from './tags.ts'
import type { TagChanges, Tags } from './tags.ts'

const FILES_IN_FLIGHT = 16
/** A message has to stay under 8 kB, and an id may have 128 letters. */
const IDS_PER_MESSAGE = 50
/** What a range per channel may be set for. */
const MOST_RANGES = 16

export interface ListRequest<Filter> {
  readonly filter: Filter
  readonly order: RegistryOrder
  readonly pageSize: number
  /** Of the page before; null: the first page. */
  readonly cursor: string | null
}

export interface CursorPage<Row> {
  readonly rows: readonly Row[]
  /** Null: these were the last. */
  readonly nextCursor: string | null
}

/** What PUT sets: what is not given gets its default, or stays if it is the class. */
export interface SeriesSetting {
  readonly class?: SeriesClass | undefined
  readonly ranges?: Readonly<Record<string, PlausibleRange>> | undefined
  readonly timestampUnit?: TimestampUnit | undefined
  readonly minPoints?: number | null | undefined
  readonly maxPoints?: number | null | undefined
  readonly tags?: Tags | undefined
}

/** What PATCH changes: what is not given stays; null takes a tag, range or limit away. */
export interface SeriesChange extends Omit<SeriesSetting, 'ranges' | 'tags'> {
  readonly ranges?: Readonly<Record<string, PlausibleRange | null>> | undefined
  readonly tags?: TagChanges | undefined
}

export interface RolledBack {
  /** The one that answered before; null: none did. */
  readonly from: number | null
  readonly to: number
}

export interface SeriesCatalogue {
  /** @throws INVALID_REQUEST for a cursor of another list */
  list(request: ListRequest<SeriesFilter>): Promise<CursorPage<SeriesOverview>>
  versions(request: ListRequest<SeriesVersionFilter>): Promise<CursorPage<VersionSummary>>
  /** @throws MODEL_NOT_FOUND */
  get(seriesId: string): Promise<SeriesOverview>
  /** @throws MODEL_NOT_FOUND, INVALID_VERSION */
  version(seriesId: string, version: number): Promise<SeriesVersion>
  /** @throws INVALID_REQUEST, UNKNOWN_CHANNEL; CONFLICT for another class once there are versions */
  put(
    seriesId: string,
    setting: SeriesSetting,
    by: Author,
  ): Promise<SeriesOverview & { readonly created: boolean }>
  /** @throws MODEL_NOT_FOUND, and as `put` */
  patch(seriesId: string, change: SeriesChange, by: Author): Promise<SeriesOverview>
  /** Versions and files go; the number of the last version stays. @returns how many versions there were @throws MODEL_NOT_FOUND */
  remove(seriesId: string, by: Author): Promise<number>
  /** @throws MODEL_NOT_FOUND, INVALID_VERSION, INVALID_REQUEST */
  tag(seriesId: string, version: number, changes: TagChanges, by: Author): Promise<SeriesVersion>
  /**
   * Makes another version the one that answers; repeating it changes nothing.
   * @throws MODEL_NOT_FOUND, INVALID_VERSION, VERSION_ARCHIVED; CONFLICT for a broken one
   */
  rollback(seriesId: string, to: number | 'previous', by: Author): Promise<RolledBack>
  /**
   * Archived to ready; one that is ready stays as it is.
   * @throws MODEL_NOT_FOUND, INVALID_VERSION; CONFLICT for a broken one, and for one whose file is gone, which is
   * broken from then on
   */
  restore(seriesId: string, version: number, by: Author): Promise<SeriesVersion>
  /**
   * Takes a version whose file is damaged or gone out of service and puts the file aside; not when it turns out
   * to be whole. @returns whether it did
   */
  markBroken(version: ServedVersion, reason: string): Promise<boolean>
  /** Moves files of versions that were archived. Only the disk gains by it, so a failure is logged alone. */
  putAway(files: readonly ArchivedFile[]): Promise<void>
  /** Tells all processes that what they hold of these series may be old. */
  announce(seriesIds: readonly string[]): Promise<void>
}

export interface SeriesCatalogueParts {
  readonly store: SeriesRegistryStore
  readonly record: Pick<SeriesRecord, 'byId' | 'version' | 'markBroken'>
  readonly files: Pick<SeriesFiles, 'read' | 'quarantine' | 'archive' | 'restore' | 'removeSeries'>
  readonly announcements: Pick<Announcements, 'publish'>
  readonly clock: Clock
  readonly logger: Logger
  /** Of series nobody gave one. */
  readonly defaultClass: SeriesClass
}

export const unknownSeries = (seriesId: string): AppError =>
  new AppError(
    'MODEL_NOT_FOUND',
    `there is no series ${seriesId}; train it with POST /api/v1/series/${seriesId}/train`,
  )

export const unknownVersion = (seriesId: string, version: number): AppError =>
  new AppError(
    'INVALID_VERSION',
    `series ${seriesId} has no version v${version}; list them with GET /api/v1/series/${seriesId}/versions`,
  )

export const archivedVersion = (seriesId: string, version: number): AppError =>
  new AppError(
    'VERSION_ARCHIVED',
    `version v${version} of series ${seriesId} is archived; restore it with POST /api/v1/series/${seriesId}/versions/v${version}/restore`,
  )

const brokenVersion = (seriesId: string, version: number): AppError =>
  new AppError(
    'CONFLICT',
    `the file of version v${version} of series ${seriesId} is damaged or gone; train it again with the same points, or choose another`,
  )

const invalid = (field: string, message: string): AppError =>
  new AppError('INVALID_REQUEST', `${field}: ${message}`, { errors: [{ field: `body.${field}`, message }] })

/** @throws AppError for settings that cannot be, or not any more */
const checked = (known: Series | null, settings: SeriesSettings): SeriesSettings => {
  const limits = CLASS_LIMITS[settings.class]
  const min = settings.minPoints ?? limits.min
  const max = settings.maxPoints ?? limits.max
  if (min > max) {
    throw invalid(
      'min_points',
      `${min} is above max_points, ${max}; class ${settings.class} has ${limits.min} to ${limits.max}`,
    )
  }
  const ranged = Object.keys(settings.ranges)
  if (ranged.length > MOST_RANGES)
    throw invalid('ranges', `there can be ${MOST_RANGES}, these are ${ranged.length}`)
  if (known && known.class !== settings.class && known.channels !== null) {
    throw new AppError(
      'CONFLICT',
      `series ${known.id} has versions of class ${known.class}; delete it, or train another series, for class ${settings.class}`,
    )
  }
  const stranger = ranged.find((channel) => known?.channels && !known.channels.includes(channel))
  if (known?.channels && stranger !== undefined) {
    throw new AppError(
      'UNKNOWN_CHANNEL',
      `series ${known.id} has the channels ${known.channels.join(', ')}, not ${stranger}`,
      { details: { known: known.channels } },
    )
  }
  return settings
}

const changeRanges = (
  ranges: Readonly<Record<string, PlausibleRange>>,
  changes: Readonly<Record<string, PlausibleRange | null>>,
): Readonly<Record<string, PlausibleRange>> =>
  Object.fromEntries(
    Object.entries({ ...ranges, ...changes }).flatMap(([channel, range]) =>
      range === null ? [] : [[channel, range] as const],
    ),
  )

export const createSeriesCatalogue = (parts: SeriesCatalogueParts): SeriesCatalogue => {
  const { store, record, files, logger } = parts
  let secret: Promise<string> | undefined
  /** Asked for once; a failure is not remembered. */
  const cursorSecret = (): Promise<string> => {
    secret ??= store.cursorSecret().catch((error: unknown) => {
      secret = undefined
      throw error
    })
    return secret
  }

  const page = async <Filter, Row>(
    what: string,
    { filter, order, pageSize, cursor }: ListRequest<Filter>,
    search: (search: Search<Filter>) => Promise<Found<Row>>,
  ): Promise<CursorPage<Row>> => {
    const asked = [what, order, Object.entries(filter as object).sort(([a], [b]) => (a < b ? -1 : 1))]
    const key = await cursorSecret()
    const after = cursor === null ? null : readCursor(key, asked, cursor)
    const { rows, next } = await search({ filter, order, limit: pageSize, after })
    return { rows, nextCursor: next && writeCursor(key, asked, next) }
  }

  const announce: SeriesCatalogue['announce'] = async (seriesIds) => {
    for (let at = 0; at < seriesIds.length; at += IDS_PER_MESSAGE)
      await parts.announcements.publish(SERIES_CHANGED, {
        series: seriesIds.slice(at, at + IDS_PER_MESSAGE),
        at_ms: parts.clock.now().getTime(),
      })
  }

  const get: SeriesCatalogue['get'] = async (seriesId) => {
    const found = await store.overview(seriesId)
    if (!found) throw unknownSeries(seriesId)
    return found
  }

  const version: SeriesCatalogue['version'] = async (seriesId, number) => {
    const found = await record.version(seriesId, number)
    if (found) return found
    if (!(await record.byId(seriesId))) throw unknownSeries(seriesId)
    throw unknownVersion(seriesId, number)
  }

  /** Whether the bytes on the disk are those of the version. */
  const isWhole = async ({ artifactUri, artifactBytes, artifactSha256 }: ServedVersion): Promise<boolean> => {
    const file = await files.read(artifactUri, artifactBytes)
    if (file.status !== 'read') return false
    return createHash('sha256').update(new Uint8Array(file.bytes)).digest('hex') === artifactSha256
  }

  const markBroken: SeriesCatalogue['markBroken'] = async (served, reason) => {
    // Trained again meanwhile it has the same hash, and a reader may have been unlucky.
    if (await isWhole(served)) return false
    if (!(await record.markBroken(served))) return false
    await files.quarantine(served.artifactUri)
    logger.error(
      'the artifact of a series is damaged; its version answers from its baseline until it is trained again',
      {
        series_id: served.seriesId,
        version: served.version,
        reason,
      },
    )
    await announce([served.seriesId])
    return true
  }

  return {
    list: (request) => page('series', request, (search) => store.searchSeries(search)),

    versions: (request) => page('versions', request, (search) => store.searchVersions(search)),

    get,

    version,

    put: async (seriesId, setting, by) => {
      const created = await store.settle(seriesId, by, (known) =>
        checked(known, {
          class: setting.class ?? known?.class ?? parts.defaultClass,
          ranges: setting.ranges ?? {},
          timestampUnit: setting.timestampUnit ?? 's',
          minPoints: setting.minPoints ?? null,
          maxPoints: setting.maxPoints ?? null,
          tags: setting.tags ?? {},
        }),
      )
      await announce([seriesId])
      return { ...(await get(seriesId)), created }
    },

    patch: async (seriesId, change, by) => {
      await store.settle(seriesId, by, (known) => {
        if (!known) throw unknownSeries(seriesId)
        return checked(known, {
          class: change.class ?? known.class,
          ranges: change.ranges ? changeRanges(known.ranges, change.ranges) : known.ranges,
          timestampUnit: change.timestampUnit ?? known.timestampUnit,
          minPoints: change.minPoints === undefined ? known.minPoints : change.minPoints,
          maxPoints: change.maxPoints === undefined ? known.maxPoints : change.maxPoints,
          tags: change.tags ? changeTags(known.tags, change.tags) : known.tags,
        })
      })
      await announce([seriesId])
      return get(seriesId)
    },

    remove: async (seriesId, by) => {
      let versions: number | null = null
      const forget = async (): Promise<boolean> => {
        versions = await store.remove(seriesId, by)
        if (versions !== null) await announce([seriesId])
        return versions !== null
      }
      try {
        await files.removeSeries(seriesId, forget)
      } catch (error) {
        if (versions === null) throw error
        logger.warn('files of a deleted series stay until the next clean-up', {
          series_id: seriesId,
          error: messageOf(error),
        })
      }
      if (versions === null) throw unknownSeries(seriesId)
      logger.info('series deleted', { series_id: seriesId, versions })
      return versions
    },

    tag: async (seriesId, number, changes, by) => {
      const tagged = await store.tag(seriesId, number, by, (tags) => changeTags(tags, changes))
      const found = await version(seriesId, number)
      if (!tagged) throw unknownVersion(seriesId, number)
      await announce([seriesId])
      return found
    },

    rollback: async (seriesId, to, by) => {
      const moved = await store.moveStable(seriesId, to, by)
      switch (moved.kind) {
        case 'no_series':
          throw unknownSeries(seriesId)
        case 'no_version':
          if (moved.version !== null) throw unknownVersion(seriesId, moved.version)
          throw new AppError(
            'INVALID_VERSION',
            `series ${seriesId} has no version before the one that answers; name one with {"to":"v1"}`,
          )
        case 'unusable':
          throw moved.state === 'archived'
            ? archivedVersion(seriesId, moved.version)
            : brokenVersion(seriesId, moved.version)
        case 'moved':
          break
      }
      await announce([seriesId])
      logger.info('series rolled back', { series_id: seriesId, from: moved.from, to: moved.to })
      return { from: moved.from, to: moved.to }
    },

    restore: async (seriesId, number, by) => {
      const known = await version(seriesId, number)
      if (known.state === 'ready') return known
      if (known.state === 'broken') throw brokenVersion(seriesId, number)
      await store.restore(seriesId, number, by, async ([artifact = '', ...others]) => {
        if (!(await files.restore(artifact))) return false
        for (const uri of others) await files.restore(uri)
        return isWhole(known)
      })
      const restored = await version(seriesId, number)
      if (restored.state === 'archived') {
        await markBroken(restored, 'its file is damaged or gone')
        throw brokenVersion(seriesId, number)
      }
      if (restored.state === 'broken') throw brokenVersion(seriesId, number)
      await announce([seriesId])
      return restored
    },

    markBroken,

    putAway: async (archived) => {
      try {
        await mapBounded(archived, FILES_IN_FLIGHT, ({ uri }) => files.archive(uri))
      } catch (error) {
        logger.warn('files of archived versions stay where they are until the next clean-up', {
          error: messageOf(error),
        })
      }
    },

    announce,
  }
}
