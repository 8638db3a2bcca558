/** A series with an autoencoder: trained, asked, and looked at for drift. */
import { expect } from 'chai'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'

const START = 1_700_000_000
const N = 1000
const WINDOW = 32

const wave = (i: number): number => Math.sin(i / 5) + ((i * 7919) % 13) / 40
const rows = (from: number, to: number, value = wave): Record<string, unknown> => ({
  timestamps: Array.from({ length: to - from }, (_, i) => START + 60 * (from + i)),
  values: Array.from({ length: to - from }, (_, i) => value(from + i)),
})

describe('an autoencoder over HTTP', () => {
  let api: TestApi
  before(async () => {
    api = await openTestApi({ workers: true, environment: { RATE_LIMITS: 'off' } })
    await api.ask('/api/v1/series/wave', { method: 'PUT', body: { class: 'short' } })
  })
  after(() => api.close())

  const train = (): Promise<Reply> =>
    api.ask('/api/v1/series/wave/train', {
      body: { ...rows(0, N), models: ['zscore', 'autoencoder'] },
      headers: { Prefer: 'wait=30' },
    })
  const predict = (from: number, to: number, context: number, value = wave): Promise<Reply> =>
    api.ask('/api/v1/series/wave/predict', {
      body: { ...rows(from, to, value), context: rows(from - context, from, value), models: ['autoencoder'] },
    })
  const rowsOf = (reply: Reply): Record<string, unknown>[] =>
    reply.body['predictions'] as Record<string, unknown>[]

  it('is trained beside others, once', async () => {
    const reply = await train()
    expect(reply.status, reply.text).to.equal(201)
    const [, member] = reply.body['members'] as Record<string, unknown>[]
    expect(member).to.include({ name: 'autoencoder', status: 'ready', threshold: 0.5 })
    expect(member!['flag_rate']).to.be.within(0.005, 0.02)
    const again = await train()
    expect(again.status).to.equal(200)
    expect(again.body['version']).to.equal('v1')
  })

  it('needs a whole window: one row less is refused', async () => {
    const short = await predict(500, 501, WINDOW - 2)
    expect(short.body).to.deep.include({ status: 422, code: 'WINDOW_TOO_SHORT' })
    const whole = await predict(500, 501, WINDOW - 1)
    expect(whole.status, whole.text).to.equal(200)
    expect(rowsOf(whole)[0]).to.include({ model: 'autoencoder', is_anomaly: false, fallback: false })
  })

  it('finds a value that is common, where the shape does not have it', async () => {
    // At its crest the wave stays at its trough: nothing a z-score could see.
    const at = 511
    expect(wave(at)).to.be.above(0.7)
    const odd = (i: number): number => (i === at ? -1 : wave(i))
    const [row] = rowsOf(await predict(at, at + 1, WINDOW - 1, odd))
    expect(row).to.include({ is_anomaly: true, channel: 'value' })
    const { value } = row!['expected'] as Record<string, { low: number; high: number }>
    expect(value!.low).to.be.above(-1)
    const plain = await api.ask('/api/v1/series/wave/predict', { body: { timestamp: START, value: -1 } })
    expect(plain.body['is_anomaly']).to.equal(false)
  })

  it('judges a batch as it judges one by one', async () => {
    const batch = rowsOf(await predict(500, 510, WINDOW - 1))
    for (const [i, row] of batch.entries())
      expect(rowsOf(await predict(500 + i, 501 + i, WINDOW - 1))[0]).to.deep.equal(row)
  })
})
