/**
 * Who asks. With keys or JWT configured every caller needs credentials; without, only callers on this very
 * machine get in, as `local` admin, and only under a loopback name (a web page elsewhere could otherwise
 * reach us through the reader's browser).
 */
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { isApiKey } from '../../shared/access/keys.ts'
import type { Keys } from '../../shared/access/keys.ts'
import { ROLES } from '../../shared/access/principal.ts'
import type { Principal, Role } from '../../shared/access/principal.ts'
import type { Config } from '../../shared/config.ts'
import { AppError } from '../../shared/core/errors.ts'

export type AccessSettings = Pick<Config, 'JWT_SECRET' | 'JWT_JWKS_URL' | 'JWT_ISSUER' | 'JWT_AUDIENCE'>

const LOCAL: Principal = { actor: 'local', role: 'admin', configIds: null }
const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]'])
/** A proxy on this machine calls from loopback too; these tell that somebody else asked. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip']

export const isLoopbackAddress = (address: string | undefined): boolean =>
  address !== undefined && (address === '::1' || /^(::ffff:)?127\./.test(address))

/** `host:port` without the port. */
const hostName = (host: string | undefined): string => (host ?? '').replace(/:\d+$/, '').toLowerCase()

const Claims = z.object({
  sub: z.string().min(1).max(200),
  role: z.enum(ROLES).optional(),
  scope: z.string().optional(),
  scp: z.union([z.string(), z.array(z.string())]).optional(),
  config_ids: z.array(z.int()).nullish(),
})

/** What OAuth 2.0 calls them: `scope` of RFC 8693 with spaces between, or a list as some issuers write it. */
const SCOPES: readonly (readonly [scope: string, role: Role])[] = [
  ['write', 'trainer'],
  ['read', 'viewer'],
]

/** The role a token names, else the highest that one of its scopes gives. */
const roleOf = ({ role, scope, scp }: z.output<typeof Claims>): Role | undefined => {
  if (role) return role
  const lists = [scope ?? '', ...(typeof scp === 'string' ? [scp] : (scp ?? []))]
  const given = new Set(lists.flatMap((text) => text.split(' ')))
  return SCOPES.find(([name]) => given.has(name))?.[1]
}

type VerifyToken = (token: string) => Promise<JWTPayload>

/** What is the token's fault when its key is looked up; anything else is the fault of the key set. */
const TOKEN_FAULTS = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported]

/** The keys behind JWT_JWKS_URL. A good token is not called a bad one while they cannot be read. */
const remoteKeys = (url: string): JWTVerifyGetKey => {
  const keys = createRemoteJWKSet(new URL(url), { timeoutDuration: 5000 })
  return async (header, token) => {
    try {
      return await keys(header, token)
    } catch (error) {
      if (TOKEN_FAULTS.some((fault) => error instanceof fault)) throw error
      throw new AppError(
        'STORAGE_UNAVAILABLE',
        'the key set that tokens are checked with cannot be read; try again shortly',
        { retryAfterS: 5 },
        { cause: error },
      )
    }
  }
}

const tokenVerifier = (settings: AccessSettings): VerifyToken | null => {
  const expected = {
    ...(settings.JWT_ISSUER ? { issuer: settings.JWT_ISSUER } : {}),
    ...(settings.JWT_AUDIENCE ? { audience: settings.JWT_AUDIENCE } : {}),
    clockTolerance: 30,
    requiredClaims: ['sub', 'exp'],
  }
  // The algorithms are fixed by what is configured, never by the token: a public key cannot pass for a secret.
  const secret = settings.JWT_SECRET ? new TextEncoder().encode(settings.JWT_SECRET) : null
  const remote = settings.JWT_JWKS_URL ? remoteKeys(settings.JWT_JWKS_URL) : null
  if (!secret && !remote) return null
  return async (token) => {
    if (secret) {
      try {
        return (await jwtVerify(token, secret, { ...expected, algorithms: ['HS256'] })).payload
      } catch (error) {
        if (!remote) throw error
      }
    }
    const { payload } = await jwtVerify(token, remote!, {
      ...expected,
      algorithms: ['RS256', 'ES256', 'EdDSA', 'Ed25519'],
    })
    return payload
  }
}

