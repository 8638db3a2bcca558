import { createHash } from 'node:crypto'
import { expect } from 'chai'
import * as fc from 'fast-check'
import {
  averagePathLength,
  createScorer,
  DEFAULT_FOREST,
  drawSeeds,
  fitForest,
  ForestInputError,
  ForestShapeError,
  growForest,
  scoreForest,
  type ForestState,
  type GrownForest,
} from '../../../../ml/detectors/isolation-forest.ts'
import { Mt19937 } from '../../../../ml/rng/mt19937.ts'
import { generatedCases, generateRows, paramsOf, storedCases } from './sklearn-cases.ts'

const TOLERANCE = 1e-12

const littleEndian = (values: ArrayLike<number>, kind: 'int32' | 'float64'): Uint8Array => {
  const bytes = kind === 'int32' ? 4 : 8
  const view = new DataView(new ArrayBuffer(values.length * bytes))
  for (let i = 0; i < values.length; i += 1) {
    if (kind === 'int32') view.setInt32(i * bytes, values[i] as number, true)
    else view.setFloat64(i * bytes, values[i] as number, true)
  }
  return new Uint8Array(view.buffer)
}

/** Tree `t` as scikit-learn's arrays. */
const treeOf = (grown: GrownForest, t: number) => {
  const start = grown.sizes.subarray(0, t).reduce((sum, size) => sum + size, 0)
  const end = start + (grown.sizes[t] as number)
  const feature = [...grown.feature.subarray(start, end)]
  return {
    feature,
    left: feature.map((column, i) => (column < 0 ? -1 : i + 1)),
    right: [...grown.right.subarray(start, end)],
    n_node_samples: [...grown.samples.subarray(start, end)],
    threshold: [...grown.threshold.subarray(start, end)],
  }
}

const hashOf = (grown: GrownForest): string => {
  const hash = createHash('sha256')
  for (let t = 0; t < grown.sizes.length; t += 1) {
    const tree = treeOf(grown, t)
    hash.update(littleEndian(tree.feature, 'int32'))
    hash.update(littleEndian(tree.left, 'int32'))
    hash.update(littleEndian(tree.right, 'int32'))
    hash.update(littleEndian(tree.n_node_samples, 'int32'))
    hash.update(littleEndian(tree.threshold, 'float64'))
  }
  return hash.digest('hex')
}

const expectClose = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  expect(actual.length).to.equal(expected.length)
  for (let i = 0; i < expected.length; i += 1)
    expect(actual[i], `row ${i}`).to.be.closeTo(expected[i] as number, TOLERANCE)
}

/** Scores by walking the trees as grown, with their exact thresholds. */
const walkGrown = (grown: GrownForest, rows: ArrayLike<number>, n: number): Float64Array => {
  const scores = new Float64Array(n)
  for (let i = 0; i < n; i += 1) {
    let depths = 0
    for (let t = 0, start = 0; t < grown.sizes.length; start += grown.sizes[t] as number, t += 1) {
      let node = 0
      let depth = 0
      for (;;) {
        const column = grown.feature[start + node] as number
        if (column < 0) break
        const value = Math.fround(rows[i * grown.columns + column] as number)
        node =
          value <= (grown.threshold[start + node] as number)
            ? node + 1
            : (grown.right[start + node] as number)
        depth += 1
      }
      depths += depth + averagePathLength(grown.samples[start + node] as number)
    }
    scores[i] = -(2 ** -(depths / (grown.sizes.length * averagePathLength(grown.maxSamples))))
  }
  return scores
}

