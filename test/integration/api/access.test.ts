import { createHash, createHmac, randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { allRoutes } from '../../../api/routes/all.ts'
import { ROLES } from '../../../shared/access/principal.ts'
import type { Role } from '../../../shared/access/principal.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { rejectionOf } from '../../support/entities.ts'

const SECRET = 'a secret of thirty-two characters or more'
const NOW = Date.now() / 1000

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const token = (claims: object, { alg = 'HS256', secret = SECRET } = {}): string => {
  const signed = `${base64({ alg, typ: 'JWT' })}.${base64(claims)}`
  const signature = alg === 'none' ? '' : createHmac('sha256', secret).update(signed).digest('base64url')
  return `${signed}.${signature}`
}
const bearer = (text: string) => ({ headers: { Authorization: `Bearer ${text}` } })

const expectProblem = (reply: Reply, status: number, code: string): void => {
  expect(reply.body, reply.text).to.include({ status, code })
  expect(reply.status).to.equal(status)
  expect(reply.headers['content-type']).to.match(/^application\/problem\+json/)
  expect(reply.body['trace_id']).to.equal(reply.headers['x-trace-id'])
  expect(reply.body).to.include.keys('type', 'title', 'detail', 'instance')
  expect(reply.text).not.to.match(/\bat .*\.(js|ts):\d/)
}

describe('without any key', () => {
  let api: TestApi
  before(async () => {
    api = await openTestApi()
  })
  after(() => api.close())

  it('callers on this machine are admins', async () => {
    const reply = await api.ask('/api/v1/keys')
    expect(reply.status).to.equal(200)
    expect(reply.body).to.deep.equal({ data: [], page: 1, page_size: 50, total: 0, next_cursor: null })
  })

  it('only loopback names are answered, so that no page can reach it under a name of its own', async () => {
    for (const host of ['localhost', '127.0.0.1:9', '[::1]:8080', 'LOCALHOST:1'])
      expect((await api.ask('/api/v1/configs', { headers: { Host: host } })).status, host).to.equal(200)
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:8080'])
      expectProblem(await api.ask('/api/v1/configs', { headers: { Host: host } }), 403, 'FORBIDDEN')
  })

  it('callers behind a proxy on this machine are not taken for callers on it', async () => {
    for (const name of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP'])
      expectProblem(
        await api.ask('/api/v1/configs', { headers: { [name]: '203.0.113.9' } }),
        403,
        'FORBIDDEN',
      )
  })

  it('writes of pages of another origin are refused, those of our own pages not', async () => {
    const write = (origin: string) =>
      api.ask('/api/v1/jobs', { body: { name: 'none' }, headers: { Origin: origin } })
    for (const origin of ['https://evil.example', 'null', 'http://localhost:1', 'nonsense'])
      expectProblem(await write(origin), 403, 'FORBIDDEN')
    expectProblem(await write(api.url), 404, 'NOT_FOUND')
  })

  it('an unknown key does not make a caller local', async () => {
    expectProblem(await api.ask('/api/v1/configs', { key: `vig_${'x'.repeat(43)}` }), 401, 'UNAUTHORIZED')
    expectProblem(await api.ask('/api/v1/configs', { key: 'nonsense' }), 401, 'UNAUTHORIZED')
  })

  it('an address beyond this machine is refused at the start, with what to do', async () => {
    const error = await rejectionOf(openTestApi({ environment: { HOST: '0.0.0.0' } }))
    expect(error.message).to.match(/HOST=0\.0\.0\.0 .*vigia keys create/)
  })

  it('an address beyond this machine may be bound once tokens are asked for', async () => {
    const open = await openTestApi({ environment: { HOST: '0.0.0.0', JWT_SECRET: SECRET } })
    const reply = await open.ask('/api/v1/configs')
    await open.close()
    expectProblem(reply, 401, 'UNAUTHORIZED')
  })

  it('a taken port is named', async () => {
    const { port } = new URL(api.url)
    const error = await rejectionOf(openTestApi({ environment: { PORT: port } }))
    expect(error.message).to.include(`port ${port} on 127.0.0.1 is taken`)
  })
})

describe('with keys', () => {
  let api: TestApi
  let mine: number
  let other: number
  const keys = {} as Record<Role | 'limited' | 'limitedAdmin', string>

  before(async () => {
    api = await openTestApi({ environment: { JWT_SECRET: SECRET, JWT_ISSUER: 'us', RATE_LIMITS: 'off' } })
    mine = await api.newConfig()
    other = await api.newConfig()
    for (const role of ROLES) keys[role] = await api.key(role, role)
    keys.limited = await api.key('limited', 'trainer', [mine])
    keys.limitedAdmin = await api.key('limited-admin', 'admin', [mine])
  })
  after(() => api.close())

  it('a caller without one is told how to get one', async () => {
    const reply = await api.ask('/api/v1/configs')
    expectProblem(reply, 401, 'UNAUTHORIZED')
    expect(reply.headers['www-authenticate']).to.equal('Bearer')
    expect(reply.body['detail']).to.include('vigia keys create')
  })

  it('a key is taken as X-API-Key, Bearer, or password of HTTP Basic', async () => {
    const basic = Buffer.from(`anybody:${keys.viewer}`).toString('base64')
    expect((await api.ask('/api/v1/configs', { key: keys.viewer })).status).to.equal(200)
    expect((await api.ask('/api/v1/configs', bearer(keys.viewer))).status).to.equal(200)
    expect(
      (await api.ask('/openapi.json', { headers: { Authorization: `Basic ${basic}` } })).status,
    ).to.equal(200)
  })

  it('unknown and malformed credentials are 401', async () => {
    const bad = [
      'Bearer',
      'Bearer ',
      'Bearer a.b.c',
      `Bearer vig_${'A'.repeat(43)}`,
      'Basic !!!',
      `Basic ${Buffer.from('x').toString('base64')}`,
      `Bearer ${'x'.repeat(8000)}`,
      'Digest x',
    ]
    for (const Authorization of bad)
      expectProblem(await api.ask('/api/v1/configs', { headers: { Authorization } }), 401, 'UNAUTHORIZED')
  })

  it('a revoked key is 401 at once, and says no more than an unknown one', async () => {
    const key = await api.key('gone', 'admin')
    expect((await api.ask('/api/v1/configs', { key })).status).to.equal(200)
    const { id } = ((await api.ask('/api/v1/keys', { key: keys.admin })).body['data'] as { id: number }[])[0]!
    expect((await api.ask(`/api/v1/keys/${id}`, { method: 'DELETE', key: keys.admin })).status).to.equal(204)
    const reply = await api.ask('/api/v1/configs', { key })
    expectProblem(reply, 401, 'UNAUTHORIZED')
    const unknown = await api.ask('/api/v1/configs', { key: `vig_${randomBytes(32).toString('base64url')}` })
    expect(reply.body['detail']).to.equal(unknown.body['detail'])
  })

  it('keys that were revoked all leave the door closed to nobody but loopback', async () => {
    const lonely = await openTestApi()
    await lonely.key('only', 'viewer')
    expect((await lonely.ask('/api/v1/configs')).status).to.equal(401)
    await lonely.services.keys.revoke('only')
    expect((await lonely.ask('/api/v1/configs')).status).to.equal(200)
    await lonely.close()
  })

  it('every route asks for its role, before it reads anything else', async () => {
    for (const route of allRoutes) {
      const path = route.path.replace(/:\w+/g, 'x')
      const method = route.method.toUpperCase()
      const asked = { method, ...(method === 'GET' ? {} : { body: '{', headers: { 'Content-Type': 'a/b' } }) }
      expect((await api.ask(path, asked)).status, `${method} ${path} nobody`).to.equal(401)
      for (const role of ROLES) {
        const { status } = await api.ask(path, { ...asked, key: keys[role] })
        const may = ROLES.indexOf(role) >= ROLES.indexOf(route.role)
        if (may) expect(status, `${method} ${path} ${role}`).not.to.be.oneOf([401, 403, 500, 503])
        else expect(status, `${method} ${path} ${role}`).to.equal(403)
      }
    }
  })

  it('a limited key sees other configs as if they did not exist', async () => {
    const asked = { key: keys.limited }
    const paths = [
      (id: number) => `/api/v1/configs/${id}`,
      (id: number) => `/api/v1/entities/tree?config_id=${id}`,
      (id: number) => `/api/v1/insights/daily?config_id=${id}`,
      (id: number) => `/api/v1/imports?config_id=${id}`,
      (id: number) => `/api/v1/runs?config_id=${id}`,
      (id: number) => `/api/v1/ml/anomalies?config_id=${id}`,
      (id: number) => `/api/v1/ml/features?config_id=${id}`,
      (id: number) => `/api/v1/ml/forecasts?config_id=${id}`,
      (id: number) => `/api/v1/ml/models?config_id=${id}`,
    ]
    for (const path of paths) {
      expect((await api.ask(path(mine), asked)).status, path(mine)).to.equal(200)
      const hidden = await api.ask(path(other), asked)
      expectProblem(hidden, 404, 'CONFIG_NOT_FOUND')
      const missing = await api.ask(path(2_000_000_000), asked)
      expect(String(hidden.body['detail']).replace(String(other), '')).to.equal(
        String(missing.body['detail']).replace('2000000000', ''),
      )
    }
    const { data } = (await api.ask('/api/v1/configs', asked)).body as { data: { id: number }[] }
    expect(data.map(({ id }) => id)).to.deep.equal([mine])
    expect((await api.ask(`/api/v1/imports?config_id=${other}`, { ...asked, body: 'x' })).status).to.equal(
      404,
    )
  })

  it('a limited admin cannot widen what it sees', async () => {
    const key = keys.limitedAdmin
    const wider = { name: 'wider', role: 'admin', config_ids: null }
    expectProblem(await api.ask('/api/v1/keys', { key, body: wider }), 403, 'FORBIDDEN')
    for (const path of ['/api/v1/keys', '/api/v1/audit', '/admin/queues'])
      expectProblem(await api.ask(path, { key }), 403, 'FORBIDDEN')
    expectProblem(await api.ask('/api/v1/keys/1', { key, method: 'DELETE' }), 403, 'FORBIDDEN')
    const pause = { method: 'PATCH', body: { paused: true }, key }
    expectProblem(await api.ask('/api/v1/schedules/train.all', pause), 403, 'FORBIDDEN')
    expectProblem(
      await api.ask(`/api/v1/configs/${other}`, { key, method: 'PATCH', body: { name: 'x' } }),
      404,
      'CONFIG_NOT_FOUND',
    )
  })

  describe('and tokens', () => {
    const claims = { sub: 'ana', role: 'viewer', iss: 'us', exp: NOW + 86_400 }

    it('a good one is let in under its role', async () => {
      expect((await api.ask('/api/v1/configs', bearer(token(claims)))).status).to.equal(200)
      expectProblem(await api.ask('/api/v1/keys', bearer(token(claims))), 403, 'FORBIDDEN')
      const limited = token({ ...claims, config_ids: [mine] })
      expect((await api.ask(`/api/v1/configs/${mine}`, bearer(limited))).status).to.equal(200)
      expect((await api.ask(`/api/v1/configs/${other}`, bearer(limited))).status).to.equal(404)
    })

    const rights: Readonly<Record<string, readonly [claims: object, may: 'nothing' | 'read' | 'write']>> = {
      'the scope read': [{ scope: 'read' }, 'read'],
      'the scope write': [{ scope: 'write' }, 'write'],
      'several scopes': [{ scope: 'openid read write' }, 'write'],
      'a list of scopes': [{ scp: ['openid', 'write'] }, 'write'],
      'scopes in a text named scp': [{ scp: 'profile read' }, 'read'],
      'scopes of others only': [{ scope: 'openid readers rewrite' }, 'nothing'],
      'no scope': [{ scope: '', scp: [] }, 'nothing'],
      'a role beside a wider scope': [{ role: 'viewer', scope: 'write' }, 'read'],
      'an unknown role beside a scope': [{ role: 'root', scope: 'write' }, 'nothing'],
      'scopes of another form': [{ scope: ['write'] }, 'nothing'],
    }
    for (const [name, [given, may]] of Object.entries(rights)) {
      it(`one with ${name} may do ${may}`, async () => {
        const asked = bearer(token({ sub: 'bo', iss: 'us', exp: NOW + 86_400, ...given }))
        const read = await api.ask('/api/v1/configs', asked)
        // Refused for its role before its body is read.
        const write = await api.ask('/api/v1/jobs', { ...asked, body: {} })
        const expected = { nothing: [401, 401], read: [200, 403], write: [200, 400] }[may]
        expect([read.status, write.status]).to.deep.equal(expected)
        if (may !== 'nothing') expectProblem(await api.ask('/api/v1/keys', asked), 403, 'FORBIDDEN')
      })
    }

    const bad: Readonly<Record<string, string>> = {
      expired: token({ ...claims, exp: NOW - 31 }),
      'without expiry': token({ ...claims, exp: undefined }),
      'not valid yet': token({ ...claims, nbf: NOW + 86_400 }),
      'without a signature': token(claims, { alg: 'none' }),
      'signed with another algorithm': token(claims, { alg: 'HS512' }),
      'that claims a public key': token(claims, { alg: 'RS256' }),
      'signed with another secret': token(claims, { secret: `${SECRET}!` }),
      'of another issuer': token({ ...claims, iss: 'them' }),
      'without sub': token({ ...claims, sub: undefined }),
      'with an unknown role': token({ ...claims, role: 'root' }),
      'with broken config_ids': token({ ...claims, config_ids: 'all' }),
    }
    for (const [name, text] of Object.entries(bad)) {
      it(`one ${name} is 401`, async () => {
        expectProblem(await api.ask('/api/v1/configs', bearer(text)), 401, 'UNAUTHORIZED')
      })
    }
  })

  describe('the keys themselves', () => {
    it('are shown once, stored as a hash, listed without', async () => {
      const draft = { name: 'shown.once', role: 'trainer', config_ids: [mine] }
      const made = await api.ask('/api/v1/keys', { key: keys.admin, body: draft })
      expect(made.status).to.equal(201)
      expect(made.headers['cache-control']).to.equal('no-store')
      const key = made.body['key'] as string
      expect(key).to.match(/^vg_[\w-]{43}$/)
      expect((await api.ask('/api/v1/configs', { key })).status).to.equal(200)
      const listed = (await api.ask('/api/v1/keys?page_size=200', { key: keys.admin })).text
      expect(listed).to.include('shown.once').and.not.to.include(key)
      const [row] = await api.knex('api_keys').where({ name: 'shown.once' })
      expect(JSON.stringify(row)).not.to.include(key)
      expect(JSON.stringify(await api.knex('audit_log'))).not.to.include(key)
    })

    it('are kept nowhere, under an Idempotency-Key neither', async () => {
      const asked = {
        key: keys.admin,
        body: { name: 'idem', role: 'viewer' },
        headers: { 'Idempotency-Key': 'make-a-key' },
      }
      const made = await api.ask('/api/v1/keys', asked)
      expect(made.status).to.equal(201)
      expectProblem(await api.ask('/api/v1/keys', asked), 409, 'CONFLICT')
      expect(JSON.stringify(await api.knex('idempotency_keys'))).not.to.include(made.body['key'])
    })

    it('refuse bad names, taken names, unknown ids', async () => {
      const make = (body: object) => api.ask('/api/v1/keys', { key: keys.admin, body })
      expectProblem(await make({ name: 'a b', role: 'viewer' }), 400, 'INVALID_REQUEST')
      expectProblem(await make({ name: 'x'.repeat(65), role: 'viewer' }), 400, 'INVALID_REQUEST')
      expectProblem(await make({ name: 'x', role: 'root' }), 400, 'INVALID_REQUEST')
      expectProblem(await make({ name: 'x', role: 'viewer', config_ids: [] }), 400, 'INVALID_REQUEST')
      expectProblem(await make({ name: 'viewer', role: 'viewer' }), 409, 'CONFLICT')
      const revoke = (id: string) => api.ask(`/api/v1/keys/${id}`, { key: keys.admin, method: 'DELETE' })
      expectProblem(await revoke('2147483647'), 404, 'NOT_FOUND')
      expectProblem(await revoke('2147483648'), 400, 'INVALID_REQUEST')
    })

    it('made before they were called vg_ still work', async () => {
      const old = `vig_${randomBytes(32).toString('base64url')}`
      const hash = createHash('sha256').update(old).digest('hex')
      await api.store.keys.insert({
        name: 'from.before',
        role: 'viewer',
        configIds: null,
        hash,
        prefix: old.slice(0, 12),
        actor: 'test',
      })
      expect((await api.ask('/api/v1/configs', { key: old })).status).to.equal(200)
      expectProblem(await api.ask('/api/v1/configs', { key: old.slice(0, -1) }), 401, 'UNAUTHORIZED')
      expectProblem(await api.ask('/api/v1/configs', { key: `${old}x` }), 401, 'UNAUTHORIZED')
    })

    it('may have limits of their own, which are listed and belong to who shows the key', async () => {
      const limits = { predict_per_address: null, train_per_series: { points: 10, seconds: 300 } }
      const draft = { name: 'gateway', role: 'viewer', limits }
      const made = await api.ask('/api/v1/keys', { key: keys.admin, body: draft })
      expect(made.status).to.equal(201)
      expect(made.body['limits']).to.deep.equal(limits)
      const principal = await api.services.keys.principalOf(made.body['key'] as string)
      expect(principal).to.deep.equal({ actor: 'key:gateway', role: 'viewer', configIds: null, limits })
      const { data } = (await api.ask('/api/v1/keys', { key: keys.admin })).body as {
        data: { name: string; limits: unknown }[]
      }
      expect(data.find(({ name }) => name === 'gateway')?.limits).to.deep.equal(limits)
      expect(data.find(({ name }) => name === 'viewer')?.limits).to.equal(null)
    })

    for (const [name, limits] of Object.entries({
      'an unknown rule': { per_moon: null },
      'no points': { train_per_series: { points: 0, seconds: 1 } },
      'too long a time': { train_per_series: { points: 1, seconds: 86_401 } },
      'a figure without its time': { train_per_series: { points: 1 } },
    })) {
      it(`refuse limits with ${name}`, async () => {
        const body = { name: 'odd', role: 'viewer', limits }
        const reply = await api.ask('/api/v1/keys', { key: keys.admin, body })
        expectProblem(reply, 400, 'INVALID_REQUEST')
        expect(reply.body['detail']).to.match(/^body\.limits/)
      })
    }

    it('note their last use', async () => {
      const rows = await api.knex('api_keys').where({ name: 'viewer' })
      expect(rows[0].last_used_at).to.be.an.instanceOf(Date)
    })
  })

  it('every write leaves a row in the audit log, a refused one none', async () => {
    const asked = { key: keys.admin, headers: { 'X-Request-Id': 'trace-of-mine' } }
    const body = { name: 'Audited', account_id: 'act_audited', timezone: 'UTC' }
    await api.ask('/api/v1/configs', { ...asked, body })
    await api.ask('/api/v1/configs', { ...asked, body })
    await api.ask('/api/v1/configs', { key: keys.viewer, body })
    const { data } = (await api.ask('/api/v1/audit?actor=key:admin&page_size=1', asked)).body as {
      data: Record<string, unknown>[]
    }
    expect(data[0]).to.include({
      actor: 'key:admin',
      action: 'POST /api/v1/configs',
      trace_id: 'trace-of-mine',
    })
    expect(data[0]?.['after']).to.include({ account_id: 'act_audited' })
    expect(await api.knex('audit_log').where({ trace_id: 'trace-of-mine' })).to.have.length(1)
  })

  it('the audit log is read in pages and by cursor', async () => {
    for (let n = 0; n < 3; n += 1)
      await api.services.audit.append({ actor: 'pager', action: 'a', target: `${n}` })
    const page = async (query: string) =>
      (await api.ask(`/api/v1/audit?actor=pager&page_size=2${query}`, { key: keys.admin })).body as {
        data: { target: string }[]
        total: number
        next_cursor: string | null
      }
    const first = await page('')
    expect(first.data.map((row) => row.target)).to.deep.equal(['2', '1'])
    expect(first.total).to.equal(3)
    const second = await page(`&cursor=${first.next_cursor}`)
    expect(second.data.map((row) => row.target)).to.deep.equal(['0'])
    expect(second.next_cursor).to.equal(null)
    expect((await page('&page=2')).data.map((row) => row.target)).to.deep.equal(['0'])
    const asked = { key: keys.admin }
    expectProblem(await api.ask('/api/v1/audit?cursor=!!', asked), 400, 'INVALID_REQUEST')
  })
})
