/** What differs between Redis and PostgreSQL under BullMQ. */
import type { Processor, Queue, QueueOptions, Worker, WorkerOptions } from 'bullmq'

export type WithoutConnection<Options> = Omit<Options, 'connection' | 'prefix'>

export interface Backend {
  readonly kind: 'redis' | 'postgres'
  /** host:port, for messages. */
  readonly server: string
  /** Whether queues have to be waited for: one that meets no server when it is made never works. */
  readonly startsOnlyWithServer: boolean
  queue(name: string, options: WithoutConnection<QueueOptions>): Queue
  worker(name: string, process: Processor, options: WithoutConnection<WorkerOptions>): Worker
  /** Whether a command has a chance now; false spares callers the wait for a timeout. */
  reachable(): boolean
  /** @throws AppError STORAGE_UNAVAILABLE when the server answers but must not be relied on */
  inspect(): Promise<void>
  /** Ends the connections; queues and workers were closed before. */
  close(): Promise<void>
}
