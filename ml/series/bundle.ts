/**
 * The artifact of a version: all members in one safetensors file. The metadata says what each member is, the
 * tensors are named `{member}/...`; opening makes views on them and copies nothing.
 *
 * Readers trust nothing: what does not fit together ends in `ArtifactFormatError`.
 */
import { ArtifactFormatError, decodeSafetensors, encodeSafetensors } from '../artifact/safetensors.ts'
import type { Tensor } from '../artifact/safetensors.ts'
import { openAutoencoder } from '../detectors/series/autoencoder.ts'
import { openSlidingForest } from '../detectors/series/sliding-forest.ts'
import { openZscore, zscoreScorer } from '../detectors/series/zscore.ts'
import { memberTensors, planMember } from './family.ts'
import type { FittedMember, MemberPlan, MemberTensors } from './family.ts'
import { channelOf } from './frame.ts'
import { ALGORITHMS, SERIES_CLASSES, SERIES_FAMILIES } from './member.ts'
import type { Baseline, MemberScorer, MemberSpec, SeriesClass, SeriesFamily } from './member.ts'

export const BUNDLE_FORMAT = 'vigia.model/1'
const MOST_MEMBERS = 64
/** Of a waveform of 16 channels, with room. */
const MOST_COLUMNS = 1024
const MOST_NAME = 256
const BASELINE_K = 3

type OpenMember = (tensors: MemberTensors, plan: MemberPlan) => MemberScorer

const OPEN: Readonly<Record<SeriesFamily, OpenMember>> = {
  zscore: openZscore,
  isolation_forest: openSlidingForest,
  autoencoder: openAutoencoder,
}

export interface BundleMember {
  readonly spec: MemberSpec
  readonly fitted: FittedMember
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
  /** In the order of the training; the first is the primary. */
  readonly scorers: ReadonlyMap<string, MemberScorer>
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

/** The same members give the same bytes. */
export const encodeBundle = (members: readonly BundleMember[], identity: BundleIdentity): Uint8Array => {
  const tensors = new Map<string, Tensor>()
  for (const { spec, fitted } of members) {
    for (const [name, tensor] of fitted.tensors) tensors.set(`${spec.name}/${name}`, tensor)
  }
  const algorithms = new Set(members.map(({ spec }) => ALGORITHMS[spec.family]))
  const specs = members.map(({ spec: { name, family, channels, params } }) => ({
    algorithm: ALGORITHMS[family],
    channels,
    name,
    params: Object.fromEntries(Object.entries(params).sort(byName)),
  }))
  return encodeSafetensors(
    tensors,
    new Map([
      ['format', BUNDLE_FORMAT],
      ['algorithm_version', [...algorithms].sort().join(',')],
      ['fingerprint', identity.fingerprint],
      ['series_id', identity.seriesId],
      ['class', identity.class],
      ['columns', JSON.stringify(identity.names)],
      ['members', JSON.stringify(specs)],
    ]),
  )
}

const wrong = (what: string): ArtifactFormatError => new ArtifactFormatError(what)

const shown = (text: unknown): string => String(text).slice(0, 40)

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= MOST_NAME

/** A list of different texts in ascending order. */
const isAscending = (values: unknown): values is readonly string[] =>
  Array.isArray(values) &&
  values.length > 0 &&
  values.every((value, i) => isText(value) && (i === 0 || value > (values[i - 1] as string)))

const listOf = (text: string | undefined, key: string): unknown[] => {
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch {
    value = null
  }
  if (!Array.isArray(value)) throw wrong(`metadata ${key} is not a list`)
  return value
}

const familyOf = (algorithm: unknown): SeriesFamily => {
  const family = SERIES_FAMILIES.find((one) => ALGORITHMS[one] === algorithm)
  if (!family) throw wrong(`the algorithm ${shown(algorithm)} is not known`)
  return family
}

const specOf = (value: unknown): MemberSpec => {
  const { name, algorithm, channels, params } = (value ?? {}) as Record<string, unknown>
  const numbers = typeof params === 'object' && params !== null ? Object.entries(params) : null
  if (!isText(name) || !isAscending(channels) || !numbers?.every(([, number]) => Number.isFinite(number)))
    throw wrong('metadata members holds something that is no member')
  return { name, family: familyOf(algorithm), channels, params: Object.fromEntries(numbers) }
}

/**
 * Opens an artifact.
 * @param file starts at a multiple of 8 in its buffer and is not changed while a scorer lives
 * @throws ArtifactFormatError naming what is wrong
 */
export const openBundle = (file: Uint8Array): Bundle => {
  const { tensors, metadata } = decodeSafetensors(file)
  const format = metadata.get('format')
  if (format !== BUNDLE_FORMAT) throw wrong(`the format ${shown(format)} is not ${BUNDLE_FORMAT}`)
  for (const algorithm of (metadata.get('algorithm_version') ?? '').split(',')) familyOf(algorithm)
  const seriesClass = SERIES_CLASSES.find((one) => one === metadata.get('class'))
  if (!seriesClass) throw wrong('metadata class is none of ours')
  const names = listOf(metadata.get('columns'), 'columns')
  if (!isAscending(names) || names.length > MOST_COLUMNS)
    throw wrong('metadata columns is no list of names, ascending')
  const specs = listOf(metadata.get('members'), 'members').map(specOf)
  if (specs.length === 0 || specs.length > MOST_MEMBERS) throw wrong(`there are ${specs.length} members`)
  const scorers = new Map<string, MemberScorer>()
  const taken = new Set<string>()
  for (const spec of specs) {
    if (scorers.has(spec.name)) throw wrong(`two members are called ${shown(spec.name)}`)
    const plan = planMember(spec, seriesClass === 'waveform', names)
    if (!plan) throw wrong(`a channel of member ${shown(spec.name)} has no column`)
    scorers.set(spec.name, OPEN[spec.family](memberTensors(tensors, spec.name, taken), plan))
  }
  if (taken.size !== tensors.size) throw wrong(`${tensors.size - taken.size} tensors belong to no member`)
  return { class: seriesClass, names, scorers }
}

/**
 * The z-score that answers while an artifact cannot: by the columns of `channels` alone, as the member would.
 * @param names columns of the frames it will judge
 */
export const baselineScorer = (
  baseline: Baseline,
  names: readonly string[],
  channels: readonly string[],
): MemberScorer => {
  const known = names.flatMap((column, place) => {
    const moments = Object.hasOwn(baseline, column) ? baseline[column] : undefined
    return moments && channels.includes(channelOf(column)) ? [{ column, place, moments }] : []
  })
  return zscoreScorer(
    {
      k: BASELINE_K,
      mean: Float64Array.from(known, ({ moments }) => moments.mean),
      std: Float64Array.from(known, ({ moments }) => moments.std),
    },
    {
      spec: { name: 'baseline', family: 'zscore', channels, params: { k: BASELINE_K } },
      places: known.map(({ place }) => place),
      columns: known.map(({ column }) => column),
    },
  )
}
