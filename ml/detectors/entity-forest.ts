/**
 * The forest of one campaign, ad set or ad (ads-domain section 2): its daily features, a fit with
 * out-of-fold scores to read a score as a rarity, and the share each feature has in a score.
 * Scores here are turned round: 0 normal, 1 anomalous.
 */
import {
  decodeSafetensors,
  encodeSafetensors,
  tensorBytes,
  ArtifactFormatError,
} from '../artifact/safetensors.ts'
import type { Tensor } from '../artifact/safetensors.ts'
import { rowOf, totalsOf } from '../frame.ts'
import type { DailyFrame, DayNumber } from '../frame.ts'
import { ctrOf, frequencyOf } from '../ratios.ts'
import { quantileSorted } from '../stats/quantile.ts'
import type { ForestVerdict } from './forest-signal.ts'
import { createScorer, drawSeeds, fitForest, fitScorer, ForestShapeError } from './isolation-forest.ts'
import type { ForestParams, ForestScorer, ForestSeeds, ForestState } from './isolation-forest.ts'

/** Changes whenever the same days and parameters would give other tensors. */
export const ALGORITHM_VERSION = 'isolation_forest@1'
export const FORMAT = 'vigia.model/1'
const FAMILY = 'anomaly_detector'

export const FEATURES = ['spend', 'cpl', 'ctr', 'frequency', 'leads'] as const
export type Feature = (typeof FEATURES)[number]

const FOLDS = 5
const FOLD_TREES = 20
/** Scores beyond this out-of-fold quantile are read off an exponential tail. */
const TAIL_QUANTILE = 0.9
const TAIL_SHARE = 0.1
const LEAST_RARITY = 1e-6
/** Scores nearer to each other are the same sum of path lengths, added in another order. */
const SAME_SCORE = 1e-9

export interface EntityForestParams {
  readonly trees: number
  readonly contamination: number
  readonly randomState: number
}

export interface EntityMatrix {
  /** Row-major, n x features.length, one row per day with impressions. */
  readonly rows: Float64Array
  readonly n: number
  readonly features: readonly Feature[]
  /** Cost per lead that days without leads are smoothed towards; null when the cpl column is dropped. */
  readonly cplRef: number | null
}

/** Features of row `i` of `frame`, written to `out` from `at` on. */
export const writeFeatures = (
  frame: DailyFrame,
  i: number,
  features: readonly Feature[],
  cplRef: number | null,
  out: Float64Array | Float32Array,
  at: number,
): void => {
  const spend = frame.spend[i] as number
  const impressions = frame.impressions[i] as number
  const leads = frame.leads[i] as number
  for (let f = 0; f < features.length; f += 1) {
    let value = 0
    switch (features[f] as Feature) {
      case 'spend':
        value = spend
        break
      case 'cpl':
        value = (spend + (cplRef ?? 0)) / (leads + 1)
        break
      case 'ctr':
        value = ctrOf(frame.clicks[i] as number, impressions)
        break
      case 'frequency':
        value = frequencyOf(impressions, frame.reach[i] as number)
        if (Number.isNaN(value)) value = 1
        break
      case 'leads':
        value = leads
        break
    }
    out[at + f] = value
  }
}

/**
 * The training matrix of the days in `frame` (the training window, nothing else).
 * @param ancestorCpl spend / leads of the nearest ancestor with leads, or null
 * @param excludedDays days labelled true_positive
 */
export const buildEntityMatrix = (
  frame: DailyFrame,
  ancestorCpl: number | null,
  excludedDays: ReadonlySet<DayNumber>,
): EntityMatrix => {
  const totals = totalsOf(frame)
  const cplRef = totals.leads > 0 ? totals.spend / totals.leads : ancestorCpl
  const features = cplRef === null ? FEATURES.filter((feature) => feature !== 'cpl') : FEATURES
  const width = features.length
  const rows = new Float64Array(frame.days.length * width)
  let n = 0
  for (let i = 0; i < frame.days.length; i += 1) {
    if (!((frame.impressions[i] as number) > 0) || excludedDays.has(frame.days[i] as number)) continue
    writeFeatures(frame, i, features, cplRef, rows, n * width)
    n += 1
  }
  return { rows: rows.subarray(0, n * width), n, features, cplRef }
}

export interface EntityForest {
  readonly forest: ForestState
  readonly features: readonly Feature[]
  readonly cplRef: number | null
  /** A day is anomalous when its score is strictly above: the negated offset. */
  readonly threshold: number
  /** Scores of the training days by forests that did not see them, ascending. */
  readonly oofScores: Float64Array
  /** Per feature, of the training days. */
  readonly medians: Float64Array
  readonly q05: Float64Array
  readonly q95: Float64Array
  readonly samples: number
}

