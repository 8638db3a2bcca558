/**
 * Made-up series of the kinds that forecasting competitions are made of, seeded: the same set, family and
 * index give the same series. Every series draws its own size, trend, season, noise and accidents, so a family is
 * a neighbourhood and not one recipe.
 *
 * Models are tuned on the set `tune` and reported on the set `report`, which share no seed.
 */
import { between, normal, poisson, randomOf } from '../random.ts'
import type { Random } from '../random.ts'

export const KINDS = ['daily', 'weekly', 'hourly'] as const
export type Kind = (typeof KINDS)[number]

export const SETS = { tune: 20_100, report: 77_300 } as const
export type SeriesSet = keyof typeof SETS

export interface BenchSeries {
  readonly family: string
  readonly kind: Kind
  /** NaN where a step is not known. */
  readonly values: Float64Array
  /** Unix seconds of the first value. */
  readonly startS: number
  /** Nothing in the history is below zero. */
  readonly floor: 0 | null
}

const HOUR_S = 3600
const DAY_S = 24 * HOUR_S
export const STEP_S: Readonly<Record<Kind, number>> = { daily: DAY_S, weekly: 7 * DAY_S, hourly: HOUR_S }
export const PERIODS: Readonly<Record<Kind, readonly number[]>> = {
  daily: [7],
  weekly: [52],
  hourly: [24, 168],
}

const DAYS_OF_YEAR = 365.25

/** Between two lengths, as often near the short one as a log scale has it. */
const length = (random: Random, shortest: number, longest: number): number =>
  Math.round(Math.exp(between(random, Math.log(shortest), Math.log(longest))))

const chance = (random: Random, p: number): boolean => random() < p

type Path = (i: number) => number

const NOTHING: Path = () => 0

/** None, straight, damped or bent half-way; `rate` per step. */
const trendOf = (random: Random, n: number, rate: number): Path => {
  const slope = rate * normal(random)
  const kind = random()
  if (kind < 0.3) return NOTHING
  if (kind < 0.6) return (i) => slope * i
  if (kind < 0.8) {
    const phi = between(random, 0.97, 0.998)
    return (i) => (slope * (1 - phi ** i)) / (1 - phi)
  }
  const bend = between(random, 0.3, 0.95) * n
  const after = rate * normal(random)
  return (i) => (i < bend ? slope * i : slope * bend + after * (i - bend))
}

/** A random walk; its newest value at `i`, which must be asked for in order. */
const walkOf = (random: Random, sd: number): Path => {
  let level = 0
  return () => (level += sd * normal(random))
}

/** Noise that lasts: the share `phi` of a step is left one step later. `sd` is that of the whole. */
const lastingNoise = (random: Random, phi: number, sd: number): Path => {
  let state = sd * normal(random)
  const fresh = sd * Math.sqrt(1 - phi * phi)
  return () => (state = phi * state + fresh * normal(random))
}

/** Jumps that stay, on average so many in the series. */
const shiftsOf = (random: Random, n: number, count: number, size: number): Path => {
  let level = 0
  return () => {
    if (chance(random, count / n)) level += size * normal(random)
    return level
  }
}

/** A wave of a year with one harmonic, for steps of `stepDays`. */
const yearOf = (random: Random, amplitude: number, stepDays: number): Path => {
  const [phase, phase2] = [random(), random()]
  const second = between(random, 0, 0.5)
  return (i) => {
    const year = (i * stepDays) / DAYS_OF_YEAR
    return (
      amplitude * (Math.sin(2 * Math.PI * (year + phase)) + second * Math.sin(4 * Math.PI * (year + phase2)))
    )
  }
}

/** A pattern of `period` steps with mean 0 that slowly changes; asked for in order. */
const patternOf = (random: Random, shape: readonly number[], changeSd: number): Path => {
  const mean = shape.reduce((sum, value) => sum + value, 0) / shape.length
  const pattern = shape.map((value) => value - mean)
  return (i) => {
    const place = i % pattern.length
    return (pattern[place] = (pattern[place] as number) + changeSd * normal(random))
  }
}

/** Weekends unlike weekdays, and every day a little its own. Additive on a log scale. */
const weekShape = (random: Random, strength: number): readonly number[] => {
  const weekend = strength * (chance(random, 0.5) ? 1 : -1) * between(random, 0.5, 1.5)
  return Array.from({ length: 7 }, (_, i) => (i >= 5 ? weekend : 0) + 0.3 * strength * normal(random))
}

/** Two humps of a day, the night low. */
const dayShape = (random: Random, strength: number): readonly number[] => {
  const [morning, evening] = [between(random, 8, 12), between(random, 17, 21)]
  const share = between(random, 0.4, 1.2)
  const hump = (hour: number, peak: number, width: number): number => {
    const away = Math.min(Math.abs(hour - peak), 24 - Math.abs(hour - peak))
    return Math.exp(-((away / width) ** 2))
  }
  return Array.from(
    { length: 24 },
    (_, hour) => strength * (hump(hour, morning, 3.5) + share * hump(hour, evening, 3) - 0.6),
  )
}

