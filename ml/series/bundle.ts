/**
 * The artifact of a version: all members in one safetensors file (series-service section 4). The metadata says
 * what each member is, the tensors are named `{member}/...`; opening makes views on them and copies nothing.
 *
 * Readers trust nothing: what does not fit together ends in `ArtifactFormatError`.
 */
import { ArtifactFormatError, decodeSafetensors, encodeSafetensors } from '../artifact/safetensors.ts'
import type { Tensor } from '../artifact/safetensors.ts'
import { slidingForestScorer } from '../detectors/series/sliding-forest.ts'
import type { SlidingForestState } from '../detectors/series/sliding-forest.ts'
import { zscoreScorer } from '../detectors/series/zscore.ts'
import type { ZscoreState } from '../detectors/series/zscore.ts'
import { SLIDING_COUNT } from '../features/sliding.ts'
import { channelOf } from './frame.ts'
import { ALGORITHMS, SERIES_CLASSES, SERIES_FAMILIES } from './member.ts'
import type { Baseline, MemberScorer, MemberSpec, SeriesClass } from './member.ts'

export const BUNDLE_FORMAT = 'vigia.model/1'
const MOST_MEMBERS = 64
const BASELINE_K = 3

/** What was fitted of a member, by family. */
export type MemberState =
  | { readonly family: 'zscore'; readonly state: ZscoreState }
  | { readonly family: 'isolation_forest'; readonly state: SlidingForestState }

export interface FittedMember {
  readonly spec: MemberSpec
  readonly fitted: MemberState
}

export interface BundleIdentity {
  readonly seriesId: string
  readonly class: SeriesClass
  readonly fingerprint: string
  /** Columns of the frame it was trained on. */
  readonly names: readonly string[]
}

export interface Bundle {
  readonly class: SeriesClass
  /** Columns a frame must have, in this order. */
  readonly names: readonly string[]
  readonly scorers: ReadonlyMap<string, MemberScorer>
}

/** The columns of a frame that belong to a member's channels. */
export const placesOf = (names: readonly string[], channels: readonly string[]): number[] =>
  names.flatMap((name, place) => (channels.includes(channelOf(name)) ? [place] : []))

const tensorsOf = ({ fitted }: FittedMember): [string, Tensor][] => {
  if (fitted.family === 'zscore') {
    return [
      ['k', Float64Array.of(fitted.state.k)],
      ['mean', fitted.state.mean],
      ['std', fitted.state.std],
    ]
  }
  const { forest, window, medians, low, high } = fitted.state
  return [
    ['shape', Float64Array.of(forest.columns, forest.maxSamples, forest.offset, window)],
    ['medians', medians],
    ['low', low],
    ['high', high],
    ['trees.threshold', forest.threshold],
    ['trees.internals', forest.internals],
    ['trees.feature', forest.feature],
    ['trees.left_internals', forest.leftInternals],
    ['trees.leaf_count', forest.leafCount],
  ]
}

/** The same members give the same bytes. */
export const encodeBundle = (members: readonly FittedMember[], identity: BundleIdentity): Uint8Array => {
  const tensors = new Map(
    members.flatMap((member) =>
      tensorsOf(member).map(([name, tensor]): [string, Tensor] => [`${member.spec.name}/${name}`, tensor]),
    ),
  )
  return encodeSafetensors(
    tensors,
    new Map([
      ['format', BUNDLE_FORMAT],
      [
        'algorithm_version',
        [...new Set(members.map(({ spec }) => ALGORITHMS[spec.family]))].sort().join(','),
      ],
      ['fingerprint', identity.fingerprint],
      ['series_id', identity.seriesId],
      ['class', identity.class],
      ['columns', JSON.stringify(identity.names)],
      [
        'members',
        JSON.stringify(
          members.map(({ spec: { name, family, channels, params } }) => ({ name, family, channels, params })),
        ),
      ],
    ]),
  )
}

const wrong = (what: string): ArtifactFormatError => new ArtifactFormatError(what)

const listOf = (text: string | undefined, key: string): unknown[] => {
  try {
    const value: unknown = JSON.parse(text ?? '')
    if (Array.isArray(value)) return value
  } catch {
    // Said below.
  }
  throw wrong(`metadata ${key} is not a list`)
}

const isText = (value: unknown): value is string => typeof value === 'string'

interface MemberHead {
  readonly name: string
  readonly family: keyof typeof ALGORITHMS
  readonly channels: readonly string[]
}

const headOf = (value: unknown): MemberHead => {
  const { name, family, channels } = (value ?? {}) as Record<string, unknown>
  const known = SERIES_FAMILIES.find((one) => one === family)
  if (!isText(name) || !known || !Array.isArray(channels) || !channels.every(isText))
    throw wrong('metadata members holds something that is no member')
  return { name, family: known, channels }
}

