/**
 * The classifiers of a config, one per level: trained on what became of entities and on what people said, and
 * in service only while they do better than the rules on days they have not seen (ads-domain section 5).
 */
import { createHash } from 'node:crypto'
import { CLASSIFIER_INPUTS, classifierInputs } from '../../ml/classify/inputs.ts'
import { classifyByNetwork, decodeNetwork, NETWORK_VERSION } from '../../ml/classify/network.ts'
import type { Network } from '../../ml/classify/network.ts'
import { classifyByRules, saysNothing, tierOfTable } from '../../ml/classify/rules.ts'
import { TIERS } from '../../ml/classify/tier.ts'
import type { Tier } from '../../ml/classify/tier.ts'
import { ArtifactFormatError } from '../../ml/artifact/safetensors.ts'
import type { AccountReference, EntityFeatures } from '../../ml/features/entity-features.ts'
import type { ComputePool } from '../compute.ts'
import type { Clock } from '../core/clock.ts'
import type { LocalDate } from '../core/days.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { FenceLost } from '../core/work.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { messageOf } from '../core/errors.ts'
import type { ArtifactStore } from '../registry/artifact-store.ts'
import type { ModelLoader } from '../registry/model-loader.ts'
import type { ModelRegistry } from '../registry/model-registry.ts'
import type { ClassifierSource } from './classifier.ts'
import type { Score } from './fit-classifier.ts'

const FAMILY = 'classifier'
const ACTOR = 'training'
const MIN_ROWS = 30
const MIN_CLASSES = 2
const MIN_OF_CLASS = 5
const MIN_VALIDATION = 10
const VALIDATION_SHARE = 0.2
/** The newest so many: the older say less, and training stays within a minute. */
const ROWS_MAX = 4000
const INPUTS = CLASSIFIER_INPUTS.length
const CLASSES = TIERS.length

/** An entity on a day, with what is known of it now. */
export interface LabelSource {
  readonly entityId: string
  readonly day: LocalDate
  readonly features: EntityFeatures
  readonly reference: AccountReference
  /** Newest valid feedback on the day's tier. */
  readonly feedback: Tier | null
  /** The seven days after it; null while they are not over, or where nothing is known of them. */
  readonly after: {
    readonly leads7d: number
    readonly spend7d: number
    readonly cpl7d: number | null
    readonly daysWithLeads7d: number
    /** The account's in those days. */
    readonly avgCpl: number | null
  } | null
}

export interface LabelStore {
  /** At most `limit` rows of a level up to `day`, the newest, in the order of day and id. One statement. */
  labelSources(configId: number, level: Level, day: LocalDate, limit: number): Promise<readonly LabelSource[]>
}

export interface ClassifierRequest {
  readonly configId: number
  /** D. */
  readonly day: LocalDate
  /** Null: all levels. */
  readonly entityType: Level | null
}

export interface ClassifierTraining extends ClassifierSource {
  train(request: ClassifierRequest, context: WorkContext): Promise<WorkOutcome>
}

export interface ClassifierParts {
  readonly clock: Clock
  readonly labels: LabelStore
  readonly registry: Pick<ModelRegistry, 'append' | 'markBroken' | 'retract' | 'versionsOf'>
  readonly artifacts: Pick<ArtifactStore, 'stage' | 'discard'>
  readonly models: ModelLoader
  readonly compute: ComputePool
}

export const classifierModelName = (configId: number, level: Level): string =>
  `${FAMILY}/config_${configId}/${level}`

/** Rows with a label, as a thread takes them. */
interface Prepared {
  readonly inputs: Float64Array
  readonly labels: Uint8Array
  readonly rules: Float64Array
  readonly training: number
  readonly validation: Uint32Array
  readonly trainStart: LocalDate
  readonly trainEnd: LocalDate
}