/** Days shut or busy at the same date every year; on a log scale. */
const holidaysOf = (random: Random, size: number): Path => {
  const days = Array.from({ length: 8 }, () => Math.floor(random() * 365))
  const effects = days.map(() => size * normal(random))
  return (day) => {
    const at = days.indexOf(Math.floor(day % DAYS_OF_YEAR))
    return at < 0 ? 0 : (effects[at] as number)
  }
}

/** Now and then something else happened. */
const outliersOf = (random: Random, share: number, size: number): Path => {
  return () => (chance(random, share) ? size * (chance(random, 0.7) ? 1 : -1) * (0.5 + random()) : 0)
}

/** `count` values, asked for in order. */
const fill = (count: number, value: Path): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => value(i))

const total =
  (...paths: readonly Path[]): Path =>
  (i) =>
    paths.reduce((sum, path) => sum + path(i), 0)

const exp = (path: Path, level: number, unit = 0): Path => {
  return (i) => {
    const value = level * Math.exp(path(i))
    return unit > 0 ? Math.round(value / unit) * unit : value
  }
}

const levelOf = (random: Random, low: number, high: number): number =>
  Math.exp(between(random, Math.log(low), Math.log(high)))

/** Every family draws all it needs from `random` alone. */
type Family = (random: Random) => Float64Array

const DAILY: Readonly<Record<string, Family>> = {
  retail: (random) => {
    const n = length(random, 300, 1500)
    const path = total(
      trendOf(random, n, 0.0006),
      patternOf(random, weekShape(random, between(random, 0.1, 0.5)), 0.004),
      yearOf(random, between(random, 0, 0.2), 1),
      holidaysOf(random, 0.4),
      walkOf(random, between(random, 0.002, 0.02)),
      lastingNoise(random, between(random, 0, 0.5), between(random, 0.05, 0.2)),
      outliersOf(random, 0.005, 0.6),
    )
    return fill(n, exp(path, levelOf(random, 50, 50_000), 0.01))
  },
  web_traffic: (random) => {
    const n = length(random, 200, 800)
    const bursts = lastingBursts(random, 0.01, 1.2)
    const path = total(
      trendOf(random, n, 0.001),
      patternOf(random, weekShape(random, between(random, 0.05, 0.35)), 0.006),
      walkOf(random, between(random, 0.01, 0.05)),
      lastingNoise(random, between(random, 0.2, 0.7), between(random, 0.04, 0.15)),
      bursts,
    )
    const views = exp(path, levelOf(random, 20, 20_000))
    return fill(n, (i) => poisson(random, views(i)))
  },
  cash: (random) => {
    const n = length(random, 500, 791)
    const payday = between(random, 0, 0.3)
    const path = total(
      trendOf(random, n, 0.0004),
      patternOf(random, weekShape(random, between(random, 0.3, 0.8)), 0.01),
      (i) => payday * Math.cos((2 * Math.PI * (i % 30.44)) / 30.44),
      holidaysOf(random, 0.8),
      shiftsOf(random, n, 1, 0.2),
      lastingNoise(random, between(random, 0, 0.4), between(random, 0.15, 0.35)),
    )
    const drawn = exp(path, levelOf(random, 5, 40), 0.01)
    const [empty, lost] = [between(random, 0, 0.03), between(random, 0, 0.02)]
    return fill(n, (i) => {
      const value = drawn(i)
      if (chance(random, lost)) return Number.NaN
      return chance(random, empty) ? 0 : value
    })
  },
  electricity: (random) => {
    const n = length(random, 365, 1500)
    const path = total(
      trendOf(random, n, 0.02),
      patternOf(random, weekShape(random, between(random, 4, 12)), 0.02),
      yearOf(random, between(random, 5, 20), 1),
      lastingNoise(random, between(random, 0.6, 0.9), between(random, 2, 6)),
      holidaysOf(random, 8),
    )
    const scale = levelOf(random, 0.1, 100)
    return fill(n, (i) => scale * Math.max(1, 100 + path(i)))
  },
  ads_spend: (random) => {
    const n = length(random, 60, 200)
    const path = total(
      patternOf(random, weekShape(random, between(random, 0.03, 0.3)), 0.005),
      shiftsOf(random, n, 2, 0.3),
      walkOf(random, between(random, 0.005, 0.03)),
      lastingNoise(random, between(random, 0.2, 0.7), between(random, 0.05, 0.15)),
    )
    const spend = exp(path, levelOf(random, 10, 1000), 0.01)
    const paused = chance(random, 0.2) ? 0.03 : 0
    return fill(n, (i) => {
      const value = spend(i)
      return chance(random, paused) ? 0 : value
    })
  },
  ads_leads: (random) => {
    const n = length(random, 60, 200)
    const path = total(
      patternOf(random, weekShape(random, between(random, 0.1, 0.4)), 0.005),
      trendOf(random, n, 0.002),
      walkOf(random, between(random, 0.005, 0.03)),
    )
    const mean = exp(path, levelOf(random, 0.7, 40))
    return fill(n, (i) => poisson(random, mean(i)))
  },
  unit_sales: (random) => {
    const n = length(random, 400, 1900)
    const path = total(
      patternOf(random, weekShape(random, between(random, 0.1, 0.5)), 0.003),
      yearOf(random, between(random, 0, 0.3), 1),
      walkOf(random, between(random, 0.01, 0.03)),
    )
    const mean = exp(path, levelOf(random, 1, 60))
    // Gamma-like days on top of the counts: sales vary more than Poisson.
    const spread = between(random, 0.1, 0.5)
    return fill(n, (i) => poisson(random, mean(i) * Math.exp(spread * normal(random) - spread ** 2 / 2)))
  },
  additive: (random) => {
    const n = length(random, 100, 1000)
    const noise = between(random, 0.5, 3)
    const path = total(
      trendOf(random, n, 0.03),
      patternOf(random, weekShape(random, between(random, 1, 6)), 0.05),
      shiftsOf(random, n, 1.5, 4),
      walkOf(random, noise * between(random, 0, 0.4)),
      lastingNoise(random, between(random, 0, 0.6), noise),
      outliersOf(random, 0.01, 6 * noise),
    )
    const base = chance(random, 0.25) ? 0 : between(random, 40, 200)
    return fill(n, (i) => base + path(i))
  },
  random_walk: (random) => {
    const n = length(random, 150, 2500)
    const step = between(random, 0.004, 0.03)
    const path = total(
      walkOf(random, step),
      patternOf(random, weekShape(random, step * between(random, 0, 0.6)), 0),
      trendOf(random, n, 0.0003),
      lastingNoise(random, 0, step * between(random, 0, 0.5)),
    )
    return fill(n, exp(path, levelOf(random, 100, 20_000), 0.01))
  },
}

