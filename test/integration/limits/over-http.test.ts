/** Limits of series as callers meet them: headers, refusals, keys with limits of their own. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { z } from 'zod'
import { createApp } from '../../../api/app.ts'
import { createAuthenticator } from '../../../api/middleware/authenticate.ts'
import { createRateLimit } from '../../../api/middleware/rate-limit.ts'
import { createReadiness } from '../../../api/probes.ts'
import { route } from '../../../api/route.ts'
import { openLimitCounters } from '../../../db/limits/open.ts'
import { auditLog, idempotencyStore, keyStore } from '../../../db/repositories/access.ts'
import { createKeys } from '../../../shared/access/keys.ts'
import type { Keys } from '../../../shared/access/keys.ts'
import { loadConfig } from '../../../shared/config.ts'
import { systemClock } from '../../../shared/core/clock.ts'
import { createLifecycle } from '../../../shared/platform/lifecycle.ts'
import type { Lifecycle } from '../../../shared/platform/lifecycle.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createMetrics } from '../../../shared/platform/metrics.ts'
import { noTracer } from '../../../shared/platform/tracer.ts'
import { limitCallerOf, limitHeaders, noLimits } from '../../../shared/series/limits.ts'
import type { KeyLimits } from '../../../shared/series/limits.ts'
import { createSeriesLimits } from '../../../shared/series/series-limits.ts'
import type { Services } from '../../../shared/services.ts'
import { ask } from '../../support/api.ts'
import type { Reply } from '../../support/api.ts'
import { openTestDatabase } from '../../support/database.ts'
import { redisAvailable, sharedRedisUrl } from '../../support/redis.ts'

const Params = z.object({ id: z.string() })

/** As the routes of series count. */
const train = route({
  method: 'post',
  path: '/api/v1/series/:id/train',
  role: 'trainer',
  ownLimits: true,
  tag: 'Test',
  summary: 'Spends one training',
  params: Params,
  reply: { 202: null },
  handle: async ({ params, principal, address }, { seriesLimits }) => {
    const state = await seriesLimits.spendTraining(params.id, limitCallerOf(principal, address))
    return { status: 202, headers: limitHeaders(state) }
  },
})
const predict = route({
  method: 'post',
  path: '/api/v1/series/:id/predict',
  role: 'viewer',
  ownLimits: true,
  tag: 'Test',
  summary: 'Spends a token per point',
  params: Params,
  body: z.object({ points: z.int() }),
  reply: { 200: null },
  handle: async ({ params, body, principal, address }, { seriesLimits }) => {
    const caller = limitCallerOf(principal, address)
    const state = await seriesLimits.spendPrediction(params.id, caller, body.points)
    return { status: 200, headers: limitHeaders(state) }
  },
})
const other = route({
  method: 'post',
  path: '/api/v1/other',
  role: 'viewer',
  tag: 'Test',
  summary: 'A write like any other',
  reply: { 200: null },
  handle: () => Promise.resolve({ status: 200 }),
})