const unauthorized = (message: string): AppError => new AppError('UNAUTHORIZED', message)

/** The credential of a request, from X-API-Key, Authorization: Bearer, or Basic (any user, key as password). */
const credentialOf = (request: IncomingMessage): string | null => {
  const header = request.headers['x-api-key']
  if (typeof header === 'string' && header !== '') return header
  const [scheme, value] = (request.headers.authorization ?? '').split(' ', 2)
  if (!value) return null
  if (scheme?.toLowerCase() === 'bearer') return value
  if (scheme?.toLowerCase() === 'basic') {
    const decoded = Buffer.from(value, 'base64').toString('utf8')
    return decoded.slice(decoded.indexOf(':') + 1) || null
  }
  return null
}

export interface Authenticator {
  /**
   * @throws UNAUTHORIZED; FORBIDDEN for a loopback caller under a foreign name or behind a proxy;
   * STORAGE_UNAVAILABLE when the key set of tokens cannot be read
   */
  authenticate(request: IncomingMessage): Promise<Principal>
  /** Whether callers without credentials on this machine are let in. */
  isOpen(): Promise<boolean>
}

export const createAuthenticator = (settings: AccessSettings, keys: Keys): Authenticator => {
  const verifyToken = tokenVerifier(settings)
  const isOpen = async (): Promise<boolean> => verifyToken === null && !(await keys.any())

  const anonymous = async (request: IncomingMessage): Promise<Principal> => {
    if (!(await isOpen())) {
      throw unauthorized(
        'send an API key in the X-API-Key header (make one with "vigia keys create NAME --role viewer")',
      )
    }
    if (!isLoopbackAddress(request.socket.remoteAddress)) {
      throw unauthorized(
        'without API keys only this machine is answered; make one with "vigia keys create NAME --role admin"',
      )
    }
    const host = request.headers.host
    if (!LOOPBACK_NAMES.has(hostName(host))) {
      throw new AppError(
        'FORBIDDEN',
        `without API keys vigia answers to localhost only, not to ${hostName(host).slice(0, 100)}`,
      )
    }
    if (FORWARDED.some((name) => request.headers[name] !== undefined)) {
      throw new AppError(
        'FORBIDDEN',
        'without API keys vigia answers this machine only, not callers behind a proxy; make a key with ' +
          '"vigia keys create NAME --role admin"',
      )
    }
    return LOCAL
  }

  return {
    isOpen,
    authenticate: async (request) => {
      const credential = credentialOf(request)
      if (credential === null) return anonymous(request)
      if (isApiKey(credential)) {
        const principal = await keys.principalOf(credential)
        if (!principal) throw unauthorized('this API key is not known or was revoked')
        return principal
      }
      if (!verifyToken)
        throw unauthorized('this is no API key of vigia, and Bearer tokens are not configured')
      let payload: JWTPayload
      try {
        payload = await verifyToken(credential)
      } catch (error) {
        if (error instanceof AppError) throw error
        throw unauthorized('the token is not valid here: check its signature, expiry, issuer and audience')
      }
      const claims = Claims.safeParse(payload)
      const role = claims.success ? roleOf(claims.data) : undefined
      if (!claims.success || !role)
        throw unauthorized(
          'the token needs the claims sub and role (viewer, trainer or admin), or the scope read or write',
        )
      const { sub, config_ids: configIds } = claims.data
      return { actor: `jwt:${sub}`, role, configIds: configIds ?? null }
    },
  }
}

/**
 * A browser sends Origin with every write; one from another site is refused, so that no page elsewhere can
 * use a reader's network position or remembered password.
 * @throws FORBIDDEN
 */
export const assertSameOrigin = (request: IncomingMessage): void => {
  const { origin, host } = request.headers
  if (origin === undefined || origin === '') return
  if (!URL.canParse(origin) || new URL(origin).host !== host) {
    throw new AppError('FORBIDDEN', 'writes from pages of another origin are refused')
  }
}