/** Something is talked about: up at once, down over days. */
function lastingBursts(random: Random, share: number, size: number): Path {
  let burst = 0
  return () => {
    burst *= 0.6
    if (chance(random, share)) burst += size * random()
    return burst
  }
}

const WEEKLY: Readonly<Record<string, Family>> = {
  retail_year: (random) => {
    const n = length(random, 110, 420)
    const christmas = between(random, 0, 0.8)
    const path = total(
      trendOf(random, n, 0.002),
      yearOf(random, between(random, 0.05, 0.3), 7),
      (i) => christmas * (i % 52 === 50 ? 1 : i % 52 === 51 ? 0.6 : i % 52 === 0 ? -0.4 : 0),
      walkOf(random, between(random, 0.005, 0.03)),
      lastingNoise(random, between(random, 0, 0.5), between(random, 0.03, 0.12)),
      outliersOf(random, 0.005, 0.5),
    )
    return fill(n, exp(path, levelOf(random, 100, 100_000), 0.01))
  },
  energy_year: (random) => {
    const n = length(random, 150, 600)
    const path = total(
      trendOf(random, n, 0.05),
      yearOf(random, between(random, 8, 25), 7),
      lastingNoise(random, between(random, 0.3, 0.8), between(random, 2, 8)),
    )
    return fill(n, (i) => Math.max(1, 100 + path(i)))
  },
  counts_year: (random) => {
    const n = length(random, 110, 400)
    const path = total(
      yearOf(random, between(random, 0.2, 0.8), 7),
      walkOf(random, between(random, 0.01, 0.06)),
    )
    const mean = exp(path, levelOf(random, 3, 300))
    return fill(n, (i) => poisson(random, mean(i)))
  },
  no_season: (random) => {
    const n = length(random, 80, 900)
    const path = total(
      trendOf(random, n, 0.002),
      shiftsOf(random, n, 1, 0.15),
      walkOf(random, between(random, 0.01, 0.05)),
      lastingNoise(random, between(random, 0, 0.5), between(random, 0, 0.08)),
    )
    return fill(n, exp(path, levelOf(random, 100, 20_000), 0.01))
  },
  short: (random) => {
    const n = length(random, 30, 100)
    const path = total(
      trendOf(random, n, 0.004),
      walkOf(random, between(random, 0.01, 0.05)),
      lastingNoise(random, between(random, 0, 0.5), between(random, 0.03, 0.15)),
    )
    return fill(n, exp(path, levelOf(random, 10, 5000), 0.01))
  },
}

