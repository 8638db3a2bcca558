/** The registry of series as its catalogue asks for it; `db` keeps it in PostgreSQL. */
import type { SeriesClass, SeriesFamily } from '../../ml/series/member.ts'
import type { Alias, VersionState } from '../registry/model-version.ts'
import type { ListKey } from './cursor.ts'
import type { ArchivedFile, Series, SeriesSettings } from './series.ts'
import type { Tags } from './tags.ts'

/** Who changes something, for the audit log. */
export interface Author {
  readonly actor: string
  readonly traceId: string | null
}

export interface SeriesOverview {
  readonly series: Series
  /** Versions there are, of any state. */
  readonly versions: number
  readonly stable: number | null
  readonly previous: number | null
}

/** A version without its statistics: what lists show. */
export interface VersionSummary {
  readonly seriesId: string
  readonly version: number
  readonly state: VersionState
  readonly class: SeriesClass
  readonly families: readonly SeriesFamily[]
  /** Names of the members, in their order. */
  readonly members: readonly string[]
  readonly aliases: readonly string[]
  readonly points: number
  readonly dataHash: string
  readonly fingerprint: string
  readonly parent: number | null
  readonly tags: Tags
  readonly runId: string | null
  readonly actor: string
  readonly createdAt: Date
  readonly trainedAt: Date
}

/** created_at: newest first; series_id: ascending, of one series the newest version first. */
export const REGISTRY_ORDERS = ['created_at', 'series_id'] as const
export type RegistryOrder = (typeof REGISTRY_ORDERS)[number]

/** All that is given must hold. */
export interface SeriesFilter {
  readonly prefix?: string
  readonly tags?: Tags
  readonly class?: SeriesClass
  /** [from, to) */
  readonly createdFrom?: Date
  readonly createdTo?: Date
}

export interface SeriesVersionFilter extends SeriesFilter {
  readonly seriesId?: string
  /** Of any member. */
  readonly family?: SeriesFamily
  readonly state?: VersionState
  readonly alias?: Alias
  /** Inclusive. */
  readonly pointsMin?: number
  readonly pointsMax?: number
  readonly dataHash?: string
}

export interface Search<Filter> {
  readonly filter: Filter
  readonly order: RegistryOrder
  readonly limit: number
  /** Where the page before ended; null: from the beginning. */
  readonly after: ListKey | null
}

export interface Found<Row> {
  readonly rows: readonly Row[]
  /** Null: these were the last. */
  readonly next: ListKey | null
}

export type StableMoved =
  /** `from` equals `to`: it was there already, and nothing was written. */
  | { readonly kind: 'moved'; readonly from: number | null; readonly to: number }
  | { readonly kind: 'no_series' }
  /** `version` null: there is no previous one. */
  | { readonly kind: 'no_version'; readonly version: number | null }
  | { readonly kind: 'unusable'; readonly version: number; readonly state: 'archived' | 'broken' }

/** Where a known file belongs. */
export type FilePlace = 'live' | 'archive'

/** Every change writes its row of the audit log in its own transaction. */
export interface SeriesRegistryStore {
  /** What cursors are signed with: the same for all processes. */
  cursorSecret(): Promise<string>
  searchSeries(search: Search<SeriesFilter>): Promise<Found<SeriesOverview>>
  searchVersions(search: Search<SeriesVersionFilter>): Promise<Found<VersionSummary>>
  overview(seriesId: string): Promise<SeriesOverview | null>
  /**
   * Sets what `plan` makes of the series as it is, null when there is none; nobody changes it meanwhile. What
   * `plan` throws leaves it as it was.
   * @returns whether it was made
   */
  settle(seriesId: string, by: Author, plan: (known: Series | null) => SeriesSettings): Promise<boolean>
  /**
   * Forgets versions and counts; the number of the last version stays, and the generation grows.
   * @returns how many versions there were; null: no such series
   */
  remove(seriesId: string, by: Author): Promise<number | null>
  /** @returns false when there is no such version */
  tag(seriesId: string, version: number, by: Author, plan: (tags: Tags) => Tags): Promise<boolean>
  /** Moves `stable` alone, so that repeating it changes nothing. */
  moveStable(seriesId: string, to: number | 'previous', by: Author): Promise<StableMoved>
  /**
   * Archived to ready. `moveBack` gets the files and runs inside the transaction.
   * @returns false when it is not archived (any more), or `moveBack` said no
   */
  restore(
    seriesId: string,
    version: number,
    by: Author,
    moveBack: (uris: readonly string[]) => Promise<boolean>,
  ): Promise<boolean>
  /** Archives what is beyond `keep` in all series, in one statement. */
  archiveOld(keep: number): Promise<readonly (ArchivedFile & { readonly seriesId: string })[]>
  /** By uri, the files of all versions of some series. */
  filesOf(seriesIds: readonly string[]): Promise<ReadonlyMap<string, FilePlace>>
  /**
   * Drops what was counted in hours before `before`, and of drift before `sketchesBefore`. @returns how many rows
   */
  forgetActivity(before: Date, sketchesBefore: Date): Promise<number>
  /** Fingerprints of trainings that are queued or running. */
  openTrainings(): Promise<ReadonlySet<string>>
}
