import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { expect } from 'chai'
import { openTestApi, openWire } from '../../support/api.ts'
import type { Reply, TestApi, Wire } from '../../support/api.ts'
import { eventually } from '../../support/eventually.ts'
import { ownRedisAvailable, redisAvailable, sharedRedisUrl, startOwnRedis } from '../../support/redis.ts'
import type { TestRedis } from '../../support/redis.ts'

const expectProblem = (reply: Reply, status: number, code: string): void => {
  expect(reply.body, reply.text).to.include({ status, code })
  expect(reply.headers['content-type']).to.match(/^application\/problem\+json/)
}

describe('probes and metrics', () => {
  let api: TestApi
  let key: string
  before(async () => {
    api = await openTestApi()
    key = await api.key('viewer', 'viewer')
  })
  after(() => api.close())

  it('probes answer without a key, under all their names', async () => {
    for (const path of ['/livez', '/liveness', '/readyz', '/readiness'])
      expect((await api.ask(path)).body, path).to.include({ status: 'ok' })
  })

  it('readiness names what it asked when told to be verbose, and nothing else', async () => {
    expect((await api.ask('/readyz')).body).to.deep.equal({ status: 'ok' })
    const { checks } = (await api.ask('/readyz?verbose')).body as { checks: Record<string, unknown>[] }
    expect(checks.map(({ name }) => name)).to.have.members(['postgres', 'migrations', 'queues'])
    for (const check of checks) expect(check).to.have.keys('name', 'ok', 'ms')
  })

  it('metrics count requests by route template', async () => {
    await api.ask('/api/v1/configs/123456', { key })
    await api.ask('/api/v1/configs/nonsense/x', { key })
    expectProblem(await api.ask('/metrics'), 401, 'UNAUTHORIZED')
    const { text, headers } = await api.ask('/metrics', { key })
    expect(headers['content-type']).to.match(/^text\/plain/)
    const line = text.split('\n').find((one) => /_seconds_count\{.*route="\/api\/v1\/configs\/:id"/.test(one))
    expect(line)
      .to.match(/method="GET"/)
      .and.match(/code_class="4xx"/)
      .and.match(/service="api"/)
      .and.match(/ 1$/)
    expect(text).to.match(
      /vigia_http_requests_total\{route="other",method="GET",code_class="4xx",service="api"\} 2/,
    )
    expect(text).to.include('nodejs_eventloop_lag_seconds')
    expect(text).not.to.include('123456')
  })
})

describe('while PostgreSQL is away', () => {
  let api: TestApi
  let wire: Wire
  before(async () => {
    api = await openTestApi({
      environment: { RATE_LIMITS: 'off' },
      through: async (url) => {
        wire = await openWire(url)
        return wire.url
      },
    })
    await api.newConfig()
    await wire.cut()
  })
  after(async () => {
    await wire.mend()
    await eventually('PostgreSQL is back', async () => (await api.ask('/readyz')).status === 200)
    await api.close()
    await wire.close()
  })

  it('the process lives but is not ready, and says of what', async () => {
    expect((await api.ask('/livez')).status).to.equal(200)
    const reply = await api.ask('/readyz?verbose')
    expect(reply.status).to.equal(503)
    expect(reply.body['status']).to.equal('unavailable')
    const { checks } = reply.body as { checks: { name: string; ok: boolean }[] }
    expect(checks.find(({ name }) => name === 'postgres')).to.include({ ok: false })
    expect(reply.text).not.to.match(/127\.0\.0\.1|ECONN/)
  })

  it('requests are told to come back, without the address of the database', async () => {
    const reply = await api.ask('/api/v1/configs')
    expectProblem(reply, 503, 'STORAGE_UNAVAILABLE')
    expect(reply.headers['retry-after']).to.equal('5')
    expect(reply.text).not.to.match(/127\.0\.0\.1|ECONN|vigia_test/)
    const write = {
      body: { name: 'N', account_id: 'act_away', timezone: 'UTC' },
      headers: { 'Idempotency-Key': 'k' },
    }
    expectProblem(await api.ask('/api/v1/configs', write), 503, 'STORAGE_UNAVAILABLE')
  })

  it('what was refused works when it is back', async () => {
    await wire.mend()
    const body = { name: 'N', account_id: 'act_away', timezone: 'UTC' }
    const write = { body, headers: { 'Idempotency-Key': 'k' } }
    const made = await eventually('a write works', async () => {
      const reply = await api.ask('/api/v1/configs', write)
      return reply.status === 201 ? reply : null
    })
    expect(made.body).to.include({ account_id: 'act_away' })
    await wire.cut()
  })
})

describe('rate limits', () => {
  for (const backend of ['memory', 'redis'] as const) {
    const suite = backend === 'redis' && !redisAvailable() ? describe.skip : describe
    suite(`counted in ${backend}`, () => {
      let api: TestApi
      before(async () => {
        const environment = backend === 'redis' ? { REDIS_URL: await sharedRedisUrl() } : {}
        api = await openTestApi({ environment })
      })
      after(() => api.close())

      it('let loopback without keys through', async () => {
        for (let n = 0; n < 61; n += 1)
          expect((await api.ask('/api/v1/jobs', { body: {} })).status).to.equal(400)
      })

      it('let the 60th write of a minute through, refuse the 61st, and count each key for itself', async () => {
        const unique = `${backend}-${process.pid}-${Date.now()}`
        const key = await api.key(`busy-${unique}`, 'admin')
        const other = await api.key(`calm-${unique}`, 'admin')
        const write = (by: string) => api.ask('/api/v1/jobs', { body: {}, key: by })
        for (let n = 1; n <= 60; n += 1) {
          const reply = await write(key)
          expect(reply.status).to.equal(400)
          expect(reply.headers['ratelimit-remaining']).to.equal(String(60 - n))
        }
        const refused = await write(key)
        expectProblem(refused, 429, 'RATE_LIMITED')
        expect(Number(refused.headers['retry-after'])).to.be.within(1, 60)
        expect(refused.headers).to.include({ 'ratelimit-limit': '60', 'ratelimit-remaining': '0' })
        const { text } = await api.ask('/metrics', { key: other })
        expect(text).to.match(/vigia_rate_limited_total\{rule="writes",service="api"\} 1\n/)
        const read = await api.ask('/api/v1/configs', { key })
        expect(read.status).to.equal(200)
        expect(read.headers['ratelimit-limit']).to.equal('600')
        expect((await write(other)).status).to.equal(400)
        const onBoard = await api.ask('/admin/queues/api/queues/ml/pause', { method: 'PUT', key })
        expectProblem(onBoard, 429, 'RATE_LIMITED')
      })

      it('count failed attempts by address', async () => {
        const bad = { method: 'POST', key: `vig_${'x'.repeat(43)}` }
        const statuses: number[] = []
        for (let n = 0; n < 62; n += 1) statuses.push((await api.ask('/api/v1/jobs', bad)).status)
        expect(statuses.slice(0, 50).every((status) => status === 401)).to.equal(true)
        expect(statuses.at(-1)).to.equal(429)
      })
    })
  }
})

describe('closing', () => {
  it('lets an answer under way end, and takes nothing new', async () => {
    const api = await openTestApi()
    const config = await api.newConfig()
    const { port } = new URL(api.url)
    const agent = new Agent({ keepAlive: true })
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      agent,
      method: 'POST',
      path: `/api/v1/imports?config_id=${config}`,
      headers: { 'Content-Type': 'text/csv', 'Transfer-Encoding': 'chunked', Expect: '100-continue' },
    })
    const answered = once(request, 'response') as Promise<[IncomingMessage]>
    const invited = once(request, 'continue')
    request.flushHeaders()
    await invited
    request.write('date,campaign_id,campaign_name,adset_id,ad_id,spend,impressions,reach,clicks,leads\n')

    // As a browser does: a connection that is open without a request.
    const idle = connect(Number(port), '127.0.0.1')
    await once(idle, 'connect')
    const closed = api.close().then(() => performance.now())
    await eventually('nothing new is taken', () =>
      api.ask('/livez').then(
        () => false,
        () => true,
      ),
    )
    request.end('2026-06-10,c,Camp,s,a,30,1000,500,20,3\n')
    const [response] = await answered
    expect(response.statusCode).to.equal(201)
    response.resume()
    await once(response, 'end')
    const ended = performance.now()
    // Idle connections must not hold the close up until their own time runs out.
    expect((await closed) - ended).to.be.lessThan(4000)
    idle.destroy()
    agent.destroy()
  })
})

