/**
 * The thread's part of training a classifier: trains on the older rows, compares with the rules on the newest
 * fifth of the days, and encodes the network when it is better. Loaded by the first such task: TensorFlow is heavy.
 */
import { createHash } from 'node:crypto'
import { CLASSIFIER_INPUTS } from '../../ml/classify/inputs.ts'
import { encodeNetwork, judge, probabilitiesOf } from '../../ml/classify/network.ts'
import { TIERS } from '../../ml/classify/tier.ts'
import { trainNetwork } from '../../ml/tensor/train-network.ts'
import { openTensorflow } from '../compute/open-tensorflow.ts'

const INPUTS = CLASSIFIER_INPUTS.length
const CLASSES = TIERS.length

export interface FitClassifierTask {
  readonly configId: number
  readonly level: string
  /** Rows in the order of their days; rows x 10 inputs. */
  readonly inputs: Float64Array
  /** Index into TIERS. */
  readonly labels: Uint8Array
  /** What the rules say of each row; rows x 4 probabilities. */
  readonly rules: Float64Array
  /** The first so many rows train, the others validate. */
  readonly training: number
  readonly trainStart: string
  readonly trainEnd: string
  readonly trainedAt: string
}

export interface Score {
  readonly macroF1: number
  readonly logLoss: number
}

export type FitClassifierResult =
  | {
      readonly status: 'better'
      readonly bytes: Uint8Array
      readonly sha256: string
      readonly network: Score
      readonly rules: Score
      readonly backend: string
    }
  | {
      readonly status: 'not_better'
      readonly network: Score
      readonly rules: Score
      readonly backend: string
    }
  | { readonly status: 'no_tensorflow'; readonly error: string }

/** By how much the macro-F1 has to be better. */
const MARGIN = 0.02

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export const fitClassifier = async (task: FitClassifierTask): Promise<FitClassifierResult> => {
  const { inputs, labels, rules, training } = task
  let tensorflow
  try {
    tensorflow = await openTensorflow()
  } catch (error) {
    return { status: 'no_tensorflow', error: error instanceof Error ? error.message : String(error) }
  }
  const { backend } = tensorflow
  const network = await trainNetwork(tensorflow, {
    rows: training,
    inputs: inputs.subarray(0, training * INPUTS),
    labels: labels.subarray(0, training),
  })
  const judged = labels.subarray(training)
  const perRow = (answer: (row: number) => Float64Array): Float64Array[] =>
    Array.from(judged, (_, i) => answer(training + i))
  const ofNetwork = judge(
    perRow((row) => probabilitiesOf(network, inputs.subarray(row * INPUTS, (row + 1) * INPUTS))),
    judged,
  )
  const ofRules = judge(
    perRow((row) => rules.subarray(row * CLASSES, (row + 1) * CLASSES)),
    judged,
  )
  const scores = { network: ofNetwork, rules: ofRules, backend }
  if (ofNetwork.macroF1 < ofRules.macroF1 + MARGIN || ofNetwork.logLoss >= ofRules.logLoss) {
    return { status: 'not_better', ...scores }
  }
  const { configId, level: entityType, trainStart, trainEnd, trainedAt } = task
  const identity = { configId, entityType, trainStart, trainEnd, trainedAt, samples: training }
  const bytes = encodeNetwork(network, identity, sha256)
  return { status: 'better', bytes, sha256: sha256(bytes), ...scores }
}
