/**
 * Isolation Forest (Liu, Ting & Zhou 2008), node for node the trees scikit-learn 1.2 to 1.9 grows for the
 * same `random_state`: same features, thresholds and order. Stages: check and round the rows, draw the
 * seeds, grow the trees, pack them, learn the offset from the training scores.
 *
 * Numbers: rows are float32 (rounded once), thresholds and sums double, in scikit-learn's association.
 * Scores follow scikit-learn: `score_samples` in [-1, 0), lower is stranger. `anomalyScore` turns them
 * round for vigia.
 */
import { Mt19937 } from '../rng/mt19937.ts'

export interface ForestParams {
  readonly trees: number
  /** `auto` = min(256, n); `count` is capped at n; `fraction` of n, truncated. */
  readonly maxSamples: 'auto' | { readonly count: number } | { readonly fraction: number }
  /** Fraction of the columns each tree sees, (0, 1]. */
  readonly maxFeatures: number
  /** Share of training rows beyond the offset, (0, 0.5]; `auto` puts the offset at -0.5. */
  readonly contamination: 'auto' | number
  /** Unsigned 32-bit integer. */
  readonly randomState: number
}

export const DEFAULT_FOREST: ForestParams = {
  trees: 100,
  maxSamples: 'auto',
  maxFeatures: 1,
  contamination: 0.1,
  randomState: 42,
}

type Counts = Uint8Array | Uint16Array | Uint32Array

/**
 * A fitted forest as plain data. Internal nodes and leaves lie in preorder, trees end to end. Node k's left
 * child is k+1 and its right child k+1+leftInternals[k]; a side without internal nodes is a leaf.
 */
export interface ForestState {
  /** Columns of a row. */
  readonly columns: number
  /** Rows each tree was grown on. */
  readonly maxSamples: number
  /** Number of internal nodes per tree; may be 0 (a single leaf). */
  readonly internals: Uint16Array | Uint32Array
  readonly feature: Uint8Array | Uint16Array
  /** Largest float32 not above the exact threshold: for float32 rows every decision is the same. */
  readonly threshold: Float32Array
  readonly leftInternals: Counts
  /** Training rows in the leaf, minus one. */
  readonly leafCount: Counts
  /** scikit-learn's `offset_`: a row is an anomaly when its score is below. */
  readonly offset: number
}

/** Trees as grown, every node in preorder, thresholds in double. */
export interface GrownForest {
  readonly maxSamples: number
  readonly columns: number
  /** Nodes per tree. */
  readonly sizes: Int32Array
  /** Column, or -2 in a leaf. */
  readonly feature: Int32Array
  /** Index of the right child within its tree, or -1 in a leaf; the left child is the next node. */
  readonly right: Int32Array
  readonly samples: Int32Array
  /** -2 in a leaf. */
  readonly threshold: Float64Array
}

export class ForestInputError extends Error {
  readonly row: number
  readonly column: number

  constructor(row: number, column: number, value: number) {
    super(`row ${row}, column ${column}: ${value} is not a finite number within float32; remove or fill it`)
    this.name = 'ForestInputError'
    this.row = row
    this.column = column
  }
}

const LEAF = -2
const INT31_MAX = 2_147_483_647
const IMPURITY_EPSILON = 2 ** -52
const FEATURE_EPSILON = Math.fround(1e-7)
const EULER_GAMMA = 0.577_215_664_901_532_9

/** Mean path length of an unsuccessful search among m rows: scikit-learn's `_average_path_length`. */
export const averagePathLength = (m: number): number => {
  if (m <= 1) return 0
  if (m === 2) return 1
  return 2 * (Math.log(m - 1) + EULER_GAMMA) - (2 * (m - 1)) / m
}

const depthLimit = (maxSamples: number): number => (maxSamples <= 2 ? 1 : 32 - Math.clz32(maxSamples - 1))

/** Rows as float32, one column after the other. @throws ForestInputError */
const roundColumns = (rows: ArrayLike<number>, n: number, columns: number): Float32Array => {
  const rounded = new Float32Array(n * columns)
  for (let i = 0; i < n; i += 1) {
    for (let c = 0; c < columns; c += 1) {
      const value = Math.fround(rows[i * columns + c]!)
      if (!Number.isFinite(value)) throw new ForestInputError(i, c, rows[i * columns + c]!)
      rounded[c * n + i] = value
    }
  }
  return rounded
}