for (const backend of ['postgres', 'redis'] as const) {
  const suite = backend === 'redis' && !redisAvailable() ? describe.skip : describe
  suite(`pages over queues in ${backend}`, () => {
    let api: TestApi
    const keys: Record<string, string> = {}
    before(async () => {
      const environment = backend === 'redis' ? { REDIS_URL: await sharedRedisUrl() } : {}
      api = await openTestApi({ environment: { ...environment, RATE_LIMITS: 'off' } })
      for (const role of ['viewer', 'trainer', 'admin'] as const) keys[role] = await api.key(role, role)
    })
    after(() => api.close())
    const basic = (role: string) => ({
      Authorization: `Basic ${Buffer.from(`me:${keys[role]}`).toString('base64')}`,
    })
    const board = (path: string, role: string, method = 'GET') =>
      api.ask(`/admin/queues${path}`, { method, headers: basic(role) })

    it('a browser is asked for a key by its own dialogue', async () => {
      for (const path of ['/admin/queues', '/admin/queues/api/queues', '/docs/', '/openapi.json']) {
        const reply = await api.ask(path)
        expectProblem(reply, 401, 'UNAUTHORIZED')
        expect(reply.headers['www-authenticate'], path).to.match(/^Basic realm=/)
      }
    })

    it('the front page leads to the docs', async () => {
      const reply = await api.ask('/', { key: keys['viewer'] })
      expect(reply.status).to.equal(302)
      expect(reply.headers['location']).to.equal('/docs')
    })

    it('the pages load nothing from elsewhere', async () => {
      for (const path of ['/docs/', '/admin/queues/']) {
        const { status, text } = await api.ask(path, { headers: basic('viewer') })
        expect(status).to.equal(200)
        expect(text).not.to.match(/(src|href)="(https?:)?\/\//)
      }
    })

    it('the board lists every queue', async () => {
      const { body } = await board('/api/queues', 'viewer')
      const names = (body['queues'] as { name: string; readOnlyMode: boolean }[]).map(({ name }) => name)
      expect(names).to.include.members(['ml', 'training', 'maintenance'])
    })

    it('those who only look may not act, admins may', async () => {
      for (const role of ['viewer', 'trainer'])
        for (const method of ['PUT', 'POST', 'PATCH', 'DELETE'])
          expectProblem(await board('/api/queues/maintenance/pause', role, method), 403, 'FORBIDDEN')
      for (const role of ['viewer', 'admin']) {
        const { body } = await board('/api/queues', role)
        const queues = body['queues'] as { readOnlyMode: boolean }[]
        expect(queues.every(({ readOnlyMode }) => readOnlyMode === (role === 'viewer'))).to.equal(true)
      }
      expect((await board('/api/queues/maintenance/pause', 'admin', 'PUT')).status).to.equal(200)
      expect((await board('/api/queues/maintenance/resume', 'admin', 'PUT')).status).to.equal(200)
      const rows = await api.knex('audit_log').where({ actor: 'key:admin' }).orderBy('id').pluck('target')
      expect(rows).to.deep.equal([
        '/admin/queues/api/queues/maintenance/pause',
        '/admin/queues/api/queues/maintenance/resume',
      ])
    })

    it('a page elsewhere cannot act through the password a browser remembers', async () => {
      const headers = { ...basic('admin'), Origin: 'https://evil.example' }
      const reply = await api.ask('/admin/queues/api/queues/ml/pause', { method: 'PUT', headers })
      expectProblem(reply, 403, 'FORBIDDEN')
    })
  })
}

;(ownRedisAvailable() ? describe : describe.skip)('while Redis is away', () => {
  let redis: TestRedis
  let api: TestApi
  before(async () => {
    redis = await startOwnRedis()
    api = await openTestApi({ environment: { REDIS_URL: redis.url } })
  })
  after(async () => {
    await api.close()
    await redis.close()
  })

  it('the board says so at once, does later nothing it was asked for, and is back with Redis', async () => {
    const key = await api.key('operator', 'admin')
    const isPaused = async (): Promise<boolean | undefined> => {
      const reply = await api.ask('/admin/queues/api/queues', { key })
      if (reply.status !== 200) return undefined
      const listed = reply.body['queues'] as { name: string; isPaused: boolean }[]
      return listed.find(({ name }) => name === 'ml')?.isPaused
    }
    expect(await isPaused()).to.equal(false)
    await redis.stop()
    expect((await api.ask('/admin/queues/', { key })).status).to.equal(200)
    const looked = await api.ask('/admin/queues/api/queues', { key })
    expectProblem(looked, 503, 'STORAGE_UNAVAILABLE')
    expect(looked.text).not.to.include(String(redis.port))
    const acted = await api.ask('/admin/queues/api/queues/ml/pause', { method: 'PUT', key })
    expectProblem(acted, 503, 'STORAGE_UNAVAILABLE')
    expect(acted.headers['retry-after']).to.equal('5')
    expect((await api.ask('/api/v1/configs', { key })).status).to.equal(200)

    await redis.start()
    await eventually('the board is back', async () => (await isPaused()) !== undefined)
    expect(await isPaused()).to.equal(false)
    expect(await api.knex('audit_log').where('action', 'like', 'PUT %')).to.deep.equal([])
  })

  // A write waits as long as its message to the others may take.
  it('requests are answered although Redis hangs', async () => {
    const key = await api.key('patient', 'admin')
    expect((await api.ask('/api/v1/configs', { key })).headers['ratelimit-remaining']).to.equal('599')
    redis.freeze()
    try {
      const [read, written, health] = await Promise.all([
        api.ask('/api/v1/configs', { key }),
        api.ask('/api/v1/series/pump', { method: 'PUT', body: { class: 'short' }, key }),
        api.ask('/healthcheck', { key }),
      ])
      expect([read.status, written.status, health.status]).to.deep.equal([200, 201, 200])
    } finally {
      redis.thaw()
    }
  })
})