for (const backend of ['postgres', 'redis'] as const) {
  const suite = backend === 'redis' && !redisAvailable() ? describe.skip : describe
  suite(`limits of series over HTTP, counted in ${backend}`, () => {
    let lifecycle: Lifecycle
    let keys: Keys
    let metrics: ReturnType<typeof createMetrics>
    let names = 0

    const serve = async (limited: boolean): Promise<string> => {
      const database = await openTestDatabase()
      lifecycle.onClose('database', () => database.close())
      const config = loadConfig({
        RATE_LIMITS: limited ? 'on' : 'off',
        REDIS_URL: backend === 'redis' ? await sharedRedisUrl() : '',
      })
      metrics = createMetrics('api')
      keys = createKeys(keyStore(database.knex), systemClock)
      const counters = await openLimitCounters({
        config,
        knex: database.knex,
        logger: silentLogger,
        lifecycle,
        metrics,
      })
      const seriesLimits = counters
        ? createSeriesLimits({ ...counters, onRefused: (rule) => metrics.rateLimited(rule) })
        : noLimits
      const app = createApp({
        routes: [other, train, predict],
        services: {
          clock: systemClock,
          keys,
          audit: auditLog(database.knex),
          seriesLimits,
        } as unknown as Services,
        idempotency: idempotencyStore(database.knex),
        authenticator: createAuthenticator(
          { JWT_SECRET: undefined, JWT_JWKS_URL: undefined, JWT_ISSUER: undefined, JWT_AUDIENCE: undefined },
          keys,
        ),
        rateLimit: limited ? createRateLimit(null, (rule) => metrics.rateLimited(rule)) : null,
        board: () => (_request, _response, next) => next(),
        plotAssets: (_request, _response, next) => next(),
        readiness: createReadiness({}, () => 0),
        metrics,
        logger: silentLogger,
        bodyLimitBytes: 1_000_000,
        version: 'test',
        tracer: noTracer,
        isUnreachable: () => false,
      })
      const server: Server = createServer(app).listen(0, '127.0.0.1')
      await once(server, 'listening')
      lifecycle.onClose('server', async () => {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      })
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    }

    let base: string
    beforeEach(async () => {
      lifecycle = createLifecycle(silentLogger)
      base = await serve(true)
    })
    afterEach(() => lifecycle.close())

    /** A key whose address has room, since with Redis all tests come from one. */
    const newKey = async (limits: KeyLimits = {}): Promise<string> => {
      names += 1
      const roomy = { points: 50_000_000 + process.pid + names, seconds: 60 }
      const all = { train_per_address: roomy, predict_per_address: roomy, ...limits }
      const made = await keys.create(
        { name: `k${names}`, role: 'trainer', configIds: null, limits: all },
        'test',
      )
      return made.key
    }
    const freshSeries = (): string => `s_${process.pid}_${Date.now()}_${(names += 1)}`
    const post = (path: string, key: string, body: unknown = {}): Promise<Reply> =>
      ask(base, path, { key, body })
    const expectLimited = (reply: Reply, most: number, limit: number, rule: string): void => {
      expect(reply.status, reply.text).to.equal(429)
      expect(reply.headers['content-type']).to.match(/^application\/problem\+json/)
      expect(reply.body).to.include({ code: 'RATE_LIMITED' })
      expect(reply.body['details']).to.include({ rule })
      expect(Number(reply.headers['retry-after'])).to.be.within(1, most)
      expect(Number(reply.headers['ratelimit-reset'])).to.be.within(1, most)
      expect(reply.headers['ratelimit-limit']).to.equal(String(limit))
    }

    it('a second training of a series has to wait, and is told how long', async () => {
      const series = freshSeries()
      const key = await newKey()
      const first = await post(`/api/v1/series/${series}/train`, key)
      expect(first.status).to.equal(202)
      expect(first.headers).to.include({ 'ratelimit-limit': '1', 'ratelimit-remaining': '0' })
      const second = await post(`/api/v1/series/${series}/train`, await newKey())
      expectLimited(second, 300, 1, 'train_per_series')
      expect(second.headers['ratelimit-remaining']).to.equal('0')
      expect(second.body['detail']).to.match(/at most 1 .* in 300 s; try again in \d+ s/)
      expect((await post(`/api/v1/series/${freshSeries()}/train`, key)).status).to.equal(202)
      const text = await metrics.registry.metrics()
      expect(text).to.include('vigia_rate_limited_total{rule="train_per_series",service="api"} 1')
    })

    it('the thousandth point of a minute is judged, the next is not', async () => {
      const series = freshSeries()
      const key = await newKey()
      const path = `/api/v1/series/${series}/predict`
      expect((await post(path, key, { points: 999 })).headers['ratelimit-remaining']).to.equal('1')
      expectLimited(await post(path, key, { points: 600 }), 60, 1000, 'predict_per_series')
      // With Redis some came back meanwhile.
      if (backend === 'postgres') {
        expect((await post(path, key, { points: 1 })).status).to.equal(200)
        expectLimited(await post(path, key, { points: 1 }), 60, 1000, 'predict_per_series')
      }
    })

    it('more than there is at once is told to split', async () => {
      const path = `/api/v1/series/${freshSeries()}/predict`
      const key = await newKey()
      const refused = await post(path, key, { points: 1001 })
      expectLimited(refused, 60, 1000, 'predict_per_series')
      expect(refused.body['detail']).to.match(/split it$/)
      expect((await post(path, key, { points: 1000 })).status).to.equal(200)
    })

    it('an address has limits of its own, which a gateway is let past', async () => {
      const perAddress = { points: 5 + names, seconds: 60 + (process.pid % 1000) + names }
      const key = await newKey({ predict_per_address: perAddress })
      const from = (one: string, points: number) =>
        post(`/api/v1/series/${freshSeries()}/predict`, one, { points })
      expect((await from(key, perAddress.points)).status).to.equal(200)
      expectLimited(await from(key, 1), perAddress.seconds, perAddress.points, 'predict_per_address')
      const gateway = await newKey({ predict_per_address: null })
      for (let n = 0; n < 11; n += 1) expect((await from(gateway, 1000)).status).to.equal(200)
    })

    it('a key without any limits is not counted and has no headers of them', async () => {
      const key = await newKey({ predict_per_address: null, predict_per_series: null })
      const reply = await post(`/api/v1/series/${freshSeries()}/predict`, key, { points: 1_000_000 })
      expect(reply.status).to.equal(200)
      expect(reply.headers).not.to.include.keys('ratelimit-limit', 'ratelimit-remaining')
    })

    it('the general limit of writes leaves these routes alone, and they leave it alone', async () => {
      const key = await newKey()
      const path = `/api/v1/series/${freshSeries()}/predict`
      for (let n = 0; n < 61; n += 1) expect((await post(path, key, { points: 1 })).status).to.equal(200)
      for (let n = 0; n < 60; n += 1) expect((await post('/api/v1/other', key)).status).to.equal(200)
      const refused = await post('/api/v1/other', key)
      expect(refused.status).to.equal(429)
      expect(refused.headers['ratelimit-limit']).to.equal('60')
      expect((await post(path, key, { points: 1 })).status).to.equal(200)
    })

    it('wrong keys are counted by address there too, and wrong roles spend nothing', async () => {
      const series = freshSeries()
      const { key: viewer } = await keys.create({ name: 'v', role: 'viewer', configIds: null }, 'test')
      const forbidden = await post(`/api/v1/series/${series}/train`, viewer)
      expect(forbidden.status).to.equal(403)
      expect(forbidden.body).to.include({ code: 'FORBIDDEN' })
      expect((await post(`/api/v1/series/${series}/train`, await newKey())).status).to.equal(202)
      const bad = `vg_${'x'.repeat(43)}`
      const statuses: number[] = []
      for (let n = 0; n < 61; n += 1)
        statuses.push((await post(`/api/v1/series/${series}/train`, bad)).status)
      expect(statuses.slice(0, 60).every((status) => status === 401)).to.equal(true)
      expect(statuses[60]).to.equal(429)
    })

    it('this machine without keys, and RATE_LIMITS=off, count nobody', async () => {
      const path = `/api/v1/series/${freshSeries()}/train`
      for (let n = 0; n < 3; n += 1) {
        const reply = await ask(base, path, { body: {} })
        expect(reply.status).to.equal(202)
        expect(reply.headers).not.to.include.keys('ratelimit-limit')
      }
      base = await serve(false)
      const key = await newKey()
      for (let n = 0; n < 3; n += 1) expect((await post(path, key)).status).to.equal(202)
    })
  })
}
