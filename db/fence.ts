/** The check every effect of a run makes in its own transaction. */
import type { Knex } from 'knex'
import { FenceLost } from '../shared/core/work.ts'
import type { Fence } from '../shared/core/work.ts'

/**
 * Holds the run's row until the transaction ends, so that a successor waits for effects already under way
 * and a late finisher changes nothing.
 * @throws FenceLost when the run is to be cancelled, has ended, or was claimed by a later attempt
 */
export const assertFence = async (trx: Knex.Transaction, fence: Fence): Promise<void> => {
  const row: unknown = await trx('runs')
    .where({ id: fence.runId, attempt: fence.attempt, status: 'running', cancel_requested: false })
    .forShare()
    .first('id')
  if (!row) throw new FenceLost(fence)
}