describe('ml/detectors/isolation-forest', () => {
  for (const stored of storedCases()) {
    const { name, X, n, d, query } = stored
    describe(`on the rows of ${name}`, () => {
      const params = paramsOf(stored.params)
      const rows = Float64Array.from(X.flat())
      const grown = growForest(rows, n, d, params)

      it('seeds the trees as scikit-learn does', () => {
        const { estimatorSeeds, splitStates } = drawSeeds(params.randomState, params.trees)
        const draw = (seed: number): number => new Mt19937(seed).below(2 ** 31 - 1)
        const treeSeeds = [...estimatorSeeds.subarray(0, 5)].map(draw)
        expect(treeSeeds).to.deep.equal(stored.tree_seeds_first5)
        expect([...splitStates.subarray(0, 5)]).to.deep.equal(treeSeeds.map(draw))
      })

      it("grows scikit-learn's first tree, node by node", () => {
        const { feature, left, right, n_node_samples, threshold } = stored.first_tree
        expect(treeOf(grown, 0)).to.deep.equal({ feature, left, right, n_node_samples, threshold })
      })

      it("grows all of scikit-learn's trees, bit for bit", () => {
        expect(grown.feature.length).to.equal(stored.total_nodes)
        expect(grown.maxSamples).to.equal(stored.max_samples_)
        expect(hashOf(grown)).to.equal(stored.tree_sha256)
      })

      it("gives scikit-learn's offset, scores, decisions and predictions", () => {
        const { state, scorer } = fitForest(rows, n, d, params)
        expect(state.offset).to.be.closeTo(stored.offset_, TOLERANCE)
        const answers: [ArrayLike<number>, number, typeof query][] = [
          [rows, n, { ...stored }],
          [query.X.flat(), query.X.length, query],
        ]
        for (const [given, count, expected] of answers) {
          const scores = scoreForest(scorer, given, count)
          const decisions = scores.map((score) => score - state.offset)
          expectClose(scores, expected.score_samples)
          expectClose(decisions, expected.decision_function)
          expect(Array.from(decisions, (decision) => (decision < 0 ? -1 : 1))).to.deep.equal(expected.predict)
        }
      })

      it('loses nothing by packing: scores are those of the trees as grown', () => {
        const { scorer } = fitForest(rows, n, d, params)
        for (const given of [rows, Float64Array.from(query.X.flat())])
          expectClose(scoreForest(scorer, given, given.length / d), [
            ...walkGrown(grown, given, given.length / d),
          ])
      })
    })
  }

  describe('on rows both sides generate', () => {
    for (const made of generatedCases()) {
      it(`equals scikit-learn: ${made.name.replaceAll('_', ' ')}`, () => {
        const params = paramsOf(made.params)
        const rows = generateRows(made)
        const grown = growForest(rows, made.n, made.d, params)
        expect(grown.maxSamples).to.equal(made.max_samples_)
        expect(grown.feature.length).to.equal(made.total_nodes)
        expect(hashOf(grown)).to.equal(made.tree_sha256)
        const { state, scorer } = fitForest(rows, made.n, made.d, params)
        expect(state.offset).to.be.closeTo(made.offset_, TOLERANCE)
        const scores = scoreForest(scorer, rows, made.n)
        expectClose(scores.subarray(0, 8), made.first_scores)
        expectClose(scores.subarray(-2), made.last_scores)
        expect(scores.reduce((sum, score) => sum + score, 0)).to.be.closeTo(
          made.score_sum,
          TOLERANCE * made.n,
        )
        expect(scores.filter((score) => score - state.offset < 0).length).to.equal(made.anomalies)
      })
    }
  })

  describe('given rows it cannot use', () => {
    const rowsWith = (value: number): number[] => [1, 2, 3, 4, 5, value, 7, 8]

    for (const value of [Number.NaN, Infinity, -Infinity, 3.4028235677973366e38, -1e39]) {
      it(`refuses ${value}, naming its row and column`, () => {
        for (const attempt of [
          () => fitForest(rowsWith(value), 4, 2, DEFAULT_FOREST),
          () => scoreForest(fitForest(rowsWith(6), 4, 2, DEFAULT_FOREST).scorer, rowsWith(value), 4),
        ])
          expect(attempt)
            .to.throw(ForestInputError, /^row 2, column 1: /)
            .that.includes({ row: 2, column: 1 })
      })
    }

    it('takes the largest float32 on either side', () => {
      for (const value of [3.4028234663852886e38, -3.4028234663852886e38])
        expect(() => fitForest(rowsWith(value), 4, 2, DEFAULT_FOREST)).not.to.throw()
    })
  })

  it('gives the same state again for the same rows and parameters, and with seeds drawn beforehand', () => {
    const [stored] = storedCases()
    if (!stored) throw new Error('no fixture')
    const fit = (seeds?: ReturnType<typeof drawSeeds>) =>
      fitForest(stored.X.flat(), stored.n, stored.d, DEFAULT_FOREST, seeds).state
    expect(fit()).to.deep.equal(fit())
    expect(fit(drawSeeds(DEFAULT_FOREST.randomState, DEFAULT_FOREST.trees))).to.deep.equal(fit())
  })

  it('knows the mean length of an unsuccessful search', () => {
    expect([0, 1, 2].map(averagePathLength)).to.deep.equal([0, 0, 1])
    expect(averagePathLength(3)).to.be.closeTo(1.207392357589623, TOLERANCE)
    expect(averagePathLength(256)).to.be.closeTo(10.244770920119917, TOLERANCE)
  })

  describe('given a state that was tampered with', () => {
    const sound = fitForest([1, 2, 3, 4, 5, 6, 7, 8, 9, 100], 5, 2, { ...DEFAULT_FOREST, trees: 3 }).state
    const tampered = (change: Partial<ForestState>) => () => createScorer({ ...sound, ...change })
    const set = <T extends Uint8Array | Uint16Array | Uint32Array>(array: T, i: number, value: number): T => {
      const copy = array.slice() as T
      copy[i] = value
      return copy
    }

    it('takes the sound one', () => {
      expect(tampered({})).not.to.throw()
    })

    it('refuses arrays whose lengths contradict each other', () => {
      expect(tampered({ internals: set(sound.internals, 0, 7) })).to.throw(ForestShapeError, 'promised')
      expect(tampered({ threshold: sound.threshold.slice(1) })).to.throw(ForestShapeError, 'promised')
      expect(tampered({ leftInternals: sound.leftInternals.slice(1) })).to.throw(ForestShapeError, 'promised')
      expect(tampered({ feature: sound.feature.slice(1) })).to.throw(ForestShapeError, 'promised')
      expect(tampered({ leafCount: sound.leafCount.slice(1) })).to.throw(ForestShapeError, 'leaves')
    })

    it('refuses a column that is not there', () => {
      expect(tampered({ feature: set(sound.feature, 0, 1) })).not.to.throw()
      expect(tampered({ feature: set(sound.feature, 0, 2) })).to.throw(ForestShapeError, 'column')
    })

    it('refuses a left subtree larger than its tree', () => {
      const inner = sound.internals[0] as number
      expect(tampered({ leftInternals: set(sound.leftInternals, 0, inner) })).to.throw(
        ForestShapeError,
        'larger',
      )
    })

    it('refuses a tree deeper than its rows allow', () => {
      expect(tampered({ maxSamples: 2 })).to.throw(ForestShapeError, 'deeper')
    })

    it('never hangs or answers anything but a number or ForestShapeError, whatever the bytes', () => {
      const base = fitForest(generateRows(generatedCases()[0]!), 90, 6, { ...DEFAULT_FOREST, trees: 8 }).state
      const change = fc.record({
        array: fc.constantFrom(
          'internals' as const,
          'feature' as const,
          'leftInternals' as const,
          'leafCount' as const,
        ),
        at: fc.nat(),
        value: fc.nat(0xffff),
      })
      fc.assert(
        fc.property(
          fc.array(change, { minLength: 1, maxLength: 4 }),
          fc.integer({ min: 1, max: 300 }),
          (all, maxSamples) => {
            const state = {
              ...base,
              maxSamples,
              internals: base.internals.slice(),
              feature: base.feature.slice(),
              leftInternals: base.leftInternals.slice(),
              leafCount: base.leafCount.slice(),
            }
            for (const { array, at, value } of all) state[array][at % state[array].length] = value
            try {
              const score = createScorer(state).scoreRow(Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
              expect(score).to.be.a('number').that.is.at.most(0).and.at.least(-1)
            } catch (error) {
              expect(error).to.be.instanceOf(ForestShapeError)
            }
          },
        ),
        { numRuns: 2000 },
      )
    })
  })
})
