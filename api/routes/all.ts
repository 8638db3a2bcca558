/** The route table. */
import type { Route } from '../route.ts'
import { accessRoutes } from './access.ts'
import { anomalyRoutes } from './anomalies.ts'
import { classificationRoutes } from './classifications.ts'
import { configRoutes } from './configs.ts'
import { entityRoutes } from './entities.ts'
import { featureRoutes } from './features.ts'
import { forecastRoutes } from './forecasts.ts'
import { holidayRoutes } from './holidays.ts'
import { importRoutes } from './imports.ts'
import { incidentRoutes } from './incidents.ts'
import { insightRoutes } from './insights.ts'
import { modelRoutes } from './models.ts'
import { muteRoutes } from './mutes.ts'
import { recommendationRoutes } from './recommendations.ts'
import { replayRoutes } from './replay.ts'
import { reportRoutes } from './reports.ts'
import { runRoutes } from './runs.ts'
import { scheduleRoutes } from './schedules.ts'
import { seriesCatalogueRoutes } from './series/catalogue.ts'
import { seriesCompareRoutes } from './series/compare.ts'
import { seriesDriftRoutes } from './series/drift.ts'
import { seriesStatsRoutes } from './series/stats.ts'
import { seriesPredictionRoutes } from './series/predict.ts'
import { seriesTrainingRoutes } from './series/train.ts'
import { webhookRoutes } from './webhooks.ts'

export const allRoutes: readonly Route[] = [
  ...configRoutes,
  ...holidayRoutes,
  ...importRoutes,
  ...entityRoutes,
  ...insightRoutes,
  ...anomalyRoutes,
  ...incidentRoutes,
  ...replayRoutes,
  ...featureRoutes,
  ...classificationRoutes,
  ...recommendationRoutes,
  ...reportRoutes,
  ...forecastRoutes,
  ...modelRoutes,
  ...seriesTrainingRoutes,
  ...seriesPredictionRoutes,
  ...seriesStatsRoutes,
  ...seriesCompareRoutes,
  ...seriesDriftRoutes,
  // Last of the series: what has a name of its own stands before `:version`.
  ...seriesCatalogueRoutes,
  ...webhookRoutes,
  ...muteRoutes,
  ...runRoutes,
  ...scheduleRoutes,
  ...accessRoutes,
]
