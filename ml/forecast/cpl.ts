/**
 * The cost per lead as the quotient of two forecasts, spend and leads, with an interval by the delta method on
 * its logarithm: Var(ln(S/L)) = (sS/s)^2 + (sL/l)^2 - 2 rho sS sL / (s l) (Casella and Berger, Statistical
 * Inference, 5.5.4). Both forecasts are often wrong together (a budget doubles, so do the leads); rho takes that
 * out of the interval.
 */
import type { SeriesForecast } from './series.ts'

/** Normal quantile of the two-sided 95%. */
const Z = 1.96

export interface CplForecast {
  /** Values per step; NaN where no lead is forecast. */
  readonly predicted: Float64Array
  readonly lower: Float64Array
  readonly upper: Float64Array
}

/**
 * Pearson correlation of errors made on the same step; pairs with an unknown error (NaN) are left out.
 * 0 when it cannot be told: fewer than 3 pairs, lists of different steps, or errors that never change.
 */
export const errorCorrelation = (a: Float64Array, b: Float64Array): number => {
  if (a.length !== b.length) return 0
  let n = 0
  let meanA = 0
  let meanB = 0
  for (let i = 0; i < a.length; i++) {
    const known = (a[i] as number) + (b[i] as number)
    if (Number.isNaN(known)) continue
    n++
    meanA += a[i] as number
    meanB += b[i] as number
  }
  if (n < 3) return 0
  meanA /= n
  meanB /= n
  let varA = 0
  let varB = 0
  let covariance = 0
  for (let i = 0; i < a.length; i++) {
    const da = (a[i] as number) - meanA
    const db = (b[i] as number) - meanB
    if (Number.isNaN(da + db)) continue
    varA += da * da
    varB += db * db
    covariance += da * db
  }
  const rho = covariance / Math.sqrt(varA * varB)
  return Number.isFinite(rho) ? Math.max(-1, Math.min(1, rho)) : 0
}

/** A forecast value and the half-width of its 95% interval before it was cut. */
export interface Margin {
  readonly value: number
  readonly halfWidth: number
}

/**
 * One step.
 * @returns null without leads to divide by
 */
export const cplOfForecasts = (
  spend: Margin,
  leads: Margin,
  rho: number,
): { readonly predicted: number; readonly lower: number; readonly upper: number } | null => {
  if (!(leads.value > 0)) return null
  const sigmaSpend = spend.halfWidth / Z
  const sigmaLeads = leads.halfWidth / Z
  // The logarithm of 0 has no variance; nearby, only the spend's own margin moves the quotient.
  if (!(spend.value > 0)) return { predicted: 0, lower: 0, upper: (Z * sigmaSpend) / leads.value }
  const predicted = spend.value / leads.value
  const a = sigmaSpend / spend.value
  const b = sigmaLeads / leads.value
  // Never negative but for rounding.
  const spread = Z * Math.sqrt(Math.max(0, a * a + b * b - 2 * rho * a * b))
  return { predicted, lower: predicted * Math.exp(-spread), upper: predicted * Math.exp(spread) }
}

/** Of two forecasts of the same steps. */
export const forecastCpl = (spend: SeriesForecast, leads: SeriesForecast): CplForecast => {
  const rho = errorCorrelation(spend.backtestErrors, leads.backtestErrors)
  const steps = spend.predicted.length
  const cpl = {
    predicted: new Float64Array(steps).fill(Number.NaN),
    lower: new Float64Array(steps).fill(Number.NaN),
    upper: new Float64Array(steps).fill(Number.NaN),
  }
  for (let i = 0; i < steps; i++) {
    const step = cplOfForecasts(
      { value: spend.predicted[i] as number, halfWidth: spend.halfWidth[i] as number },
      { value: leads.predicted[i] as number, halfWidth: leads.halfWidth[i] as number },
      rho,
    )
    if (step === null) continue
    cpl.predicted[i] = step.predicted
    cpl.lower[i] = step.lower
    cpl.upper[i] = step.upper
  }
  return cpl
}
