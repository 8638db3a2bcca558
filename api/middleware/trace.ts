/** Every request has a trace id: the caller's (W3C traceparent or X-Request-Id) or a new one. */
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}$/
const REQUEST_ID = /^[A-Za-z0-9_.-]{8,64}$/

/** @param ours of the span of this request; null without tracing */
export const traceIdOf = (headers: IncomingHttpHeaders, ours: string | null = null): string => {
  const parent = headers['traceparent']
  const trace = typeof parent === 'string' ? TRACEPARENT.exec(parent)?.[1] : undefined
  if (trace !== undefined && !/^0+$/.test(trace)) return trace
  const id = headers['x-request-id']
  if (typeof id === 'string' && REQUEST_ID.test(id)) return id
  return ours ?? randomBytes(16).toString('hex')
}
