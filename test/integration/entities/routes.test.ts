import { expect } from 'chai'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApp } from '../../../api/app.ts'
import { createAuthenticator } from '../../../api/middleware/authenticate.ts'
import { createReadiness } from '../../../api/probes.ts'
import { configRoutes } from '../../../api/routes/configs.ts'
import { entityRoutes } from '../../../api/routes/entities.ts'
import { importRoutes } from '../../../api/routes/imports.ts'
import { insightRoutes } from '../../../api/routes/insights.ts'
import { auditLog, idempotencyStore, keyStore } from '../../../db/repositories/access.ts'
import { createKeys } from '../../../shared/access/keys.ts'
import type { ImportReport } from '../../../shared/entities/imports.ts'
import { noTracer } from '../../../shared/platform/tracer.ts'
import { createMetrics } from '../../../shared/platform/metrics.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import type { Services } from '../../../shared/services.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openEntityServices } from '../../support/entities.ts'
import type { EntityServices } from '../../support/entities.ts'

const NOW = '2026-06-16T15:00:00Z'
const MIB = 1024 * 1024
const OWN = 'date,campaign_id,campaign_name,adset_id,ad_id,spend,impressions,reach,clicks,leads'
const csv = (...rows: readonly string[]): string => [OWN, ...rows].join('\n')
const ROW = '2026-06-10,c,Camp,s,a,30,1000,500,20,3'

interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