/** `sample_without_replacement` of scikit-learn: k of 0..n-1, in the order drawn. */
const draw = (generator: Mt19937, n: number, k: number): Int32Array => {
  const ratio = k / n
  if (ratio > 0.01 && ratio < 0.99) {
    const all = new Int32Array(n)
    for (let i = 0; i < n; i += 1) all[i] = i
    for (let j = n - 1; j >= 1; j -= 1) {
      const other = generator.below(j + 1)
      const held = all[j]!
      all[j] = all[other]!
      all[other] = held
    }
    return all.subarray(0, k)
  }
  const chosen = new Int32Array(k)
  if (ratio < 0.2) {
    const taken = new Set<number>()
    for (let i = 0; i < k;) {
      const candidate = generator.below(n)
      if (taken.has(candidate)) continue
      taken.add(candidate)
      chosen[i] = candidate
      i += 1
    }
    return chosen
  }
  for (let i = 0; i < k; i += 1) chosen[i] = i
  for (let j = k; j < n; j += 1) {
    const slot = generator.below(j + 1)
    if (slot < k) chosen[slot] = j
  }
  return chosen
}

/** What depends on (random_state, number of trees) alone. */
export interface ForestSeeds {
  readonly estimatorSeeds: Uint32Array
  /** Starting value of each tree's split generator. */
  readonly splitStates: Uint32Array
}

export const drawSeeds = (randomState: number, trees: number): ForestSeeds => {
  const generator = new Mt19937(randomState)
  const estimatorSeeds = Uint32Array.from({ length: trees }, () => generator.below(INT31_MAX))
  const splitStates = estimatorSeeds.map((seed) => {
    const treeSeed = new Mt19937(seed).below(INT31_MAX)
    return new Mt19937(treeSeed).below(INT31_MAX)
  })
  return { estimatorSeeds, splitStates }
}

const resolveMaxSamples = (maxSamples: ForestParams['maxSamples'], n: number): number => {
  if (maxSamples === 'auto') return Math.min(256, n)
  return 'count' in maxSamples ? Math.min(maxSamples.count, n) : Math.trunc(maxSamples.fraction * n)
}

/** Node arrays that grow as trees come. */
class NodeBuffer {
  feature: Int32Array
  right: Int32Array
  samples: Int32Array
  threshold: Float64Array
  length = 0

  constructor(capacity: number) {
    this.feature = new Int32Array(capacity)
    this.right = new Int32Array(capacity)
    this.samples = new Int32Array(capacity)
    this.threshold = new Float64Array(capacity)
  }

  reserve(extra: number): void {
    const needed = this.length + extra
    if (needed <= this.feature.length) return
    const capacity = Math.max(needed, this.feature.length * 2)
    const grow = <T extends Int32Array | Float64Array>(old: T, fresh: T): T => {
      fresh.set(old)
      return fresh
    }
    this.feature = grow(this.feature, new Int32Array(capacity))
    this.right = grow(this.right, new Int32Array(capacity))
    this.samples = grow(this.samples, new Int32Array(capacity))
    this.threshold = grow(this.threshold, new Float64Array(capacity))
  }
}

/**
 * Grows one tree over `rows` (indices, permuted in place) into `nodes`. The feature permutation, the list of
 * known constants and the split generator live as long as the tree, as in scikit-learn's
 * `RandomSplitter` and `DepthFirstTreeBuilder`.
 */
