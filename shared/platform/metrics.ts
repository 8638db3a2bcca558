/**
 * Prometheus metrics of one process, in a registry of its own. Labels are bounded: routes are templates,
 * jobs and queues are declared names.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

export interface Metrics {
  readonly registry: Registry
  httpRequest(method: string, route: string, status: number, seconds: number): void
  jobEnded(queue: string, job: string, outcome: string, seconds: number): void
  queueSeen(queue: string, state: { readonly depth: number; readonly oldestSeconds: number }): void
  modelsTrained(outcome: 'trained' | 'reused' | 'skipped' | 'failed', count: number): void
  artifactCache(result: 'hit' | 'miss'): void
  detected(level: string, counts: { readonly entities: number; readonly anomalies: number }): void
  instantMet(schedule: string, state: 'claimed' | 'missed'): void
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const JOB_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]

export const createMetrics = (service: string): Metrics => {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const requests = new Histogram({
    name: 'vigia_http_request_duration_seconds',
    help: 'Time to answer a request, by route template',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers,
  })
  const jobs = new Histogram({
    name: 'vigia_job_duration_seconds',
    help: 'Time of one execution of a run',
    labelNames: ['queue', 'job', 'outcome'],
    buckets: JOB_SECONDS,
    registers,
  })
  const depth = new Gauge({
    name: 'vigia_queue_depth',
    help: 'Jobs that wait',
    labelNames: ['queue'],
    registers,
  })
  const age = new Gauge({
    name: 'vigia_queue_oldest_seconds',
    help: 'Age of the oldest run that waits',
    labelNames: ['queue'],
    registers,
  })
  const models = new Counter({
    name: 'vigia_models_total',
    help: 'Entities of trainings, by outcome',
    labelNames: ['outcome'],
    registers,
  })
  const cache = new Counter({
    name: 'vigia_artifact_cache_total',
    help: 'Artifact look-ups in memory',
    labelNames: ['result'],
    registers,
  })
  const entities = new Counter({
    name: 'vigia_detection_entities_total',
    help: 'Entities checked',
    labelNames: ['level'],
    registers,
  })
  const anomalies = new Counter({
    name: 'vigia_detection_anomalies_total',
    help: 'Anomalies raised or refreshed',
    labelNames: ['level'],
    registers,
  })
  const schedule = new Counter({
    name: 'vigia_schedule_instants_total',
    help: 'Instants of the timetable claimed, or missed beyond catching up',
    labelNames: ['schedule', 'state'],
    registers,
  })
  return {
    registry,
    httpRequest: (method, route, status, seconds) =>
      requests.observe({ method, route, status: String(status) }, seconds),
    jobEnded: (queue, job, outcome, seconds) => jobs.observe({ queue, job, outcome }, seconds),
    queueSeen: (queue, state) => {
      depth.set({ queue }, state.depth)
      age.set({ queue }, state.oldestSeconds)
    },
    modelsTrained: (outcome, count) => models.inc({ outcome }, count),
    artifactCache: (result) => cache.inc({ result }),
    detected: (level, counts) => {
      entities.inc({ level }, counts.entities)
      anomalies.inc({ level }, counts.anomalies)
    },
    instantMet: (id, state) => schedule.inc({ schedule: id, state }),
  }
}
