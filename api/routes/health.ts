/** How vigia does: for people and for what watches over it. */
import { z } from 'zod'
import type { Health } from '../../shared/platform/health.ts'
import type { Readiness } from '../probes.ts'
import { READINESS } from '../probes.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const Latency = z
  .object({ avg: z.number().nullable(), p95: z.number().nullable() })
  .describe('Milliseconds over the last five minutes; null when there was nothing')

const HealthReply = z.object({
  status: z
    .enum(READINESS)
    .describe('degraded: something does not answer, and requests are served all the same'),
  series_trained: z.int().nullable(),
  models_cached: z.int(),
  models_registered: z.int().nullable(),
  inference_latency_ms: Latency,
  training_latency_ms: Latency,
  cache: z.object({
    hits: z.int(),
    misses: z.int(),
    hit_rate: z.number().nullable(),
  }),
  uptime_seconds: z.int(),
  version: z.string(),
  scope: z
    .enum(['cluster', 'process'])
    .describe('Whether inference and cache are those of all processes or of the one that answers'),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), ms: z.int() })),
})

export interface HealthRouteParts {
  readonly health: Health
  readonly readiness: Readiness
  readonly version: string
}

export const healthRoute = ({ health, readiness, version }: HealthRouteParts): Route =>
  route({
    method: 'get',
    path: '/healthcheck',
    role: 'viewer',
    tag: 'Health',
    summary: 'How vigia did over the last five minutes, and what it depends on',
    reply: { 200: HealthReply },
    handle: async () => {
      const [{ status, checks }, { registry, inference, cache, ...figures }] = await Promise.all([
        readiness.check(),
        health.figures(),
      ])
      const { hits, misses } = cache
      const body: z.infer<typeof HealthReply> = {
        status,
        series_trained: registry?.seriesTrained ?? null,
        models_cached: figures.modelsCached,
        models_registered: registry
          ? Object.values(registry.versions).reduce((sum, count) => sum + count, 0)
          : null,
        inference_latency_ms: { avg: inference.averageMs, p95: inference.p95Ms },
        training_latency_ms: {
          avg: registry?.training.averageMs ?? null,
          p95: registry?.training.p95Ms ?? null,
        },
        cache: { hits, misses, hit_rate: hits + misses > 0 ? hits / (hits + misses) : null },
        uptime_seconds: Math.floor(process.uptime()),
        version,
        scope: figures.scope,
        // Names and times only: what a dependency answered may hold addresses.
        checks: checks.map(({ name, ok, ms }) => ({ name, ok, ms })),
      }
      return { status: 200, body }
    },
  })
