/** Detection over a real database, real files and models trained by the real training; judged in place. */
import type { Knex } from 'knex'
import { anomalyStore, detectionStore } from '../../db/repositories/anomalies.ts'
import { configs as configStore } from '../../db/repositories/configs.ts'
import { frameSource } from '../../db/repositories/frames.ts'
import { freshness as freshnessStore } from '../../db/repositories/freshness.ts'
import { defaultDetectionParams } from '../../ml/detectors/params.ts'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { WorkContext, WorkOutcome } from '../../shared/core/work.ts'
import { computeInPlace } from '../../shared/compute-in-place.ts'
import { createAnomalies } from '../../shared/detection/anomalies.ts'
import type { AnomaliesService } from '../../shared/detection/anomalies.ts'
import { createDetection } from '../../shared/detection/detection.ts'
import type { DetectionParts, DetectionService, DetectRequest } from '../../shared/detection/detection.ts'
import { createConfigs } from '../../shared/entities/configs.ts'
import { createDataFreshness } from '../../shared/entities/freshness.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { newRunId } from '../../shared/runs/run-id.ts'
import type { AdDay } from './accounts.ts'
import { openTrainingSystem } from './training.ts'
import type { TrainingSystem } from './training.ts'

export interface StoredAnomaly {
  readonly id: number
  readonly entity_id: string
  readonly type: string
  readonly metric: string
  readonly anomaly_date: string
  readonly severity: string
  readonly observed: number
  readonly expected: number
  readonly lower: number | null
  readonly upper: number | null
  readonly deviation: number
  readonly rarity: number | null
  readonly model_source: string
  readonly model_version: number | null
  readonly baseline_reason: string | null
  readonly status: string
  readonly resolution: string | null
  readonly actor: string | null
  readonly times_seen: number
  readonly first_seen: Date
  readonly last_seen: Date
  readonly signals: readonly { readonly detector: string; readonly severity: string; deviation: number }[]
}

export interface DetectionSystem {
  readonly training: TrainingSystem
  readonly anomalies: AnomaliesService
  readonly service: DetectionService
  /** The same service with some parts replaced. */
  with(parts: Partial<DetectionParts>): DetectionService
  /** A run of the job in PostgreSQL, under way, and the context its worker has. */
  startRun(level: Level, request: DetectRequest): Promise<WorkContext>
  /** As a worker would: a run of its own that ends as the outcome says. */
  detect(
    configId: number,
    day: string | null,
    asked?: Partial<DetectRequest> & { readonly level?: Level },
    service?: DetectionService,
  ): Promise<WorkOutcome>
  /** What is stored of the config's entities of the level, by day, entity and type. */
  stored(configId: number, level?: Level): Promise<readonly StoredAnomaly[]>
}

export const openDetectionSystem = async (knex: Knex): Promise<DetectionSystem> => {
  const training = await openTrainingSystem(knex)
  const clock = { now: () => training.now() }
  const configs = createConfigs(configStore(knex), training.artifacts, silentLogger)
  const parts: DetectionParts = {
    clock,
    store: detectionStore(knex),
    configs,
    freshness: createDataFreshness(freshnessStore(knex), configs, silentLogger),
    frames: frameSource(knex),
    registry: training.registry,
    models: training.loader,
    compute: computeInPlace,
    params: defaultDetectionParams,
    useForests: true,
  }
  const usual = createDetection(parts)

  const startRun = async (level: Level, request: DetectRequest): Promise<WorkContext> => {
    const runId = newRunId(training.now())
    await knex('runs').insert({
      id: runId,
      job: `detect.${level}`,
      key: runId,
      queue: 'ml',
      config_id: request.configId,
      as_of: request.asOf,
      payload: JSON.stringify(request),
      status: 'running',
      attempt: 1,
      actor: 'test',
      started_at: training.now(),
    })
    return {
      signal: new AbortController().signal,
      fence: { runId, attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    }
  }

  return {
    training,
    anomalies: createAnomalies(anomalyStore(knex)),
    service: usual,
    with: (replaced) => createDetection({ ...parts, ...replaced }),
    startRun,
    detect: async (configId, day, { level = 'ad', ...asked } = {}, service = usual) => {
      const request = {
        configId,
        asOf: training.now().toISOString(),
        day,
        days: 1,
        entityIds: null,
        ...asked,
      }
      const context = await startRun(level, request)
      const outcome = await service.detectLevel(level, request, context)
      await knex('runs')
        .where({ id: context.fence.runId })
        .update({
          status: outcome.status,
          counts: JSON.stringify(outcome.counts),
          result: JSON.stringify(outcome.result ?? null),
          finished_at: training.now(),
        })
      return outcome
    },
    stored: async (configId, level = 'ad') =>
      (await knex('ml_anomalies')
        .where({ config_id: configId, entity_type: level })
        .orderBy(['anomaly_date', 'entity_id', 'type'])) as StoredAnomaly[],
  }
}

/** An ad that spends, shows and is clicked the same every day, and brings no lead. */
export const steadyDays = (
  adId: string,
  lastDay: string,
  spends: readonly number[],
  parents: { readonly adsetId: string; readonly campaignId: string } = { adsetId: 's1', campaignId: 'c1' },
): AdDay[] => {
  const first = toDayNumber(lastDay) - spends.length + 1
  return spends.map((spend, i) => ({
    adId,
    ...parents,
    date: toLocalDate(first + i),
    spend,
    impressions: spend === 0 ? 0 : 1000,
    clicks: spend === 0 ? 0 : 10,
    leads: 0,
    reach: spend === 0 ? 0 : 900,
  }))
}

/** `count` times the same spend. */
export const days = (count: number, spend: number): number[] => Array.from({ length: count }, () => spend)
