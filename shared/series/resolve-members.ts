/** The members a training asks for, with every default filled in. */
import { SERIES_FAMILIES } from '../../ml/series/member.ts'
import type { MemberSpec, SeriesClass, SeriesFamily } from '../../ml/series/member.ts'
import { resolveParams } from '../../ml/series/params.ts'
import { invalid, Refused } from './refusal.ts'

const MOST_MEMBERS = 64
/** They name tensors and answers. */
const NAME = /^[a-z][a-z0-9_]{0,99}$/
/** As `models` of a prediction. */
export const EVERY_MEMBER = 'all'
const MEMBER_KEYS: readonly string[] = ['name', 'family', 'channels', 'params']

const familyOf = (given: unknown): SeriesFamily => {
  const family = SERIES_FAMILIES.find((name) => name === given)
  if (family) return family
  const shown = typeof given === 'string' ? JSON.stringify(given.slice(0, 40)) : 'that'
  throw new Refused(
    'UNKNOWN_MODEL',
    `there is no model family ${shown}; there are ${SERIES_FAMILIES.join(', ')}`,
    {
      known: SERIES_FAMILIES,
    },
  )
}

const channelsOf = (given: unknown, known: readonly string[], at: string): readonly string[] => {
  if (
    !Array.isArray(given) ||
    given.length === 0 ||
    !given.every((name): name is string => typeof name === 'string')
  )
    throw invalid(`${at}.channels is a list of channels`)
  const stranger = given.find((name) => !known.includes(name))
  if (stranger !== undefined)
    throw new Refused(
      'UNKNOWN_CHANNEL',
      `${at}: there is no channel ${JSON.stringify(stranger.slice(0, 40))}; there are ${known.join(', ')}`,
      { known },
    )
  if (new Set(given).size !== given.length) throw invalid(`${at}.channels names a channel twice`)
  return given.toSorted()
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const specOf = (
  given: unknown,
  known: readonly string[],
  seriesClass: SeriesClass,
  at: string,
): MemberSpec => {
  const wanted = typeof given === 'string' ? { family: given } : given
  if (!isRecord(wanted))
    throw invalid(`${at} is the name of a family, or {name?, family, channels?, params?}`)
  const stranger = Object.keys(wanted).find((key) => !MEMBER_KEYS.includes(key))
  if (stranger !== undefined)
    throw invalid(`${at}.${stranger.slice(0, 40)} is not known; there are ${MEMBER_KEYS.join(', ')}`)
  const family = familyOf(wanted['family'])
  const channels = wanted['channels'] === undefined ? known : channelsOf(wanted['channels'], known, at)
  const given_ = wanted['params'] ?? {}
  if (!isRecord(given_)) throw invalid(`${at}.params is an object`)
  const resolved = resolveParams(family, given_, seriesClass)
  if ('problem' in resolved) throw invalid(`${at}.params: ${resolved.problem}`)
  const name =
    wanted['name'] ?? (wanted['channels'] === undefined ? family : `${family}.${channels.join('_')}`)
  const isDefault = wanted['name'] === undefined
  if (typeof name !== 'string' || !(isDefault || NAME.test(name)))
    throw invalid(`${at}.name is a small letter, then at most 99 small letters, digits or _`)
  if (name === EVERY_MEMBER) throw invalid(`${at}.name cannot be ${EVERY_MEMBER}: that asks for every model`)
  return { name, family, channels, params: resolved.params }
}

/**
 * @param channels of the points, ascending
 * @param fallback families of a body that names none
 * @throws Refused INVALID_REQUEST, UNKNOWN_MODEL, UNKNOWN_CHANNEL
 */
export const resolveMembers = (
  given: unknown,
  channels: readonly string[],
  fallback: readonly string[],
  seriesClass: SeriesClass,
): readonly MemberSpec[] => {
  const wanted = typeof given === 'string' ? given.split(',').map((name) => name.trim()) : (given ?? fallback)
  if (!Array.isArray(wanted) || wanted.length === 0) throw invalid('models is a list of families or members')
  if (wanted.length > MOST_MEMBERS)
    throw invalid(`there can be ${MOST_MEMBERS} models, these are ${wanted.length}`)
  const members = wanted.map((one: unknown, i) => specOf(one, channels, seriesClass, `models[${i}]`))
  const names = new Set<string>()
  for (const { name } of members) {
    if (names.has(name)) throw invalid(`two models are called ${name}; give each a name of its own`)
    names.add(name)
  }
  return members
}
