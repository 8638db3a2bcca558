/** Asking sources for new rows: every active config at night. */
import { z } from 'zod'
import { Instant } from '../core/clock.ts'
import { ConfigId } from '../core/entity.ts'
import { defineJob, instantKey } from './define-job.ts'
import { sweep } from './sweep.ts'

const SyncPayload = z.object({ configId: ConfigId, asOf: Instant })
type SyncPayload = z.output<typeof SyncPayload>

const RETRY = { attempts: 5, delayMs: 30_000 }
const TIMEOUT_MS = 10 * 60_000

/** Tells a config's source which days are wanted. */
export const syncSource = defineJob<SyncPayload>({
  name: 'sync.source',
  queue: 'sync',
  payload: SyncPayload,
  retry: RETRY,
  timeoutMs: TIMEOUT_MS,
  key: ({ configId, asOf }) => [configId, instantKey(asOf)],
  configId: ({ configId }) => configId,
  run: (context, { sources }) =>
    sources.ask(context.payload.configId, new Date(context.payload.asOf), context),
})

export const syncHook = sweep(
  syncSource,
  { name: 'sync.hook', retry: RETRY, timeoutMs: TIMEOUT_MS },
  ({ configId }, asOf) => ({ configId, asOf }),
)
