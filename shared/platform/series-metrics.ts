/**
 * Metrics of series: trainings where they run, predictions where they are answered. No label holds the id of
 * a series but those of the twenty worst.
 */
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import type { ErrorCode } from '../core/errors.ts'
import { Z_BINS } from '../series/activity.ts'
import { createRecent } from '../core/slots.ts'
import type { Recent } from '../core/slots.ts'
import { within } from '../core/within.ts'
import { createServedSeries } from './served-series.ts'
import type { Served, SeriesFigure } from './served-series.ts'

export type Outcome = 'normal' | 'anomaly' | 'fallback' | 'error'
export type BreakerState = 'closed' | 'half_open' | 'open'

export interface SeriesMetrics {
  /** What /healthcheck tells of the last five minutes. */
  readonly recent: Recent
  /** `count` members' verdicts on points. */
  predictionsCounted(family: string, outcome: Outcome, count: number): void
  /** One request for one series, all families. */
  predictionServed(served: Served): void
  /** Size of z against the baseline, per bin of Z_BINS and one open, and the sum of all z. */
  zscoresCounted(counts: ArrayLike<number>, sum: number): void
  inferenceTook(family: string, seconds: number): void
  /** @param source where the artifact came from, e.g. `store` or `archive` */
  modelLoaded(source: string, seconds: number): void
  seriesCacheRequest(result: 'hit' | 'miss'): void
  modelCacheEntries(count: number): void
  /** From the change of an alias to the moment this process knew of it. */
  cacheInvalidated(lagSeconds: number): void
  warmedUp(seconds: number): void
  ready(isReady: boolean): void
  breakerState(target: string, state: BreakerState): void
  /** @param seriesClass standard, short or waveform */
  trainingTook(seriesClass: string, seconds: number): void
  trainingEnded(outcome: 'created' | 'existed' | 'failed'): void
  validationRejected(code: ErrorCode): void
  rateLimited(rule: string): void
  /** Divergence (KL, nats) of one series. */
  driftMeasured(divergence: number): void
  /** Versions per state, asked when somebody looks. */
  watchRegistry(count: () => Promise<Readonly<Record<string, number>>>): void
  /** Series at each level of drift, asked when somebody looks: the process that measures is another each time. */
  watchDrift(count: () => Promise<Readonly<Record<string, number>>>): void
}

const INFERENCE_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.03, 0.05, 0.1, 0.5, 1, 5]
const LOAD_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2]
const TRAINING_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
const LAG_SECONDS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300]
const DIVERGENCES = [0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
const SHARES = [0.05, 0.1, 0.2, 0.5]
const FAILING = 0.05
/** Whoever collects metrics waits for all of them, 10 s as a rule. */
const ASKED_MS = 1000
const WORST = 20
const BREAKER: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 }

export interface SeriesMetricsOptions {
  /** Of what answers predictions; null: this process answers none. */
  readonly serving: Registry | null
  /** Of what trains and looks at drift. */
  readonly working: Registry | null
  /** Of what may do either. */
  readonly both: Registry
}

/** Filled with whole bins, so that a request of many points costs no call per point. */
class BinnedHistogram extends Histogram {
  readonly #name: string
  readonly #help: string
  readonly #ends: readonly number[]
  readonly #counts: Float64Array
  #sum = 0

  constructor(name: string, help: string, ends: readonly number[], registers: Registry[]) {
    super({ name, help, buckets: [...ends], registers })
    this.#name = name
    this.#help = help
    this.#ends = ends
    this.#counts = new Float64Array(ends.length + 1)
  }