const forestParams = (params: EntityForestParams, trees: number): ForestParams => ({
  trees,
  maxSamples: 'auto',
  maxFeatures: 1,
  contamination: params.contamination,
  randomState: params.randomState,
})

/** Seeds all forests of one set of parameters share; drawing them costs more than a fit. */
export interface EntityForestSeeds {
  readonly whole: ForestSeeds
  readonly fold: ForestSeeds
}

export const drawEntityForestSeeds = (params: EntityForestParams): EntityForestSeeds => ({
  whole: drawSeeds(params.randomState, params.trees),
  fold: drawSeeds(params.randomState, FOLD_TREES),
})

/** Each day scored by a forest of 20 trees grown without its fold (row index mod 5). */
const scoreOutOfFold = (
  matrix: EntityMatrix,
  params: EntityForestParams,
  seeds: ForestSeeds,
): Float64Array => {
  const { rows, n, features } = matrix
  const width = features.length
  const scores = new Float64Array(n)
  const kept = new Float64Array(n * width)
  const row = new Float32Array(width)
  for (let fold = 0; fold < FOLDS; fold += 1) {
    let k = 0
    for (let i = 0; i < n; i += 1) {
      if (i % FOLDS === fold) continue
      for (let c = 0; c < width; c += 1) kept[k * width + c] = rows[i * width + c] as number
      k += 1
    }
    const scorer = fitScorer(kept, k, width, forestParams(params, FOLD_TREES), seeds)
    for (let i = fold; i < n; i += FOLDS) {
      for (let c = 0; c < width; c += 1) row[c] = rows[i * width + c] as number
      scores[i] = -scorer.scoreRow(row)
    }
  }
  return scores.sort()
}

/**
 * As `fitEntityForest`, for who keeps no artifact: the out-of-fold scores, half of a fit, are made when they are first
 * asked for, which is when a day is told to be odd.
 * @param matrix at least 2 rows
 */
export const fitForJudging = (
  matrix: EntityMatrix,
  params: EntityForestParams,
  seeds: EntityForestSeeds,
): EntityJudge => {
  const { rows, n, features, cplRef } = matrix
  const width = features.length
  const { state, scorer } = fitForest(rows, n, width, forestParams(params, params.trees), seeds.whole)
  const medians = new Float64Array(width)
  const q05 = new Float64Array(width)
  const q95 = new Float64Array(width)
  const column = new Float64Array(n)
  for (let c = 0; c < width; c += 1) {
    for (let i = 0; i < n; i += 1) column[i] = rows[i * width + c] as number
    column.sort()
    medians[c] = quantileSorted(column, 0.5)
    q05[c] = quantileSorted(column, 0.05)
    q95[c] = quantileSorted(column, 0.95)
  }
  let oofScores: Float64Array | undefined
  const model: EntityForest = {
    forest: state,
    features,
    cplRef,
    threshold: -state.offset,
    get oofScores() {
      return (oofScores ??= scoreOutOfFold(matrix, params, seeds.fold))
    },
    medians,
    q05,
    q95,
    samples: n,
  }
  return { model, scorer }
}

/** @param matrix at least 2 rows */
export const fitEntityForest = (
  matrix: EntityMatrix,
  params: EntityForestParams,
  seeds: EntityForestSeeds = drawEntityForestSeeds(params),
): EntityForest => ({ ...fitForJudging(matrix, params, seeds).model })

/** First index whose value is >= `value`. */
const firstAtLeast = (sorted: Float64Array, value: number): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** How rare a score is among the out-of-fold scores, in [1e-6, 1]. */
export const rarityOf = (oofScores: Float64Array, score: number): number => {
  const n = oofScores.length
  const q = quantileSorted(oofScores, TAIL_QUANTILE)
  if (score <= q + SAME_SCORE) return (1 + n - firstAtLeast(oofScores, score - SAME_SCORE)) / (n + 1)
  let excess = 0
  let beyond = 0
  for (let i = n - 1; i >= 0 && (oofScores[i] as number) > q + SAME_SCORE; i -= 1) {
    excess += (oofScores[i] as number) - q
    beyond += 1
  }
  // All folds alike: there is no tail to measure, whatever lies beyond is as rare as can be said.
  if (beyond === 0) return LEAST_RARITY
  return Math.max(LEAST_RARITY, TAIL_SHARE * Math.exp(-(score - q) / (excess / beyond)))
}

/** An `EntityForest` ready to judge days. */
export interface EntityJudge {
  readonly model: EntityForest
  readonly scorer: ForestScorer
}

export const createJudge = (model: EntityForest): EntityJudge => ({
  model,
  // Of most entities a day or two are asked for.
  scorer: createScorer(model.forest, true),
})

/**
 * Judges one row of the judge's features; null when a value is no finite number.
 * The contribution of a feature is what the score loses when the feature is put at its training median.
 */
