/** The worked examples of the series service, over HTTP with a worker. */
import { expect } from 'chai'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'

const START = 1_700_000_000
const N = 10_000

const times = (n = N): number[] => Array.from({ length: n }, (_, i) => START + 60 * i)
const columns = (valueOf: (i: number) => number, n = N): Record<string, unknown> => ({
  timestamps: times(n),
  values: Array.from({ length: n }, (_, i) => valueOf(i)),
})
/** P of the examples: -1 for even i, 1 for odd. */
const P = columns((i) => (i % 2 === 0 ? -1 : 1))
const Z = { models: ['zscore'] }

const problem = (reply: Reply): Record<string, unknown> => ({
  status: reply.status,
  code: reply.body['code'],
})

describe('the series service', () => {
  let api: TestApi
  before(async () => {
    api = await openTestApi({ workers: true, environment: { RATE_LIMITS: 'off' } })
  })
  after(() => api.close())

  const train = (id: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
    api.ask(`/api/v1/series/${id}/train`, { body, headers: { Prefer: 'wait=10', ...headers } })
  const point = (id: string, value: number, query = ''): Promise<Reply> =>
    api.ask(`/api/v1/series/${id}/predict${query}`, {
      body: { points: [{ timestamp: START + 60 * N, value }] },
    })
  const first = (reply: Reply): Record<string, unknown> =>
    (reply.body['predictions'] as Record<string, unknown>[])[0] ?? {}

  it('trains P with a z-score and answers with its version and hashes (example 1)', async () => {
    const reply = await train('example_1', { ...P, ...Z })
    expect(reply.status, reply.text).to.equal(201)
    expect(reply.headers['location']).to.equal('/api/v1/series/example_1/versions/v1')
    expect(reply.body).to.deep.include({
      series_id: 'example_1',
      version: 'v1',
      created: true,
      serving: true,
      points_used: N,
      data_hash: 'c6c370e26ce0ad134f4673f19a0d1cb9f18234089d4a9b1b835b493ecac02086',
      fingerprint: 'bcb36c9234f60528f27a744c575af0079be11b74c8789d7beec2e7ba62788a73',
    })
    const stats = reply.body['stats'] as Record<string, { mean: number; std: number }>
    expect(stats['value']?.mean).to.be.closeTo(0, 1e-12)
    expect(stats['value']?.std).to.be.closeTo(1, 1e-12)
  })

  it('judges by that version (example 3)', async () => {
    const calm = first(await point('example_1', 3))
    expect(calm).to.include({
      model: 'zscore',
      version: 'v1',
      is_anomaly: false,
      threshold: 0.5,
      fallback: false,
    })
    expect(calm['score']).to.be.closeTo(0.5, 1e-12)
    const odd = await point('example_1', -5)
    expect(odd.body).to.include({ series_id: 'example_1', version: 'v1', is_anomaly: true })
    expect(first(odd)).to.include({ is_anomaly: true, channel: 'value', raw: 5 })
    expect(first(odd)['score']).to.be.closeTo(0.625, 1e-12)
    expect(first(odd)['expected']).to.deep.equal({ value: { low: -3, high: 3 } })
  })

  it('answers repetitions, at once and later, with the one version there is (example 2)', async () => {
    const body = { ...P, ...Z }
    const together = await Promise.all(
      Array.from({ length: 50 }, () => train('example_2', body, { Prefer: 'wait=30' })),
    )
    expect(new Set(together.map(({ body: { version } }) => version))).to.deep.equal(new Set(['v1']))
    expect(together.every(({ status }) => status === 201 || status === 200)).to.equal(true)
    for (let i = 0; i < 10; i++) {
      const again = await train('example_2', body)
      expect(again.status).to.equal(200)
      expect(again.body).to.include({ version: 'v1', created: false })
    }
    const [{ count }] = (await api
      .knex('model_versions')
      .where({ series_id: 'example_2' })
      .count('* as count')) as [{ count: unknown }]
    expect(Number(count)).to.equal(1)
    const runs = await api
      .knex('runs')
      .where({ job: 'train.series' })
      .whereRaw(`payload->>'seriesId' = 'example_2'`)
    expect(runs).to.have.length(1)
  })

  it('wants as many points as the class needs, and no more than it takes (example 4)', async () => {
    const short = await train('example_4', { ...columns((i) => i % 2, N - 1), ...Z })
    expect(problem(short)).to.deep.equal({ status: 422, code: 'INSUFFICIENT_DATA' })
    expect(short.body['detail']).to.contain('needs 10000 points, got 9999')
    const made = await api.ask('/api/v1/series/example_4', { method: 'PUT', body: { class: 'short' } })
    expect(made.status, made.text).to.be.oneOf([200, 201])
    expect((await train('example_4', { ...columns((i) => i % 2, N - 1), ...Z })).status).to.equal(201)
    const long = await train('example_4', { ...columns((i) => i % 2, 100_001), ...Z })
    expect(problem(long)).to.deep.equal({ status: 422, code: 'TOO_MANY_POINTS' })
  })

  it('refuses a series that barely moves, just below the bound and not above it (example 5)', async () => {
    const flat = await train('example_5', { ...columns((i) => (i % 2 === 0 ? 1 : 1.0000019)), ...Z })
    expect(problem(flat)).to.deep.equal({ status: 422, code: 'CONSTANT_SERIES' })
    expect(
      (await train('example_5', { ...columns((i) => (i % 2 === 0 ? 1 : 1.0000021)), ...Z })).status,
    ).to.equal(201)
  })

  it('names rows whose time or value cannot be (example 6)', async () => {
    const withTime = (time: unknown): unknown => {
      const changed: unknown[] = times()
      changed[1] = time
      return { ...P, timestamps: changed, ...Z }
    }
    const cases: [unknown, string][] = [
      [START, 'duplicate'],
      [START - 1, 'order'],
      [START + 1.5, 'format'],
      ['x', 'format'],
    ]
    for (const [time, reason] of cases) {
      const reply = await train('example_6', withTime(time))
      expect(problem(reply)).to.deep.equal({ status: 422, code: 'INVALID_TIMESTAMP' })
      expect(reply.body['details']).to.deep.include({ reason, rows: [1] })
    }
    const huge = JSON.stringify({ ...P, ...Z }).replace('[-1,1,', '[-1,1e400,')
    const reply = await api.ask('/api/v1/series/example_6/train', {
      body: huge,
      headers: { 'Content-Type': 'application/json' },
    })
    expect(problem(reply)).to.deep.equal({ status: 422, code: 'INVALID_VALUE' })
    expect(reply.body['details']).to.deep.include({ reason: 'inf', rows: [1] })
  })

  it('says which series, version or id there is not (example 7)', async () => {
    expect(problem(await point('nobody', 1))).to.deep.equal({ status: 404, code: 'MODEL_NOT_FOUND' })
    expect(problem(await point('example_1', 1, '?version=v9'))).to.deep.equal({
      status: 404,
      code: 'INVALID_VERSION',
    })
    expect(problem(await point('a-b', 1))).to.deep.equal({ status: 400, code: 'INVALID_SERIES_ID' })
    expect(problem(await train('a-b', { ...P, ...Z }))).to.deep.equal({
      status: 400,
      code: 'INVALID_SERIES_ID',
    })
  })

  it('keeps moments and quantiles, and judges either side of the threshold (example 8)', async () => {
    const reply = await train('example_8', { ...columns((i) => i % 10), ...Z })
    const stats = (reply.body['stats'] as Record<string, { mean: number; std: number; quantiles: number[] }>)[
      'value'
    ]
    expect(stats?.mean).to.be.closeTo(4.5, 1e-12)
    expect(stats?.std).to.be.closeTo(2.8722813232690143, 1e-12)
    expect(stats?.quantiles).to.deep.equal([0, 0, 0, 2, 4.5, 7, 9, 9, 9])
    const below = first(await point('example_8', 13.1))
    expect(below['score']).to.be.closeTo(0.49951082876058517, 1e-12)
    expect(below['is_anomaly']).to.equal(false)
    const above = first(await point('example_8', 13.2))
    expect(above['score']).to.be.closeTo(0.5024010157491152, 1e-12)
    expect(above['is_anomaly']).to.equal(true)
  })

  it('answers by the baseline when a file is damaged (example 15)', async () => {
    await train('example_15', { ...P, ...Z })
    const folder = join(api.folder, 'anomaly_detector', 'series', 'example_15')
    const file = (await readdir(folder)).find((name) => name.endsWith('.safetensors')) ?? ''
    const bytes = await readFile(join(folder, file))
    bytes[bytes.length - 1]! ^= 1
    await writeFile(join(folder, file), bytes)
    const reply = await point('example_15', 5)
    expect(reply.status, reply.text).to.equal(200)
    expect(first(reply)).to.include({
      model: 'zscore',
      is_anomaly: true,
      fallback: true,
      fallback_reason: 'corrupt',
    })
  })

  it('archives what falls out of the newest ten, and says how to get it back (example 15)', async () => {
    for (let k = 0; k < 12; k++) {
      const reply = await train('example_15b', { ...columns((i) => (i % 2 === 0 ? -1 : 1 + k / 100)), ...Z })
      expect(reply.body, reply.text).to.include({ version: `v${k + 1}`, created: true })
    }
    expect(problem(await point('example_15b', 0, '?version=v1'))).to.deep.equal({
      status: 409,
      code: 'VERSION_ARCHIVED',
    })
    expect(problem(await point('example_15b', 0, '?version=v2'))).to.deep.equal({
      status: 409,
      code: 'VERSION_ARCHIVED',
    })
    expect((await point('example_15b', 0, '?version=v3')).status).to.equal(200)
    const restored = await api.ask('/api/v1/series/example_15b/versions/v1/restore', { method: 'POST' })
    expect(restored.status, restored.text).to.equal(200)
    expect((await point('example_15b', 0, '?version=v1')).status).to.equal(200)
  })
})

describe('the limits of the series service', () => {
  it('let one training of a series start in five minutes, however many ask for it (example 15)', async () => {
    const api = await openTestApi({ workers: true })
    try {
      const key = await api.key('limits', 'trainer')
      const train = (body: unknown): Promise<Reply> =>
        api.ask('/api/v1/series/limited/train', { body, key, headers: { Prefer: 'wait=20' } })
      const same = await Promise.all(Array.from({ length: 8 }, () => train({ ...P, ...Z })))
      expect(same.map(({ status }) => status).every((status) => status === 200 || status === 201)).to.equal(
        true,
      )
      const other = await train({ ...columns((i) => i % 3), ...Z })
      expect(problem(other)).to.deep.equal({ status: 429, code: 'RATE_LIMITED' })
      expect(Number(other.headers['retry-after'])).to.be.within(1, 300)
      expect((await train({ ...P, ...Z })).status).to.equal(200)
    } finally {
      await api.close()
    }
  })
})
