/**
 * From a store to services: opens the queues and puts every service together. All processes do this the same
 * way; what differs is handed in (threads or none, traces or none).
 */
import { createKeys } from './access/keys.ts'
import { createClassification } from './classification/classification.ts'
import { createClassifierTraining } from './classification/train-classifier.ts'
import type { ComputePool } from './compute.ts'
import type { Config } from './config.ts'
import type { Clock } from './core/clock.ts'
import type { WorkOutcome } from './core/work.ts'
import { createAnomalies } from './detection/anomalies.ts'
import { createAccountJudge } from './detection/account-judge.ts'
import { createDetection } from './detection/detection.ts'
import { createIntraday } from './detection/intraday.ts'
import { judgementParams } from './detection/params.ts'
import { createIncidents } from './detection/incidents.ts'
import { createConfigs } from './entities/configs.ts'
import { createEntities } from './entities/entities.ts'
import { createDataFreshness } from './entities/freshness.ts'
import { createHolidays } from './entities/holidays.ts'
import { createImports } from './entities/imports.ts'
import { createInsights } from './entities/insights.ts'
import { createFeatures } from './features/features.ts'
import { createForecasting } from './forecasting/forecasting.ts'
import { allJobs, jobRegistry } from './jobs/all.ts'
import type { JobRegistry } from './jobs/all.ts'
import { createEnqueuer, draftRun } from './jobs/enqueuer.ts'
import type { Enqueuer } from './jobs/enqueuer.ts'
import { notifyDeliver, sendingNow } from './jobs/notify.ts'
import type { TrainingWork } from './jobs/training.ts'
import { createMutes } from './notify/mutes.ts'
import { createNotifications } from './notify/notifications.ts'
import { createSender } from './notify/send.ts'
import type { Lifecycle } from './platform/lifecycle.ts'
import type { Logger } from './platform/logger.ts'
import type { Metrics } from './platform/metrics.ts'
import { noTracer } from './platform/tracer.ts'
import type { Tracer } from './platform/tracer.ts'
import { openQueues } from './queue/open-queues.ts'
import type { Queues } from './queue/queues.ts'
import type { Telemetry } from './queue/telemetry.ts'
import { createRecommendation } from './recommendation/recommendation.ts'
import { rememberFigures } from './registry/figures.ts'
import { createModelLoader } from './registry/model-loader.ts'
import { createModelRegistry } from './registry/model-registry.ts'
import type { Announcements } from './registry/model-registry.ts'
import { createReports } from './report/daily-report.ts'
import { createRetention } from './retention/retention.ts'
import { createCarrier } from './runs/carrier.ts'
import type { Carrier } from './runs/carrier.ts'
import { createReplays } from './replay/replay-config.ts'
import { withOverrides } from './replay/overrides.ts'
import { createRunsService } from './runs/runs-service.ts'
import { createSchedulesService } from './schedules/schedules-service.ts'
import { noLimits } from './series/limits.ts'
import type { LimitCounters } from './series/limit-counter.ts'
import { createActivityCounter } from './series/activity-counter.ts'
import { createComparisons } from './series/compare.ts'
import { createSeriesDrift } from './series/drift.ts'
import { createModelCache } from './series/model-cache.ts'
import { createSeriesStatistics } from './series/statistics.ts'
import { createPlots } from './series/plot.ts'
import { createPredictions } from './series/predictions.ts'
import { createServedVersions } from './series/served-versions.ts'
import { createPointReader } from './series/point-reader.ts'
import { createSeriesTraining } from './series/training.ts'
import { createSeriesLimits } from './series/series-limits.ts'
import { createSeriesCatalogue } from './series/catalogue.ts'
import { createSeriesRetention } from './series/series-retention.ts'
import type { Services } from './services.ts'
import type { Store } from './store.ts'
import { createSources } from './sync/sources.ts'
import { trainingSettings } from './training/settings.ts'
import { createTraining } from './training/training.ts'

const MEBIBYTE = 1024 * 1024
const SECOND_MS = 1000

/** Training whose outcomes are counted by entity. */
const counted = (training: TrainingWork, metrics: Metrics): TrainingWork => {
  const count = (outcome: WorkOutcome): WorkOutcome => {
    const { trained, reused } = outcome.result ?? {}
    metrics.modelsTrained('trained', typeof trained === 'number' ? trained : 0)
    metrics.modelsTrained('reused', typeof reused === 'number' ? reused : 0)
    metrics.modelsTrained('skipped', outcome.counts.skipped)
    metrics.modelsTrained('failed', outcome.counts.failed)
    return outcome
  }

  return {
    ...training,
    trainConfig: async (payload, context) => count(await training.trainConfig(payload, context)),
    trainChunk: async (payload, context) => count(await training.trainChunk(payload, context)),
  }
}