/** Feedback outweighs what became of it, which outweighs the rules. */
export const labelOf = ({
  feedback,
  after,
  features,
  reference,
}: LabelSource): { tier: Tier; later: boolean } | null => {
  if (feedback !== null) return { tier: feedback, later: true }
  const outcome = after && tierOfTable(after, after.avgCpl)
  if (outcome) return { tier: outcome.tier, later: true }
  const rules = classifyByRules(features, reference)
  return rules && { tier: rules.tier, later: false }
}

/** @returns why they are too few, or the rows */
export const prepare = (sources: readonly LabelSource[]): Prepared | 'insufficient_data' => {
  // Of those that say nothing the classifier is never asked.
  const known = sources.flatMap((source) => {
    const label = saysNothing(source.features) ? null : labelOf(source)
    return label ? [{ source, label }] : []
  })
  const days = [...new Set(known.map(({ source }) => source.day))].sort()
  const firstHeldOut = days[days.length - Math.ceil(days.length * VALIDATION_SHARE)]
  if (known.length < MIN_ROWS || firstHeldOut === undefined) return 'insufficient_data'
  const training = known.filter(({ source }) => source.day < firstHeldOut).length
  const ofClass = new Map<Tier, number>()
  for (const { label } of known.slice(0, training))
    ofClass.set(label.tier, (ofClass.get(label.tier) ?? 0) + 1)
  const classes = [...ofClass.values()].filter((count) => count >= MIN_OF_CLASS).length
  const validation = known.flatMap(({ label }, i) => (i >= training && label.later ? [i] : []))
  if (training < MIN_ROWS || classes < MIN_CLASSES || validation.length < MIN_VALIDATION)
    return 'insufficient_data'
  const inputs = new Float64Array(known.length * INPUTS)
  const labels = new Uint8Array(known.length)
  const rules = new Float64Array(known.length * CLASSES)
  known.forEach(({ source, label }, i) => {
    inputs.set(classifierInputs(source.features, source.reference), i * INPUTS)
    labels[i] = TIERS.indexOf(label.tier)
    const said = classifyByRules(source.features, source.reference)
    TIERS.forEach((tier, k) => {
      rules[i * CLASSES + k] = said?.probabilities[tier] ?? 1 / CLASSES
    })
  })
  return {
    inputs,
    labels,
    rules,
    training,
    validation: Uint32Array.from(validation),
    trainStart: days[0] ?? firstHeldOut,
    trainEnd: known[training - 1]?.source.day ?? firstHeldOut,
  }
}

