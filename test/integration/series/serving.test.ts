/** Predictions over HTTP: forms of replies, both ways to the same answer, and stores that go away. */
import { expect } from 'chai'
import { rename } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { decodeSafetensors } from '../../../ml/artifact/safetensors.ts'
import { openTestApi, openWire } from '../../support/api.ts'
import type { Ask, Reply, TestApi, Wire } from '../../support/api.ts'
import { eventually } from '../../support/eventually.ts'
import { ownRedisAvailable, startOwnRedis } from '../../support/redis.ts'
import type { TestRedis } from '../../support/redis.ts'

const START = 1_700_000_000
const N = 1000

const points = (n = N, shift = 0): Record<string, unknown> => ({
  timestamps: Array.from({ length: n }, (_, i) => START + 60 * i),
  values: Array.from({ length: n }, (_, i) => Math.sin(i / 9) + ((i * 7919) % 13) / 20 + shift),
})

const trainShort = async (api: TestApi, id: string, more: object = {}): Promise<Reply> => {
  await api.ask(`/api/v1/series/${id}`, { method: 'PUT', body: { class: 'short' } })
  const reply = await api.ask(`/api/v1/series/${id}/train`, {
    body: { ...points(), ...more },
    headers: { Prefer: 'wait=20' },
  })
  expect(reply.status, reply.text).to.be.oneOf([200, 201])
  return reply
}

const withoutTrace = ({ body }: Reply): unknown => ({ ...body, trace_id: null })
const firstOf = (reply: Reply): Record<string, unknown> =>
  (reply.body['predictions'] as Record<string, unknown>[])[0] ?? {}