export const judgeValues = ({ model, scorer }: EntityJudge, values: Float64Array): ForestVerdict | null => {
  const { features, medians } = model
  const width = features.length
  const row = Float32Array.from(values)
  if (!row.every((value) => Number.isFinite(value))) return null
  const score = -scorer.scoreRow(row)
  const contributions = new Float64Array(width)
  let sum = 0
  for (let c = 0; c < width; c += 1) {
    const held = row[c] as number
    row[c] = medians[c] as number
    const loss = Math.max(0, score + scorer.scoreRow(row))
    row[c] = held
    contributions[c] = loss
    sum += loss
  }
  // No single feature explains it: each has the same share.
  for (let c = 0; c < width; c += 1)
    contributions[c] = sum > 0 ? (contributions[c] as number) / sum : 1 / width
  return {
    score,
    threshold: model.threshold,
    isAnomaly: score > model.threshold,
    // Nobody asks it of a usual day, and the scores it is read off may have to be made first.
    get rarity() {
      return rarityOf(model.oofScores, score)
    },
    features,
    contributions,
    values,
    medians,
    q05: model.q05,
    q95: model.q95,
  }
}

/** Judges `day` of `frame`; null on a day without impressions (or without a row), which is never scored. */
export const judgeDay = (judge: EntityJudge, frame: DailyFrame, day: DayNumber): ForestVerdict | null => {
  const i = rowOf(frame.days, day)
  if (i < 0 || !((frame.impressions[i] as number) > 0)) return null
  const { features, cplRef } = judge.model
  const values = new Float64Array(features.length)
  writeFeatures(frame, i, features, cplRef, values, 0)
  return judgeValues(judge, values)
}

/** sha256 in hex; handed in, since algorithms know no platform. */
export type Sha256 = (...parts: readonly (Uint8Array | string)[]) => string

/** Names what a fit depends on: equal fingerprints give equal tensors. */
export const fingerprintOf = (
  matrix: EntityMatrix,
  params: EntityForestParams,
  sha256: Sha256,
  algorithm = ALGORITHM_VERSION,
): string => {
  const { trees, contamination, randomState } = params
  const head = JSON.stringify([algorithm, matrix.features, matrix.cplRef, trees, contamination, randomState])
  return sha256(
    `${head}\n`,
    new Uint8Array(matrix.rows.buffer, matrix.rows.byteOffset, matrix.rows.byteLength),
  )
}

/** What an artifact says of itself besides its numbers. Days are `YYYY-MM-DD`, the instant ISO 8601. */
export interface ArtifactIdentity {
  readonly configId: number
  readonly entityType: string
  readonly entityId: string
  readonly trainStart: string
  readonly trainEnd: string
  readonly trainedAt: string
}

export const encodeEntityForest = (
  model: EntityForest,
  params: EntityForestParams,
  identity: ArtifactIdentity,
  sha256: Sha256,
): Uint8Array => {
  const { entityType, entityId } = identity
  const whose = [
    ['entity_type', entityType],
    ['entity_id', entityId],
  ] as const
  return encodeForest(ALGORITHM_VERSION, model, params, { ...identity, whose }, sha256)
}

/** @param identity `whose`: metadata that says of whom the model is */
export const encodeForest = (
  algorithm: string,
  model: EntityForest,
  params: EntityForestParams,
  identity: Omit<ArtifactIdentity, 'entityType' | 'entityId'> & {
    readonly whose: readonly (readonly [key: string, value: string])[]
  },
  sha256: Sha256,
): Uint8Array => {
  const { forest } = model
  const tensors = new Map<string, Tensor>([
    // The checksum covers tensors: what judges a day is among them, the metadata only says it again.
    ['judgement', Float64Array.of(model.threshold, model.cplRef ?? Number.NaN)],
    ['oof_scores', model.oofScores],
    ['medians', model.medians],
    ['q05', model.q05],
    ['q95', model.q95],
    ['trees.threshold', forest.threshold],
    ['trees.internals', forest.internals],
    ['trees.feature', forest.feature],
    ['trees.left_internals', forest.leftInternals],
    ['trees.leaf_count', forest.leafCount],
  ])
  const data = tensorBytes(tensors)
  const metadata = new Map<string, string>([
    ['format', FORMAT],
    ['algorithm_version', algorithm],
    ['family', FAMILY],
    ['config_id', String(identity.configId)],
    ...identity.whose,
    ['features', JSON.stringify(model.features)],
    [
      'params',
      JSON.stringify({
        trees: params.trees,
        contamination: params.contamination,
        random_state: params.randomState,
        max_samples: forest.maxSamples,
        cpl_ref: model.cplRef,
      }),
    ],
    ['threshold', String(model.threshold)],
    ['samples', String(model.samples)],
    ['train_start', identity.trainStart],
    ['train_end', identity.trainEnd],
    ['trained_at', identity.trainedAt],
    ['sha256', sha256(data)],
  ])
  return encodeSafetensors(tensors, metadata, data)
}

