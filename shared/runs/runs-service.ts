/** What people may do with runs: look, and cancel. */
import { AppError } from '../core/errors.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { RunStatus } from '../jobs/enqueue.ts'
import type { Logger } from '../platform/logger.ts'
import type { Carrier } from './carrier.ts'
import type { Run, RunFilter, RunsRepository } from './run.ts'
import { isRunId } from './run-id.ts'

export interface RunsService {
  list(filter: RunFilter, page: PageRequest): Promise<Page<Run>>
  /** @throws AppError NOT_FOUND */
  get(runId: string): Promise<Run>
  /**
   * A queued run ends at once, with its queued children; a running one is asked to end and does within about
   * a second. Answers the status right after.
   * @throws AppError NOT_FOUND; CONFLICT when the run has ended
   */
  cancel(runId: string): Promise<{ readonly id: string; readonly status: RunStatus }>
}

/** Also of what somebody may not see. */
export const missingRun = (runId: string): AppError =>
  new AppError('NOT_FOUND', `there is no run ${runId.slice(0, 36)}; list them with GET /api/v1/runs`)

export const createRunsService = (parts: {
  readonly runs: RunsRepository
  readonly carrier: Carrier
  readonly logger: Logger
}): RunsService => {
  const { runs, carrier, logger } = parts
  return {
    list: (filter, page) => runs.list(filter, page),
    get: async (runId) => {
      const run = isRunId(runId) ? await runs.get(runId) : null
      if (!run) throw missingRun(runId)
      return run
    },
    cancel: async (runId) => {
      const cancelled = isRunId(runId) ? await runs.cancel(runId) : null
      if (!cancelled) throw missingRun(runId)
      if (cancelled.kind === 'ended') {
        throw new AppError('CONFLICT', `the run has already ended: ${cancelled.status}`)
      }
      logger.info('run cancelled', { run_id: runId, kind: cancelled.kind })
      await carrier.deliver(cancelled.woken)
      await carrier.withdraw(cancelled.withdrawn)
      return { id: runId, status: cancelled.status }
    },
  }
}
