/**
 * How predictions went per series and version over the last minutes, in bounded memory: two halves of five
 * minutes, the older of which is dropped when the newer is full of time.
 */

const HALF_MS = 150_000
/** As many as models held in memory; a version first seen beyond that waits for the next half. */
const MOST_TOLD_APART = 20_000
/** Shares of fewer say nothing. */
const FEWEST_POINTS = 20
const FEWEST_REQUESTS = 20

/** One answered request for one series. */
export interface Served {
  readonly seriesId: string
  readonly version: number
  readonly points: number
  readonly anomalies: number
  /** It ended in an error or was answered by a baseline. */
  readonly failed: boolean
  readonly seconds: number
}

export interface SeriesFigure {
  readonly seriesId: string
  readonly version: number
  readonly value: number
}

export interface ServedSeries {
  served(one: Served): void
  /** The `most` highest shares of anomalies among points, of failures among requests, and mean seconds. */
  worst(most: number): {
    readonly anomalyRatio: readonly SeriesFigure[]
    readonly errorRatio: readonly SeriesFigure[]
    readonly latencyS: readonly SeriesFigure[]
  }
  /** Series whose share of anomalies is over each of `shares`. */
  anomalousOver(shares: readonly number[]): readonly number[]
  /** Versions whose share of failures is over `share`. */
  failingOver(share: number): number
}

interface Sums {
  readonly seriesId: string
  readonly version: number
  requests: number
  points: number
  anomalies: number
  failures: number
  seconds: number
}

/** The highest first, in one pass over many for few. */
const highest = (figures: Iterable<SeriesFigure>, most: number): SeriesFigure[] => {
  const top: SeriesFigure[] = []
  for (const figure of figures) {
    const last = top[most - 1]
    if (last && last.value >= figure.value) continue
    const at = top.findIndex((one) => one.value < figure.value)
    top.splice(at < 0 ? top.length : at, 0, figure)
    if (top.length > most) top.pop()
  }
  return top
}

/** @param now milliseconds, ascending */
export const createServedSeries = (now: () => number): ServedSeries => {
  let older = new Map<string, Sums>()
  let newer = new Map<string, Sums>()
  let since = now()

  const turn = (): void => {
    const age = now() - since
    if (age < HALF_MS) return
    older = age < 2 * HALF_MS ? newer : new Map<string, Sums>()
    newer = new Map()
    since = now()
  }

  const merged = (): Sums[] => {
    turn()
    const all = new Map([...newer].map(([key, sums]) => [key, { ...sums }]))
    for (const [key, sums] of older) {
      const same = all.get(key)
      if (!same) {
        all.set(key, sums)
        continue
      }
      same.requests += sums.requests
      same.points += sums.points
      same.anomalies += sums.anomalies
      same.failures += sums.failures
      same.seconds += sums.seconds
    }
    return [...all.values()]
  }
  const figures = (all: readonly Sums[], value: (sums: Sums) => number): SeriesFigure[] =>
    all.map((sums) => ({ seriesId: sums.seriesId, version: sums.version, value: value(sums) }))

  return {
    served: ({ seriesId, version, points, anomalies, failed, seconds }) => {
      turn()
      const key = `${seriesId} ${version}`
      let sums = newer.get(key)
      if (!sums) {
        if (newer.size >= MOST_TOLD_APART) return
        sums = { seriesId, version, requests: 0, points: 0, anomalies: 0, failures: 0, seconds: 0 }
        newer.set(key, sums)
      }
      sums.requests += 1
      sums.points += points
      sums.anomalies += anomalies
      sums.failures += failed ? 1 : 0
      sums.seconds += seconds
    },
    worst: (most) => {
      const all = merged()
      const asked = all.filter(({ requests }) => requests >= FEWEST_REQUESTS)
      return {
        anomalyRatio: highest(
          figures(
            all.filter(({ points }) => points >= FEWEST_POINTS),
            ({ anomalies, points }) => anomalies / points,
          ),
          most,
        ),
        errorRatio: highest(
          figures(asked, ({ failures, requests }) => failures / requests),
          most,
        ),
        latencyS: highest(
          figures(all, ({ seconds, requests }) => seconds / requests),
          most,
        ),
      }
    },
    anomalousOver: (shares) => {
      const series = new Map<string, { points: number; anomalies: number }>()
      for (const { seriesId, points, anomalies } of merged()) {
        const sums = series.get(seriesId) ?? { points: 0, anomalies: 0 }
        series.set(seriesId, { points: sums.points + points, anomalies: sums.anomalies + anomalies })
      }
      const told = [...series.values()].filter(({ points }) => points >= FEWEST_POINTS)
      return shares.map((share) => told.filter(({ anomalies, points }) => anomalies / points > share).length)
    },
    failingOver: (share) =>
      merged().filter(({ failures, requests }) => requests >= FEWEST_REQUESTS && failures / requests > share)
        .length,
  }
}
