/**
 * How much an ad set competes with others of its campaign for the same people (ads-domain section 4): the
 * Jaccard index of their targeting (Jaccard 1912), weighted by how alike their daily frequencies move.
 *
 * Targeting is Meta's spec as it arrives: `geo_locations`, `age_min`, `age_max`, `genders`, `interests` and
 * `behaviors` (also within `flexible_spec`), `custom_audiences`, `excluded_custom_audiences`; entries are ids
 * or objects with one.
 */

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const nameOf = (entry: unknown): string | null => {
  const id = isObject(entry) ? (entry['id'] ?? entry['key'] ?? entry['name']) : entry
  return typeof id === 'string' || typeof id === 'number' ? String(id).toLowerCase() : null
}

/** First and last year; 65 as a maximum means no end. */
const AGE_BUCKETS = [
  [18, 24],
  [25, 34],
  [35, 44],
  [45, 54],
  [55, 64],
  [65, Infinity],
] as const
const YOUNGEST = 18
const OLDEST = 65

const numberOr = (value: unknown, otherwise: number): number => {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : otherwise
}

const ageTokens = (targeting: Json): string[] => {
  const min = numberOr(targeting['age_min'], YOUNGEST)
  const max = numberOr(targeting['age_max'], OLDEST)
  return AGE_BUCKETS.filter(([first, last]) => first <= max && last >= min).map(([first]) => `age:${first}`)
}

const GENDERS: Readonly<Record<string, string>> = { 1: 'male', 2: 'female', male: 'male', female: 'female' }

const genderTokens = (targeting: Json): string[] => {
  const named = listOf(targeting['genders']).flatMap((entry) => GENDERS[nameOf(entry) ?? ''] ?? [])
  return (named.length > 0 ? named : ['male', 'female']).map((gender) => `gender:${gender}`)
}

/** Null when the targeting is unknown or says nothing. */
export const audienceTokens = (targeting: unknown): ReadonlySet<string> | null => {
  if (!isObject(targeting) || Object.keys(targeting).length === 0) return null
  const places = isObject(targeting['geo_locations']) ? targeting['geo_locations'] : {}
  const specs = [targeting, ...listOf(targeting['flexible_spec']).filter(isObject)]
  const lists: readonly (readonly [string, readonly unknown[]])[] = [
    ['country', listOf(places['countries'])],
    ['region', listOf(places['regions'])],
    ['city', listOf(places['cities'])],
    ['interest', specs.flatMap((spec) => listOf(spec['interests']))],
    ['behavior', specs.flatMap((spec) => listOf(spec['behaviors']))],
    ['custom', listOf(targeting['custom_audiences'])],
    ['not_custom', listOf(targeting['excluded_custom_audiences'])],
  ]
  const tokens = new Set([...ageTokens(targeting), ...genderTokens(targeting)])
  for (const [kind, entries] of lists) {
    for (const entry of entries) {
      const name = nameOf(entry)
      if (name !== null) tokens.add(`${kind}:${name}`)
    }
  }
  return tokens
}

/** Days both had a frequency, from which their correlation says something. */
const MIN_SHARED_DAYS = 14

/** Pearson's correlation over the days on which both are known; 0 where it is negative, or not defined. */
export const frequencyCorrelation = (a: Float64Array, b: Float64Array): number => {
  let n = 0
  let meanA = 0
  let meanB = 0
  for (let day = 0; day < a.length; day++) {
    const x = a[day] as number
    const y = b[day] as number
    if (Number.isNaN(x) || Number.isNaN(y)) continue
    n++
    meanA += x
    meanB += y
  }
  if (n < MIN_SHARED_DAYS) return 0
  meanA /= n
  meanB /= n
  let squaresA = 0
  let squaresB = 0
  let products = 0
  for (let day = 0; day < a.length; day++) {
    const x = (a[day] as number) - meanA
    const y = (b[day] as number) - meanB
    if (Number.isNaN(x) || Number.isNaN(y)) continue
    squaresA += x * x
    squaresB += y * y
    products += x * y
  }
  const scale = Math.sqrt(squaresA) * Math.sqrt(squaresB)
  // Frequencies that differ only in the last bits of a division do not move at all.
  const still = n * 1e-24
  if (squaresA <= still * meanA * meanA || squaresB <= still * meanB * meanB) return 0
  return Math.min(1, Math.max(0, products / scale))
}

const jaccard = (a: ReadonlySet<string>, b: ReadonlySet<string>): number => {
  const [small, large] = a.size <= b.size ? [a, b] : [b, a]
  let shared = 0
  for (const token of small) if (large.has(token)) shared++
  return shared / (a.size + b.size - shared)
}

/** An ad set and what it competes with. */
export interface Audience {
  /** Null when the targeting is unknown. */
  readonly tokens: ReadonlySet<string> | null
  /** Of each day of the window, at the same index in all; NaN where unknown. */
  readonly frequency: Float64Array
  readonly active: boolean
}

const ALIKE = 0.3

/** 0 (nobody, or no one else) to 1 (the same people at the same time); null without targeting of its own. */
export const audienceOverlap = (own: Audience, campaign: readonly Audience[]): number | null => {
  if (own.tokens === null) return null
  let most = 0
  for (const other of campaign) {
    if (other === own || !other.active || other.tokens === null) continue
    const shared = jaccard(own.tokens, other.tokens)
    // The correlation cannot lift it any further than this.
    if (shared <= most) continue
    const score = shared * (1 - ALIKE + ALIKE * frequencyCorrelation(own.frequency, other.frequency))
    if (score > most) most = score
  }
  return most
}
