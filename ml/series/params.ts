/** The parameters of the families: their defaults, what they may be, and what is wrong with what was asked for. */
import type { SeriesClass, SeriesFamily } from './member.ts'

interface Param {
  readonly fallback: number
  readonly min: number
  readonly max: number
  readonly whole: boolean
}

const whole = (fallback: number, min: number, max: number): Param => ({ fallback, min, max, whole: true })
const real = (fallback: number, min: number, max: number): Param => ({ fallback, min, max, whole: false })

const FAMILY_PARAMS: Readonly<Record<SeriesFamily, ReadonlyMap<string, Param>>> = {
  zscore: new Map([['k', real(3, 0.01, 1000)]]),
  isolation_forest: new Map([
    ['n_estimators', whole(100, 1, 1000)],
    ['max_samples', whole(256, 2, 100_000)],
    ['contamination', real(0.01, 0.0001, 0.5)],
    ['random_state', whole(42, 0, 4_294_967_295)],
    ['window', whole(12, 1, 1000)],
  ]),
  autoencoder: new Map([
    ['window', whole(32, 1, 512)],
    ['epochs', whole(20, 1, 200)],
    ['batch_size', whole(64, 1, 4096)],
    ['learning_rate', real(1e-3, 1e-6, 1)],
    ['max_windows', whole(4096, 16, 16_384)],
    ['seed', whole(42, 0, 4_294_967_295)],
    ['contamination', real(0.01, 0.0001, 0.5)],
  ]),
}

/** Trees times the rows each is grown on: what a forest costs in time and memory. */
const MOST_FOREST_ROWS = 1_000_000

/**
 * What a family takes for a class of series. The points of a waveform are whole windows already: a forest reads
 * their figures as they are, an autoencoder one row at a time.
 */
const takenBy = (family: SeriesFamily, seriesClass: SeriesClass): ReadonlyMap<string, Param> => {
  const all = FAMILY_PARAMS[family]
  if (seriesClass !== 'waveform' || !all.has('window')) return all
  const taken = new Map(all)
  if (family === 'autoencoder') taken.set('window', whole(1, 1, 1))
  else taken.delete('window')
  return taken
}

const shown = (value: unknown): string =>
  typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value).slice(0, 40)

export type ResolvedParams =
  | { readonly params: Readonly<Record<string, number>> }
  /** Names the parameter and what is allowed. */
  | { readonly problem: string }

/**
 * Every parameter of a family, or what is wrong with those given.
 * @param given as it came in a body; `undefined` is absent
 */
export const resolveParams = (
  family: SeriesFamily,
  given: Readonly<Record<string, unknown>>,
  seriesClass: SeriesClass,
): ResolvedParams => {
  const taken = takenBy(family, seriesClass)
  const stranger = Object.keys(given).find((name) => !taken.has(name))
  if (stranger !== undefined) {
    const whose = seriesClass === 'waveform' ? `${family} of a waveform` : family
    return {
      problem: `${whose} has no parameter ${shown(stranger)}; it takes ${[...taken.keys()].join(', ')}`,
    }
  }
  const params: Record<string, number> = {}
  for (const [name, param] of taken) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    if (value === undefined) {
      params[name] = param.fallback
      continue
    }
    const fits =
      typeof value === 'number' &&
      value >= param.min &&
      value <= param.max &&
      (!param.whole || Number.isInteger(value))
    if (!fits) {
      const kind = param.whole ? 'a whole number' : 'a number'
      const range = param.min === param.max ? String(param.min) : `${kind} from ${param.min} to ${param.max}`
      return { problem: `${family}.${name} is ${range}, not ${shown(value)}` }
    }
    // -0 is 0: the same number must not have two texts.
    params[name] = value + 0
  }
  const forestRows = (params['n_estimators'] ?? 0) * (params['max_samples'] ?? 0)
  if (forestRows > MOST_FOREST_ROWS) {
    return {
      problem: `${family}.n_estimators times max_samples is at most ${MOST_FOREST_ROWS}, not ${forestRows}`,
    }
  }
  return { params }
}
