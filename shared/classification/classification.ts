/** Tiers of a config's entities: made from a day's features, listed, corrected by people. */
import { classifyByRules, RULES_VERSION, saysNothing } from '../../ml/classify/rules.ts'
import { TIERS } from '../../ml/classify/tier.ts'
import { toNamed } from '../../ml/features/feature-names.ts'
import type { AccountReference } from '../../ml/features/entity-features.ts'
import type { Clock } from '../core/clock.ts'
import type { Level } from '../core/entity.ts'
import { AppError } from '../core/errors.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { FeatureReader, FeatureRow } from '../features/feature-store.ts'
import type { StepPayload } from '../jobs/step.ts'
import type {
  ClassificationFilter,
  ClassificationRow,
  ClassificationStore,
  FeedbackRow,
  TierDraft,
  TierFeedback,
} from './classifications.ts'
import type { ClassifierSource, TierClassifier } from './classifier.ts'

const VALID_MS = 86_400_000

export interface ClassificationService {
  /** Classifies the entities of a level by the features of the payload's day. */
  classifyLevel(level: Level, payload: StepPayload, context: WorkContext): Promise<WorkOutcome>
  list(filter: ClassificationFilter, page: PageRequest): Promise<Page<ClassificationRow>>
  /** @throws AppError NOT_FOUND */
  get(id: number): Promise<ClassificationRow>
  /** @throws AppError NOT_FOUND */
  correct(feedback: TierFeedback): Promise<FeedbackRow>
}

export interface ClassificationParts {
  readonly clock: Clock
  readonly store: ClassificationStore
  readonly features: Pick<FeatureReader, 'ofLevel' | 'accountReference'>
  readonly classifiers: ClassifierSource
}

const draftOf = (
  { entityId, parentId, features }: FeatureRow,
  reference: AccountReference,
  classifier: TierClassifier | null,
): TierDraft | null => {
  if (saysNothing(features)) return null
  const classified = classifier
    ? classifier.classify(features, reference)
    : classifyByRules(features, reference)
  if (!classified) return null
  const { avgCpl, avgCtr, avgConversionRate } = reference
  return {
    entityId,
    parentId,
    classified,
    snapshot: {
      ...toNamed(features),
      avg_cpl: avgCpl,
      avg_ctr: avgCtr,
      avg_conversion_rate: avgConversionRate,
    },
    modelVersion: classifier?.modelVersion ?? RULES_VERSION,
  }
}

export const createClassification = (parts: ClassificationParts): ClassificationService => {
  const { clock, store, features, classifiers } = parts
  const get = async (id: number): Promise<ClassificationRow> => {
    const row = await store.find(id)
    if (!row) {
      throw new AppError(
        'NOT_FOUND',
        `there is no classification ${id}; list them with GET /api/v1/ml/classifications`,
      )
    }
    return row
  }
  return {
    classifyLevel: async (level, payload, context) => {
      const { configId, day, entityIds, force } = payload
      const now = clock.now()
      const target = { configId, level, day, watermark: new Date(payload.watermark) }
      const [rows, reference, classifier, known] = await Promise.all([
        features.ofLevel(configId, level, day, entityIds ?? undefined),
        features.accountReference(configId, day),
        classifiers.classifierFor(configId, level),
        force ? new Set<string>() : store.upToDate(target, now),
      ])
      context.signal.throwIfAborted()
      const drafts: TierDraft[] = []
      const silent: string[] = []
      for (const row of rows) {
        if (known.has(row.entityId)) continue
        const draft = draftOf(row, reference, classifier)
        if (draft) drafts.push(draft)
        else silent.push(row.entityId)
      }
      const { written, changed, withdrawn } = await store.write(context.fence, target, {
        drafts,
        saysNothing: silent,
        classifiedAt: now,
        validUntil: new Date(now.getTime() + VALID_MS),
      })
      const upToDate = rows.length - silent.length - written
      const unknown = entityIds ? new Set(entityIds).size - rows.length : 0
      const tiers = Object.fromEntries(
        TIERS.map((tier) => [tier, drafts.filter(({ classified }) => classified.tier === tier).length]),
      )
      return {
        status: 'succeeded',
        counts: { done: written, skipped: upToDate + silent.length + unknown, failed: 0 },
        reasons: {
          ...(upToDate > 0 ? { up_to_date: upToDate } : {}),
          ...(silent.length > 0 ? { insufficient_data: silent.length } : {}),
          ...(unknown > 0 ? { no_data: unknown } : {}),
        },
        result: {
          day,
          watermark: payload.watermark,
          model_version: classifier?.modelVersion ?? RULES_VERSION,
          tiers,
          changed,
          withdrawn,
        },
      }
    },
    list: (filter, page) => store.list(filter, page),
    get,
    correct: async (feedback) => {
      await get(feedback.classificationId)
      return store.addFeedback(feedback)
    },
  }
}
