/**
 * The trained classifier: inputs standardised, 16 rectified units, softmax over the tiers. TensorFlow.js trains
 * it; what it answers is computed here, so that nothing but training needs TensorFlow.
 */
import {
  ArtifactFormatError,
  decodeSafetensors,
  encodeSafetensors,
  tensorBytes,
} from '../artifact/safetensors.ts'
import type { Tensor } from '../artifact/safetensors.ts'
import { CLASSIFIER_INPUTS } from './inputs.ts'
import { TIERS } from './tier.ts'
import type { Classified, Tier } from './tier.ts'

export const NETWORK_VERSION = 'classifier@1'
export const HIDDEN_UNITS = 16
const FORMAT = 'vigia.model/1'
const FAMILY = 'classifier'
const INPUTS = CLASSIFIER_INPUTS.length
const CLASSES = TIERS.length

export interface Network {
  /** Of the training rows, one per input. */
  readonly mean: Float64Array
  /** Never 0. */
  readonly std: Float64Array
  /** inputs x 16, row by row. */
  readonly hidden: Float32Array
  readonly hiddenBias: Float32Array
  /** 16 x tiers, row by row. */
  readonly output: Float32Array
  readonly outputBias: Float32Array
}

/** @returns the probability of every tier, in the order of TIERS */
export const probabilitiesOf = (network: Network, inputs: Float64Array): Float64Array => {
  const units = new Float64Array(HIDDEN_UNITS)
  for (let unit = 0; unit < HIDDEN_UNITS; unit++) {
    let sum = network.hiddenBias[unit] as number
    for (let i = 0; i < INPUTS; i++) {
      const standard = ((inputs[i] as number) - (network.mean[i] as number)) / (network.std[i] as number)
      sum += standard * (network.hidden[i * HIDDEN_UNITS + unit] as number)
    }
    units[unit] = Math.max(0, sum)
  }
  const scores = new Float64Array(CLASSES)
  for (let tier = 0; tier < CLASSES; tier++) {
    let sum = network.outputBias[tier] as number
    for (let unit = 0; unit < HIDDEN_UNITS; unit++)
      sum += (units[unit] as number) * (network.output[unit * CLASSES + tier] as number)
    scores[tier] = sum
  }
  const largest = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY)
  const shares = scores.map((score) => Math.exp(score - largest))
  const total = shares.reduce((sum, share) => sum + share, 0)
  return shares.map((share) => share / total)
}

export const classifyByNetwork = (network: Network, inputs: Float64Array): Classified => {
  const shares = probabilitiesOf(network, inputs)
  let best = 0
  for (let tier = 1; tier < CLASSES; tier++) {
    if ((shares[tier] as number) > (shares[best] as number)) best = tier
  }
  return {
    tier: TIERS[best] as Tier,
    confidence: shares[best] as number,
    probabilities: Object.fromEntries(TIERS.map((tier, i) => [tier, shares[i] as number])) as Record<
      Tier,
      number
    >,
  }
}

/** How well probabilities meet labels; rows are in the same order, tiers in that of TIERS. */
export const judge = (
  probabilities: readonly Float64Array[],
  labels: Uint8Array,
): { readonly macroF1: number; readonly logLoss: number } => {
  const hits = new Float64Array(CLASSES)
  const said = new Float64Array(CLASSES)
  const were = new Float64Array(CLASSES)
  let loss = 0
  probabilities.forEach((row, i) => {
    const label = labels[i] as number
    let best = 0
    for (let tier = 1; tier < CLASSES; tier++) {
      if ((row[tier] as number) > (row[best] as number)) best = tier
    }
    said[best] = (said[best] as number) + 1
    were[label] = (were[label] as number) + 1
    if (best === label) hits[label] = (hits[label] as number) + 1
    loss -= Math.log(Math.max(row[label] as number, 1e-15))
  })
  // Tiers that neither are nor are said count for nothing.
  const scores: number[] = []
  for (let tier = 0; tier < CLASSES; tier++) {
    const all = (said[tier] as number) + (were[tier] as number)
    if (all > 0) scores.push((2 * (hits[tier] as number)) / all)
  }
  return {
    macroF1: scores.length === 0 ? 0 : scores.reduce((sum, score) => sum + score, 0) / scores.length,
    logLoss: probabilities.length === 0 ? 0 : loss / probabilities.length,
  }
}

export interface NetworkIdentity {
  readonly configId: number
  readonly entityType: string
  readonly trainStart: string
  readonly trainEnd: string
  readonly trainedAt: string
  readonly samples: number
}

type Sha256 = (bytes: Uint8Array) => string

export const encodeNetwork = (network: Network, identity: NetworkIdentity, sha256: Sha256): Uint8Array => {
  const tensors = new Map<string, Tensor>([
    ['mean', network.mean],
    ['std', network.std],
    ['hidden', network.hidden],
    ['hidden_bias', network.hiddenBias],
    ['output', network.output],
    ['output_bias', network.outputBias],
  ])
  const data = tensorBytes(tensors)
  const metadata = new Map([
    ['format', FORMAT],
    ['algorithm_version', NETWORK_VERSION],
    ['family', FAMILY],
    ['config_id', String(identity.configId)],
    ['entity_type', identity.entityType],
    ['features', JSON.stringify(CLASSIFIER_INPUTS)],
    ['params', JSON.stringify({ hidden: HIDDEN_UNITS, classes: TIERS })],
    ['samples', String(identity.samples)],
    ['train_start', identity.trainStart],
    ['train_end', identity.trainEnd],
    ['trained_at', identity.trainedAt],
    ['sha256', sha256(data)],
  ])
  return encodeSafetensors(tensors, metadata, data)
}

/**
 * Reads an artifact and checks all of it.
 * @throws ArtifactFormatError naming what is wrong
 */
export const decodeNetwork = (file: Uint8Array, sha256: Sha256): Network => {
  const { tensors, metadata, data } = decodeSafetensors(file)
  const demand = (key: string, value: string): void => {
    if (metadata.get(key) !== value) throw new ArtifactFormatError(`metadata ${key} is not ${value}`)
  }
  demand('format', FORMAT)
  demand('family', FAMILY)
  demand('algorithm_version', NETWORK_VERSION)
  demand('features', JSON.stringify(CLASSIFIER_INPUTS))
  demand('sha256', sha256(data))
  const take = <T extends Tensor>(name: string, type: new (length: number) => T, length: number): T => {
    const tensor = tensors.get(name)
    if (
      !(tensor instanceof type) ||
      tensor.length !== length ||
      !(tensor as Float64Array).every(Number.isFinite)
    )
      throw new ArtifactFormatError(`tensor ${name} is missing, of another type or length, or not finite`)
    return tensor
  }
  const std = take('std', Float64Array, INPUTS)
  if (std.some((value) => value <= 0)) throw new ArtifactFormatError('a deviation is not positive')
  return {
    mean: take('mean', Float64Array, INPUTS),
    std,
    hidden: take('hidden', Float32Array, INPUTS * HIDDEN_UNITS),
    hiddenBias: take('hidden_bias', Float32Array, HIDDEN_UNITS),
    output: take('output', Float32Array, HIDDEN_UNITS * CLASSES),
    outputBias: take('output_bias', Float32Array, CLASSES),
  }
}
