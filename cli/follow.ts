/** Follows runs to their end by what PostgreSQL says of them, with a progress bar on a terminal. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Run } from '../shared/runs/run.ts'
import type { Services } from '../shared/services.ts'
import { startProgress } from './output.ts'

const POLL_MS = 100
const OPEN = new Set<Run['status']>(['queued', 'running'])

/** @returns the runs as they ended, in the order of `ids` */
export const followRuns = async (
  { runs }: Pick<Services, 'runs'>,
  ids: readonly string[],
  title: string,
): Promise<readonly Run[]> => {
  const progress = startProgress(title)
  try {
    for (;;) {
      const seen = await Promise.all(ids.map((id) => runs.get(id)))
      const open = seen.filter((run) => OPEN.has(run.status))
      const share =
        seen.reduce((sum, run) => sum + (OPEN.has(run.status) ? run.progress : 1), 0) /
        Math.max(1, seen.length)
      const done = seen.reduce((sum, run) => sum + run.counts.done, 0)
      progress.update(share, `${done} done`)
      if (open.length === 0) return seen
      await delay(POLL_MS)
    }
  } finally {
    progress.stop()
  }
}

/** 0 when every run did its work (or had nothing to do), 1 otherwise. */
export const exitCodeOf = (runs: readonly Run[]): 0 | 1 =>
  runs.every((run) => run.status === 'succeeded' || run.status === 'skipped') ? 0 : 1

/** One line on what a run did. */
export const describeRun = (run: Run): string => {
  const reasons = Object.entries(run.reasons)
    .map(([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`)
    .join(', ')
  const { done, skipped, failed } = run.counts
  const counts = `${done} done, ${skipped} skipped, ${failed} failed`
  return `${run.job}: ${run.status} (${counts}${reasons ? `: ${reasons}` : ''})${run.error === null ? '' : ` - ${run.error}`}`
}