const bytesOf = (array: Float64Array | Uint8Array | Uint32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

const fingerprintOf = ({ inputs, labels, training, validation }: Prepared): string => {
  const hash = createHash('sha256').update(`${NETWORK_VERSION} ${training} `)
  for (const part of [inputs, labels, validation]) hash.update(bytesOf(part))
  return hash.digest('hex')
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

type LevelOutcome =
  | { readonly status: 'trained' | 'reused'; readonly version: number; readonly scores?: object }
  | { readonly status: 'kept_rules'; readonly reason: string; readonly scores?: object }

const wireScores = (network: Score, rules: Score): object => ({
  macro_f1: network.macroF1,
  log_loss: network.logLoss,
  rules_macro_f1: rules.macroF1,
  rules_log_loss: rules.logLoss,
})

export const createClassifierTraining = (parts: ClassifierParts): ClassifierTraining => {
  const { clock, registry, artifacts, compute } = parts

  const trainLevel = async (
    level: Level,
    { configId, day }: ClassifierRequest,
    context: WorkContext,
  ): Promise<LevelOutcome> => {
    const model = classifierModelName(configId, level)
    /** A network that no longer does better must not stay in service. */
    const keepRules = async (reason: string, scores?: object): Promise<LevelOutcome> => {
      await registry.retract(model, context.fence)
      return { status: 'kept_rules', reason, ...(scores ? { scores } : {}) }
    }
    const prepared = prepare(await parts.labels.labelSources(configId, level, day, ROWS_MAX))
    if (prepared === 'insufficient_data') return keepRules(prepared)
    const fingerprint = fingerprintOf(prepared)
    const known = (await registry.versionsOf(model)).find(
      (version) => version.fingerprint === fingerprint && version.state === 'ready',
    )
    if (known) {
      await registry.append({
        configId,
        fence: context.fence,
        actor: ACTOR,
        drafts: [],
        known: [{ model, fingerprint }],
      })
      return { status: 'reused', version: known.version }
    }
    const trainedAt = clock.now()
    const result = await compute.run(
      'fitClassifier',
      { configId, level, ...prepared, trainedAt: trainedAt.toISOString() },
      { signal: context.signal },
    )
    if (result.status === 'no_tensorflow') {
      context.logger.warn('TensorFlow.js could not be loaded; the rules stay', { error: result.error })
      return keepRules(result.status)
    }
    const scores = wireScores(result.network, result.rules)
    if (result.status === 'not_better') return keepRules(result.status, scores)

    const { fence } = context
    const staged = await artifacts.stage(model, result.bytes, `${fence.runId}-${fence.attempt}`)
    try {
      const { outcomes } = await registry.append({
        configId,
        fence,
        actor: ACTOR,
        known: [],
        drafts: [
          {
            model,
            family: FAMILY,
            fingerprint,
            entityKey: `config_${configId}/${level}`,
            entityType: level,
            entityId: null,
            params: { algorithm_version: NETWORK_VERSION, backend: result.backend },
            stats: {
              algorithm_version: NETWORK_VERSION,
              features: CLASSIFIER_INPUTS,
              train_start: prepared.trainStart,
              train_end: prepared.trainEnd,
              metrics: scores,
            },
            points: prepared.training,
            artifactSha256: result.sha256,
            artifactBytes: result.bytes.byteLength,
            trainedAt,
            staged,
          },
        ],
      })
      const [outcome] = outcomes
      if (!outcome || outcome.status === 'save_failed')
        throw new Error(`the classifier could not be saved: ${outcome?.error ?? 'no outcome'}`)
      return { status: outcome.status, version: outcome.version, scores }
    } catch (error) {
      await artifacts.discard(staged).catch(() => {})
      throw error
    }
  }

  return {
    train: async (request, context) => {
      const levels = request.entityType === null ? LEVELS : [request.entityType]
      const counts = { done: 0, skipped: 0, failed: 0 }
      const reasons: Record<string, number> = {}
      const result: Record<string, unknown> = { day: request.day }
      for (const [i, level] of levels.entries()) {
        context.signal.throwIfAborted()
        try {
          const outcome = await trainLevel(level, request, context)
          result[level] = outcome
          if (outcome.status === 'kept_rules') {
            counts.skipped += 1
            reasons['kept_rules'] = (reasons['kept_rules'] ?? 0) + 1
          } else counts.done += 1
        } catch (error) {
          if (error instanceof FenceLost || context.signal.aborted) throw error
          context.logger.error('a classifier could not be trained', { level, error: messageOf(error) })
          counts.failed += 1
          reasons['training_failed'] = (reasons['training_failed'] ?? 0) + 1
          result[level] = { status: 'failed', error: messageOf(error) }
        }
        context.progress((i + 1) / levels.length, counts)
      }
      const status = counts.failed === 0 ? 'succeeded' : counts.failed < levels.length ? 'partial' : 'failed'
      return { status, counts, reasons, result }
    },

    classifierFor: async (configId, level) => {
      const model = classifierModelName(configId, level)
      const stable = (await registry.versionsOf(model)).find(
        (version) => version.aliases.includes('stable') && version.state === 'ready',
      )
      if (!stable) return null
      const loaded = await parts.models.load(stable)
      if (loaded.status === 'broken') return null
      let network: Network
      try {
        network = decodeNetwork(new Uint8Array(loaded.bytes), sha256)
      } catch (error) {
        if (!(error instanceof ArtifactFormatError)) throw error
        await registry.markBroken(stable, error.message)
        return null
      }
      return {
        modelVersion: `${model}@${stable.version}`,
        classify: (features, reference) => classifyByNetwork(network, classifierInputs(features, reference)),
      }
    },
  }
}
