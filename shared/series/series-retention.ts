/** What is kept of series stays bounded. */
import type { WorkOutcome } from '../core/work.ts'
import type { SeriesRetentionWork } from '../jobs/series.ts'
import type { SeriesCatalogue } from './catalogue.ts'
import type { SeriesFiles } from './files.ts'
import type { SeriesRegistryStore } from './registry-store.ts'

/** Files nobody knows may belong to a training under way; none takes this long. */
const ORPHAN_AGE_MS = 24 * 3_600_000
/** A training that is recorded after its upload takes moments for it. */
const UPLOAD_AGE_MS = 3_600_000
/** A year of days, and the weeks on both sides to compare it with. */
const ACTIVITY_DAYS = 400
/** Drift looks back a day; a row per hour, version and column is too many to keep for long. */
const SKETCH_DAYS = 7
const DAY_MS = 86_400_000

export interface SeriesRetentionParts {
  readonly store: Pick<SeriesRegistryStore, 'archiveOld' | 'filesOf' | 'forgetActivity' | 'openTrainings'>
  readonly files: Pick<SeriesFiles, 'tidy' | 'sweepUploads'>
  readonly catalogue: Pick<SeriesCatalogue, 'putAway' | 'announce'>
  /** Newest versions of a series that are not archived. */
  readonly keepVersions: number
}

const succeeded = (result: Readonly<Record<string, number>>): WorkOutcome => ({
  status: 'succeeded',
  counts: { done: 1, skipped: 0, failed: 0 },
  reasons: {},
  result,
})

const earlier = (asOf: Date, ms: number): Date => new Date(asOf.getTime() - ms)

export const createSeriesRetention = (parts: SeriesRetentionParts): SeriesRetentionWork => {
  const { store, files, catalogue } = parts
  return {
    retain: async (asOf, { signal }) => {
      const archived = await store.archiveOld(parts.keepVersions)
      await catalogue.putAway(archived)
      await catalogue.announce([...new Set(archived.map(({ seriesId }) => seriesId))])
      signal.throwIfAborted()
      const tidied = await files.tidy(
        (seriesIds) => {
          signal.throwIfAborted()
          return store.filesOf(seriesIds)
        },
        earlier(asOf, ORPHAN_AGE_MS),
      )
      signal.throwIfAborted()
      const forgotten = await store.forgetActivity(
        earlier(asOf, ACTIVITY_DAYS * DAY_MS),
        earlier(asOf, SKETCH_DAYS * DAY_MS),
      )
      return succeeded({
        versions_archived: new Set(archived.map(({ seriesId, version }) => `${seriesId} ${version}`)).size,
        files_removed: tidied.removed,
        files_moved: tidied.moved,
        activity_rows_dropped: forgotten,
      })
    },

    sweepUploads: async (asOf) => {
      const wanted = await store.openTrainings()
      return succeeded({
        uploads_removed: await files.sweepUploads(earlier(asOf, UPLOAD_AGE_MS), wanted),
      })
    },
  }
}
