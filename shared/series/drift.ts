/**
 * Drift: whether the values predicted on are still those trained on (series-service section 9). A look at all
 * series every few minutes stores what it finds; whoever asks is told of the last look.
 */
import { columnDrift, DRIFT_HOURS, worseLevel } from '../../ml/compare/drift.ts'
import type { ColumnDrift, DriftBounds, DriftLevel } from '../../ml/compare/drift.ts'
import type { DriftBins } from '../../ml/series/member.ts'
import type { Clock } from '../core/clock.ts'
import type { Fence } from '../core/work.ts'
import type { SeriesDriftWork } from '../jobs/series.ts'
import { unknownSeries } from './catalogue.ts'

const HOUR_MS = 3_600_000
/** Series measured, and written, at a time. */
const PAGE_SERIES = 500

/** What was seen of a column since the start of a look, and the bins it was trained in. */
export interface SeenColumn {
  readonly column: string
  readonly counts: readonly number[]
  /** Null: the version has none for it. */
  readonly trained: DriftBins | null
}

export interface SeenSeries {
  readonly seriesId: string
  /** The stable one. */
  readonly version: number
  readonly columns: readonly SeenColumn[]
}

export interface DriftState {
  readonly version: number
  readonly at: Date
  /** The worst of the columns; null: too few values. */
  readonly level: DriftLevel | null
  /** The largest of the columns. */
  readonly kl: number | null
  readonly columns: Readonly<Record<string, ColumnDrift>>
}

export interface MeasuredSeries extends DriftState {
  readonly seriesId: string
}

export interface SeenPage {
  /** Ascending by id. */
  readonly series: readonly SeenSeries[]
  /** The next page is of ids above; null: there is none. */
  readonly next: string | null
}

export interface DriftStore {
  /** What was seen of stable versions in hours from `since` on, of ids above `after`; one statement. */
  seen(since: Date, after: string, limit: number): Promise<SeenPage>
  /** Replaces older states, not newer ones. @throws FenceLost */
  put(states: readonly MeasuredSeries[], fence: Fence): Promise<void>
  /** Forgets states from looks before `at`: of them nothing was seen since. @throws FenceLost */
  forgetBefore(at: Date, fence: Fence): Promise<void>
  /** Null: there is no such series. */
  of(seriesId: string): Promise<{ readonly stable: number | null; readonly drift: DriftState | null } | null>
}

export interface SeriesDrift extends SeriesDriftWork {
  /** Of the last look; null where the stable version was not looked at yet, or not asked anything for a day. @throws MODEL_NOT_FOUND */
  of(seriesId: string): Promise<{ readonly stable: number | null; readonly drift: DriftState | null }>
  readonly bounds: DriftBounds
}

export interface SeriesDriftParts {
  readonly store: DriftStore
  readonly clock: Clock
  readonly bounds: DriftBounds
  /** Hears the divergence of every series that could be measured. */
  readonly onMeasured: (kl: number) => void
}

/** @throws RangeError when a column was counted in other bins than it was trained in */
export const measure = (
  { seriesId, version, columns }: SeenSeries,
  at: Date,
  bounds: DriftBounds,
): MeasuredSeries => {
  const measured = columns.map(({ column, counts, trained }): [string, ColumnDrift] => {
    if (!trained) throw new RangeError(`v${version} was not trained on ${column}`)
    return [column, columnDrift(counts, trained.counts, bounds)]
  })
  let level: DriftLevel | null = null
  let kl: number | null = null
  for (const [, column] of measured) {
    level = worseLevel(level, column.level)
    if (column.kl !== null) kl = Math.max(kl ?? 0, column.kl)
  }
  return { seriesId, version, at, level, kl, columns: Object.fromEntries(measured) }
}

export const createSeriesDrift = (parts: SeriesDriftParts): SeriesDrift => {
  const { store, clock, bounds } = parts
  return {
    bounds,

    look: async ({ fence, signal, logger }) => {
      const at = clock.now()
      const since = new Date(at.getTime() - DRIFT_HOURS * HOUR_MS)
      const counts = { done: 0, skipped: 0, failed: 0 }
      const levels = { none: 0, warn: 0, alert: 0 }
      for (let after: string | null = ''; after !== null;) {
        signal.throwIfAborted()
        const page: SeenPage = await store.seen(since, after, PAGE_SERIES)
        const states = page.series.flatMap((seen) => {
          try {
            return [measure(seen, at, bounds)]
          } catch (error) {
            if (!(error instanceof RangeError)) throw error
            counts.failed++
            logger.warn('the drift of a series cannot be measured', {
              series_id: seen.seriesId,
              version: seen.version,
              error: error.message,
            })
            return []
          }
        })
        for (const { kl, level } of states) {
          if (kl !== null) parts.onMeasured(kl)
          if (level === null) counts.skipped++
          else {
            counts.done++
            levels[level]++
          }
        }
        if (states.length > 0) await store.put(states, fence)
        after = page.next
      }
      await store.forgetBefore(at, fence)
      return {
        status: counts.failed > 0 ? 'partial' : 'succeeded',
        counts,
        reasons: {
          ...(counts.skipped > 0 ? { insufficient_data: counts.skipped } : {}),
          ...(counts.failed > 0 ? { other_bins: counts.failed } : {}),
        },
        result: levels,
      }
    },

    of: async (seriesId) => {
      const found = await store.of(seriesId)
      if (!found) throw unknownSeries(seriesId)
      const { stable, drift } = found
      return { stable, drift: drift && drift.version === stable ? drift : null }
    },
  }
}
