/** Tokens checked with a key set served over HTTP: good ones, forged ones, and a key set that is away. */
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import type { CryptoKey, JWK } from 'jose'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'

const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('tokens checked with a key set', () => {
  const privateKeys = new Map<string, CryptoKey>()
  const published: JWK[] = []
  /** What the key server answers; null: its set. */
  let broken: { readonly status: number; readonly body: string } | null = null
  let asked = 0
  let server: Server
  let keySetUrl: string
  let rsaPublic: string
  let api: TestApi

  const open = (url: string): Promise<TestApi> =>
    openTestApi({ environment: { JWT_JWKS_URL: url, JWT_AUDIENCE: 'vigia' } })
  const sign = (alg: string, key: CryptoKey, kid: string, claims: object = {}): Promise<string> =>
    new SignJWT({ role: 'viewer', ...claims })
      .setProtectedHeader({ alg, kid })
      .setSubject('ana')
      .setAudience('vigia')
      .setExpirationTime('10m')
      .sign(key)
  const good = (alg: string): Promise<string> => sign(alg, privateKeys.get(alg) as CryptoKey, alg)
  const call = (at: TestApi, token: string): Promise<Reply> =>
    at.ask('/api/v1/configs', { headers: { Authorization: `Bearer ${token}` } })

  before(async () => {
    for (const alg of ALGORITHMS) {
      const pair = await generateKeyPair(alg, { extractable: true })
      privateKeys.set(alg, pair.privateKey)
      published.push({ ...(await exportJWK(pair.publicKey)), kid: alg, alg })
      if (alg === 'RS256') rsaPublic = await exportSPKI(pair.publicKey)
    }
    server = createServer((_request, response) => {
      asked += 1
      response.statusCode = broken?.status ?? 200
      response.end(broken?.body ?? JSON.stringify({ keys: published }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    keySetUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
    api = await open(keySetUrl)
  })
  afterEach(() => {
    broken = null
  })
  after(async () => {
    await api.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  for (const alg of ALGORITHMS) {
    it(`one of ${alg} is let in`, async () => {
      expect((await call(api, await good(alg))).status).to.equal(200)
    })
  }

  it('the set is read once, not for every token', async () => {
    await call(api, await good('RS256'))
    const before = asked
    await Promise.all([call(api, await good('RS256')), call(api, await good('ES256'))])
    expect(asked).to.equal(before)
  })

  it('a public key does not pass for a shared secret', async () => {
    const head = base64({ alg: 'HS256', kid: 'RS256' })
    const exp = Math.floor(Date.now() / 1000) + 600
    const body = base64({ sub: 'eve', role: 'admin', aud: 'vigia', exp })
    const signature = createHmac('sha256', rsaPublic).update(`${head}.${body}`).digest('base64url')
    expect((await call(api, `${head}.${body}.${signature}`)).status).to.equal(401)
  })

  it('a key that signs itself in the header is not believed', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
    const token = await new SignJWT({ role: 'admin' })
      .setProtectedHeader({ alg: 'RS256', kid: 'RS256', jwk: await exportJWK(publicKey) })
      .setSubject('eve')
      .setAudience('vigia')
      .setExpirationTime('10m')
      .sign(privateKey)
    expect((await call(api, token)).status).to.equal(401)
  })

  it('one of another key, an unknown key, or another audience is 401', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    expect((await call(api, await sign('ES256', privateKey, 'ES256'))).status).to.equal(401)
    expect((await call(api, await sign('ES256', privateKey, 'nobody'))).status).to.equal(401)
    const foreign = await new SignJWT({ role: 'viewer' })
      .setProtectedHeader({ alg: 'ES256', kid: 'ES256' })
      .setSubject('ana')
      .setAudience('another')
      .setExpirationTime('10m')
      .sign(privateKeys.get('ES256') as CryptoKey)
    expect((await call(api, foreign)).status).to.equal(401)
  })

  const failures = {
    'answers 500': { status: 500, body: '' },
    'answers no JSON': { status: 200, body: '<html>' },
    'answers no key set': { status: 200, body: '{"keys":"none"}' },
  }
  for (const [name, failure] of Object.entries(failures)) {
    it(`while the key server ${name}, a good token is told to come back, and is let in later`, async () => {
      const fresh = await open(keySetUrl)
      try {
        broken = failure
        const reply = await call(fresh, await good('RS256'))
        expect(reply.status).to.equal(503)
        expect(reply.body).to.include({ code: 'STORAGE_UNAVAILABLE', status: 503 })
        expect(reply.headers['retry-after']).to.equal('5')
        expect(reply.text).not.to.include(keySetUrl)
        broken = null
        expect((await call(fresh, await good('RS256'))).status).to.equal(200)
      } finally {
        await fresh.close()
      }
    })
  }

  it('while nobody listens there, garbage and other algorithms are still 401, and keys still work', async () => {
    const gone = createServer()
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
    const { port } = gone.address() as AddressInfo
    await new Promise((resolve) => gone.close(resolve))
    const lonely = await open(`http://127.0.0.1:${port}/jwks`)
    try {
      expect((await call(lonely, await good('EdDSA'))).status).to.equal(503)
      expect((await call(lonely, 'a.b.c')).status).to.equal(401)
      expect((await call(lonely, `${base64({ alg: 'none' })}.${base64({ sub: 'x' })}.`)).status).to.equal(401)
      const key = await lonely.key('still', 'viewer')
      expect((await lonely.ask('/api/v1/configs', { key })).status).to.equal(200)
    } finally {
      await lonely.close()
    }
  })
})
