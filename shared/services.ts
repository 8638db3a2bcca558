/**
 * All services, by the name jobs, routes and commands use. Each part adds its line here and its
 * factory call in `buildServices`.
 */
import type { Clock } from './core/clock.ts'
import type { Configs } from './entities/configs.ts'
import type { Imports } from './entities/imports.ts'
import type { Enqueue, EnqueueMany } from './jobs/enqueue.ts'

export interface Services {
  readonly clock: Clock
  readonly configs: Configs
  readonly imports: Imports
  readonly enqueue: Enqueue
  readonly enqueueMany: EnqueueMany
}
