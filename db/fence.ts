/** The check every effect of a run makes in its own transaction. */
import type { Knex } from 'knex'
import { FenceLost } from '../shared/core/work.ts'
import type { Fence } from '../shared/core/work.ts'

/**
 * The run's row while it may write: no row when the run is to be cancelled, has ended, or was claimed by a
 * later attempt. Bindings: id, attempt. For effects that are one statement and carry their fence inside.
 */
export const FENCE_SQL = `
  select id from runs
  where id = ?::uuid and attempt = ?::int and status = 'running' and not cancel_requested
  for share`

/**
 * Holds the run's row until the transaction ends, so that a successor waits for effects already under way
 * and a late finisher changes nothing.
 * @throws FenceLost when the run is to be cancelled, has ended, or was claimed by a later attempt
 */
export const assertFence = async (trx: Knex.Transaction, fence: Fence): Promise<void> => {
  const { rows } = (await trx.raw(FENCE_SQL, [fence.runId, fence.attempt])) as { rows: unknown[] }
  if (rows.length === 0) throw new FenceLost(fence)
}
