/**
 * The forecasting packages, opened when first asked for: augurs (one WebAssembly module per subpath) and
 * the optimiser of Prophet's Stan model. The bytes come from the caller, as nothing here reads files.
 *
 * Whatever goes wrong inside one of them (missing bytes, a module that does not start, a trap, a fit that
 * does not converge, a forecast that is not a number) is a null, so that it costs its own model only.
 */
import { AutoETS, initSync as initEts } from '@bsull/augurs/ets'
import { initSync as initMstl, MSTL } from '@bsull/augurs/mstl'
import { initSync as initProphet, Prophet } from '@bsull/augurs/prophet'
import type { ProphetOptimizer } from './prophet-optimizer.ts'

export const WASM_SUBPATHS = ['ets', 'mstl', 'prophet'] as const
export type WasmSubpath = (typeof WASM_SUBPATHS)[number]

export interface ProphetSeries {
  readonly values: Float64Array
  /** Unix seconds of the first value. */
  readonly startS: number
  readonly stepS: number
  readonly daily: boolean
  readonly weekly: boolean
  readonly yearly: boolean
}

/** Each forecasts `horizon` values, or null. `values` have no NaN and are not all equal. */
export interface ForecastPackages {
  /** Exponential smoothing without season, error and trend chosen by AICc. */
  autoEts(values: Float64Array, horizon: number): Float64Array | null
  /** STL for each period (in steps, ascending, two whole ones at least), ETS on the rest. */
  mstlEts(values: Float64Array, periods: readonly number[], horizon: number): Float64Array | null
  prophet(series: ProphetSeries, horizon: number): Float64Array | null
}

/** The finite values of a forecast of the right length. */
const checked = (point: readonly number[], horizon: number): Float64Array | null =>
  point.length === horizon && point.every(Number.isFinite) ? Float64Array.from(point) : null

const attempt = (forecast: () => Float64Array | null): Float64Array | null => {
  try {
    return forecast()
  } catch {
    return null
  }
}

/** What a model holds in its module's memory is no business of the collector: it must be given back. */
const freed = <Model extends { free(): void }>(
  model: Model,
  forecast: (model: Model) => Float64Array | null,
): Float64Array | null => {
  try {
    return forecast(model)
  } finally {
    model.free()
  }
}

/** Prophet's own defaults for the width of its priors (Taylor & Letham 2018). */
const CHANGEPOINT_PRIOR_SCALE = 0.05
const SEASONALITY_PRIOR_SCALE = 10

/**
 * @param wasm the bytes of `@bsull/augurs/<subpath>`'s module (`<subpath>_bg.wasm`); null: not there
 * @param optimizer of `loadProphetOptimizer`; null: no Prophet
 */
export const openForecastPackages = (
  wasm: (subpath: WasmSubpath) => Uint8Array | null,
  optimizer: ProphetOptimizer | null,
): ForecastPackages => {
  const started = new Map<WasmSubpath, boolean>()
  const start = (subpath: WasmSubpath, init: (bytes: Uint8Array<ArrayBuffer>) => unknown): boolean => {
    const known = started.get(subpath)
    if (known !== undefined) return known

    let ready = false
    try {
      const bytes = wasm(subpath)
      if (bytes !== null) {
        init(Uint8Array.from(bytes))
        ready = true
      }
    } catch {
      ready = false
    }
    started.set(subpath, ready)
    return ready
  }

  return {
    autoEts: (values, horizon) => {
      if (!start('ets', (module) => initEts({ module }))) return null
      return attempt(() => {
        return freed(new AutoETS(1, 'ZZN'), (model) => {
          model.fit(values)
          return checked(model.predict(horizon).point, horizon)
        })
      })
    },

    mstlEts: (values, periods, horizon) => {
      if (!start('mstl', (module) => initMstl({ module }))) return null
      return attempt(() => {
        return freed(MSTL.ets([...periods]), (model) => {
          model.fit(values)
          return checked(model.predict(horizon).point, horizon)
        })
      })
    },

    prophet: ({ values, startS, stepS, daily, weekly, yearly }, horizon) => {
      if (optimizer === null || !start('prophet', (module) => initProphet({ module }))) return null
      const manual = (enabled: boolean) => ({ type: 'manual', enabled }) as const
      return attempt(() => {
        const made = new Prophet({
          optimizer,
          changepointPriorScale: CHANGEPOINT_PRIOR_SCALE,
          seasonalityPriorScale: SEASONALITY_PRIOR_SCALE,
          dailySeasonality: manual(daily),
          weeklySeasonality: manual(weekly),
          yearlySeasonality: manual(yearly),
          // Our intervals come from held-out errors; its draws are random and cost the most.
          uncertaintySamples: 0,
        })
        return freed(made, (model) => {
          model.fit({ ds: Array.from(values, (_, i) => startS + i * stepS), y: values })
          const ds = Array.from({ length: horizon }, (_, i) => startS + (values.length + i) * stepS)
          return checked(model.predict({ ds }).yhat.point, horizon)
        })
      })
    },
  }
}
