/**
 * OpenTelemetry, for who wants it (OTEL_EXPORTER_OTLP_ENDPOINT): spans of the queues from API to worker in
 * one trace. Loaded on demand, since loading costs half a second and tens of megabytes.
 */
import type { Config } from '../config.ts'
import type { Lifecycle } from './lifecycle.ts'

/** @returns whether traces are exported */
export const startTracing = async (
  service: string,
  config: Pick<Config, 'OTEL_EXPORTER_OTLP_ENDPOINT'>,
  lifecycle: Lifecycle,
): Promise<boolean> => {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT
  if (endpoint === undefined) return false
  const [{ NodeTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
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
  return true
}
