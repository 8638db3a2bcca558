/**
 * All services, by the name jobs, routes and commands use. Each part adds its line here and its
 * factory call in `buildServices`.
 */
import type { Clock } from './core/clock.ts'
import type { Enqueue, EnqueueMany } from './jobs/enqueue.ts'

export interface Services {
  readonly clock: Clock
  readonly enqueue: Enqueue
  readonly enqueueMany: EnqueueMany
}