const growTree = (
  data: Float32Array,
  n: number,
  columnOf: Int32Array,
  rows: Int32Array,
  splitState: number,
  target: Float64Array,
  nodes: NodeBuffer,
): number => {
  const drawn = columnOf.length
  const count = rows.length
  const limit = depthLimit(count)
  nodes.reserve(2 * count)
  const { feature, right, samples, threshold } = nodes
  const base = nodes.length
  let size = 0
  let r = splitState
  const features = new Int32Array(drawn)
  const constants = new Int32Array(drawn)
  for (let i = 0; i < drawn; i += 1) features[i] = i
  // start, end, depth, known constants, parent whose right child this is (-1: a left child or the root)
  const stack = new Int32Array(5 * (limit + 3))
  stack[1] = count
  stack[4] = -1
  let top = 1

  while (top > 0) {
    top -= 1
    const start = stack[top * 5]!
    const end = stack[top * 5 + 1]!
    const depth = stack[top * 5 + 2]!
    const known = stack[top * 5 + 3]!
    const rightOf = stack[top * 5 + 4]!
    const node = base + size
    if (rightOf >= 0) right[base + rightOf] = size
    size += 1
    samples[node] = end - start
    feature[node] = LEAF
    right[node] = -1
    threshold[node] = LEAF

    if (depth >= limit || end - start < 2) continue
    // The dummy target is uniform noise: among four or more rows its variance never falls below 2^-52.
    if (end - start <= 3) {
      let sum = 0
      let squares = 0
      for (let i = start; i < end; i += 1) {
        const y = target[rows[i]!]!
        sum += y
        squares += y * y
      }
      const mean = sum / (end - start)
      if (squares / (end - start) - mean * mean <= IMPURITY_EPSILON) continue
    }

    let found = 0
    let drawnConstants = 0
    let visited = 0
    let total = known
    let f = drawn
    let split = -1
    let cut = 0
    let middle = 0
    while (f > total && (visited < 1 || visited <= found + drawnConstants)) {
      visited += 1
      if (r === 0) r = 1
      r ^= r << 13
      r ^= r >>> 17
      r ^= r << 5
      let j = drawnConstants + ((r & INT31_MAX) % (f - found - drawnConstants))
      if (j < known) {
        const held = features[drawnConstants]!
        features[drawnConstants] = features[j]!
        features[j] = held
        drawnConstants += 1
        continue
      }
      j += found
      const candidate = features[j]!
      const column = columnOf[candidate]! * n
      let lo = data[column + rows[start]!]!
      let hi = lo
      for (let i = start + 1; i < end; i += 1) {
        const value = data[column + rows[i]!]!
        if (value < lo) lo = value
        else if (value > hi) hi = value
      }
      if (hi <= Math.fround(lo + FEATURE_EPSILON)) {
        features[j] = features[total]!
        features[total] = candidate
        found += 1
        total += 1
        continue
      }
      f -= 1
      features[j] = features[f]!
      features[f] = candidate
      if (r === 0) r = 1
      r ^= r << 13
      r ^= r >>> 17
      r ^= r << 5
      cut = ((hi - lo) * (r & INT31_MAX)) / INT31_MAX + lo
      if (cut === hi) cut = lo
      // Which side a row takes is a coin toss: swapping always costs less than a branch guessed wrong.
      let low = start
      for (let i = start; i < end; i += 1) {
        const row = rows[i]!
        rows[i] = rows[low]!
        rows[low] = row
        low += Number(data[column + row]! <= cut)
      }
      if (low > start && low < end) {
        split = columnOf[candidate]!
        middle = low
      }
    }
    for (let i = 0; i < known; i += 1) features[i] = constants[i]!
    for (let i = known; i < known + found; i += 1) constants[i] = features[i]!
    if (split < 0) continue

    feature[node] = split
    threshold[node] = cut
    const at = top * 5
    stack[at] = middle
    stack[at + 1] = end
    stack[at + 2] = depth + 1
    stack[at + 3] = total
    stack[at + 4] = node - base
    stack[at + 5] = start
    stack[at + 6] = middle
    stack[at + 7] = depth + 1
    stack[at + 8] = total
    stack[at + 9] = -1
    top += 2
  }
  nodes.length += size
  return size
}

/** Nodes for the next forest: memory in megabytes that is thrown away with every fit costs more than the fit. */
let spareNodes: NodeBuffer | null = null
/** No larger one is kept. */
const MOST_SPARE_NODES = 100_000

/** What `use` makes of a forest must not hold on to it. */
const withGrown = <T>(
  rows: ArrayLike<number>,
  n: number,
  columns: number,
  params: ForestParams,
  seeds: ForestSeeds | undefined,
  use: (grown: GrownForest) => T,
): T => {
  const nodes = spareNodes ?? new NodeBuffer(0)
  spareNodes = null
  nodes.length = 0
  const rounded = roundColumns(rows, n, columns)
  const drawn = seeds ?? drawSeeds(params.randomState, params.trees)
  const made = use(growRounded(rounded, n, columns, params, drawn, nodes))
  if (nodes.feature.length <= MOST_SPARE_NODES) spareNodes = nodes
  return made
}

