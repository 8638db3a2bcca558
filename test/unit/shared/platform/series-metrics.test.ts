import { expect } from 'chai'
import { createMetrics } from '../../../../shared/platform/metrics.ts'
import { createServedSeries } from '../../../../shared/platform/served-series.ts'

const MINUTE_MS = 60_000

describe('how series were served', () => {
  let now: number
  const served = (changes: object = {}) => ({
    seriesId: 'pump_7',
    version: 1,
    points: 20,
    anomalies: 0,
    failed: false,
    seconds: 0.01,
    ...changes,
  })
  const open = () => createServedSeries(() => now)
  beforeEach(() => {
    now = 1000
  })

  it('the worst come first, the versions of a series apart', () => {
    const series = open()
    for (let n = 0; n < 30; n += 1)
      series.served(served({ seriesId: `s${n}`, anomalies: n % 21, seconds: n / 100 }))
    series.served(served({ seriesId: 's3', version: 2, anomalies: 20 }))
    const { anomalyRatio, latencyS } = series.worst(3)
    expect(anomalyRatio.map(({ seriesId, version, value }) => [seriesId, version, value])).to.deep.equal([
      ['s20', 1, 1],
      ['s3', 2, 1],
      ['s19', 1, 0.95],
    ])
    expect(latencyS.map(({ seriesId }) => seriesId)).to.deep.equal(['s29', 's28', 's27'])
  })

  it('a share needs twenty points, and one over the line is over it', () => {
    const series = open()
    series.served(served({ points: 19, anomalies: 19 }))
    expect(series.worst(20).anomalyRatio).to.deep.equal([])
    expect(series.anomalousOver([0.2])).to.deep.equal([0])
    series.served(served({ seriesId: 'at', points: 20, anomalies: 4 }))
    series.served(served({ seriesId: 'over', points: 20, anomalies: 5 }))
    expect(series.anomalousOver([0.05, 0.2, 0.5])).to.deep.equal([2, 1, 0])
  })

  it('a version fails when more than one request in twenty did', () => {
    const series = open()
    const ask = (seriesId: string, failures: number, requests: number) => {
      for (let n = 0; n < requests; n += 1) series.served(served({ seriesId, failed: n < failures }))
    }
    ask('at', 1, 20)
    ask('over', 2, 20)
    ask('few', 19, 19)
    expect(series.failingOver(0.05)).to.equal(1)
    expect(series.worst(1).errorRatio[0]).to.deep.equal({ seriesId: 'over', version: 1, value: 0.1 })
  })

  it('forgets after five minutes at most, and adds up what is younger', () => {
    const series = open()
    series.served(served({ anomalies: 10 }))
    now += 2.5 * MINUTE_MS
    series.served(served({ anomalies: 0 }))
    expect(series.worst(1).anomalyRatio[0]?.value).to.equal(0.25)
    now += 2.5 * MINUTE_MS
    expect(series.worst(1).anomalyRatio[0]?.value).to.equal(0)
    now += 5 * MINUTE_MS
    expect(series.worst(1).anomalyRatio).to.deep.equal([])
  })

  it('what it keeps is bounded, whoever asks for how many series', () => {
    const series = open()
    for (let n = 0; n <= 20_000; n += 1) series.served(served({ seriesId: `s${n}`, anomalies: 20 }))
    expect(series.anomalousOver([0.5])).to.deep.equal([20_000])
  })
})

