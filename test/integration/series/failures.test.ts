/** What a caller is told when the fault, or the load, is ours. */
import { expect } from 'chai'
import { baselineScorer } from '../../../ml/series/bundle.ts'
import type { SeriesFrame } from '../../../ml/series/frame.ts'
import type { MemberScorer } from '../../../ml/series/member.ts'
import type { AppError } from '../../../shared/core/errors.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { EXEMPT_CALLER } from '../../../shared/series/limits.ts'
import { createPredictions } from '../../../shared/series/predictions.ts'
import type { JudgedMember, Predictions, PredictionsParts } from '../../../shared/series/predictions.ts'
import type { ServedVersion } from '../../../shared/series/series.ts'
import { openTestApi } from '../../support/api.ts'
import type { TestApi } from '../../support/api.ts'
import { rejectionOf } from '../../support/entities.ts'

const N = 1000
const frameOf = (n: number): SeriesFrame => ({
  names: ['value'],
  timesMs: new Float64Array(n),
  columns: [new Float64Array(n).fill(9)],
})

describe('faults of ours', () => {
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
})

describe('predictions that fail for reasons of ours', () => {
  const rows = 50_001
  const member = (name: string, family: 'zscore' | 'autoencoder'): ServedVersion['members'][number] => ({
    name,
    family,
    channels: ['value'],
    params: {},
    status: 'ready',
    threshold: 0.5,
    flagRate: 0,
    error: null,
  })
  const version: ServedVersion = {
    seriesId: 'busy',
    version: 1,
    state: 'ready',
    class: 'standard',
    timestampUnit: 's',
    ranges: {},
    channels: ['value'],
    members: [member('zscore', 'zscore'), member('autoencoder', 'autoencoder')],
    baseline: { value: { mean: 0, std: 1 } },
    driftBins: {},
    artifactUri: '',
    artifactSha256: '',
    artifactBytes: 0,
  }
  const body = { bytes: new Uint8Array(0), contentType: undefined, query: {} }
  let nowMs: number
  let points: number
  let models: 'all' | null
  let scorers: Map<string, Pick<MemberScorer, 'neededHistory' | 'score'>>
  let items: number
  let load: () => Promise<unknown>
  let run: () => Promise<unknown>
  let counts: Record<string, number>
  let told: string[]
  let predictions: Predictions
  const good: Pick<MemberScorer, 'neededHistory' | 'score'> = {
    neededHistory: 0,
    score: (frame, from) => baselineScorer(version.baseline, frame.names, ['value']).score(frame, from),
  }
  beforeEach(() => {
    nowMs = Date.parse('2026-03-10T12:00:00Z')
    points = 3
    models = null
    scorers = new Map([['zscore', good]])
    run = () => Promise.reject(new Error('no thread is asked'))
    counts = {}
    told = []
    const count = (name: string, n = 1): void => void (counts[name] = (counts[name] ?? 0) + n)
    load = () => Promise.resolve({ model: { bundle: { scorers }, bytes: new SharedArrayBuffer(8) } })
    const read = (): object => ({
      frame: frameOf(points),
      from: 0,
      timestampUnit: 's',
      models,
      outOfRange: new Uint32Array(0),
    })
    const parts = {
      clock: { now: () => new Date(nowMs) },
      served: {
        known: () => ({ found: version }),
        find: (wanted: unknown[]) => Promise.resolve(wanted.map(() => ({ found: version }))),
      },
      models: { load: () => load() },
      reader: {
        prediction: () => Promise.resolve(read()),
        items: () =>
          Promise.resolve(Array.from({ length: items }, (_, i) => ({ seriesId: `busy_${i}`, body: {} }))),
        item: read,
      },
      limits: { spendPrediction: () => Promise.resolve(null) },
      activity: { add: () => count('added'), failed: () => count('failed') },
      compute: { run: () => run() },
      metrics: {
        predictionsCounted: (family: string, outcome: string, n: number) => count(`${family} ${outcome}`, n),
        predictionServed: () => count('served'),
        inferenceTook: () => {},
      },
      logger: {
        ...silentLogger,
        error: (_: string, fields: Record<string, unknown>) => told.push(String(fields['error'])),
      },
      warnPastDays: 30,
      warnFutureHours: 24,
      span: (_: unknown, work: () => Promise<unknown>) => work(),
    } as unknown as PredictionsParts
    predictions = createPredictions(parts)
  })
  const predict = async (): Promise<readonly JudgedMember[]> =>
    (await predictions.predict('busy', null, body, { caller: EXEMPT_CALLER })).prediction.members

  it('are refused when 1,024 large ones wait, and taken when one of them is done', async () => {
    points = rows
    const held: (() => void)[] = []
    const scores = good.score(frameOf(rows), 0)
    run = () => new Promise((resolve) => held.push(() => resolve([scores])))
    const waiting = Array.from({ length: 1024 }, predict)
    const refused = await rejectionOf(predict())
    expect(refused).to.include({ code: 'OVERLOADED' })
    expect((refused as AppError).extra.retryAfterS).to.be.above(0)
    expect(counts).to.deep.equal({ failed: 1, 'zscore error': rows })
    held[0]?.()
    await waiting[0]
    const taken = predict()
    while (held.length < 1025) await Promise.resolve()
    for (const release of held) release()
    await Promise.all([...waiting, taken])
  })

  it('are answered by the baseline when their thread dies', async () => {
    points = rows
    run = () => Promise.reject(new Error('the thread ended'))
    const [judged] = await predict()
    expect(judged).to.include({ fallback: 'error', threshold: 0.5 })
    expect(judged?.scores.anomalous[rows - 1]).to.equal(1)
    expect(told).to.deep.equal(['the thread ended'])
  })

  it('are answered by the baseline where a member throws, here or on a thread, and by the others else', async () => {
    models = 'all'
    const broken = {
      ...good,
      score: () => {
        throw new Error('no such weight')
      },
    }
    scorers.set('autoencoder', broken)
    expect((await predict()).map(({ fallback }) => fallback)).to.deep.equal([null, 'error'])
    points = rows
    run = () => Promise.resolve([good.score(frameOf(rows), 0), { failed: 'no such weight' }])
    expect((await predict()).map(({ fallback }) => fallback)).to.deep.equal([null, 'error'])
    expect(counts).to.deep.include({ added: 2, 'autoencoder fallback': 3 + rows })
    expect(told).to.deep.equal(['no such weight'])
  })

  it('are told of once in ten seconds', async () => {
    scorers.clear()
    for (let i = 0; i < 3; i++) await predict()
    nowMs += 9999
    await predict()
    expect(told).to.have.length(1)
    nowMs += 1
    await predict()
    expect(told).to.have.length(2)
  })

  it('load what many series need together, not one after the other', async () => {
    let asked = 0
    let arrive = (): void => {}
    const all = new Promise<void>((resolve) => (arrive = resolve))
    load = async () => {
      if (++asked === 8) arrive()
      await all
      return { failed: 'missing' }
    }
    items = 8
    const results = await predictions.predictAcross(body, { caller: EXEMPT_CALLER })
    expect(results).to.have.length(8)
    expect(counts).to.include({ added: 8, 'zscore fallback': 24 })
  })

  it('give way to others between series', async () => {
    const slow = {
      ...good,
      score: (frame: SeriesFrame, from: number) => {
        const untilMs = performance.now() + 11
        while (performance.now() < untilMs);
        return good.score(frame, from)
      },
    }
    scorers.set('zscore', slow)
    items = 3
    let judgedBefore: number | undefined
    setImmediate(() => (judgedBefore = counts['added'] ?? 0))
    await predictions.predictAcross(body, { caller: EXEMPT_CALLER })
    expect(judgedBefore).to.be.below(3)
  })

  it('count as nothing when they are the fault of who asks', async () => {
    models = 'all'
    scorers.set('autoencoder', { ...good, neededHistory: 31 })
    for (points of [3, rows]) expect(await rejectionOf(predict())).to.include({ code: 'WINDOW_TOO_SHORT' })
    expect(counts).to.deep.equal({})
  })
})
