/** What a caller is told when the fault, or the load, is ours. */
import { expect } from 'chai'
import { createPredictions } from '../../../shared/series/predictions.ts'
import type { PredictionsParts } from '../../../shared/series/predictions.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { EXEMPT_CALLER } from '../../../shared/series/limits.ts'
import { systemClock } from '../../../shared/core/clock.ts'
import type { ServedVersion } from '../../../shared/series/series.ts'
import { openTestApi } from '../../support/api.ts'
import type { TestApi } from '../../support/api.ts'

const N = 1000

describe('faults of ours', function () {
  this.timeout(60_000)
  let api: TestApi
  before(async () => {
    api = await openTestApi({ workers: true, environment: { RATE_LIMITS: 'off' } })
  })
  after(() => api.close())

  it('end a training in which no member could be fitted, with what each of them lacked', async () => {
    const ranges = { value: { min: -1e300, max: 1e300 } }
    await api.ask('/api/v1/series/vast', { method: 'PUT', body: { class: 'short', ranges } })
    const reply = await api.ask('/api/v1/series/vast/train', {
      body: {
        timestamps: Array.from({ length: N }, (_, i) => 1_700_000_000 + i),
        values: Array.from({ length: N }, (_, i) => (i % 7) * 1e200),
        models: ['isolation_forest'],
      },
      headers: { Prefer: 'wait=20' },
    })
    expect(reply.status).to.equal(500)
    expect(reply.body).to.include({ code: 'TRAINING_FAILED' })
    expect(reply.body['detail']).to.match(/^no member could be trained: isolation_forest: /)
    const [row] = await api.knex('series').where({ id: 'vast' }).select('last_version')
    expect(row).to.deep.equal({ last_version: 0 })
  })

  it('refuse a large prediction when 1,024 of them wait, and take it when one is done', async () => {
    const rows = 50_001
    const version = {
      seriesId: 'busy',
      version: 1,
      state: 'ready',
      class: 'standard',
      timestampUnit: 's',
      ranges: {},
      channels: ['value'],
      members: [
        {
          name: 'zscore',
          family: 'zscore',
          channels: ['value'],
          params: {},
          status: 'ready',
          threshold: 0.5,
          flagRate: 0,
          error: null,
        },
      ],
      baseline: { value: { mean: 0, std: 1 } },
      driftBins: {},
      artifactUri: '',
      artifactSha256: '',
      artifactBytes: 0,
    } as const satisfies ServedVersion
    const frame = { names: ['value'], timesMs: new Float64Array(rows), columns: [new Float64Array(rows)] }
    const held: (() => void)[] = []
    const nothing = (): void => {}
    const parts = {
      clock: systemClock,
      served: {
        known: () => ({ found: version }),
        find: () => Promise.resolve([]),
      },
      mostPredicted: () => Promise.resolve([]),
      models: {
        load: () =>
          Promise.resolve({ model: { bundle: { scorers: new Map() }, bytes: new SharedArrayBuffer(8) } }),
      },
      reader: {
        prediction: () =>
          Promise.resolve({
            frame,
            from: 0,
            timestampUnit: 's',
            models: null,
            outOfRange: new Uint32Array(0),
          }),
      },
      limits: { spendPrediction: () => Promise.resolve(null) },
      activity: { add: nothing, failed: nothing },
      compute: { run: () => new Promise((_, reject) => held.push(() => reject(new Error('gone')))) },
      metrics: {
        predictionsCounted: nothing,
        predictionServed: nothing,
        inferenceTook: nothing,
        warmedUp: nothing,
      },
      warnPastDays: 30,
      warnFutureHours: 24,
      warmupModels: 0,
      span: (_: unknown, work: () => Promise<unknown>) => work(),
    } as unknown as PredictionsParts
    const predictions = createPredictions(parts)
    const body = { bytes: new Uint8Array(0), contentType: undefined, query: {} }
    const ask = (): Promise<unknown> =>
      predictions.predict('busy', null, body, { caller: EXEMPT_CALLER }).catch((error: unknown) => error)
    const waiting = Array.from({ length: 1024 }, ask)
    const refused = await ask()
    expect(refused).to.be.instanceOf(AppError)
    expect(refused).to.include({ code: 'OVERLOADED' })
    expect((refused as AppError).extra.retryAfterS).to.be.above(0)
    held[0]?.()
    await waiting[0]
    const taken = ask()
    while (held.length < 1025) await Promise.resolve()
    for (const release of held) release()
    expect(await taken).not.to.include({ code: 'OVERLOADED' })
    await Promise.all(waiting)
  })
})