describe('predictions', () => {
  let api: TestApi
  before(async () => {
    api = await openTestApi({ workers: true, environment: { RATE_LIMITS: 'off', BODY_LIMIT_MB: '1' } })
    await trainShort(api, 'pump')
  })
  after(() => api.close())

  const predict = (body: unknown, path = 'predict?models=all', options: Ask = {}): Promise<Reply> =>
    api.ask(`/api/v1/series/pump/${path}`, { body, ...options })
  const batch = { timestamps: [START + 1, START + 61, START + 121], values: [0, 9, -9] }

  it('answer the same ahead of Express and behind it', async () => {
    for (const body of [batch, { timestamp: START, value: 3 }, { points: [] }, { nonsense: 1 }]) {
      const [ahead, behind] = [await predict(body), await predict(body, 'predict/batch?models=all')]
      expect(ahead.status).to.equal(behind.status)
      const same = (reply: Reply): unknown => ({ ...(withoutTrace(reply) as object), instance: null })
      expect(same(ahead)).to.deep.equal(same(behind))
      const headers = (reply: Reply): string[] =>
        Object.keys(reply.headers)
          .filter((name) => !['connection', 'keep-alive', 'etag', 'vary', 'date'].includes(name))
          .sort()
      expect(headers(ahead)).to.deep.equal(headers(behind))
      expect(ahead.headers['content-type']).to.equal(behind.headers['content-type'])
    }
  })

  it('keep the order of points and of members', async () => {
    const { body } = await predict(batch)
    const rows = body['predictions'] as { timestamp: number; model: string; is_anomaly: boolean }[]
    expect(rows.map(({ timestamp, model }) => [timestamp, model])).to.deep.equal(
      batch.timestamps.flatMap((timestamp) => [
        [timestamp, 'zscore'],
        [timestamp, 'isolation_forest'],
      ]),
    )
    expect(rows.filter(({ model }) => model === 'zscore').map((row) => row.is_anomaly)).to.deep.equal([
      false,
      true,
      true,
    ])
  })

  it('are the same in a batch as one by one with what came before as context', async () => {
    const n = 40
    const all = {
      timestamps: Array.from({ length: n }, (_, i) => START + 60 * i),
      values: Array.from({ length: n }, (_, i) => Math.cos(i)),
    }
    const together = (await predict(all, 'predict?models=isolation_forest')).body['predictions'] as unknown[]
    for (const i of [0, 1, 11, 12, 13, 39]) {
      const context =
        i === 0 ? {} : { context: { timestamps: all.timestamps.slice(0, i), values: all.values.slice(0, i) } }
      const alone = await predict(
        { timestamp: all.timestamps[i], value: all.values[i], ...context },
        'predict?models=isolation_forest',
      )
      expect(firstOf(alone)).to.deep.equal(together[i])
    }
  })

  it('come as tensors and as lines to who asks for them', async () => {
    const rows = (await predict(batch)).body['predictions'] as Record<string, unknown>[]
    const lines = await fetch(`${api.url}/api/v1/series/pump/predict?models=all`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/x-ndjson' },
      body: JSON.stringify(batch),
    })
    expect(lines.headers.get('content-type')).to.equal('application/x-ndjson')
    const told = (await lines.text()).trim().split('\n')
    expect(told.map((line) => JSON.parse(line) as unknown)).to.deep.equal(rows)
    const reply = await fetch(`${api.url}/api/v1/series/pump/predict?models=all`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'text/plain;q=0.9, application/octet-stream' },
      body: JSON.stringify(batch),
    })
    expect(reply.headers.get('content-type')).to.equal('application/octet-stream')
    const { tensors } = decodeSafetensors(new Uint8Array(await reply.arrayBuffer()))
    const zscore = rows.filter(({ model }) => model === 'zscore')
    expect([...(tensors.get('zscore/is_anomaly') as Uint8Array)]).to.deep.equal(
      zscore.map((row) => Number(row['is_anomaly'])),
    )
    expect([...(tensors.get('zscore/score') as Float32Array)]).to.deep.equal(
      zscore.map((row) => Math.fround(row['score'] as number)),
    )
    expect([...(tensors.get('isolation_forest/fallback') as Uint8Array)]).to.deep.equal([0, 0, 0])
  })

  it('of many points are written in slices that are one text', async () => {
    const n = 4500
    const long = {
      timestamps: Array.from({ length: n }, (_, i) => START + i),
      values: Array.from({ length: n }, (_, i) => i % 3),
    }
    const reply = await predict(long, 'predict')
    const rows = reply.body['predictions'] as { timestamp: number }[]
    expect(rows.map(({ timestamp }) => timestamp)).to.deep.equal(long.timestamps)
    expect(reply.body['trace_id']).to.equal(reply.headers['x-trace-id'])
  })

  it('warn of times far away and of history that is missing', async () => {
    const nowS = Math.floor(Date.now() / 1000)
    const day = 86_400
    const of = async (timestamp: number): Promise<unknown> =>
      firstOf(await predict({ timestamp, value: 0 }, 'predict'))['warnings']
    expect(await of(nowS - 31 * day)).to.deep.equal(['TIMESTAMP_FAR_PAST'])
    expect(await of(nowS - 29 * day)).to.deep.equal([])
    expect(await of(nowS + 23 * 3600)).to.deep.equal([])
    expect(await of(nowS + 25 * 3600)).to.deep.equal(['TIMESTAMP_FAR_FUTURE'])
    const forest = await predict({ timestamp: nowS, value: 0 }, 'predict?models=isolation_forest')
    expect(firstOf(forest)['warnings']).to.deep.equal(['SHORT_CONTEXT'])
  })

  it('of many series give each its result or its error', async () => {
    const point = { timestamp: START, value: 0 }
    const reply = await api.ask('/api/v1/series/predict', {
      body: {
        items: [
          { series_id: 'pump', points: [point] },
          { series_id: 'nobody', points: [point] },
          { series_id: 'a-b', points: [point] },
          { series_id: 'pump', version: 'v9', points: [point] },
          { series_id: 'pump', points: [{ timestamp: START, value: null }] },
          5,
          { series_id: 'pump', points: 5 },
          { series_id: 'pump', models: 'all', points: [point] },
        ],
      },
    })
    expect(reply.status).to.equal(200)
    const results = reply.body['results'] as {
      series_id: string | null
      predictions?: unknown[]
      error?: { code: string }
    }[]
    expect(results.map(({ error, predictions }) => error?.code ?? predictions?.length)).to.deep.equal([
      1,
      'MODEL_NOT_FOUND',
      'INVALID_SERIES_ID',
      'INVALID_VERSION',
      'INVALID_VALUE',
      'INVALID_REQUEST',
      'INVALID_REQUEST',
      2,
    ])
    expect(results.map((result) => result.series_id)).to.deep.equal([
      'pump',
      'nobody',
      null,
      'pump',
      'pump',
      null,
      'pump',
      'pump',
    ])
    const metrics = (await api.ask('/metrics')).text
    expect(metrics).to.match(/^vigia_validation_rejections_total\{code="INVALID_VALUE"[^}]*\} [1-9]/m)
  })

  it('of many series take no options in the address, where none would know whose they are', async () => {
    const reply = await api.ask('/api/v1/series/predict?version=v1', { body: { items: [{ points: [] }] } })
    expect(reply.status).to.equal(400)
    expect(reply.body['detail']).to.match(
      /^"version" is not known here; what an item is asked stands in the item/,
    )
    const nameless = await api.ask('/api/v1/series/predict', {
      body: { items: [{ points: [{ timestamp: START, value: 0 }] }] },
    })
    expect(nameless.text).to.include('series_id is missing')
  })

  describe('with a body that is too large', () => {
    const MIB = 1024 * 1024
    const head = (bytes: number): string =>
      `POST /api/v1/series/pump/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`
    const told = (socket: Socket): { text: string } => {
      const all = { text: '' }
      socket.setEncoding('utf8').on('data', (text: string) => (all.text += text))
      return all
    }
    const openSocket = (): Socket => connect(Number(new URL(api.url).port), '127.0.0.1')

    it('are refused before it is sent, and the connection serves on when it is', async () => {
      const socket = openSocket()
      const heard = told(socket)
      socket.write(head(MIB + 1))
      await eventually('the refusal', () => heard.text.includes('PAYLOAD_TOO_LARGE'))
      socket.write(Buffer.alloc(MIB + 1, 32))
      const body = JSON.stringify({ timestamp: START, value: 0 })
      socket.write(head(body.length) + body)
      await eventually('the next answer', () => heard.text.includes('HTTP/1.1 200'))
      socket.destroy()
    })

    it('are cut off when there is no end to it', async () => {
      const socket = openSocket()
      const heard = told(socket)
      socket.on('error', () => undefined)
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.write(head(100 * MIB))
      await eventually('the refusal', () => heard.text.includes('PAYLOAD_TOO_LARGE'))
      socket.write(Buffer.alloc(2 * MIB + 1, 32))
      await closed
    })
  })

  it('leave no row in the audit log', async () => {
    const [before] = await api.knex('audit_log').count({ n: '*' })
    await predict(batch)
    await predict(batch, 'predict/batch')
    const [after] = await api.knex('audit_log').count({ n: '*' })
    expect(after).to.deep.equal(before)
  })

  it('are counted by hour and by day', async () => {
    await trainShort(api, 'counted')
    const ask = (): Promise<Reply> =>
      api.ask('/api/v1/series/counted/predict', { body: { timestamps: [1, 2, 3], values: [0, 0, 99] } })
    await ask()
    await ask()
    const buckets = await eventually('counts', async () => {
      const { body } = await api.ask('/api/v1/series/counted/stats?bucket=day')
      const all = body['buckets'] as {
        predictions: number
        anomalies: number
        anomaly_ratio: number | null
        z_histogram: number[]
      }[]
      return all.some(({ predictions }) => predictions === 6) ? all : null
    })
    const day = buckets.find(({ predictions }) => predictions > 0)
    expect(day).to.deep.include({ predictions: 6, anomalies: 2, anomaly_ratio: 1 / 3 })
    expect(day?.z_histogram.reduce((sum, n) => sum + n, 0)).to.equal(6)
    const hours = await api.ask(
      '/api/v1/series/counted/stats?from=2026-01-01T00:00:00Z&to=2026-01-02T00:30:00Z',
    )
    expect(hours.body['buckets']).to.have.length(25)
    const tooMany = await api.ask('/api/v1/series/counted/stats?from=2020-01-01T00:00:00Z')
    expect(tooMany.body['code']).to.equal('INVALID_REQUEST')
  })

  it('show in a plot as page, picture and numbers', async () => {
    const numbers = await api.ask('/plot?series_id=pump&format=json')
    expect(numbers.body['timestamps']).to.have.length(N)
    const picture = await api.ask('/plot?series_id=pump&format=svg')
    expect(picture.headers['content-type']).to.equal('image/svg+xml; charset=utf-8')
    expect((await api.ask('/plot?series_id=pump&format=svg')).text).to.equal(picture.text)
    const page = await api.ask('/plot?series_id=pump&model=isolation_forest&channel=value')
    expect(page.headers['content-type']).to.equal('text/html; charset=utf-8')
    expect(page.text).to.contain('<svg').and.to.contain('Odd points')
    expect((await api.ask('/plot?series_id=nobody')).body['code']).to.equal('MODEL_NOT_FOUND')
    expect((await api.ask('/plot?series_id=pump&model=nope')).body['code']).to.equal('UNKNOWN_MODEL')
    expect((await api.ask('/plot?series_id=pump&channel=nope')).body['code']).to.equal('UNKNOWN_CHANNEL')
  })

  it('follow a rollback at once', async () => {
    await trainShort(api, 'moving')
    await trainShort(api, 'moving', points(N, 50))
    const answers = (): Promise<Reply> =>
      api.ask('/api/v1/series/moving/predict', { body: { timestamp: START, value: 50 } })
    expect((await answers()).body).to.include({ version: 'v2', is_anomaly: false })
    const back = await api.ask('/api/v1/series/moving/rollback', { method: 'POST' })
    expect(back.status, back.text).to.equal(200)
    await eventually('the version before', async () =>
      (await answers()).body['version'] === 'v1' ? true : null,
    )
    expect((await answers()).body['is_anomaly']).to.equal(true)
    const asked = await api.ask('/api/v1/series/moving/predict?version=v2', {
      body: { timestamp: START, value: 50 },
    })
    expect(asked.body).to.include({ version: 'v2', is_anomaly: false })
  })

  it('are refused to who may not see all, and welcome to a viewer', async () => {
    const own = await openTestApi({ workers: true })
    try {
      const config = await own.newConfig()
      const [viewer, narrow] = [
        await own.key('viewer', 'viewer'),
        await own.key('narrow', 'viewer', [config]),
      ]
      const ask = (key?: string): Promise<Reply> =>
        own.ask('/api/v1/series/x/predict', { body: { timestamp: 1, value: 1 }, key })
      expect((await ask()).body['code']).to.equal('UNAUTHORIZED')
      expect((await ask()).headers['www-authenticate']).to.equal('Bearer')
      expect((await ask(narrow)).body['code']).to.equal('FORBIDDEN')
      expect((await ask(viewer)).body['code']).to.equal('MODEL_NOT_FOUND')
      const train = await own.ask('/api/v1/series/x/train', { body: points(), key: viewer })
      expect(train.body['code']).to.equal('FORBIDDEN')
    } finally {
      await own.close()
    }
  })
})