const growRounded = (
  data: Float32Array,
  n: number,
  columns: number,
  params: ForestParams,
  seeds: ForestSeeds,
  nodes: NodeBuffer,
): GrownForest => {
  const maxSamples = resolveMaxSamples(params.maxSamples, n)
  const drawnColumns = Math.max(1, Math.trunc(params.maxFeatures * columns))
  const target = new Float64Array(n)
  const noise = new Mt19937(params.randomState)
  for (let i = 0; i < n; i += 1) target[i] = noise.double()

  nodes.reserve(params.trees * Math.min(2 * maxSamples, 512))
  const sizes = new Int32Array(params.trees)
  const everyColumn = Int32Array.from({ length: columns }, (_, i) => i)
  const rows = new Int32Array(maxSamples)
  const drawsNothing = maxSamples === n && drawnColumns === columns
  for (let t = 0; t < params.trees; t += 1) {
    let columnOf: Int32Array = everyColumn
    if (drawsNothing) for (let i = 0; i < n; i += 1) rows[i] = i
    else {
      const generator = new Mt19937(seeds.estimatorSeeds[t]!)
      columnOf = draw(generator, columns, drawnColumns)
      // The order of the rows never matters, only the set: a split looks at minima, maxima and counts.
      rows.set(draw(generator, n, maxSamples))
    }
    sizes[t] = growTree(data, n, columnOf, rows, seeds.splitStates[t]!, target, nodes)
  }
  return {
    maxSamples,
    columns,
    sizes,
    feature: nodes.feature.subarray(0, nodes.length),
    right: nodes.right.subarray(0, nodes.length),
    samples: nodes.samples.subarray(0, nodes.length),
    threshold: nodes.threshold.subarray(0, nodes.length),
  }
}

/**
 * Grows the trees without packing them.
 * @param rows row-major, n x columns @throws ForestInputError on a value that is not finite in float32
 */
export const growForest = (
  rows: ArrayLike<number>,
  n: number,
  columns: number,
  params: ForestParams,
  seeds: ForestSeeds = drawSeeds(params.randomState, params.trees),
): GrownForest => growRounded(roundColumns(rows, n, columns), n, columns, params, seeds, new NodeBuffer(0))

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The largest float32 <= value. */
const floorToFloat32 = (value: number): number => {
  float[0] = value
  if (float[0] <= value) return float[0]
  if (float[0] === 0) bits[0] = 0x80000001
  else bits[0] = float[0] > 0 ? bits[0]! - 1 : bits[0]! + 1
  return float[0]
}

const counts = (length: number, largest: number): Counts => {
  if (largest <= 0xff) return new Uint8Array(length)
  return largest <= 0xffff ? new Uint16Array(length) : new Uint32Array(length)
}

const packForest = (grown: GrownForest): Omit<ForestState, 'offset'> => {
  const { sizes, maxSamples } = grown
  const trees = sizes.length
  // A full binary tree has one leaf more than internal nodes.
  const total = (grown.feature.length - trees) / 2
  const internals = maxSamples <= 0x10000 ? new Uint16Array(trees) : new Uint32Array(trees)
  const feature = grown.columns <= 0x100 ? new Uint8Array(total) : new Uint16Array(total)
  const threshold = new Float32Array(total)
  const leftInternals = counts(total, maxSamples - 1)
  const leafCount = counts(total + trees, maxSamples - 1)
  let node = 0
  let internal = 0
  let leaf = 0
  for (let t = 0; t < trees; t += 1) {
    const size = sizes[t]!
    for (let i = 0; i < size; i += 1, node += 1) {
      if (grown.feature[node] === LEAF) {
        leafCount[leaf] = grown.samples[node]! - 1
        leaf += 1
        continue
      }
      feature[internal] = grown.feature[node]!
      threshold[internal] = floorToFloat32(grown.threshold[node]!)
      // The left subtree has right - i - 1 nodes, of which just under half are internal.
      leftInternals[internal] = (grown.right[node]! - i - 2) / 2
      internal += 1
    }
    internals[t] = (size - 1) / 2
  }
  return { columns: grown.columns, maxSamples, internals, feature, threshold, leftInternals, leafCount }
}

