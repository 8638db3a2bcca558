/** Forecasts per level, and what became of them: every active config each morning, one config on demand. */
import { z } from 'zod'
import { FORECAST_METRICS, HORIZON_DAYS_MAX, HORIZON_DAYS_USUAL } from '../forecasting/forecasts.ts'
import { defineJob, instantKey, need } from './define-job.ts'
import { featuresLevel } from './features.ts'
import { StepPayload, stepKey, sweptStep, wholeLevel } from './step.ts'
import { perLevel, sweep } from './sweep.ts'

export const ForecastPayload = StepPayload.extend({
  /** Null: all of them. */
  metrics: z.array(z.enum(FORECAST_METRICS)).min(1).nullable().default(null),
  horizonDays: z.int().min(1).max(HORIZON_DAYS_MAX).default(HORIZON_DAYS_USUAL),
})
export type ForecastPayload = z.output<typeof ForecastPayload>

const MINUTE_MS = 60_000
const RETRY = { attempts: 3, delayMs: 30_000 }

/** What is unusual about the request; the same metrics in any order are the same work. */
const optionsOf = ({ metrics, horizonDays }: ForecastPayload): Readonly<Record<string, unknown>> => {
  const named = FORECAST_METRICS.filter((metric) => metrics?.includes(metric))
  return {
    ...(metrics === null || named.length === FORECAST_METRICS.length ? {} : { metrics: named }),
    ...(horizonDays === HORIZON_DAYS_USUAL ? {} : { horizonDays }),
  }
}

/** `forecast.campaign`, `forecast.adset` and `forecast.ad`, by level. */
export const forecastLevel = perLevel((level) =>
  defineJob<ForecastPayload>({
    name: `forecast.${level}`,
    queue: 'ml',
    payload: ForecastPayload,
    retry: RETRY,
    timeoutMs: 30 * MINUTE_MS,
    key: (payload) => stepKey(payload, optionsOf(payload)),
    configId: ({ configId }) => configId,
    needs: (payload) => [need(featuresLevel[level], wholeLevel(payload))],
    run: (context, { forecasting }) => forecasting.forecastLevel(level, context.payload, context),
  }),
)

/** `forecast.all.campaign`, `forecast.all.adset` and `forecast.all.ad`, by level. */
export const forecastAll = perLevel((level) =>
  sweep(
    forecastLevel[level],
    { name: `forecast.all.${level}`, retry: RETRY, timeoutMs: 30 * MINUTE_MS },
    (config, asOf) => ({ ...sweptStep(config, asOf), metrics: null, horizonDays: HORIZON_DAYS_USUAL }),
  ),
)

export const ValidatePayload = StepPayload.pick({ configId: true, asOf: true, day: true, watermark: true })
export type ValidatePayload = z.output<typeof ValidatePayload>

export const forecastValidate = defineJob<ValidatePayload>({
  name: 'forecast.validate',
  queue: 'ml',
  payload: ValidatePayload,
  retry: RETRY,
  timeoutMs: 15 * MINUTE_MS,
  key: ({ configId, day, watermark }) => [configId, day, instantKey(watermark)],
  configId: ({ configId }) => configId,
  run: (context, { forecasting }) => forecasting.validate(context.payload, context),
})

export const forecastValidateAll = sweep(
  forecastValidate,
  { name: 'forecast.validate.all', retry: RETRY, timeoutMs: 15 * MINUTE_MS },
  ({ configId, day, watermark }, asOf) => ({ configId, asOf, day, watermark }),
)
