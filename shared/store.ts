/** All that is remembered, by the name `buildServices` uses; `db` makes it. */
import type { AuditLog } from './access/audit.ts'
import type { IdempotencyStore } from './access/idempotency.ts'
import type { KeyStore } from './access/keys.ts'
import type { LabelStore } from './classification/train-classifier.ts'
import type { ClassificationStore } from './classification/classifications.ts'
import type { AnomalyStore } from './detection/anomalies.ts'
import type { DetectionStore } from './detection/detection-store.ts'
import type { HourlyFrames } from './detection/intraday.ts'
import type { IncidentWriter } from './detection/incident-store.ts'
import type { AccountSource } from './detection/account-source.ts'
import type { IncidentStore } from './detection/incidents.ts'
import type { ConfigStore } from './entities/configs.ts'
import type { EntityStore } from './entities/entities.ts'
import type { FrameSource } from './entities/frames.ts'
import type { FreshnessStore } from './entities/freshness.ts'
import type { HolidayStore } from './entities/holidays.ts'
import type { ImportStore } from './entities/imports.ts'
import type { InsightStore } from './entities/insights.ts'
import type { FeatureSource } from './features/feature-source.ts'
import type { FeatureStore } from './features/feature-store.ts'
import type { ForecastStore } from './forecasting/forecasts.ts'
import type { MuteStore } from './notify/mutes.ts'
import type { WebhookStore } from './notify/webhooks.ts'
import type { RecommendationStore } from './recommendation/recommendations.ts'
import type { ArtifactStore } from './registry/artifact-store.ts'
import type { ReadFigures } from './registry/figures.ts'
import type { ModelVersions } from './registry/model-versions.ts'
import type { HousekeepingStore } from './retention/retention.ts'
import type { ReportStore } from './report/daily-report.ts'
import type { ReplayStore } from './replay/replay-store.ts'
import type { RunsRepository } from './runs/run.ts'
import type { SchedulesRepository } from './schedules/schedule.ts'
import type { SeriesActivity } from './series/activity.ts'
import type { DriftStore } from './series/drift.ts'
import type { SeriesFiles } from './series/files.ts'
import type { SeriesRegistryStore } from './series/registry-store.ts'
import type { SeriesRecord } from './series/series.ts'
import type { TrainableEntities } from './training/training.ts'

export interface Store {
  readonly accounts: AccountSource
  readonly anomalies: AnomalyStore
  readonly artifacts: ArtifactStore
  readonly audit: AuditLog
  readonly classifications: ClassificationStore
  readonly configs: ConfigStore
  readonly detection: DetectionStore
  readonly entities: EntityStore
  readonly features: FeatureStore
  readonly featureSource: FeatureSource
  readonly forecasts: ForecastStore
  readonly frames: FrameSource
  readonly freshness: FreshnessStore
  readonly holidays: HolidayStore
  readonly hourlyFrames: HourlyFrames
  readonly housekeeping: HousekeepingStore
  readonly idempotency: IdempotencyStore
  readonly imports: ImportStore
  readonly incidents: IncidentStore
  readonly incidentWriter: IncidentWriter
  readonly insights: InsightStore
  readonly keys: KeyStore
  readonly labels: LabelStore
  readonly modelVersions: ModelVersions
  readonly mutes: MuteStore
  readonly recommendations: RecommendationStore
  readonly registryFigures: ReadFigures
  readonly replays: ReplayStore
  readonly reports: ReportStore
  readonly runs: RunsRepository
  readonly schedules: SchedulesRepository
  readonly series: SeriesRecord
  readonly seriesActivity: SeriesActivity
  readonly seriesDrift: DriftStore
  readonly seriesFiles: SeriesFiles
  readonly seriesRegistry: SeriesRegistryStore
  readonly trainable: TrainableEntities
  readonly webhooks: WebhookStore
}
