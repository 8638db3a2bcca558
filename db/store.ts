/** Every repository over one database and one folder of artifacts. */
import type { Knex } from 'knex'
import type { Store } from '../shared/store.ts'
import { fileArtifactStore } from './artifacts/file-store.ts'
import { seriesFiles } from './artifacts/series-files.ts'
import { accountSource } from './repositories/account-source.ts'
import { auditLog, idempotencyStore, keyStore } from './repositories/access.ts'
import { anomalyStore, detectionStore } from './repositories/anomalies.ts'
import { classificationStore } from './repositories/classifications.ts'
import { configs } from './repositories/configs.ts'
import { dailyReport } from './repositories/daily-report.ts'
import { entities } from './repositories/entities.ts'
import { featureSource } from './repositories/feature-source.ts'
import { featureStore } from './repositories/features.ts'
import { forecastStore } from './repositories/forecasts.ts'
import { frameSource } from './repositories/frames.ts'
import { freshness } from './repositories/freshness.ts'
import { holidayStore } from './repositories/holidays.ts'
import { hourlyFrames } from './repositories/hourly-frames.ts'
import { housekeeping } from './repositories/housekeeping.ts'
import { imports } from './repositories/imports.ts'
import { incidentStore, incidentWriter } from './repositories/incidents.ts'
import { insights } from './repositories/insights.ts'
import { labelSources } from './repositories/label-sources.ts'
import { modelVersions } from './repositories/model-versions.ts'
import { muteStore } from './repositories/mutes.ts'
import { recommendationStore } from './repositories/recommendations.ts'
import { registryFigures } from './repositories/registry-figures.ts'
import { replayStore } from './repositories/replays.ts'
import { runs } from './repositories/runs.ts'
import { schedules } from './repositories/schedules.ts'
import { seriesRegistryStore } from './repositories/series-registry.ts'
import { seriesDriftStore } from './repositories/series-drift.ts'
import { seriesActivity } from './repositories/series-activity.ts'
import { seriesRecord } from './repositories/series.ts'
import { trainableEntities } from './repositories/trainable-entities.ts'
import { webhookStore } from './repositories/webhooks.ts'

/** @param artifactRoot folder of the artifacts, e.g. `models_storage` */
export const createStore = (knex: Knex, artifactRoot: string): Store => ({
  accounts: accountSource(knex),
  anomalies: anomalyStore(knex),
  artifacts: fileArtifactStore(artifactRoot),
  audit: auditLog(knex),
  classifications: classificationStore(knex),
  configs: configs(knex),
  detection: detectionStore(knex),
  entities: entities(knex),
  features: featureStore(knex),
  featureSource: featureSource(knex),
  forecasts: forecastStore(knex),
  frames: frameSource(knex),
  freshness: freshness(knex),
  holidays: holidayStore(knex),
  hourlyFrames: hourlyFrames(knex),
  housekeeping: housekeeping(knex),
  idempotency: idempotencyStore(knex),
  imports: imports(knex),
  incidents: incidentStore(knex),
  incidentWriter: incidentWriter(knex),
  insights: insights(knex),
  keys: keyStore(knex),
  labels: labelSources(knex),
  modelVersions: modelVersions(knex),
  mutes: muteStore(knex),
  recommendations: recommendationStore(knex),
  registryFigures: registryFigures(knex),
  replays: replayStore(knex),
  reports: dailyReport(knex),
  runs: runs(knex),
  schedules: schedules(knex),
  series: seriesRecord(knex),
  seriesActivity: seriesActivity(knex),
  seriesDrift: seriesDriftStore(knex),
  seriesFiles: seriesFiles(artifactRoot),
  seriesRegistry: seriesRegistryStore(knex),
  trainable: trainableEntities(knex),
  webhooks: webhookStore(knex),
})