describe('predictions while stores are away', () => {
  let wire: Wire
  let api: TestApi
  before(async () => {
    api = await openTestApi({
      workers: true,
      environment: { RATE_LIMITS: 'off' },
      through: async (url) => {
        wire = await openWire(url)
        return wire.url
      },
    })
    for (const id of ['warm', 'cold', 'lost']) await trainShort(api, id)
  })
  after(async () => {
    await api.close()
    await wire.close()
  })

  const ask = (id: string): Promise<Reply> =>
    api.ask(`/api/v1/series/${id}/predict`, { body: { timestamp: START, value: 99 } })

  it('go on from memory without the artifact folder, and by the baseline for what is not held', async () => {
    expect(firstOf(await ask('warm'))).to.include({ is_anomaly: true, fallback: false })
    const aside = `${api.folder}.aside`
    await rename(api.folder, aside)
    try {
      expect(firstOf(await ask('warm'))).to.include({ is_anomaly: true, fallback: false })
      const lost = await ask('lost')
      expect(lost.status).to.equal(200)
      expect(firstOf(lost)).to.include({ is_anomaly: true, fallback: true, fallback_reason: 'error' })
    } finally {
      await rename(aside, api.folder)
    }
    const [row] = await api.knex('model_versions').where({ series_id: 'lost' }).select('state')
    expect(row).to.deep.equal({ state: 'ready' })
  })

  it('go on from memory without PostgreSQL, and say so for what is not held', async () => {
    expect((await ask('warm')).status).to.equal(200)
    await wire.cut()
    try {
      for (let i = 0; i < 5; i++)
        expect(firstOf(await ask('warm'))).to.include({ is_anomaly: true, fallback: false })
      const cold = await ask('cold')
      expect(cold.status).to.equal(503)
      expect(cold.body['code']).to.equal('STORAGE_UNAVAILABLE')
      expect(Number(cold.headers['retry-after'])).to.be.above(0)
    } finally {
      await wire.mend()
    }
    await eventually('the record again', async () => ((await ask('cold')).status === 200 ? true : null))
  })
})

