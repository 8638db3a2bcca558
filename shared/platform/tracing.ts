/**
 * OpenTelemetry, for who wants it (OTEL_EXPORTER_OTLP_ENDPOINT): spans of requests, of queues, of trainings and
 * of predictions, from API to worker in one trace. Loaded on demand, since loading costs half a second and tens of megabytes.
 */
import type { Config } from '../config.ts'
import { messageOf } from '../core/errors.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Tracer } from './tracer.ts'

/** @returns what makes spans; null when traces are not exported */
export const startTracing = async (
  service: string,
  config: Pick<Config, 'OTEL_EXPORTER_OTLP_ENDPOINT'>,
  lifecycle: Lifecycle,
): Promise<Tracer | null> => {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT
  if (endpoint === undefined) return null
  const [api, { NodeTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ])
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': `vigia-${service}` }),
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` })),
    ],
  })
  provider.register()
  lifecycle.onClose('traces', () => provider.shutdown())
  const tracer = provider.getTracer('vigia')
  const { SpanKind, SpanStatusCode, context, propagation, trace } = api
  return {
    span: (name, attributes, work) =>
      tracer.startActiveSpan(name, { attributes }, async (span) => {
        try {
          return await work()
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) })
          throw error
        } finally {
          span.end()
        }
      }),
    request: (method, headers, work) => {
      const caller = propagation.extract(context.active(), headers)
      const attributes = { 'http.request.method': method }
      const span = tracer.startSpan('http.request', { kind: SpanKind.SERVER, attributes }, caller)
      const { traceId } = span.spanContext()
      const end = (route: string, status: number): void => {
        span.setAttributes({ 'http.route': route, 'http.response.status_code': status })
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
        span.end()
      }
      context.with(trace.setSpan(caller, span), () => work({ traceId, end }))
    },
  }
}
