/**
 * Prometheus metrics of one process, in a registry of its own that holds what such a process does: the API
 * serves, workers work, the scheduler keeps time, anything else does it all. Labels are bounded: routes are
 * templates, jobs and queues are declared names.
 */
import { totalmem } from 'node:os'
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { createSeriesMetrics } from './series-metrics.ts'
import type { SeriesMetrics } from './series-metrics.ts'

export interface Metrics extends SeriesMetrics {
  readonly registry: Registry
  httpRequest(method: string, route: string, status: number, seconds: number): void
  jobEnded(queue: string, job: string, outcome: string, seconds: number): void
  queueSeen(queue: string, state: { readonly depth: number; readonly oldestSeconds: number }): void
  modelsTrained(outcome: 'trained' | 'reused' | 'skipped' | 'failed', count: number): void
  artifactCache(result: 'hit' | 'miss'): void
  detected(level: string, counts: { readonly entities: number; readonly anomalies: number }): void
  notificationTried(outcome: 'delivered' | 'again' | 'dead' | 'gone'): void
  instantMet(schedule: string, state: 'claimed' | 'missed'): void
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const JOB_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]

/** Of the control group this process runs in, else of the machine; bytes. */
const memoryLimit = (): number => {
  const limit = process.constrainedMemory()
  // Without a limit the answer is 0, or more than any machine has.
  return limit > 0 && limit < totalmem() ? limit : totalmem()
}

const CODE_CLASSES = ['0xx', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** @param service `api`, `workers` and `scheduler` are told apart; another name does all they do */
export const createMetrics = (service: string): Metrics => {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const serves = service !== 'workers' && service !== 'scheduler'
  const works = service !== 'api' && service !== 'scheduler'
  const serving = serves ? [registry] : []
  const working = works ? [registry] : []
  const keeping = service !== 'api' && service !== 'workers' ? [registry] : []
  new Gauge({
    name: 'vigia_memory_limit_bytes',
    help: 'Memory this process may use',
    registers,
  }).set(memoryLimit())
  const requests = new Counter({
    name: 'vigia_http_requests_total',
    help: 'Requests answered, by route template',
    labelNames: ['route', 'method', 'code_class'],
    registers: serving,
  })
  const durations = new Histogram({
    name: 'vigia_http_request_duration_seconds',
    help: 'Time to answer a request, by route template',
    labelNames: ['route', 'method', 'code_class'],
    buckets: SECONDS,
    registers: serving,
  })
  const jobs = new Histogram({
    name: 'vigia_job_duration_seconds',
    help: 'Time of one execution of a run',
    labelNames: ['queue', 'job', 'outcome'],
    buckets: JOB_SECONDS,
    registers: working,
  })
  const depth = new Gauge({
    name: 'vigia_queue_depth',
    help: 'Jobs that wait',
    labelNames: ['queue'],
    registers: working,
  })
  const age = new Gauge({
    name: 'vigia_queue_oldest_seconds',
    help: 'Age of the oldest run that waits',
    labelNames: ['queue'],
    registers: working,
  })
  const models = new Counter({
    name: 'vigia_models_total',
    help: 'Entities of trainings, by outcome',
    labelNames: ['outcome'],
    registers: working,
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
    registers: working,
  })
  const anomalies = new Counter({
    name: 'vigia_detection_anomalies_total',
    help: 'Anomalies raised or refreshed',
    labelNames: ['level'],
    registers: working,
  })
  const notifications = new Counter({
    name: 'vigia_notification_attempts_total',
    help: 'Tries to deliver a message to a webhook: delivered, to be tried again, dead, or its receiver gone',
    labelNames: ['outcome'],
    registers,
  })
  const schedule = new Counter({
    name: 'vigia_schedule_instants_total',
    help: 'Instants of the timetable claimed, or missed beyond catching up',
    labelNames: ['schedule', 'state'],
    registers: keeping,
  })
  return {
    ...createSeriesMetrics({
      serving: serves ? registry : null,
      working: works ? registry : null,
      both: registry,
    }),
    registry,
    httpRequest: (method, route, status, seconds) => {
      const labels = { route, method, code_class: CODE_CLASSES[Math.trunc(status / 100)] ?? '5xx' }
      requests.inc(labels)
      durations.observe(labels, seconds)
    },
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
    notificationTried: (outcome) => notifications.inc({ outcome }),
    instantMet: (id, state) => schedule.inc({ schedule: id, state }),
  }
}