;(ownRedisAvailable() ? describe : describe.skip)('predictions while everything is away', () => {
  let redis: TestRedis
  let wire: Wire
  let toRedis: Wire
  let api: TestApi
  before(async () => {
    redis = await startOwnRedis()
    toRedis = await openWire(redis.url)
    api = await openTestApi({
      workers: true,
      environment: { REDIS_URL: toRedis.url },
      through: async (url) => {
        wire = await openWire(url)
        return wire.url
      },
    })
    await trainShort(api, 'warm')
  })
  after(async () => {
    await api.close()
    await wire.close()
    await toRedis.close()
    await redis.close()
  })

  it('go on from memory without Redis, PostgreSQL and the artifact folder', async () => {
    const ask = (): Promise<Reply> =>
      api.ask('/api/v1/series/warm/predict', { body: { timestamp: START, value: 99 } })
    expect((await ask()).status).to.equal(200)
    await toRedis.cut()
    for (let i = 0; i < 5; i++) expect((await ask()).status).to.equal(200)
    await wire.cut()
    const aside = `${api.folder}.aside`
    await rename(api.folder, aside)
    try {
      for (let i = 0; i < 20; i++)
        expect(firstOf(await ask())).to.include({ is_anomaly: true, fallback: false })
    } finally {
      await rename(aside, api.folder)
      await wire.mend()
      await toRedis.mend()
    }
    await eventually('everything to be back', async () =>
      (await api.ask('/healthcheck')).body['status'] === 'ok' ? true : null,
    )
  })
})
