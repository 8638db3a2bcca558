/** What a training counts, and how that reads as the outcome of its run. */
import { z } from 'zod'
import { LEVELS, Level } from '../core/entity.ts'
import type { RunCounts, WorkOutcome } from '../core/work.ts'

/** Examples kept in the run's result; the counts cover all. */
const MOST_EXAMPLES = 50

export type TrainingFailure = 'training_failed' | 'save_failed' | 'registry_failed'

const PerLevel = z.object({ campaign: z.int(), adset: z.int(), ad: z.int() })

/** `result` of a training's run. */
const TrainingResult = z.object({
  trained: z.int(),
  reused: z.int(),
  models_count: PerLevel,
  skipped_count: PerLevel,
  failed_count: PerLevel,
  /** Models of many entities, counted apart. */
  pooled: z.object({ trained: z.int(), reused: z.int(), failed: z.int() }),
  started_at: z.iso.datetime(),
  insufficient_data: z.array(z.object({ entity_type: Level, entity_id: z.string(), samples: z.int() })),
  failures: z.array(
    z.object({ entity_type: Level, entity_id: z.string(), reason: z.string(), error: z.string() }),
  ),
})
type TrainingResult = z.infer<typeof TrainingResult>

export interface Tally {
  readonly result: TrainingResult
  readonly counts: RunCounts
  readonly reasons: Record<string, number>
  succeed(level: Level, how: 'trained' | 'reused'): void
  skip(level: Level, entityId: string, samples: number): void
  fail(level: Level, entityId: string, reason: TrainingFailure, error: string): void
  pool(status: 'trained' | 'reused' | 'failed'): void
}

const perLevel = (): z.infer<typeof PerLevel> => ({ campaign: 0, adset: 0, ad: 0 })

export const newTally = (startedAt: Date): Tally => {
  const result: TrainingResult = {
    trained: 0,
    reused: 0,
    models_count: perLevel(),
    skipped_count: perLevel(),
    failed_count: perLevel(),
    pooled: { trained: 0, reused: 0, failed: 0 },
    started_at: startedAt.toISOString(),
    insufficient_data: [],
    failures: [],
  }
  const counts: RunCounts = { done: 0, skipped: 0, failed: 0 }
  const reasons: Record<string, number> = {}
  const count = (reason: string): void => {
    reasons[reason] = (reasons[reason] ?? 0) + 1
  }
  return {
    result,
    counts,
    reasons,
    succeed: (level, how) => {
      counts.done++
      result[how]++
      result.models_count[level]++
    },
    skip: (level, entityId, samples) => {
      counts.skipped++
      count('insufficient_data')
      result.skipped_count[level]++
      if (result.insufficient_data.length < MOST_EXAMPLES)
        result.insufficient_data.push({ entity_type: level, entity_id: entityId, samples })
    },
    fail: (level, entityId, reason, error) => {
      counts.failed++
      count(reason)
      result.failed_count[level]++
      if (result.failures.length < MOST_EXAMPLES)
        result.failures.push({ entity_type: level, entity_id: entityId, reason, error: error.slice(0, 200) })
    },
    pool: (status) => {
      result.pooled[status]++
      if (status === 'failed') count('pooled_failed')
    },
  }
}

/** Adds the result of a chunk's run. `started_at` becomes the earliest. */
export const addResult = (tally: Tally, chunk: unknown): void => {
  const parsed = TrainingResult.safeParse(chunk)
  if (!parsed.success) return
  const { result, counts } = tally
  const added = parsed.data
  result.trained += added.trained
  result.reused += added.reused
  for (const level of LEVELS) {
    result.models_count[level] += added.models_count[level]
    result.skipped_count[level] += added.skipped_count[level]
    result.failed_count[level] += added.failed_count[level]
    counts.done += added.models_count[level]
    counts.skipped += added.skipped_count[level]
    counts.failed += added.failed_count[level]
  }
  if (added.started_at < result.started_at) result.started_at = added.started_at
  for (const list of ['insufficient_data', 'failures'] as const) {
    const room = MOST_EXAMPLES - result[list].length
    ;(result[list] as unknown[]).push(...added[list].slice(0, room))
  }
}

const statusOf = ({ result, counts }: Tally): WorkOutcome['status'] => {
  if (counts.failed > 0) return counts.done > 0 ? 'partial' : 'failed'
  // Entities fall back to statistics without them: worth another try.
  return result.pooled.failed > 0 ? 'partial' : 'succeeded'
}

/** `partial` when something failed, `failed` when no entity was trained besides. */
export const toOutcome = (tally: Tally): WorkOutcome => {
  const { result, counts, reasons } = tally
  return {
    status: statusOf(tally),
    counts: { ...counts },
    reasons: { ...reasons },
    result: { ...result },
    ...(counts.failed > 0 && counts.done === 0
      ? { error: `no model could be trained: ${result.failures[0]?.error ?? 'see failures'}` }
      : {}),
  }
}
