/** Features as tests say they are, and the service that computes them over a real database. */
import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { configs as configStore } from '../../db/repositories/configs.ts'
import { featureSource } from '../../db/repositories/feature-source.ts'
import { featureStore } from '../../db/repositories/features.ts'
import { freshness as freshnessStore } from '../../db/repositories/freshness.ts'
import type { EntityFeatures } from '../../ml/features/entity-features.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { WorkContext, WorkOutcome } from '../../shared/core/work.ts'
import { createConfigs } from '../../shared/entities/configs.ts'
import { createDataFreshness } from '../../shared/entities/freshness.ts'
import type { FeatureStore } from '../../shared/features/feature-store.ts'
import { createFeatures } from '../../shared/features/features.ts'
import type { StepPayload } from '../../shared/jobs/step.ts'
import { silentLogger } from '../../shared/platform/logger.ts'

const NOTHING_KNOWN: EntityFeatures = {
  spend7d: 0,
  impressions7d: 0,
  clicks7d: 0,
  leads7d: 0,
  cpl7d: null,
  cpc7d: null,
  ctr7d: null,
  conversionRate7d: null,
  spendTrend: 0,
  leadsTrend: 0,
  cplTrend: null,
  ctrTrend: null,
  leads14d: 0,
  cpl14d: null,
  spend30d: 0,
  leads30d: 0,
  cpl30d: null,
  avgDailySpend30d: null,
  cplStd7d: null,
  leadsStd7d: null,
  daysWithLeads7d: 0,
  daysActive: 0,
  reach7d: null,
  reachEstimated: false,
  frequency7d: null,
  isActive: true,
  budgetOwner: null,
  shareOfParentSpend: null,
  shareOfParentLeads: null,
  performanceVsSiblings: null,
  siblingsCpl7d: null,
  siblingsWithLeads7d: 0,
  audienceOverlapScore: null,
  creativeFatigueScore: null,
}

/** Of an entity of which nothing is known but what a test says. */
export const featuresOf = (known: Partial<EntityFeatures> = {}): EntityFeatures => ({
  ...NOTHING_KNOWN,
  ...known,
})

export interface FeatureSystem {
  readonly store: FeatureStore
  /** One whole run as a worker does it. */
  compute(level: Level, payload: StepPayload, signal?: AbortSignal): Promise<WorkOutcome>
  startRun(configId: number, level: Level, signal?: AbortSignal): Promise<WorkContext>
  /** The work of a run that was started. */
  computeAs(level: Level, payload: StepPayload, context: WorkContext): Promise<WorkOutcome>
}

/** Features over a real database. */
export const openFeatureSystem = (knex: Knex): FeatureSystem => {
  const store = featureStore(knex)
  const noArtifacts = { removeConfig: () => Promise.resolve() }
  const configs = createConfigs(configStore(knex), noArtifacts, silentLogger)
  const freshness = createDataFreshness(freshnessStore(knex), configs, silentLogger)
  const service = createFeatures({ source: featureSource(knex), store, freshness })
  const startRun: FeatureSystem['startRun'] = async (
    configId,
    level,
    signal = new AbortController().signal,
  ) => {
    const runId = randomUUID()
    const run = { id: runId, job: `features.${level}`, key: runId, queue: 'ml', config_id: configId }
    await knex('runs').insert({ ...run, payload: '{}', status: 'running', attempt: 1, actor: 'test' })
    return { signal, fence: { runId, attempt: 1 }, logger: silentLogger, progress: () => {} }
  }
  return {
    store,
    startRun,
    computeAs: (level, payload, context) => service.computeLevel(level, payload, context),
    compute: async (level, payload, signal) =>
      service.computeLevel(level, payload, await startRun(payload.configId, level, signal)),
  }
}

/** The step of a config's day as the timetable asks for it. */
export const stepOf = (configId: number, day: string, asked: Partial<StepPayload> = {}): StepPayload => ({
  configId,
  asOf: `${day}T23:00:00.000Z`,
  day,
  watermark: `${day}T22:00:00.000Z`,
  entityIds: null,
  force: false,
  ...asked,
})
