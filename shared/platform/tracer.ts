/** Spans of what vigia does itself; those of queues come from BullMQ. Without tracing nothing is made. */
import type { IncomingHttpHeaders } from 'node:http'

export type Attributes = Readonly<Record<string, string | number>>

export interface RequestSpan {
  /** 32 hex digits; null without tracing. */
  readonly traceId: string | null
  /** @param route template of the route */
  end(route: string, status: number): void
}

export interface Tracer {
  /** Runs `work` as a span below the one that is running; a failure of `work` is noted on it. */
  span<T>(
    name: 'model.load' | 'inference' | 'training',
    attributes: Attributes,
    work: () => Promise<T>,
  ): Promise<T>
  /** Runs `work` below a span `http.request`, which continues the trace of the caller's `traceparent`. */
  request(method: string, headers: IncomingHttpHeaders, work: (span: RequestSpan) => void): void
}

const NO_SPAN: RequestSpan = { traceId: null, end: () => undefined }

export const noTracer: Tracer = {
  span: (_name, _attributes, work) => work(),
  request: (_method, _headers, work) => work(NO_SPAN),
}