export interface ServicesOptions {
  readonly config: Config
  readonly store: Store
  /** The queues live here unless REDIS_URL is set. */
  readonly databaseUrl: string
  readonly announcements: Announcements
  readonly compute: ComputePool
  readonly clock: Clock
  readonly logger: Logger
  readonly lifecycle: Lifecycle
  readonly metrics: Metrics
  readonly telemetry?: Telemetry | undefined
  /** Default: no spans. */
  readonly tracer?: Tracer | undefined
  /** Default: nobody is limited, as when nobody asks from outside. */
  readonly limitCounters?: LimitCounters | null
}

export interface OpenServices {
  readonly services: Services
  readonly queues: Queues
  readonly carrier: Carrier
  readonly enqueuer: Enqueuer
  readonly jobs: JobRegistry
}

/** @throws STORAGE_UNAVAILABLE when the queues cannot be opened */
export const openServices = async (options: ServicesOptions): Promise<OpenServices> => {
  const { config, store, clock, logger, lifecycle, metrics, compute, announcements } = options
  const queues = await openQueues({
    redisUrl: config.REDIS_URL,
    databaseUrl: options.databaseUrl,
    logger,
    telemetry: options.telemetry,
  })
  lifecycle.onClose('queues', () => queues.close())
  const jobs = jobRegistry(allJobs)
  const carrier = createCarrier({ runs: store.runs, queues, jobs, logger })
  const enqueuer = createEnqueuer({ runs: store.runs, carrier, clock })

  const registry = createModelRegistry({
    versions: store.modelVersions,
    artifacts: store.artifacts,
    announcements,
    logger,
  })
  const models = createModelLoader({
    artifacts: store.artifacts,
    registry,
    announcements,
    logger,
    clock,
    maxBytes: config.MODEL_CACHE_MB * MEBIBYTE,
    maxEntries: config.MODEL_CACHE_ENTRIES,
    onRequest: (result) => metrics.artifactCache(result),
  })
  lifecycle.onClose('models in memory', () => models.close())

  const configs = createConfigs(store.configs, store.artifacts, logger)
  const freshness = createDataFreshness(store.freshness, configs, logger)
  const entities = createEntities(store.entities, freshness, clock)
  const classifiers = createClassifierTraining({
    clock,
    labels: store.labels,
    registry,
    artifacts: store.artifacts,
    models,
    compute,
  })
  const series = createSeriesCatalogue({
    clock,
    store: store.seriesRegistry,
    record: store.series,
    files: store.seriesFiles,
    announcements,
    logger,
    defaultClass: config.SERIES_CLASS,
  })
  const seriesLimits = options.limitCounters
    ? createSeriesLimits({ ...options.limitCounters, onRefused: (rule) => metrics.rateLimited(rule) })
    : noLimits
  const pointReader = createPointReader({
    compute,
    offloadBytes: config.PARSE_OFFLOAD_MB * MEBIBYTE,
    onRefused: (code) => metrics.validationRejected(code),
  })
  const tracer = options.tracer ?? noTracer
  const seriesModels = createModelCache({
    files: store.seriesFiles,
    clock,
    markBroken: (version, reason) => series.markBroken(version, reason),
    logger,
    maxBytes: config.MODEL_CACHE_MB * MEBIBYTE,
    maxEntries: config.MODEL_CACHE_ENTRIES,
    ttlMs: config.MODEL_CACHE_TTL_S * SECOND_MS,
    timeoutMs: config.LOAD_TIMEOUT_MS,
    onRequest: (result) => metrics.seriesCacheRequest(result),
    onLoaded: (seconds, entries) => {
      metrics.modelLoaded('store', seconds)
      metrics.modelCacheEntries(entries)
    },
    onBreaker: (state) => metrics.breakerState('artifacts', state),
    span: ({ seriesId, version }, work) => tracer.span('model.load', { series_id: seriesId, version }, work),
  })
  lifecycle.onClose('series models in memory', () => seriesModels.close())
  const served = createServedVersions({
    record: store.series,
    announcements,
    clock,
    refreshMs: config.ALIAS_REFRESH_S * SECOND_MS,
    onBreaker: (state) => metrics.breakerState('registry', state),
    onDropped: (lagSeconds) => metrics.cacheInvalidated(lagSeconds),
  })
  lifecycle.onClose('versions in memory', () => served.close())
  const activity = createActivityCounter({
    activity: store.seriesActivity,
    clock,
    logger,
    onZscores: (counts, sum) => metrics.zscoresCounted(counts, sum),
  })
  lifecycle.onClose('counts of predictions', () => activity.close())
  const predictions = createPredictions({
    clock,
    served,
    mostPredicted: (since, limit) => store.series.mostPredicted(since, limit),
    models: seriesModels,
    reader: pointReader,
    limits: seriesLimits,
    activity,
    compute,
    metrics,
    logger,
    warnPastDays: config.WARN_PAST_DAYS,
    warnFutureHours: config.WARN_FUTURE_HOURS,
    warmupModels: config.WARMUP_MODELS,
    span: ({ seriesId, version }, work) => tracer.span('inference', { series_id: seriesId, version }, work),
  })
  const webhooks = createNotifications({
    store: store.webhooks,
    configs,
    sender: createSender({ allowed: config.WEBHOOK_ALLOW, clock }),
    clock,
    carrier,
    draftRun: () => draftRun(notifyDeliver, sendingNow(clock), {}, clock.now()),
    wakeNow: async () => {
      await enqueuer.enqueue(notifyDeliver, sendingNow(clock))
    },
    wakeAt: async (asOf, delayMs) => {
      await enqueuer.enqueue(notifyDeliver, { asOf: asOf.toISOString() }, { delayMs })
    },
    onAttempt: (outcome) => metrics.notificationTried(outcome),
  })
  const incidents = createIncidents({
    store: store.incidents,
    anomalies: store.anomalies,
    configs,
    clock,
    webhooks,
  })
  const holidays = createHolidays({ store: store.holidays, configs })
  const mutes = createMutes({ store: store.mutes, configs, entities, clock })
  const judgement = judgementParams(config)
  const services: Services = {
    clock,
    tracer,
    keys: createKeys(store.keys, clock),
    audit: store.audit,
    configs,
    imports: createImports(store.imports, configs, clock),
    entities,
    holidays,
    insights: createInsights(store.insights, configs, entities, clock),
    freshness,
    sweeps: freshness,
    enqueue: enqueuer.enqueue,
    enqueueMany: enqueuer.enqueueMany,
    runs: createRunsService({ runs: store.runs, carrier, logger }),
    schedules: createSchedulesService({ schedules: store.schedules, clock }),
    models: registry,
    training: counted(
      createTraining({
        clock,
        entities: store.trainable,
        frames: store.frames,
        labels: store.detection,
        registry,
        artifacts: store.artifacts,
        compute,
        settings: trainingSettings(config),
      }),
      metrics,
    ),
    detection: createDetection({
      clock,
      store: store.detection,
      configs,
      freshness,
      frames: store.frames,
      registry,
      models,
      compute,
      useForests: config.USE_ISOLATION_FOREST,
      onDetected: (level, counts) => metrics.detected(level, counts),
      accounts: createAccountJudge({
        source: store.accounts,
        store: store.detection,
        holidays,
        compute,
        params: judgement.shifts,
      }),
      incidents: store.incidentWriter,
      mutes,
      webhooks,
      params: judgement,
    }),
    intraday: createIntraday({
      clock,
      configs,
      frames: store.hourlyFrames,
      store: store.detection,
      compute,
      params: judgement,
    }),
    anomalies: createAnomalies(store.anomalies),
    incidents,
    features: createFeatures({ source: store.featureSource, store: store.features, freshness }),
    classifiers,
    classification: createClassification({
      clock,
      store: store.classifications,
      features: store.features,
      classifiers,
    }),
    recommendation: createRecommendation({
      clock,
      store: store.recommendations,
      features: store.features,
      configs,
    }),
    registryFigures: rememberFigures(store.registryFigures, () => performance.now()),
    replays: createReplays({
      store: store.replays,
      configs,
      frames: store.frames,
      holidays,
      compute,
      settings: (overrides) => {
        const tried = withOverrides(config, overrides)
        return { params: judgementParams(tried), forests: trainingSettings(tried) }
      },
    }),
    reports: createReports({ clock, store: store.reports, configs, freshness, incidents }),
    series,
    seriesRetention: createSeriesRetention({
      store: store.seriesRegistry,
      files: store.seriesFiles,
      catalogue: series,
      keepVersions: config.SERIES_KEEP_VERSIONS,
    }),
    seriesTraining: createSeriesTraining({
      clock,
      record: store.series,
      files: store.seriesFiles,
      catalogue: series,
      limits: seriesLimits,
      reader: pointReader,
      runs: store.runs,
      enqueue: enqueuer.enqueue,
      compute,
      settings: {
        class: config.SERIES_CLASS,
        models: config.SERIES_MODELS,
        keepPoints: config.SERIES_KEEP_POINTS,
        keepVersions: config.SERIES_KEEP_VERSIONS,
      },
      onTrained: (outcome, seriesClass, seconds) => {
        metrics.trainingEnded(outcome)
        if (outcome !== 'existed') metrics.trainingTook(seriesClass, seconds)
      },
    }),
    seriesLimits,
    predictions,
    seriesStatistics: createSeriesStatistics({ record: store.series, activity: store.seriesActivity }),
    seriesDrift: createSeriesDrift({
      store: store.seriesDrift,
      clock,
      bounds: { warn: config.DRIFT_WARN, alert: config.DRIFT_ALERT },
      onMeasured: (kl) => metrics.driftMeasured(kl),
    }),
    comparisons: createComparisons({ catalogue: series, predictions }),
    plots: createPlots({ catalogue: series, files: store.seriesFiles, predictions, compute }),
    sources: createSources({ configs }),
    webhooks,
    mutes,
    forecasting: createForecasting({
      store: store.forecasts,
      configs,
      freshness,
      entities: store.trainable,
      frames: store.frames,
      compute,
    }),
    retention: createRetention({ housekeeping: store.housekeeping, registry, auditDays: config.AUDIT_DAYS }),
  }
  return { services, queues, carrier, enqueuer, jobs }
}
