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
import { toDayNumber } from '../core/days.ts'
import type { LocalDate } from '../core/days.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { wireNumber } from '../core/wire.ts'
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
export const MIN_ROWS = 30
const MIN_CLASSES = 2
const MIN_OF_CLASS = 5
export const MIN_VALIDATION = 10
const VALIDATION_SHARE = 0.2
/** Older days say less of the account as it is. */
const DAYS_MAX = 180
/** A second or two of training; larger levels are thinned out evenly over the days. */
const ROWS_MAX = 4000
/** Days a label by outcome looks ahead. */
const OUTCOME_DAYS = 7
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

export interface LabelBounds {
  readonly days: number
  readonly limit: number
}

export interface LabelStore {
  /**
   * Rows of a level on the `days` that end with `day`, in the order of day and id. Are there more than `limit`,
   * then all that people spoke about and equally many of the others from each day; the same of the same. One
   * statement.
   */
  labelSources(
    configId: number,
    level: Level,
    day: LocalDate,
    bounds: LabelBounds,
  ): Promise<readonly LabelSource[]>
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

/** Rows with a label, as a thread takes them: first those that train, then those that judge. */
export interface Prepared {
  readonly status: 'ready'
  readonly inputs: Float64Array
  readonly labels: Uint8Array
  readonly rules: Float64Array
  readonly training: number
  readonly trainStart: LocalDate
  readonly trainEnd: LocalDate
  readonly samples: Samples
}

/** What there was to learn from. */
export interface Samples {
  /** With a label. */
  readonly rows: number
  /** Tiers that at least five rows have. */
  readonly classes: number
  readonly training: number
  readonly validation: number
}

export type LabelOrigin = 'feedback' | 'outcome' | 'rules'

/** Feedback outweighs what became of it, which outweighs the rules; null where none says anything. */
export const labelOf = ({
  feedback,
  after,
  features,
  reference,
}: LabelSource): { readonly tier: Tier; readonly origin: LabelOrigin } | null => {
  if (feedback !== null) return { tier: feedback, origin: 'feedback' }
  const outcome = after && tierOfTable(after, after.avgCpl)
  if (outcome) return { tier: outcome.tier, origin: 'outcome' }
  const rules = classifyByRules(features, reference)
  return rules && { tier: rules.tier, origin: 'rules' }
}

/**
 * The newest fifth of the days judges, by what people said and what became of entities. A row whose outcome
 * reaches into those days does not train: its label and theirs are largely the same days, and a network that
 * remembered it would seem to know what it cannot (purging: Lopez de Prado, Advances in Financial Machine
 * Learning, chapter 7).
 * @param sources in the order of day
 */
export const prepare = (
  sources: readonly LabelSource[],
): Prepared | { readonly status: 'insufficient_data'; readonly samples: Samples } => {
  // Of those that say nothing the classifier is never asked.
  const known = sources.flatMap((source) => {
    const label = saysNothing(source.features) ? null : labelOf(source)
    return label ? [{ source, ...label }] : []
  })
  const days = [...new Set(known.map(({ source }) => source.day))].sort()
  const firstJudging = days[days.length - Math.ceil(days.length * VALIDATION_SHARE)] ?? ''
  const judgingFrom = toDayNumber(firstJudging)
  const knownOn = ({ source, origin }: (typeof known)[number]): number =>
    toDayNumber(source.day) + (origin === 'outcome' ? OUTCOME_DAYS : 0)
  const training = known.filter((row) => knownOn(row) < judgingFrom)
  const judging = known.filter(({ source, origin }) => source.day >= firstJudging && origin !== 'rules')
  const rowsOf = (tier: Tier): number => known.filter((row) => row.tier === tier).length
  const samples: Samples = {
    rows: known.length,
    classes: TIERS.filter((tier) => rowsOf(tier) >= MIN_OF_CLASS).length,
    training: training.length,
    validation: judging.length,
  }
  const [first] = training
  const last = training.at(-1)
  if (
    samples.rows < MIN_ROWS ||
    samples.classes < MIN_CLASSES ||
    samples.validation < MIN_VALIDATION ||
    !first ||
    !last ||
    training.every(({ tier }) => tier === first.tier)
  )
    return { status: 'insufficient_data', samples }
  const rows = [...training, ...judging]
  const inputs = new Float64Array(rows.length * INPUTS)
  const labels = new Uint8Array(rows.length)
  const rules = new Float64Array(rows.length * CLASSES)
  rows.forEach(({ source, tier }, i) => {
    inputs.set(classifierInputs(source.features, source.reference), i * INPUTS)
    labels[i] = TIERS.indexOf(tier)
    const said = classifyByRules(source.features, source.reference)
    TIERS.forEach((one, k) => {
      rules[i * CLASSES + k] = said?.probabilities[one] ?? 1 / CLASSES
    })
  })
  return {
    status: 'ready',
    inputs,
    labels,
    rules,
    training: training.length,
    trainStart: first.source.day,
    trainEnd: last.source.day,
    samples,
  }
}

const bytesOf = (array: Float64Array | Uint8Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

const fingerprintOf = ({ inputs, labels, training }: Prepared): string => {
  const hash = createHash('sha256').update(`${NETWORK_VERSION} ${training} `)
  for (const part of [inputs, labels]) hash.update(bytesOf(part))
  return hash.digest('hex')
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

interface WireScores {
  readonly macro_f1: number | null
  readonly log_loss: number | null
  readonly rules_macro_f1: number | null
  readonly rules_log_loss: number | null
}

type KeptReason = 'insufficient_data' | 'no_tensorflow' | 'not_better'

/** Of a level, in the result of the run. */
export type ClassifierOutcome = { readonly samples: Samples; readonly scores?: WireScores } & (
  | { readonly status: 'trained' | 'reused'; readonly version: number }
  | { readonly status: 'kept_rules'; readonly reason: KeptReason }
)

const wireScores = (network: Score, rules: Score): WireScores => ({
  macro_f1: wireNumber(network.macroF1),
  log_loss: wireNumber(network.logLoss),
  rules_macro_f1: wireNumber(rules.macroF1),
  rules_log_loss: wireNumber(rules.logLoss),
})

export const createClassifierTraining = (parts: ClassifierParts): ClassifierTraining => {
  const { clock, registry, artifacts, compute } = parts

  const trainLevel = async (
    level: Level,
    { configId, day }: ClassifierRequest,
    context: WorkContext,
  ): Promise<ClassifierOutcome> => {
    const model = classifierModelName(configId, level)
    const bounds = { days: DAYS_MAX, limit: ROWS_MAX }
    const prepared = prepare(await parts.labels.labelSources(configId, level, day, bounds))
    const { samples } = prepared
    /** A network that no longer does better must not stay in service. */
    const keepRules = async (reason: KeptReason, scores?: WireScores): Promise<ClassifierOutcome> => {
      await registry.retract(model, context.fence)
      return { status: 'kept_rules', reason, samples, ...(scores ? { scores } : {}) }
    }
    if (prepared.status === 'insufficient_data') return keepRules(prepared.status)
    const fingerprint = fingerprintOf(prepared)
    const known = (await registry.versionsOf(model)).find(
      (version) => version.fingerprint === fingerprint && version.state === 'ready',
    )
    if (known) {
      const { outcomes } = await registry.append({
        configId,
        fence: context.fence,
        actor: ACTOR,
        drafts: [],
        known: [{ model, fingerprint }],
      })
      // Otherwise its file is gone: it is trained anew, under its number.
      if (outcomes[0]?.status === 'reused') return { status: 'reused', version: known.version, samples }
    }
    const trainedAt = clock.now()
    const { inputs, labels, rules, training, trainStart, trainEnd } = prepared
    const task = { configId, level, inputs, labels, rules, training, trainStart, trainEnd }
    const result = await compute.run(
      'fitClassifier',
      { ...task, trainedAt: trainedAt.toISOString() },
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
              train_start: trainStart,
              train_end: trainEnd,
              metrics: scores,
            },
            points: training,
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
      return { status: outcome.status, version: outcome.version, samples, scores }
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
