/** Where the past is cut to try models on what followed. */
import type { ForecastInput } from './series.ts'

/** At each origin `steps` values are held out. */
export interface RollingOrigins {
  /** Steps before each origin, ascending. */
  readonly origins: readonly number[]
  readonly steps: number
}

const MAX_ORIGINS = 4
/** Days before a forecast is tried, and between origins; other steps go by their season. */
const MIN_SEASONS = 4
const WEEK = 7
/** A series has room for origins as long as its horizon when this many horizons fit into it. */
const HORIZONS = 12

/**
 * Up to four origins one season (7 steps where none fits four times) apart, after four seasons at least. As
 * many steps are held out as are asked for where the series is long, else one season.
 */
export const rollingOrigins = ({ values, periods, horizon }: ForecastInput): RollingOrigins => {
  const n = values.length
  const season = periods.find((period) => n >= 2 * MIN_SEASONS * period) ?? WEEK
  const steps = Math.max(season, Math.min(horizon, Math.floor(n / HORIZONS)))
  const origins: number[] = []
  for (let k = 0; k < MAX_ORIGINS; k++) {
    const origin = n - steps - k * season
    if (origin >= MIN_SEASONS * season) origins.unshift(origin)
  }
  return { origins, steps }
}
