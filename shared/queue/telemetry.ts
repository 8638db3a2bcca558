/** Traces from API through queue to worker. Loading them costs half a second, so only who wants them does. */
import type { Telemetry } from 'bullmq'

export type { Telemetry }

export const loadTelemetry = async (): Promise<Telemetry> => {
  const { BullMQOtel } = await import('bullmq-otel')
  return new BullMQOtel({ tracerName: 'vigia-queues' })
}
