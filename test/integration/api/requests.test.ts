import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { allRoutes } from '../../../api/routes/all.ts'
import { seriesPlotRoutes } from '../../../api/routes/series/plot.ts'
import { openTestApi } from '../../support/api.ts'
import type { Ask, Reply, TestApi } from '../../support/api.ts'

const MIB = 1024 * 1024
const JSON_TYPE = { 'Content-Type': 'application/json' }

const expectProblem = (reply: Reply, status: number, code: string): void => {
  expect(reply.body, reply.text.slice(0, 500)).to.include({ status, code })
  expect(reply.status).to.equal(status)
  expect(reply.headers['content-type']).to.match(/^application\/problem\+json/)
  expect(reply.body['type']).to.equal(`urn:vigia:error:${code.toLowerCase()}`)
  expect(reply.body['trace_id']).to.equal(reply.headers['x-trace-id'])
}

describe('requests', () => {
  let api: TestApi
  let config: number
  before(async () => {
    api = await openTestApi()
    config = await api.newConfig()
  })
  after(() => api.close())

  const post = (body: unknown, headers: Record<string, string> = JSON_TYPE, path = '/api/v1/jobs') =>
    api.ask(path, { method: 'POST', body, headers })

  describe('bodies', () => {
    it('that are no JSON are 400', async () => {
      for (const body of ['{', 'nul', '{"name":"x"} {}', "{'name':1}", '{"name":"a\0b"}', ''])
        expectProblem(await post(body), 400, 'INVALID_REQUEST')
      expectProblem(await post(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, 'INVALID_REQUEST')
    })

    it('of other types are 415', async () => {
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/json'])
        expectProblem(await post('{"name":"x"}', { 'Content-Type': type }), 415, 'UNSUPPORTED_MEDIA_TYPE')
      expectProblem(await post('{"name":"x"}', {}), 415, 'UNSUPPORTED_MEDIA_TYPE')
      const encoded = { ...JSON_TYPE, 'Content-Encoding': 'zstd-of-old' }
      expectProblem(await post('{"name":"x"}', encoded), 415, 'UNSUPPORTED_MEDIA_TYPE')
      const typed = { 'Content-Type': 'application/json; charset=utf-8' }
      expectProblem(await post('{"name":"x"}', typed), 404, 'NOT_FOUND')
    })

    it('may have 10 MiB and not a byte more', async () => {
      const frame = '{"name":""}'.length
      const sized = (bytes: number) => `{"name":"${'x'.repeat(bytes - frame)}"}`
      expectProblem(await post(sized(10 * MIB)), 400, 'INVALID_REQUEST')
      expectProblem(await post(sized(10 * MIB + 1)), 413, 'PAYLOAD_TOO_LARGE')
    })

    it('may be compressed, but do not get larger than 10 MiB', async () => {
      const zipped = { ...JSON_TYPE, 'Content-Encoding': 'gzip' }
      expectProblem(await post(gzipSync('{"name":"zipped"}'), zipped), 404, 'NOT_FOUND')
      expectProblem(await post(gzipSync(Buffer.alloc(200 * MIB, 32)), zipped), 413, 'PAYLOAD_TOO_LARGE')
      expectProblem(await post('no gzip', zipped), 400, 'INVALID_REQUEST')
    })

    it('nested without end are refused', async () => {
      const nested = (levels: number) =>
        `{"name":"none","payload":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}}`
      expectProblem(await post(nested(98)), 404, 'NOT_FOUND')
      expectProblem(await post(nested(99)), 400, 'INVALID_REQUEST')
      expectProblem(await post(nested(4_000_000)), 400, 'INVALID_REQUEST')
      expectProblem(await post('['.repeat(4_000_000)), 400, 'INVALID_REQUEST')
      expectProblem(await post(`{"name":"${'[{'.repeat(400)}\\"["}`), 400, 'INVALID_REQUEST')
    })

    it('with __proto__ or constructor keys change nothing but themselves', async () => {
      const body =
        '{"name":"none","__proto__":{"role":"admin"},"payload":{"__proto__":{"x":1},"constructor":{}}}'
      expectProblem(await post(body), 404, 'NOT_FOUND')
      expect(({} as Record<string, unknown>)['role']).to.equal(undefined)
      expect(({} as Record<string, unknown>)['x']).to.equal(undefined)
    })

    it('with NUL or half a surrogate pair are refused, whole pairs and escaped backslashes are not', async () => {
      for (const text of ['\\u0000', 'a\\uD800', '\\udc00b', '\\\\\\u0000'])
        expectProblem(await post(`{"name":"none${text}"}`), 400, 'INVALID_REQUEST')
      for (const text of ['\\ud83d\\ude00', '\\\\u0000', '😀', 'é'])
        expectProblem(await post(`{"name":"none${text}"}`), 404, 'NOT_FOUND')
    })

    it('are told field by field what is wrong', async () => {
      const reply = await post({ account_id: 'a b', timezone: 'Mars' }, JSON_TYPE, '/api/v1/configs')
      expectProblem(reply, 400, 'INVALID_REQUEST')
      const fields = (reply.body['errors'] as { field: string }[]).map(({ field }) => field)
      expect(fields).to.have.members(['body.name', 'body.account_id', 'body.timezone'])
    })

    it('of imports are limited too', async () => {
      const path = `/api/v1/imports?config_id=${config}`
      const csv = { 'Content-Type': 'text/csv' }
      expectProblem(await post(Buffer.alloc(10 * MIB + 1, 97), csv, path), 413, 'PAYLOAD_TOO_LARGE')
      expectProblem(await post('{}', JSON_TYPE, path), 415, 'UNSUPPORTED_MEDIA_TYPE')
    })
  })

  describe('addresses', () => {
    it('that nobody serves are 404', async () => {
      for (const path of ['/nowhere', '/api/v1', '/api/v1/nowhere', '/api/v2/configs', '/api/v1/runs/a/b'])
        expectProblem(await api.ask(path), 404, 'NOT_FOUND')
      expectProblem(await api.ask('/api/v1/configs', { method: 'PUT', body: {} }), 404, 'NOT_FOUND')
    })

    it('with ids that are paths, long, or broken reach nothing', async () => {
      const ids = [
        '..%2f..%2fetc%2fpasswd',
        '%2e%2e%2f',
        'x'.repeat(4096),
        '%00',
        'a%00b',
        "';drop table runs;--",
        '%ff',
        '%',
      ]
      const routes = [
        (id: string) => `/api/v1/runs/${id}`,
        (id: string) => `/api/v1/configs/${id}`,
        (id: string) => `/api/v1/entities/campaign/${id}?config_id=${config}`,
        (id: string) => `/api/v1/ml/models/${id}`,
        (id: string) => `/docs/assets/${id}`,
        (id: string) => `/admin/queues/static/${id}`,
      ]
      for (const route of routes)
        for (const id of ids) {
          const reply = await api.ask(encodeURI(route(id)).replace(/%25/g, '%'))
          expect(reply.status, `${route(id).slice(0, 80)} ${reply.text.slice(0, 200)}`).to.be.oneOf([
            400, 404,
          ])
          expect(reply.headers['content-type']).to.match(/^application\/problem\+json/)
        }
    })

    it('with an unknown entity_type are 400', async () => {
      const paths = [
        `/api/v1/entities/account/1?config_id=${config}`,
        `/api/v1/insights/daily?config_id=${config}&entity_type=account`,
        `/api/v1/ml/anomalies?config_id=${config}&entity_type=__proto__`,
      ]
      for (const path of paths) expectProblem(await api.ask(path), 400, 'INVALID_REQUEST')
    })

    it('with odd queries are 400', async () => {
      const queries = [
        'config_id=0',
        'config_id=2147483648',
        'config_id=1.5',
        'config_id=x',
        'config_id=1&config_id=2',
      ]
      for (const query of [...queries, 'page_size=201', 'page_size=0', 'page=0', 'status=%00', 'cursor=%00'])
        expectProblem(await api.ask(`/api/v1/runs?${query}`), 400, 'INVALID_REQUEST')
      const known = await api.ask(`/api/v1/runs?config_id=${config}&page_size=200&__proto__=1`)
      expect(known.status).to.equal(200)
    })

    it('keep headers that protect pages, and tell nothing about what serves them', async () => {
      for (const path of ['/docs/', '/admin/queues/', '/api/v1/configs', '/nowhere']) {
        const { headers } = await api.ask(path)
        expect(headers['x-powered-by'], path).to.equal(undefined)
        expect(headers['x-content-type-options']).to.equal('nosniff')
        expect(headers['content-security-policy']).to.match(/default-src 'self'.*script-src 'self'/)
        expect(headers['access-control-allow-origin']).to.equal(undefined)
      }
    })
  })

  describe('traces', () => {
    const traced = async (headers: Record<string, string>) =>
      (await api.ask('/nowhere', { headers })).body['trace_id']
    it('carry the id the caller sent, or a new one', async () => {
      const id = '4bf92f3577b34da6a3ce929d0e0e4736'
      expect(await traced({ traceparent: `00-${id}-00f067aa0ba902b7-01` })).to.equal(id)
      expect(await traced({ 'X-Request-Id': 'request-1' })).to.equal('request-1')
      for (const headers of [
        {},
        { 'X-Request-Id': 'a\tb' },
        { 'X-Request-Id': '../../..' + '/'.repeat(9) },
        { 'X-Request-Id': 'x'.repeat(65) },
        { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
      ] as Record<string, string>[])
        expect(await traced(headers)).to.match(/^[\da-f]{32}$/)
    })
  })

  describe('with an Idempotency-Key', () => {
    let accounts = 0
    const draft = () => ({ name: 'I', account_id: `act_i_${(accounts += 1)}`, timezone: 'UTC' })
    const make = (key: string, body: object, more: Ask = {}) =>
      api.ask('/api/v1/configs', { body, headers: { 'Idempotency-Key': key }, ...more })

    it('are done once and answered again', async () => {
      const body = draft()
      const first = await make('once', body)
      const again = await make('once', body)
      expect(first.status).to.equal(201)
      expect(again.status).to.equal(201)
      expect(again.body).to.deep.equal(first.body)
      expect(again.headers['location']).to.equal(first.headers['location'])
      expect(first.headers['idempotency-replayed']).to.equal(undefined)
      expect(again.headers['idempotency-replayed']).to.equal('true')
      expect(await api.knex('ads_configs').where({ account_id: body.account_id })).to.have.length(1)
      expect(await api.knex('audit_log').where({ target: first.headers['location'] })).to.have.length(1)
    })

    it('are refused when the body or the path is another', async () => {
      await make('other', draft())
      expectProblem(await make('other', draft()), 422, 'IDEMPOTENCY_MISMATCH')
      const elsewhere = { body: { name: 'none' }, headers: { 'Idempotency-Key': 'other' } }
      expectProblem(await api.ask('/api/v1/jobs', elsewhere), 422, 'IDEMPOTENCY_MISMATCH')
    })

    it('are told to wait while the first is being answered', async () => {
      const body = draft()
      const replies = await Promise.all(Array.from({ length: 6 }, () => make('race', body)))
      const statuses = replies.map(({ status }) => status)
      expect(statuses.filter((status) => status !== 201 && status !== 409)).to.deep.equal([])
      expect(statuses).to.include(201)
      expect(await api.knex('ads_configs').where({ account_id: body.account_id })).to.have.length(1)
    })

    it('are taken over when whoever had the key died', async () => {
      const body = draft()
      await make('dead', body)
      await api.knex('ads_configs').where({ account_id: body.account_id }).delete()
      const died = (seconds: number) =>
        api
          .knex('idempotency_keys')
          .where({ key: 'dead' })
          .update({ status: null, created_at: api.knex.raw(`now() - interval '${seconds} seconds'`) })
      await died(50)
      expectProblem(await make('dead', body), 409, 'CONFLICT')
      await died(61)
      expect((await make('dead', body)).status).to.equal(201)
    })

    it('may be used again after a day', async () => {
      await make('old', draft())
      await api
        .knex('idempotency_keys')
        .where({ key: 'old' })
        .update({ expires_at: api.knex.raw('now()') })
      expect((await make('old', draft())).status).to.equal(201)
    })

    it('keep no reply that was an error', async () => {
      const body = draft()
      expectProblem(await make('error', { ...body, timezone: 'Mars' }), 400, 'INVALID_REQUEST')
      expect((await make('error', body)).status).to.equal(201)
    })

    it('need a sensible one', async () => {
      expectProblem(await make('x'.repeat(201), draft()), 400, 'INVALID_REQUEST')
      expectProblem(await make('a b', draft()), 400, 'INVALID_REQUEST')
      expect((await make('x'.repeat(200), draft())).status).to.equal(201)
    })
  })

  describe('the description', () => {
    it('names every route, with ids of their own and references that resolve', async () => {
      const { body } = await api.ask('/openapi.json')
      expect(body['openapi']).to.equal('3.1.0')
      const paths = body['paths'] as Record<string, Record<string, Record<string, unknown>>>
      const named = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method} ${path}`),
      )
      const plotRoutes = seriesPlotRoutes(() => Promise.reject(new Error('no page is made here')))
      const routed = [...allRoutes, ...plotRoutes].map(
        ({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`,
      )
      expect(named).to.have.members([...routed, 'get /healthcheck'])
      const operations = Object.values(paths).flatMap((path) => Object.values(path))
      const ids = operations.map((operation) => operation['operationId'] as string)
      expect(new Set(ids).size, ids.join(' ')).to.equal(ids.length)
      for (const id of ids) expect(id).to.match(/^[a-z][A-Za-z0-9]*$/)
      const look = (value: unknown): void => {
        if (typeof value !== 'object' || value === null) return
        const ref = (value as { $ref?: unknown }).$ref
        if (typeof ref === 'string') {
          const found = ref
            .replace(/^#\//, '')
            .split('/')
            .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], body)
          expect(found, ref).to.be.an('object')
        }
        Object.values(value).forEach(look)
      }
      look(body)
      for (const [path, methods] of Object.entries(paths))
        for (const operation of Object.values(methods)) {
          const parameters = (operation['parameters'] as { in: string; name: string }[])
            .filter((parameter) => parameter.in === 'path')
            .map(({ name }) => name)
          const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
          expect(parameters, path).to.have.members(inPath as string[])
        }
    })
  })
})