/** The arrays of a state contradict each other: it was not made by `fitForest`. */
export class ForestShapeError extends Error {
  constructor(what: string) {
    super(`the forest is not well-formed: ${what}`)
    this.name = 'ForestShapeError'
  }
}

/** That its arrays are of one forest: what walks through it then never leaves them. */
const checkShape = (state: ForestState): void => {
  const { internals, feature, leftInternals, columns } = state
  const nodes = feature.length
  let promised = 0
  for (const count of internals) promised += count
  if (promised !== nodes || state.threshold.length !== nodes || leftInternals.length !== nodes) {
    throw new ForestShapeError(`${promised} internal nodes promised, ${nodes} given`)
  }
  if (state.leafCount.length !== nodes + internals.length)
    throw new ForestShapeError('the number of leaves is off')
  for (let i = 0; i < nodes; i += 1)
    if (feature[i]! >= columns) throw new ForestShapeError('a split names a column that is not there')

  const limit = depthLimit(state.maxSamples)
  // Internal nodes of the right subtrees that are still to come, and their depth.
  const stack = new Int32Array(2 * (limit + 2))
  let internal = 0
  for (let t = 0; t < internals.length; t += 1) {
    let inner = internals[t]!
    let depth = 0
    let top = 0
    for (;;) {
      if (inner > 0) {
        const left = leftInternals[internal]!
        if (left >= inner) throw new ForestShapeError('a left subtree is larger than its tree')
        if (depth >= limit) throw new ForestShapeError(`a tree is deeper than ${limit}`)
        internal += 1
        depth += 1
        stack[top] = inner - 1 - left
        stack[top + 1] = depth
        top += 2
        inner = left
      } else if (top > 0) {
        top -= 2
        inner = stack[top]!
        depth = stack[top + 1]!
      } else break
    }
  }
}

/** Scores rows, and knows what they look like. */
export interface ForestScorer {
  readonly columns: number
  readonly offset: number
  /** score_samples of one row; `row` must hold `columns` values from `at` on, already float32. */
  scoreRow(row: Float32Array, at?: number): number
}

type ScoreRow = (row: Float32Array, at: number) => number

/** `averagePathLength`, which leaves ask for again and again. */
const rememberedPathLength = (): ((m: number) => number) => {
  const known = new Map<number, number>()
  return (m) => {
    let value = known.get(m)
    if (value === undefined) {
      value = averagePathLength(m)
      known.set(m, value)
    }
    return value
  }
}

const scoreOf = (sum: number, trees: number, maxSamples: number): number => {
  const denominator = trees * averagePathLength(maxSamples)
  return denominator === 0 ? -0.5 : -(2 ** -(sum / denominator))
}

/** Through the trees as they are stored: nothing has to be laid out first. */
const walking = (state: ForestState): ScoreRow => {
  const { internals, feature, threshold, leftInternals, leafCount } = state
  const trees = internals.length
  const pathLength = rememberedPathLength()
  return (row, at) => {
    let sum = 0
    let nextRoot = 0
    let nextLeaf = 0
    for (let t = 0; t < trees; t += 1) {
      let inner = internals[t]!
      let node = nextRoot
      let leaf = nextLeaf
      nextRoot += inner
      nextLeaf += inner + 1
      let depth = 0
      while (inner > 0) {
        const left = leftInternals[node]!
        if (row[at + feature[node]!]! > threshold[node]!) {
          node += left + 1
          leaf += left + 1
          inner -= left + 1
        } else {
          node += 1
          inner = left
        }
        depth += 1
      }
      sum += depth + 1 + pathLength(leafCount[leaf]! + 1) - 1
    }
    return scoreOf(sum, trees, state.maxSamples)
  }
}

/**
 * A forest laid out for many rows: four words a node in one table (column, threshold, left and right child), leaves
 * pointing at themselves, so that a walk is a fixed number of steps without a branch. About 0.1 ms for 100 trees of 90
 * rows.
 */
interface Table {
  readonly maxSamples: number
  /** A node is known by where its four words begin; the second of them is read as a float32. */
  readonly words: Int32Array
  readonly floats: Float32Array
  /** What a leaf adds to the path, by node. */
  readonly term: Float64Array
  readonly roots: Int32Array
  readonly steps: number
}

