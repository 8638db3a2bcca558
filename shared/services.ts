/**
 * All services, by the name jobs, routes and commands use. Each part adds its line here and its
 * factory call in `buildServices`.
 */
import type { AuditLog } from './access/audit.ts'
import type { Keys } from './access/keys.ts'
import type { ClassificationService } from './classification/classification.ts'
import type { ClassifierTraining } from './classification/train-classifier.ts'
import type { Clock } from './core/clock.ts'
import type { AnomaliesService } from './detection/anomalies.ts'
import type { DetectionService } from './detection/detection.ts'
import type { IntradayService } from './detection/intraday.ts'
import type { IncidentsService } from './detection/incidents.ts'
import type { Configs } from './entities/configs.ts'
import type { Entities } from './entities/entities.ts'
import type { DataFreshness } from './entities/freshness.ts'
import type { HolidaysService } from './entities/holidays.ts'
import type { Imports } from './entities/imports.ts'
import type { Insights } from './entities/insights.ts'
import type { FeaturesService } from './features/features.ts'
import type { ForecastingService } from './forecasting/forecasting.ts'
import type { Enqueue, EnqueueMany } from './jobs/enqueue.ts'
import type { RetentionWork } from './jobs/maintenance.ts'
import type { ConfigSweep } from './jobs/sweep.ts'
import type { TrainingWork } from './jobs/training.ts'
import type { Mutes } from './notify/mutes.ts'
import type { Notifications } from './notify/notifications.ts'
import type { RecommendationService } from './recommendation/recommendation.ts'
import type { ReadFigures } from './registry/figures.ts'
import type { Tracer } from './platform/tracer.ts'
import type { ModelRegistry } from './registry/model-registry.ts'
import type { ReplayService } from './replay/replay-config.ts'
import type { ReportService } from './report/daily-report.ts'
import type { RunsService } from './runs/runs-service.ts'
import type { SchedulesService } from './schedules/schedules-service.ts'
import type { SeriesRetentionWork } from './jobs/series.ts'
import type { SeriesCatalogue } from './series/catalogue.ts'
import type { SeriesDrift } from './series/drift.ts'
import type { Comparisons } from './series/compare.ts'
import type { SeriesLimits } from './series/limits.ts'
import type { Plots } from './series/plot.ts'
import type { SeriesStatistics } from './series/statistics.ts'
import type { Predictions } from './series/predictions.ts'
import type { SeriesTraining } from './series/training.ts'
import type { SourceWork } from './sync/sources.ts'

export interface Services {
  readonly clock: Clock
  readonly tracer: Tracer
  readonly keys: Keys
  readonly audit: AuditLog
  readonly configs: Configs
  readonly imports: Imports
  readonly entities: Entities
  readonly holidays: HolidaysService
  readonly insights: Insights
  readonly freshness: DataFreshness
  readonly enqueue: Enqueue
  readonly enqueueMany: EnqueueMany
  readonly runs: RunsService
  readonly schedules: SchedulesService
  readonly sweeps: ConfigSweep
  readonly training: TrainingWork
  readonly models: ModelRegistry
  readonly detection: DetectionService
  readonly intraday: IntradayService
  readonly anomalies: AnomaliesService
  readonly incidents: IncidentsService
  readonly features: FeaturesService
  readonly forecasting: ForecastingService
  readonly classifiers: ClassifierTraining
  readonly classification: ClassificationService
  readonly recommendation: RecommendationService
  /** Asked of the store at most every 15 s. */
  readonly registryFigures: ReadFigures
  readonly replays: ReplayService
  readonly reports: ReportService
  readonly retention: RetentionWork
  readonly seriesLimits: SeriesLimits
  readonly series: SeriesCatalogue
  readonly seriesRetention: SeriesRetentionWork
  readonly seriesTraining: SeriesTraining
  readonly predictions: Predictions
  readonly comparisons: Comparisons
  readonly seriesDrift: SeriesDrift
  readonly plots: Plots
  readonly seriesStatistics: SeriesStatistics
  readonly sources: SourceWork
  readonly webhooks: Notifications
  readonly mutes: Mutes
}
