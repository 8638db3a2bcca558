/**
 * A route is a row in a table: one value validates, types and documents a request.
 * Handlers return values; only `app.ts` knows Express.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Principal, Role } from '../shared/access/principal.ts'
import type { ErrorCode } from '../shared/core/errors.ts'
import type { Services } from '../shared/services.ts'

export interface RouteInput<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly principal: Principal
  readonly traceId: string
  /** Of the connection. */
  readonly address: string
  readonly headers: IncomingHttpHeaders
  /** The body of a route with `raw: true`, gunzipped, as it came; empty otherwise. */
  readonly raw: Buffer
  /** The raw request for streaming routes (`stream: true`): body not read yet. */
  readonly stream: Readable & { readonly headers: Readonly<Record<string, string | string[] | undefined>> }
  /** Throws CONFIG_NOT_FOUND when the principal may not see the config, as if it did not exist. */
  readonly seesConfig: (configId: number) => void
}

export interface RouteReply {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /**
   * What the audit log keeps of a write (every route that is not GET and has no `ownAudit` is audited when it answers below 400).
   * Default target: the path.
   */
  readonly audit?: { readonly target?: string; readonly before?: unknown; readonly after?: unknown }
}

export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** Express path, e.g. `/api/v1/runs/:id`. */
  readonly path: string
  readonly role: Role
  /** What it shows or changes is of all configs: closed to a principal that may see some only. */
  readonly allConfigs?: true
  /** Changes nothing although it is no GET: no audit, no Idempotency-Key. */
  readonly readOnly?: true
  /** Counts by the rules of `seriesLimits` itself: the general limit of requests and writes leaves it alone. */
  readonly ownLimits?: true
  /** Served ahead of Express; has one parameter, `:id`, and reads its body from `raw`. */
  readonly hot?: true
  /** Writes its row of the audit log in the transaction of what it changes, or changes nothing. */
  readonly ownAudit?: true
  readonly summary: string
  readonly tag: string
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  /** Reads the body itself from `stream`; `body` is then undefined. Still bound by BODY_LIMIT_MB. */
  readonly stream?: boolean
  /**
   * Reads a body of other forms than JSON from `raw`; `body` then describes its JSON form in the documentation
   * and checks nothing.
   */
  readonly raw?: true
  /** Content types besides JSON that a raw body may have. */
  readonly forms?: readonly string[]
  readonly reply: Readonly<Record<number, z.ZodType | null>>
  /** Content types of text its 200 comes in as well. */
  readonly texts?: readonly string[]
  /** What it refuses with besides what every route of its method can. */
  readonly codes?: readonly ErrorCode[]
  readonly handle: (input: RouteInput<never, never, never>, services: Services) => Promise<RouteReply>
}

export const route = <
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
>(
  spec: Omit<Route, 'params' | 'query' | 'body' | 'handle'> & {
    readonly params?: P
    readonly query?: Q
    readonly body?: B
    readonly handle: (
      input: RouteInput<z.output<P>, z.output<Q>, z.output<B>>,
      services: Services,
    ) => Promise<RouteReply>
  },
): Route => spec