const tableOf = (state: ForestState): Table => {
  const { maxSamples } = state
  const limit = depthLimit(maxSamples)
  const trees = state.internals.length
  const total = state.feature.length * 2 + trees
  const words = new Int32Array(total * 4)
  const floats = new Float32Array(words.buffer)
  const term = new Float64Array(total)
  const roots = new Int32Array(trees)
  const pathLength = rememberedPathLength()
  let steps = 0
  let node = 0
  let internal = 0
  let leaf = 0
  // Internal nodes left in the subtree, depth, and the parent whose right child this is.
  const stack = new Int32Array(3 * (limit + 3))
  for (let t = 0; t < trees; t += 1) {
    roots[t] = node
    stack[0] = state.internals[t]!
    stack[1] = 0
    stack[2] = -1
    let top = 1
    while (top > 0) {
      top -= 1
      const inner = stack[top * 3]!
      const depth = stack[top * 3 + 1]!
      const rightOf = stack[top * 3 + 2]!
      if (rightOf >= 0) words[rightOf + 3] = node
      if (inner === 0) {
        words[node + 2] = node
        words[node + 3] = node
        term[node >> 2] = depth + 1 + pathLength(state.leafCount[leaf]! + 1) - 1
        if (depth > steps) steps = depth
        leaf += 1
      } else {
        const left = state.leftInternals[internal]!
        words[node] = state.feature[internal]!
        floats[node + 1] = state.threshold[internal]!
        words[node + 2] = node + 4
        internal += 1
        const at = top * 3
        stack[at] = inner - 1 - left
        stack[at + 1] = depth + 1
        stack[at + 2] = node
        stack[at + 3] = left
        stack[at + 4] = depth + 1
        stack[at + 5] = -1
        top += 2
      }
      node += 4
    }
  }
  return { maxSamples, words, floats, term, roots, steps }
}

/** The same of a forest that was not packed. */
const tableOfGrown = ({ maxSamples, sizes, feature, right, samples, threshold }: GrownForest): Table => {
  const total = feature.length
  const words = new Int32Array(total * 4)
  const floats = new Float32Array(words.buffer)
  const term = new Float64Array(total)
  const roots = new Int32Array(sizes.length)
  const depths = new Uint8Array(total)
  const pathLength = rememberedPathLength()
  let steps = 0
  let root = 0
  for (let t = 0; t < sizes.length; t += 1) {
    roots[t] = root * 4
    const end = root + sizes[t]!
    for (let node = root; node < end; node += 1) {
      const at = node * 4
      const depth = depths[node]!
      if (feature[node] === LEAF) {
        words[at + 2] = at
        words[at + 3] = at
        term[node] = depth + 1 + pathLength(samples[node]!) - 1
        if (depth > steps) steps = depth
        continue
      }
      const other = root + right[node]!
      words[at] = feature[node]!
      floats[at + 1] = floorToFloat32(threshold[node]!)
      words[at + 2] = at + 4
      words[at + 3] = other * 4
      depths[node + 1] = depth + 1
      depths[other] = depth + 1
    }
    root = end
  }
  return { maxSamples, words, floats, term, roots, steps }
}

const scoringBy = ({ maxSamples, words, floats, term, roots, steps }: Table): ScoreRow => {
  const trees = roots.length
  const even = trees - (trees % 4)

  return (row, at) => {
    let sum = 0
    // Four walks at once keep the processor busy while each waits for its node. `Number` of a comparison is
    // compiled to a flag, `? 0 : 1` to a jump that is mispredicted half of the time.
    for (let t = 0; t < even; t += 4) {
      let a = roots[t]!
      let b = roots[t + 1]!
      let c = roots[t + 2]!
      let d = roots[t + 3]!
      for (let step = 0; step < steps; step += 1) {
        a = words[a + 2 + Number(row[at + words[a]!]! > floats[a + 1]!)]!
        b = words[b + 2 + Number(row[at + words[b]!]! > floats[b + 1]!)]!
        c = words[c + 2 + Number(row[at + words[c]!]! > floats[c + 1]!)]!
        d = words[d + 2 + Number(row[at + words[d]!]! > floats[d + 1]!)]!
      }
      sum += term[a >> 2]!
      sum += term[b >> 2]!
      sum += term[c >> 2]!
      sum += term[d >> 2]!
    }
    for (let t = even; t < trees; t += 1) {
      let a = roots[t]!
      for (let step = 0; step < steps; step += 1) {
        a = words[a + 2 + Number(row[at + words[a]!]! > floats[a + 1]!)]!
      }
      sum += term[a >> 2]!
    }
    return scoreOf(sum, trees, maxSamples)
  }
}