  add(counts: ArrayLike<number>, sum: number): void {
    for (let bin = 0; bin < this.#counts.length; bin += 1)
      this.#counts[bin] = (this.#counts[bin] ?? 0) + (counts[bin] ?? 0)
    this.#sum += sum
  }

  /** Where prom-client takes what it shows and answers. */
  getForPromString(): Promise<unknown> {
    let total = 0
    const sharedLabels = {}
    const values: object[] = []
    this.#counts.forEach((count, bin) => {
      total += count
      values.push({
        metricName: `${this.#name}_bucket`,
        labels: { le: this.#ends[bin] ?? '+Inf' },
        sharedLabels,
        value: total,
      })
    })
    values.push(
      { metricName: `${this.#name}_sum`, labels: {}, sharedLabels, value: this.#sum },
      { metricName: `${this.#name}_count`, labels: {}, sharedLabels, value: total },
    )
    return Promise.resolve({
      name: this.#name,
      help: this.#help,
      type: 'histogram',
      values,
      aggregator: 'sum',
    })
  }
}

const listOf = (registry: Registry | null): Registry[] => (registry ? [registry] : [])

export const createSeriesMetrics = (options: SeriesMetricsOptions): SeriesMetrics => {
  const serving = listOf(options.serving)
  const working = listOf(options.working)
  const both = [options.both]
  const recent = createRecent(Date.now)
  const servedSeries = createServedSeries(() => performance.now())

  const predictions = new Counter({
    name: 'vigia_predictions_total',
    help: 'Verdicts of members on points or windows',
    labelNames: ['family', 'outcome'],
    registers: serving,
  })
  const inference = new Histogram({
    name: 'vigia_inference_duration_seconds',
    help: 'Time to score the points of one request',
    labelNames: ['family'],
    buckets: INFERENCE_SECONDS,
    registers: serving,
  })
  const loads = new Histogram({
    name: 'vigia_model_load_duration_seconds',
    help: 'Time to read, check and open an artifact',
    labelNames: ['source'],
    buckets: LOAD_SECONDS,
    registers: serving,
  })
  const cache = new Counter({
    name: 'vigia_model_cache_requests_total',
    help: 'Models of series asked of memory',
    labelNames: ['result'],
    registers: serving,
  })
  const entries = new Gauge({
    name: 'vigia_model_cache_entries',
    help: 'Models of series in memory',
    registers: serving,
  })
  const lag = new Histogram({
    name: 'vigia_cache_invalidation_lag_seconds',
    help: 'From the change of an alias until this process knows of it',
    buckets: LAG_SECONDS,
    registers: serving,
  })
  const warmup = new Gauge({
    name: 'vigia_warmup_seconds',
    help: 'Time to load the models most predicted with, at the start',
    registers: serving,
  })
  const ready = new Gauge({
    name: 'vigia_ready',
    help: '1 when this process takes requests',
    registers: serving,
  })
  const breakers = new Gauge({
    name: 'vigia_breaker_state',
    help: '0 closed, 1 half open, 2 open',
    labelNames: ['target'],
    registers: serving,
  })
  const zscores = new BinnedHistogram(
    'vigia_prediction_zscore',
    'Size of z of predicted points against the baseline of their version',
    Z_BINS,
    serving,
  )
  const limited = new Counter({
    name: 'vigia_rate_limited_total',
    help: 'Requests refused by a rate limit',
    labelNames: ['rule'],
    registers: serving,
  })
  const training = new Histogram({
    name: 'vigia_training_duration_seconds',
    help: 'Time to fit and store one version of a series',
    labelNames: ['class'],
    buckets: TRAINING_SECONDS,
    registers: working,
  })
  const trainings = new Counter({
    name: 'vigia_trainings_total',
    help: 'Trainings of series by what became of them',
    labelNames: ['outcome'],
    registers: both,
  })
  const rejections = new Counter({
    name: 'vigia_validation_rejections_total',
    help: 'Trainings and predictions refused for their content',
    labelNames: ['code'],
    registers: serving,
  })
  const divergence = new Histogram({
    name: 'vigia_series_drift_kl',
    help: 'Divergence of a series, KL in nats',
    buckets: DIVERGENCES,
    registers: working,
  })

  /** A gauge that is computed when somebody looks. */
  const onScrape = (
    name: string,
    help: string,
    labelNames: readonly string[],
    fill: (gauge: Gauge) => void,
  ): void => {
    if (serving.length === 0) return
    void new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: serving,
      collect() {
        this.reset()
        fill(this)
      },
    })
  }
  /** A gauge others are asked for when somebody looks. */
  const onAnswer = (
    name: string,
    help: string,
    label: string,
    ask: () => Promise<Readonly<Record<string, number>>>,
  ): void => {
    if (serving.length === 0) return
    void new Gauge({
      name,
      help,
      labelNames: [label],
      registers: serving,
      async collect() {
        // A database that is away or hangs must not take the other metrics along.
        const values = await within(ASKED_MS, name, ask).catch(() => ({}))
        this.reset()
        for (const [key, value] of Object.entries(values)) this.set({ [label]: key }, value)
      },
    })
  }
  onScrape('vigia_series_anomalous_count', 'Series by their share of anomalies, 5 min', ['over'], (gauge) => {
    servedSeries
      .anomalousOver(SHARES)
      .forEach((count, at) => gauge.set({ over: String(SHARES[at] ?? 0) }, count))
  })
  onScrape('vigia_models_failing', 'Versions that failed in more than 5% of requests, 5 min', [], (gauge) =>
    gauge.set(servedSeries.failingOver(FAILING)),
  )
  const worst = (name: string, help: string, figures: () => readonly SeriesFigure[]): void =>
    onScrape(name, `${help}, 5 min: the ${WORST} worst`, ['series_id', 'version'], (gauge) => {
      for (const { seriesId, version, value } of figures())
        gauge.set({ series_id: seriesId, version: `v${version}` }, value)
    })
  worst(
    'vigia_series_anomaly_ratio',
    'Share of anomalies among points',
    () => servedSeries.worst(WORST).anomalyRatio,
  )
  worst('vigia_version_latency_seconds', 'Mean time of a request', () => servedSeries.worst(WORST).latencyS)
  worst(
    'vigia_version_error_ratio',
    'Share of failures among requests',
    () => servedSeries.worst(WORST).errorRatio,
  )

  return {
    recent,
    predictionsCounted: (family, outcome, count) => {
      if (count > 0) predictions.inc({ family, outcome }, count)
    },
    predictionServed: (served) => servedSeries.served(served),
    zscoresCounted: (counts, sum) => zscores.add(counts, sum),
    inferenceTook: (family, seconds) => {
      inference.observe({ family }, seconds)
      recent.inference(seconds)
    },
    modelLoaded: (source, seconds) => loads.observe({ source }, seconds),
    seriesCacheRequest: (result) => {
      cache.inc({ result })
      recent.cache(result)
    },
    modelCacheEntries: (count) => {
      entries.set(count)
      recent.entries(count)
    },
    cacheInvalidated: (lagSeconds) => lag.observe(lagSeconds),
    warmedUp: (seconds) => warmup.set(seconds),
    ready: (isReady) => ready.set(isReady ? 1 : 0),
    breakerState: (target, state) => breakers.set({ target }, BREAKER[state]),
    trainingTook: (seriesClass, seconds) => training.observe({ class: seriesClass }, seconds),
    trainingEnded: (outcome) => trainings.inc({ outcome }),
    validationRejected: (code) => rejections.inc({ code }),
    rateLimited: (rule) => limited.inc({ rule }),
    driftMeasured: (value) => divergence.observe(value),
    watchRegistry: (count) => onAnswer('vigia_registry_versions', 'Versions in the registry', 'state', count),
    watchDrift: (count) =>
      onAnswer(
        'vigia_series_drifting',
        'Series whose values have moved away from those trained on',
        'level',
        count,
      ),
  }
}