type Take = <T extends Tensor>(name: string, kinds: readonly (new (n: number) => T)[], length?: number) => T

const scorerOf = (head: MemberHead, names: readonly string[], take: Take): MemberScorer => {
  const places = placesOf(names, head.channels)
  if (places.length === 0) throw wrong(`member ${head.name} has no column`)
  const own = places.map((place) => names[place] as string)
  const member = { name: head.name, channels: head.channels }
  if (head.family === 'zscore') {
    const [k = Number.NaN] = take('k', [Float64Array], 1)
    if (!(k > 0)) throw wrong(`member ${head.name}: k is not above 0`)
    const mean = take('mean', [Float64Array], places.length)
    const std = take('std', [Float64Array], places.length)
    return zscoreScorer({ k, mean, std }, member, own, places)
  }
  if (head.family === 'isolation_forest') {
    const [columns = 0, maxSamples = 0, offset = Number.NaN, window = -1] = take('shape', [Float64Array], 4)
    if (!Number.isInteger(window) || window < 0 || window > 100_000)
      throw wrong(`member ${head.name}: its window`)
    const per = window === 0 ? 1 : SLIDING_COUNT
    if (columns !== places.length * per)
      throw wrong(`member ${head.name} has other columns than its channels`)
    if (!Number.isInteger(maxSamples) || maxSamples < 1 || maxSamples > 1e7 || !(offset <= 0))
      throw wrong(`member ${head.name}: its forest`)
    const small = [Uint8Array, Uint16Array, Uint32Array]
    const forest = {
      columns,
      maxSamples,
      offset,
      internals: take<Uint16Array | Uint32Array>('trees.internals', [Uint16Array, Uint32Array]),
      feature: take<Uint8Array | Uint16Array>('trees.feature', [Uint8Array, Uint16Array]),
      threshold: take('trees.threshold', [Float32Array]),
      leftInternals: take<Uint8Array | Uint16Array | Uint32Array>('trees.left_internals', small),
      leafCount: take<Uint8Array | Uint16Array | Uint32Array>('trees.leaf_count', small),
    }
    const medians = take('medians', [Float64Array], columns)
    const low = take('low', [Float64Array], places.length)
    const high = take('high', [Float64Array], places.length)
    return slidingForestScorer({ forest, window, medians, low, high }, member, own, places)
  }
  throw wrong(`member ${head.name} is of the family ${head.family}, which cannot be read`)
}

/**
 * Opens an artifact.
 * @param file starts at a multiple of 8 in its buffer
 * @throws ArtifactFormatError; ForestShapeError
 */
export const openBundle = (file: Uint8Array): Bundle => {
  const { tensors, metadata } = decodeSafetensors(file)
  const format = metadata.get('format')
  if (format !== BUNDLE_FORMAT)
    throw wrong(`the format ${String(format).slice(0, 40)} is not ${BUNDLE_FORMAT}`)
  const algorithms: readonly string[] = Object.values(ALGORITHMS)
  for (const algorithm of (metadata.get('algorithm_version') ?? '').split(','))
    if (!algorithms.includes(algorithm)) throw wrong(`the algorithm ${algorithm.slice(0, 40)} is not known`)
  const seriesClass = SERIES_CLASSES.find((one) => one === metadata.get('class'))
  if (!seriesClass) throw wrong('metadata class is none of ours')
  const names = listOf(metadata.get('columns'), 'columns')
  if (!names.every(isText)) throw wrong('metadata columns holds something that is no name')
  const heads = listOf(metadata.get('members'), 'members').map(headOf)
  if (heads.length === 0 || heads.length > MOST_MEMBERS) throw wrong(`${heads.length} members`)
  const scorers = new Map(
    heads.map((head): [string, MemberScorer] => {
      const take: Take = (name, kinds, length) => {
        const tensor = tensors.get(`${head.name}/${name}`)
        const fits = kinds.some((kind) => tensor instanceof kind)
        if (!tensor || !fits || (length !== undefined && tensor.length !== length))
          throw wrong(`member ${head.name}: tensor ${name} is missing or of another shape`)
        return tensor as never
      }
      return [head.name, scorerOf(head, names, take)]
    }),
  )
  if (scorers.size !== heads.length) throw wrong('two members have one name')
  return { class: seriesClass, names, scorers }
}

/** The z-score that answers while an artifact cannot. */
export const baselineScorer = (baseline: Baseline, names: readonly string[]): MemberScorer =>
  zscoreScorer(
    {
      k: BASELINE_K,
      mean: Float64Array.from(names, (name) => baseline[name]?.mean ?? 0),
      std: Float64Array.from(names, (name) => baseline[name]?.std ?? 0),
    },
    { name: 'baseline', channels: [...new Set(names.map(channelOf))] },
    names,
    names.map((_, place) => place),
  )