/** A walk through the trees as they are stored takes three times as long as one through the table. */
const ROWS_WORTH_A_TABLE = 32

/**
 * @param few whether hardly any rows are to be scored; if they become many, it is noticed
 * @throws ForestShapeError on a state that was tampered with
 */
export const createScorer = (state: ForestState, few = false): ForestScorer => {
  checkShape(state)
  let score = few ? walking(state) : scoringBy(tableOf(state))
  let left = few ? ROWS_WORTH_A_TABLE : Infinity
  return {
    columns: state.columns,
    offset: state.offset,
    scoreRow: (row, at = 0) => {
      if (left === 0) score = scoringBy(tableOf(state))
      left -= 1
      return score(row, at)
    },
  }
}

/**
 * score_samples of n rows.
 * @param rows row-major, n x columns @throws ForestInputError on a value that is not finite in float32
 */
export const scoreForest = (scorer: ForestScorer, rows: ArrayLike<number>, n: number): Float64Array => {
  const { columns } = scorer
  const row = new Float32Array(columns)
  const scores = new Float64Array(n)
  for (let i = 0; i < n; i += 1) {
    for (let c = 0; c < columns; c += 1) {
      row[c] = rows[i * columns + c]!
      if (!Number.isFinite(row[c])) throw new ForestInputError(i, c, rows[i * columns + c]!)
    }
    scores[i] = scorer.scoreRow(row)
  }
  return scores
}

/** Of a forest whose offset is not learnt. */
const AUTO_OFFSET = -0.5

const scorerOfGrown = (grown: GrownForest): ForestScorer => {
  const score = scoringBy(tableOfGrown(grown))
  return { columns: grown.columns, offset: AUTO_OFFSET, scoreRow: (row, at = 0) => score(row, at) }
}

/** `fitForest` of a forest that only scores: it is not packed, and its offset not learnt. */
export const fitScorer = (
  rows: ArrayLike<number>,
  n: number,
  columns: number,
  params: ForestParams,
  seeds?: ForestSeeds,
): ForestScorer => withGrown(rows, n, columns, params, seeds, scorerOfGrown)

/** numpy's linear percentile at 100*contamination, with its round trip through percent. */
const learnOffset = (scores: Float64Array, contamination: number): number => {
  const sorted = scores.slice().sort()
  const virtual = (sorted.length - 1) * ((100 * contamination) / 100)
  const i = Math.floor(virtual)
  const a = sorted[i]!
  const b = sorted[Math.min(i + 1, sorted.length - 1)]!
  const g = virtual - i
  return g < 0.5 ? a + (b - a) * g : b - (b - a) * (1 - g)
}

export interface FittedForest {
  readonly state: ForestState
  readonly scorer: ForestScorer
  /** score_samples of the training rows; null when the offset is not learnt from them. */
  readonly scores: Float64Array | null
}

/**
 * Fits a forest and learns its offset.
 * @param rows row-major, n x columns, n >= 1
 * @param seeds reuse `drawSeeds` when many forests share (randomState, trees)
 * @throws ForestInputError on a value that is not finite in float32
 */
export const fitForest = (
  rows: ArrayLike<number>,
  n: number,
  columns: number,
  params: ForestParams,
  seeds?: ForestSeeds,
): FittedForest => {
  const { packed, scorer } = withGrown(rows, n, columns, params, seeds, (grown) => ({
    packed: packForest(grown),
    scorer: scorerOfGrown(grown),
  }))
  if (params.contamination === 'auto')
    return { state: { ...packed, offset: AUTO_OFFSET }, scorer, scores: null }
  const scores = scoreForest(scorer, rows, n)
  const offset = learnOffset(scores, params.contamination)
  return { state: { ...packed, offset }, scorer: { ...scorer, offset }, scores }
}