const required = (metadata: ReadonlyMap<string, string>, key: string): string => {
  const text = metadata.get(key)
  if (text === undefined) throw new ArtifactFormatError(`metadata ${key} is missing`)
  return text
}

const parsed = (text: string, key: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new ArtifactFormatError(`metadata ${key} is not JSON`)
  }
}

const requiredNumber = (value: unknown, key: string): number => {
  const number = typeof value === 'string' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isFinite(number))
    throw new ArtifactFormatError(`${key} is not a number`)
  return number
}

const readFeatures = (text: string): Feature[] => {
  const names = parsed(text, 'features')
  if (!Array.isArray(names) || names.length === 0) throw new ArtifactFormatError('features are not a list')
  const wanted = FEATURES.filter((feature) => names.includes(feature))
  if (wanted.length !== names.length || wanted.some((feature, i) => names[i] !== feature)) {
    throw new ArtifactFormatError('features are not a known, ordered subset')
  }
  return wanted
}

/**
 * Reads an artifact and checks all of it: format, checksum, schema, and that the trees are trees.
 * @param file starts at a multiple of 8 in its buffer; the model's arrays are views on it
 * @param sha256 null: the whole file is known to be as it was written, so that its own checksum need not be made again
 * @throws ArtifactFormatError naming what is wrong
 */
export const decodeEntityForest = (file: Uint8Array, sha256: Sha256 | null): EntityJudge =>
  decodeForest(ALGORITHM_VERSION, file, sha256)

/** The same for a file of `expectedAlgorithm`. */
export const decodeForest = (
  expectedAlgorithm: string,
  file: Uint8Array,
  sha256: Sha256 | null,
): EntityJudge => {
  const { tensors, metadata, data } = decodeSafetensors(file)
  const format = metadata.get('format')
  if (format !== FORMAT)
    throw new ArtifactFormatError(`the format ${String(format).slice(0, 40)} is not ${FORMAT}`)
  const algorithm = required(metadata, 'algorithm_version')
  if (algorithm !== expectedAlgorithm)
    throw new ArtifactFormatError(`the algorithm ${algorithm.slice(0, 40)} is not known`)
  const checksum = required(metadata, 'sha256')
  if (sha256 && sha256(data) !== checksum) throw new ArtifactFormatError('the checksum does not match')
  const features = readFeatures(required(metadata, 'features'))
  const params = parsed(required(metadata, 'params'), 'params') as {
    max_samples?: unknown
    cpl_ref?: unknown
  } | null
  const take = <T extends Tensor>(name: string, type: new (length: number) => T, length?: number): T => {
    const tensor = tensors.get(name)
    if (!(tensor instanceof type) || (length !== undefined && tensor.length !== length)) {
      throw new ArtifactFormatError(`tensor ${name} is missing or of another type or length`)
    }
    return tensor
  }
  const samples = requiredNumber(required(metadata, 'samples'), 'samples')
  const threshold = requiredNumber(required(metadata, 'threshold'), 'threshold')
  const maxSamples = requiredNumber(params?.max_samples, 'params.max_samples')
  const cplRef = params?.cpl_ref === null ? null : requiredNumber(params?.cpl_ref, 'params.cpl_ref')
  const judgement = take('judgement', Float64Array, 2)
  if (judgement[0] !== threshold || !Object.is(judgement[1], cplRef ?? Number.NaN))
    throw new ArtifactFormatError('threshold or cpl_ref is not what the tensors say')
  if (features.includes('cpl') !== (cplRef !== null))
    throw new ArtifactFormatError('cpl_ref and features contradict each other')
  const width = features.length
  const model: EntityForest = {
    forest: {
      columns: width,
      maxSamples,
      internals: take('trees.internals', Uint16Array),
      feature: take('trees.feature', Uint8Array),
      threshold: take('trees.threshold', Float32Array),
      leftInternals: take('trees.left_internals', Uint8Array),
      leafCount: take('trees.leaf_count', Uint8Array),
      offset: -threshold,
    },
    features,
    cplRef,
    threshold,
    oofScores: take('oof_scores', Float64Array, samples),
    medians: take('medians', Float64Array, width),
    q05: take('q05', Float64Array, width),
    q95: take('q95', Float64Array, width),
    samples,
  }
  if (maxSamples !== Math.min(256, samples))
    throw new ArtifactFormatError('samples and max_samples contradict each other')
  try {
    return createJudge(model)
  } catch (error) {
    if (error instanceof ForestShapeError) throw new ArtifactFormatError(error.message)
    throw error
  }
}