describe('routes of accounts and their data', () => {
  let database: TestDatabase
  let services: EntityServices
  let server: Server
  let base: string
  const keys: Record<string, string> = {}

  before(async () => {
    database = await openTestDatabase()
    services = openEntityServices(database.knex, NOW)
    const clock = { now: () => new Date(NOW) }
    const keyring = createKeys(keyStore(database.knex), clock)
    for (const role of ['viewer', 'trainer', 'admin'] as const) {
      const made = await keyring.create({ name: role, role, configIds: null }, 'test')
      keys[role] = made.key
    }
    const app = createApp({
      routes: [...configRoutes, ...importRoutes, ...entityRoutes, ...insightRoutes],
      services: { ...services, clock, keys: keyring, audit: auditLog(database.knex) } as unknown as Services,
      idempotency: idempotencyStore(database.knex),
      authenticator: createAuthenticator(
        { JWT_SECRET: undefined, JWT_JWKS_URL: undefined, JWT_ISSUER: undefined, JWT_AUDIENCE: undefined },
        keyring,
      ),
      rateLimit: null,
      board: () => (_request, _response, next) => next(),
      plotAssets: (_request, _response, next) => next(),
      readiness: createReadiness({}, () => 0),
      metrics: createMetrics('test'),
      logger: silentLogger,
      bodyLimitBytes: 10 * MIB,
      version: 'test',
      tracer: noTracer,
      isUnreachable: () => false,
    })
    server = createServer(app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`
  })
  after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await database.close()
  })

  const call = async (
    method: string,
    path: string,
    {
      body,
      headers = {},
      key = 'admin',
    }: { body?: unknown; headers?: Record<string, string>; key?: string } = {},
  ): Promise<Reply> => {
    const raw = typeof body === 'string' || body instanceof FormData || body instanceof Uint8Array
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        'X-API-Key': keys[key] ?? key,
        ...(body !== undefined && !raw ? { 'Content-Type': 'application/json' } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} }
  }
  const upload = (configId: number, text: string | Uint8Array, key = 'trainer') =>
    call('POST', `/imports?config_id=${configId}`, {
      body: text,
      headers: { 'Content-Type': 'text/csv' },
      key,
    })
  const form = (parts: readonly (readonly [string, string | Blob])[]): FormData => {
    const data = new FormData()
    for (const [name, value] of parts) data.append(name, value)
    return data
  }

  describe('configs', () => {
    const draft = (account_id: string) => ({
      name: `N ${account_id}`,
      account_id,
      timezone: 'America/Sao_Paulo',
    })

    it('are made, read, changed, switched off and erased', async () => {
      const made = await call('POST', '/configs', { body: draft('act_life') })
      expect(made.status).to.equal(201)
      const path = `/configs/${String(made.body['id'])}`
      expect(made.headers.get('location')).to.equal(`/api/v1${path}`)
      expect(made.body).to.include({ currency: 'BRL', is_active: true })
      expect((await call('GET', path, { key: 'viewer' })).body).to.deep.equal(made.body)
      const patched = await call('PATCH', path, { body: { name: 'Renamed' } })
      expect(patched.status).to.equal(200)
      expect(patched.body).to.include({ name: 'Renamed' })
      expect((await call('DELETE', path)).status).to.equal(204)
      expect((await call('GET', path)).body).to.include({ is_active: false })
      expect((await call('DELETE', `${path}?hard=true`)).status).to.equal(204)
      expect((await call('GET', path)).body).to.include({ status: 404, code: 'CONFIG_NOT_FOUND' })
      const audited = await database
        .knex('audit_log')
        .where('target', `/api/v1${path}`)
        .orderBy('id')
        .pluck('action')
      expect(audited.map((action: string) => action.split(' ')[0])).to.deep.equal([
        'POST',
        'PATCH',
        'DELETE',
        'DELETE',
      ])
    })

    it('conflict when the account has one', async () => {
      await call('POST', '/configs', { body: draft('act_twice') })
      expect((await call('POST', '/configs', { body: draft('act_twice') })).body).to.include({
        status: 409,
        code: 'CONFLICT',
      })
    })

    it('are refused with the field that is wrong', async () => {
      const reply = await call('POST', '/configs', {
        body: { ...draft('act_bad'), timezone: 'Mars/Olympus' },
      })
      expect(reply.status).to.equal(400)
      expect(reply.body['errors']).to.have.deep.nested.property('[0].field', 'body.timezone')
      expect((await call('GET', '/configs/zero')).status).to.equal(400)
      expect((await call('GET', '/configs/2147483648')).status).to.equal(400)
      expect((await call('GET', '/configs/2147483647')).status).to.equal(404)
    })

    it('are written by admins only', async () => {
      expect((await call('POST', '/configs', { body: draft('act_x'), key: 'trainer' })).status).to.equal(403)
      expect((await call('GET', '/configs', { key: 'viewer' })).status).to.equal(200)
    })

    it('are listed by state', async () => {
      const { body } = await call('GET', '/configs?is_active=true&page_size=1')
      expect(body).to.have.keys('data', 'page', 'page_size', 'total', 'next_cursor')
      expect((await call('GET', '/configs?is_active=maybe')).status).to.equal(400)
    })
  })

  describe('imports', () => {
    let configId: number
    beforeEach(async () => {
      configId = await services.newConfig()
    })

    it('take text/csv, and the same file again', async () => {
      const first = await upload(configId, csv(ROW))
      expect(first.status).to.equal(201)
      expect(first.body).to.include({
        rows_read: 1,
        rows_upserted: 1,
        rows_rejected: 0,
        entities_created: 3,
        duplicate: false,
      })
      const second = await upload(configId, csv(ROW))
      expect(second.status).to.equal(200)
      expect(second.body).to.deep.equal({ ...first.body, duplicate: true })
    })

    it('take a form, whichever part comes first', async () => {
      const file = (row: string) => new Blob([csv(row)], { type: 'application/octet-stream' })
      const before = await call('POST', '/imports', {
        body: form([
          ['config_id', String(configId)],
          ['file', file(ROW)],
        ]),
      })
      expect(before.status).to.equal(201)
      const behind = await call('POST', '/imports', {
        body: form([
          ['file', file(ROW.replace('30', '31'))],
          ['config_id', String(configId)],
        ]),
      })
      expect(behind.status).to.equal(201)
      const inQuery = await call('POST', `/imports?config_id=${configId}`, {
        body: form([['file', file(ROW)]]),
      })
      expect(inQuery.status).to.equal(200)
    })

    it('are listed with their reports', async () => {
      await upload(configId, csv(ROW))
      const { status, body } = await call('GET', `/imports?config_id=${configId}`, { key: 'viewer' })
      expect(status).to.equal(200)
      expect(body['total']).to.equal(1)
      expect((body['data'] as { actor: string; report: ImportReport }[])[0]).to.deep.include({
        actor: 'key:trainer',
      })
      expect((await call('GET', '/imports')).status).to.equal(400)
    })

    it('refuse a file that is none, with a stable code', async () => {
      const latin = await upload(configId, Buffer.from(csv(ROW.replace('Camp', 'Promoção')), 'latin1'))
      expect(latin.body).to.include({ status: 422, code: 'INVALID_CSV' })
      const missing = await upload(configId, 'Day,Ad ID\n2026-06-01,a')
      expect(missing.body).to.include({ status: 422, code: 'INVALID_CSV' })
      expect(missing.body['details']).to.deep.include({ found: ['Day', 'Ad ID'] })
      expect((await upload(configId, '')).status).to.equal(422)
    })

    it('refuse what is neither a form nor CSV', async () => {
      const json = await call('POST', `/imports?config_id=${configId}`, { body: { rows: [] } })
      expect(json.body).to.include({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' })
      const zipped = await call('POST', `/imports?config_id=${configId}`, {
        body: csv(ROW),
        headers: { 'Content-Type': 'text/csv', 'Content-Encoding': 'gzip' },
      })
      expect(zipped.status).to.equal(415)
      const torn = await call('POST', `/imports?config_id=${configId}`, {
        body: '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\ndate',
        headers: { 'Content-Type': 'multipart/form-data; boundary=x' },
      })
      expect(torn.body).to.include({ status: 400, code: 'INVALID_REQUEST' })
      const unbounded = await call('POST', `/imports?config_id=${configId}`, {
        body: 'x',
        headers: { 'Content-Type': 'multipart/form-data' },
      })
      expect(unbounded.status).to.equal(400)
      expect(
        (await call('POST', '/imports', { body: form([['config_id', String(configId)]]) })).status,
      ).to.equal(400)
    })

    it('refuse without a config, with a foreign one, and for viewers', async () => {
      expect(
        (await call('POST', '/imports', { body: csv(ROW), headers: { 'Content-Type': 'text/csv' } })).status,
      ).to.equal(400)
      expect((await upload(2_000_000_000, csv(ROW))).status).to.equal(404)
      expect((await upload(configId, csv(ROW), 'viewer')).status).to.equal(403)
    })

    it('take a file of 10 MiB, and not of one byte more', async () => {
      const head = `${csv(ROW)}\n`
      const filled = (bytes: number): Buffer => {
        const file = Buffer.alloc(bytes, '\n')
        file.write(head)
        return file
      }
      expect((await upload(configId, filled(10 * MIB))).status).to.equal(201)
      const raw = await upload(configId, filled(10 * MIB + 1))
      expect(raw.body).to.include({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
      const asForm = (bytes: number) =>
        call('POST', '/imports', {
          body: form([
            ['config_id', String(configId)],
            ['file', new Blob([filled(bytes)])],
          ]),
        })
      expect((await asForm(10 * MIB)).status).to.equal(200)
      expect((await asForm(10 * MIB + 1)).body).to.include({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
      expect((await asForm(11 * MIB)).body).to.include({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    })

    it('answer 413 to a body of unknown length while it still comes', async () => {
      const { port } = server.address() as AddressInfo
      const sending = httpRequest({
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: `/api/v1/imports?config_id=${configId}`,
        headers: {
          'Content-Type': 'text/csv',
          'X-API-Key': keys['trainer'] ?? '',
          'Transfer-Encoding': 'chunked',
        },
      })
      const replied = once(sending, 'response') as Promise<[IncomingMessage]>
      sending.write(`${csv(ROW)}\n`)
      for (let sent = 0; sent < 11; sent++) sending.write(Buffer.alloc(MIB, '\n'))
      const [response] = await replied
      expect(response.statusCode).to.equal(413)
      response.resume()
      sending.end()
      await once(response, 'end')
    })

    it('of a client that goes away leave nothing', async () => {
      const { port } = server.address() as AddressInfo
      const sending = httpRequest({
        agent: false,
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: `/api/v1/imports?config_id=${configId}`,
        headers: {
          'Content-Type': 'text/csv',
          'X-API-Key': keys['trainer'] ?? '',
          'Content-Length': '100000',
        },
      })
      sending.on('error', () => {})
      const gone = new Promise((resolve) => {
        server.once('connection', (socket) => socket.once('close', resolve))
      })
      sending.write(`${csv(ROW)}\n`, () => sending.destroy())
      await gone
      expect((await upload(configId, csv(ROW))).body).to.include({ duplicate: false })
      expect((await call('GET', `/imports?config_id=${configId}`)).body['total']).to.equal(1)
    })
  })

  describe('entities and insights', () => {
    let configId: number
    before(async () => {
      configId = await services.newConfig()
      await upload(configId, csv(ROW, '2026-06-10,c,Camp,s,b,10,3000,1500,20,1'))
    })

    it('answer the tree, one entity and its days', async () => {
      const tree = await call('GET', `/entities/tree?config_id=${configId}`, { key: 'viewer' })
      expect(tree.status).to.equal(200)
      expect((tree.body['data'] as unknown[])[0]).to.include({ entity_id: 'c', spend_7d: 40, cpl_7d: 10 })
      const ad = await call('GET', `/entities/ad/b?config_id=${configId}`, { key: 'viewer' })
      expect(ad.body).to.include({ entity_id: 'b', parent_id: 's', campaign_id: 'c', status: 'ACTIVE' })
      const daily = await call('GET', `/insights/daily?config_id=${configId}`, { key: 'viewer' })
      expect((daily.body['data'] as unknown[])[0]).to.include({
        entity_type: 'campaign',
        ctr: 1,
        conversion_rate: 10,
      })
    })

    it('filter the tree by a status in any case', async () => {
      expect(
        (await call('GET', `/entities/tree?config_id=${configId}&status=active`)).body['data'],
      ).to.have.length(1)
      expect(
        (await call('GET', `/entities/tree?config_id=${configId}&status=PAUSED`)).body['data'],
      ).to.have.length(0)
      expect((await call('GET', `/entities/tree?config_id=${configId}&status=a'b`)).status).to.equal(400)
    })

    it('refuse unknown levels, hostile ids and impossible dates', async () => {
      for (const [path, status] of [
        [`/entities/account/1?config_id=${configId}`, 400],
        [`/entities/ad/..%2F..%2Fetc?config_id=${configId}`, 400],
        [`/entities/ad/%00?config_id=${configId}`, 400],
        [`/entities/ad/${'x'.repeat(4096)}?config_id=${configId}`, 400],
        [`/entities/ad/nope?config_id=${configId}`, 404],
        ['/entities/ad/b', 400],
        [`/insights/daily?config_id=${configId}&entity_type=account`, 400],
        [`/insights/daily?config_id=${configId}&date_from=2026-02-30`, 400],
        [`/insights/daily?config_id=${configId}&date_from=2020-01-01`, 400],
        [`/insights/daily?config_id=${configId}&page_size=201`, 400],
        [`/insights/daily?config_id=${configId}&entity_type=ad&entity_id=nope`, 404],
      ] as const) {
        expect((await call('GET', path)).status, path.slice(0, 80)).to.equal(status)
      }
    })

    it('show a key only its configs, and others as if they did not exist', async () => {
      const mine = await services.newConfig()
      const keyring = createKeys(keyStore(database.knex), { now: () => new Date(NOW) })
      const made = await keyring.create({ name: 'scoped', role: 'admin', configIds: [mine] }, 'test')
      const secret = made.key
      const listed = (await call('GET', '/configs', { key: secret })).body['data'] as { id: number }[]
      expect(listed.map(({ id }) => id)).to.deep.equal([mine])
      for (const [method, path] of [
        ['GET', `/configs/${configId}`],
        ['DELETE', `/configs/${configId}`],
        ['GET', `/imports?config_id=${configId}`],
        ['GET', `/entities/tree?config_id=${configId}`],
        ['GET', `/entities/ad/b?config_id=${configId}`],
        ['GET', `/insights/daily?config_id=${configId}`],
      ] as const) {
        expect((await call(method, path, { key: secret })).body, path).to.include({
          code: 'CONFIG_NOT_FOUND',
        })
      }
      const draft = { name: 'x', account_id: 'act_scoped', timezone: 'UTC' }
      expect((await call('POST', '/configs', { body: draft, key: secret })).status).to.equal(403)
      expect((await upload(configId, csv(ROW), secret)).status).to.equal(404)
      const inForm = form([
        ['config_id', String(configId)],
        ['file', new Blob([csv(ROW)])],
      ])
      expect((await call('POST', '/imports', { body: inForm, key: secret })).status).to.equal(404)
    })
  })
})
