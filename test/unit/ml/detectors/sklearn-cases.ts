/** What scikit-learn answered, as stored in test/fixtures/iforest. Tests run from the root of the project. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ForestParams } from '../../../../ml/detectors/isolation-forest.ts'

export interface SklearnParams {
  readonly n_estimators: number
  readonly random_state: number
  readonly max_samples: 'auto' | number
  readonly max_features: number
  readonly contamination: 'auto' | number
}

interface SklearnAnswers {
  readonly score_samples: readonly number[]
  readonly decision_function: readonly number[]
  /** -1 for an anomaly. */
  readonly predict: readonly number[]
}

export interface StoredCase extends SklearnAnswers {
  readonly name: string
  readonly params: SklearnParams
  readonly n: number
  readonly d: number
  readonly X: readonly (readonly number[])[]
  readonly offset_: number
  readonly max_samples_: number
  readonly tree_sha256: string
  readonly total_nodes: number
  readonly tree_seeds_first5: readonly number[]
  readonly query: SklearnAnswers & { readonly X: readonly (readonly number[])[] }
  readonly first_tree: {
    readonly feature: readonly number[]
    readonly left: readonly number[]
    readonly right: readonly number[]
    readonly n_node_samples: readonly number[]
    readonly threshold: readonly number[]
  }
}

export interface GeneratedCase {
  readonly name: string
  readonly rows: 'constant' | keyof typeof VALUES
  readonly n: number
  readonly d: number
  readonly lcg_seed: number
  readonly params: SklearnParams
  readonly max_samples_: number
  readonly offset_: number
  readonly tree_sha256: string
  readonly total_nodes: number
  readonly first_scores: readonly number[]
  readonly last_scores: readonly number[]
  readonly score_sum: number
  readonly anomalies: number
}

/** What make_fixtures.py makes of a state of its generator. */
const VALUES = {
  uniform: (state: number) => (state >>> 8) / 2 ** 24,
  tens: (state: number) => (state >>> 8) % 10,
  tiny: (state: number) => (state >>> 8) / 2 ** 46,
  steps: (state: number) => 1 + ((state >>> 8) % 4) / 2 ** 23,
  sevenths: (state: number) => state / 7,
}

const FOLDER = 'test/fixtures/iforest'
const STORED = ['ad_70x5', 'constant_and_integers_80x3', 'gauss_100x2', 'subsampled_400x2']

const read = (name: string): unknown => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8'))

export const storedCases = (): readonly StoredCase[] => STORED.map((name) => read(name) as StoredCase)

export const generatedCases = (): readonly GeneratedCase[] =>
  (read('generated') as { readonly cases: readonly GeneratedCase[] }).cases

/** scikit-learn tells a count from a fraction by its type: only 1.0 needs to be known as a fraction here. */
export const paramsOf = (params: SklearnParams): ForestParams => {
  const { max_samples: samples } = params
  return {
    trees: params.n_estimators,
    randomState: params.random_state,
    maxFeatures: params.max_features,
    contamination: params.contamination,
    maxSamples: samples === 'auto' ? samples : samples <= 1 ? { fraction: samples } : { count: samples },
  }
}

/** The rows make_fixtures.py generated, row-major. */
export const generateRows = ({ rows: kind, n, d, lcg_seed: seed }: GeneratedCase): Float64Array => {
  let state = seed
  return Float64Array.from({ length: n * d }, () => {
    if (kind === 'constant') return 7.25
    state = (Math.imul(1_664_525, state) + 1_013_904_223) >>> 0
    return VALUES[kind](state)
  })
}
