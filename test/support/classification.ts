/** Tiers over a real database: features as a test says they are, and the service at the hour it says it is. */
import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { classificationStore } from '../../db/repositories/classifications.ts'
import { featureStore } from '../../db/repositories/features.ts'
import type { EntityFeatures } from '../../ml/features/entity-features.ts'
import { toNamed } from '../../ml/features/feature-names.ts'
import { createClassification } from '../../shared/classification/classification.ts'
import type { ClassificationService } from '../../shared/classification/classification.ts'
import type { ClassificationRow } from '../../shared/classification/classifications.ts'
import type { ClassifierSource } from '../../shared/classification/classifier.ts'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { WorkContext, WorkOutcome } from '../../shared/core/work.ts'
import type { StepPayload } from '../../shared/jobs/step.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { insertDays } from './accounts.ts'
import { featuresOf, stepOf } from './features.ts'

const ONLY_RULES: ClassifierSource = { classifierFor: () => Promise.resolve(null) }

/** What a week at this cost per lead looks like, leads coming every day. */
export const weekAt = (cpl: number, leads = 7): Partial<EntityFeatures> => ({
  spend7d: cpl * leads,
  leads7d: leads,
  cpl7d: cpl,
  daysWithLeads7d: 7,
  cplTrend: 0,
  daysActive: 30,
})

/** 30 days up to `lastDay` in which the account pays 20 a lead. */
export const payTwentyALead = (knex: Knex, configId: number, lastDay: string): Promise<void> =>
  insertDays(
    knex,
    configId,
    Array.from({ length: 30 }, (_, i) => ({
      adId: 'ad',
      adsetId: 'set',
      campaignId: 'camp',
      date: toLocalDate(toDayNumber(lastDay) - i),
      spend: 100,
      impressions: 1000,
      clicks: 50,
      leads: 5,
      reach: null,
    })),
  )

/** Features of a level on a day, instead of those known before. */
export const knowFeatures = async (
  knex: Knex,
  configId: number,
  day: string,
  known: Readonly<Record<string, Partial<EntityFeatures>>>,
  level: Level = 'campaign',
): Promise<void> => {
  const place = { config_id: configId, entity_type: level, feature_date: day }
  await knex('ml_features').where(place).delete()
  const rows = Object.entries(known).map(([id, own]) => ({
    ...place,
    entity_id: id,
    parent_id: level === 'campaign' ? null : 'parent',
    watermark: new Date(0),
    features: JSON.stringify(toNamed(featuresOf(own))),
  }))
  for (let i = 0; i < rows.length; i += 1000) await knex('ml_features').insert(rows.slice(i, i + 1000))
}

export interface ClassificationSystem {
  readonly service: (classifiers?: ClassifierSource) => ClassificationService
  startRun(configId: number): Promise<WorkContext>
  /** One whole run as a worker does it. */
  classify(
    configId: number,
    day: string,
    asked?: Partial<StepPayload> & { readonly level?: Level; readonly classifiers?: ClassifierSource },
  ): Promise<WorkOutcome>
  /** All stored tiers of an entity, newest first. */
  historyOf(configId: number, entityId: string, level?: Level): Promise<readonly ClassificationRow[]>
}

export const openClassificationSystem = (knex: Knex, now: () => Date): ClassificationSystem => {
  const service: ClassificationSystem['service'] = (classifiers = ONLY_RULES) =>
    createClassification({
      clock: { now },
      store: classificationStore(knex),
      features: featureStore(knex),
      classifiers,
    })
  const startRun = async (configId: number): Promise<WorkContext> => {
    const runId = randomUUID()
    const run = { id: runId, job: 'classify.campaign', key: runId, queue: 'ml', config_id: configId }
    await knex('runs').insert({ ...run, payload: '{}', status: 'running', attempt: 1, actor: 'test' })
    return {
      signal: new AbortController().signal,
      fence: { runId, attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    }
  }
  return {
    service,
    startRun,
    classify: async (configId, day, { level = 'campaign', classifiers, ...asked } = {}) =>
      service(classifiers).classifyLevel(level, stepOf(configId, day, asked), await startRun(configId)),
    historyOf: async (configId, entityId, level = 'campaign') =>
      (
        await service().list(
          { configId, entityType: level, entityId },
          { page: 1, pageSize: 100, afterId: null },
        )
      ).data,
  }
}