/** The hours of a day, unlike on the weekend. */
const hourlyPattern = (random: Random, strength: number, week: number, changeSd: number): Path => {
  const [workday, weekend] = [
    dayShape(random, strength),
    dayShape(random, strength * between(random, 0.5, 1)),
  ]
  const days = weekShape(random, week)
  const shape = Array.from({ length: 168 }, (_, i) => {
    const day = Math.floor(i / 24)
    return ((day >= 5 ? weekend : workday)[i % 24] as number) + (days[day] as number)
  })
  return patternOf(random, shape, changeSd)
}

const HOURLY: Readonly<Record<string, Family>> = {
  electricity: (random) => {
    const n = length(random, 700, 1500)
    const path = total(
      hourlyPattern(random, between(random, 0.15, 0.5), between(random, 0.03, 0.15), 0.004),
      lastingNoise(random, between(random, 0.97, 0.995), between(random, 0.03, 0.1)),
      lastingNoise(random, between(random, 0.3, 0.7), between(random, 0.01, 0.04)),
    )
    return fill(n, exp(path, levelOf(random, 50, 20_000), 1))
  },
  pedestrians: (random) => {
    const n = length(random, 700, 1500)
    const path = total(
      hourlyPattern(random, between(random, 2, 4), between(random, 0.1, 0.5), 0.01),
      lastingNoise(random, between(random, 0.8, 0.95), between(random, 0.1, 0.3)),
    )
    const mean = exp(path, levelOf(random, 5, 500))
    return fill(n, (i) => poisson(random, mean(i)))
  },
  requests: (random) => {
    const n = length(random, 500, 1500)
    const path = total(
      hourlyPattern(random, between(random, 0.3, 1.2), between(random, 0.02, 0.3), 0.01),
      walkOf(random, between(random, 0.002, 0.015)),
      trendOf(random, n, 0.0002),
      lastingNoise(random, between(random, 0.3, 0.8), between(random, 0.03, 0.1)),
      lastingBursts(random, 0.003, 1.5),
    )
    const views = exp(path, levelOf(random, 10, 10_000))
    return fill(n, (i) => poisson(random, views(i)))
  },
  exchange: (random) => {
    const n = length(random, 400, 1643)
    const path = total(
      patternOf(random, dayShape(random, between(random, 0.05, 0.4)), 0.01),
      walkOf(random, between(random, 0.005, 0.02)),
      lastingNoise(random, between(random, 0.2, 0.6), between(random, 0.05, 0.15)),
      outliersOf(random, 0.004, 1.2),
    )
    return fill(n, exp(path, levelOf(random, 0.05, 5)))
  },
  sun: (random) => {
    const n = length(random, 500, 1500)
    const clouds = lastingNoise(random, between(random, 0.9, 0.97), 1)
    const top = levelOf(random, 1, 1000)
    return fill(n, (i) => {
      const height = Math.sin((Math.PI * ((i % 24) - 6)) / 12)
      const clear = 1 / (1 + Math.exp(-1.2 - clouds(i)))
      return i % 24 > 6 && i % 24 < 18 ? top * height * clear : 0
    })
  },
}

const FAMILIES: Readonly<Record<Kind, Readonly<Record<string, Family>>>> = {
  daily: DAILY,
  weekly: WEEKLY,
  hourly: HOURLY,
}

export const familiesOf = (kind: Kind): readonly string[] => Object.keys(FAMILIES[kind])

/** Monday 2019-01-07, midnight. */
const START_S = Date.UTC(2019, 0, 7) / 1000

/** One series in twenty misses some of its steps. */
const MISSING_SERIES = 0.05
const MISSING_STEPS = 0.04

/** @throws Error for a family that `kind` does not have */
export const simulate = (set: SeriesSet, kind: Kind, family: string, index: number): BenchSeries => {
  const draw = FAMILIES[kind][family]
  if (!draw) throw new Error(`${family} is none of ${familiesOf(kind).join(', ')}`)
  const random = randomOf(SETS[set] + 31 * KINDS.indexOf(kind), familiesOf(kind).indexOf(family) + 1, index)
  const values = draw(random)
  if (chance(random, MISSING_SERIES))
    for (let i = 1; i < values.length; i += 1) if (chance(random, MISSING_STEPS)) values[i] = Number.NaN
  return { family, kind, values, startS: START_S, floor: values.some((value) => value < 0) ? null : 0 }
}

/** `count` series of a kind, its families in turn. */
export function* seriesOf(set: SeriesSet, kind: Kind, count: number): Generator<BenchSeries> {
  const families = familiesOf(kind)
  for (let i = 0; i < count; i += 1)
    yield simulate(set, kind, families[i % families.length] as string, Math.floor(i / families.length))
}