describe('metrics of series', () => {
  const shown = (metrics: ReturnType<typeof createMetrics>) => metrics.registry.metrics()

  it('are registered where they are counted', async () => {
    const names = async (service: string) =>
      (await createMetrics(service).registry.getMetricsAsJSON()).map(({ name }) => name)
    const [api, workers, scheduler, up] = await Promise.all(
      ['api', 'workers', 'scheduler', 'up'].map((service) => names(service)),
    )
    const ofApi = [
      'vigia_http_requests_total',
      'vigia_predictions_total',
      'vigia_ready',
      'vigia_rate_limited_total',
    ]
    const ofWorkers = ['vigia_training_duration_seconds', 'vigia_queue_depth', 'vigia_series_drift_kl']
    expect(api).to.include.members(ofApi).and.not.include.members(ofWorkers)
    expect(workers).to.include.members(ofWorkers).and.not.include.members(ofApi)
    expect(scheduler).to.include('vigia_schedule_instants_total').and.not.include.members(ofApi)
    expect(up).to.include.members([...ofApi, ...ofWorkers, 'vigia_schedule_instants_total'])
    for (const all of [api, workers, scheduler]) expect(all).to.include('vigia_memory_limit_bytes')
  })

  it('count verdicts, times and the cache', async () => {
    const metrics = createMetrics('up')
    metrics.predictionsCounted('zscore', 'anomaly', 3)
    metrics.predictionsCounted('zscore', 'normal', 0)
    metrics.inferenceTook('zscore', 0.002)
    metrics.seriesCacheRequest('hit')
    metrics.seriesCacheRequest('miss')
    metrics.modelLoaded('store', 0.004)
    metrics.trainingTook('short', 0.2)
    metrics.trainingEnded('created')
    metrics.validationRejected('CONSTANT_SERIES')
    metrics.breakerState('registry', 'half_open')
    metrics.cacheInvalidated(0.02)
    metrics.warmedUp(1.5)
    metrics.ready(true)
    const text = await shown(metrics)
    for (const line of [
      'vigia_predictions_total{family="zscore",outcome="anomaly",service="up"} 3',
      'vigia_inference_duration_seconds_count{service="up",family="zscore"} 1',
      'vigia_model_cache_requests_total{result="hit",service="up"} 1',
      'vigia_model_load_duration_seconds_count{service="up",source="store"} 1',
      'vigia_training_duration_seconds_count{service="up",class="short"} 1',
      'vigia_trainings_total{outcome="created",service="up"} 1',
      'vigia_validation_rejections_total{code="CONSTANT_SERIES",service="up"} 1',
      'vigia_breaker_state{target="registry",service="up"} 1',
      'vigia_cache_invalidation_lag_seconds_count{service="up"} 1',
      'vigia_warmup_seconds{service="up"} 1.5',
      'vigia_ready{service="up"} 1',
    ])
      expect(text).to.include(line)
    expect(text).not.to.include('outcome="normal"')
    expect(metrics.recent.slots()).to.have.length(1)
  })

  it('take sizes of z in bins', async () => {
    const metrics = createMetrics('api')
    metrics.zscoresCounted([5, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2], 40)
    metrics.zscoresCounted([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0.25)
    const text = await shown(metrics)
    for (const line of [
      'vigia_prediction_zscore_bucket{le="0.5",service="api"} 6',
      'vigia_prediction_zscore_bucket{le="1",service="api"} 9',
      'vigia_prediction_zscore_bucket{le="10",service="api"} 10',
      'vigia_prediction_zscore_bucket{le="+Inf",service="api"} 12',
      'vigia_prediction_zscore_sum{service="api"} 40.25',
      'vigia_prediction_zscore_count{service="api"} 12',
      '# TYPE vigia_prediction_zscore histogram',
    ])
      expect(text).to.include(line)
  })

  it('name the twenty worst series and no other', async () => {
    const metrics = createMetrics('api')
    for (let n = 0; n < 100; n += 1)
      metrics.predictionServed({
        seriesId: `pump_${n}`,
        version: 3,
        points: 1000,
        anomalies: n * 10,
        failed: false,
        seconds: 0.001,
      })
    const text = await shown(metrics)
    const lines = text.split('\n').filter((line) => line.startsWith('vigia_series_anomaly_ratio{'))
    expect(lines).to.have.length(20)
    expect(lines[0]).to.equal(
      'vigia_series_anomaly_ratio{series_id="pump_99",version="v3",service="api"} 0.99',
    )
    expect(text).to.include('vigia_series_anomalous_count{over="0.2",service="api"} 79')
    expect(text).not.to.include('pump_79"')
    // What is shown is chosen anew every time.
    expect((await shown(metrics)).split('series_id=').length).to.equal(text.split('series_id=').length)
  })

  it('ask the registry when somebody looks, and go on without it', async () => {
    const metrics = createMetrics('api')
    let answer: () => Promise<Record<string, number>> = () => Promise.resolve({ ready: 3, archived: 1 })
    metrics.watchRegistry(() => answer())
    expect(await shown(metrics)).to.include('vigia_registry_versions{state="ready",service="api"} 3')
    const fails = (): Promise<never> => Promise.reject(new Error('away'))
    const hangs = (): Promise<never> => new Promise(() => {})
    for (const away of [fails, hangs]) {
      answer = away
      const text = await shown(metrics)
      expect(text).not.to.include('vigia_registry_versions{')
      expect(text).to.include('vigia_ready')
    }
  })

  it('ask how many series drift, and forget what is no more', async () => {
    const metrics = createMetrics('api')
    let drifting: Record<string, number> = { warn: 2, alert: 1 }
    metrics.watchDrift(() => Promise.resolve(drifting))
    expect(await shown(metrics)).to.include('vigia_series_drifting{level="alert",service="api"} 1')
    drifting = { warn: 2, alert: 0 }
    expect(await shown(metrics)).to.include('vigia_series_drifting{level="alert",service="api"} 0')
  })
})
