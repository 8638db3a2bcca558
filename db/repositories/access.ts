/** API keys, the audit log, and kept replies. */
import type { Knex } from 'knex'
import type { AuditLog } from '../../shared/access/audit.ts'
import type { IdempotencyStore, RequestName } from '../../shared/access/idempotency.ts'
import type { ApiKey, KeyStore } from '../../shared/access/keys.ts'
import type { Role } from '../../shared/access/principal.ts'
import { AppError } from '../../shared/core/errors.ts'
import { numericId, toPage } from '../../shared/core/page.ts'
import type { KeyLimits } from '../../shared/series/limits.ts'
import type { PageRequest } from '../../shared/core/page.ts'

const UNIQUE_VIOLATION = '23505'

interface KeyRow {
  readonly id: number
  readonly name: string
  readonly role: Role
  readonly prefix: string
  readonly config_ids: number[] | null
  readonly limits: KeyLimits | null
  readonly created_at: Date
  readonly last_used_at: Date | null
  readonly revoked_at: Date | null
}

const fromKeyRow = (row: KeyRow): ApiKey => ({
  id: row.id,
  name: row.name,
  role: row.role,
  prefix: row.prefix,
  config_ids: row.config_ids,
  limits: row.limits,
  created_at: row.created_at.toISOString(),
  last_used_at: row.last_used_at?.toISOString() ?? null,
  revoked_at: row.revoked_at?.toISOString() ?? null,
})

/** Newest first by id; a cursor is the id of the last row. */
const cut = (query: Knex.QueryBuilder, page: PageRequest): Knex.QueryBuilder => {
  void query.orderBy('id', 'desc').limit(page.pageSize)
  if (page.afterId === null) return query.offset((page.page - 1) * page.pageSize)
  return query.where('id', '<', numericId(page.afterId))
}

export const keyStore = (db: Knex): KeyStore => ({
  insert: async ({ name, role, configIds, limits, hash, prefix, actor }) => {
    try {
      const [row] = (await db('api_keys')
        .insert({ name, role, config_ids: configIds, limits: limits ?? null, key_hash: hash, prefix, actor })
        .returning('*')) as KeyRow[]
      return fromKeyRow(row as KeyRow)
    } catch (error) {
      if ((error as { code?: unknown }).code !== UNIQUE_VIOLATION) throw error
      // The audit log tells callers apart by these names, so a revoked key keeps its own.
      throw new AppError('CONFLICT', `there is or was a key named ${name}; choose another name`)
    }
  },
  list: async (page) => {
    const [rows, counted] = (await Promise.all([
      cut(db('api_keys').select('*'), page),
      db('api_keys').count('* as n').first(),
    ])) as [KeyRow[], { n: number }]
    return toPage(page, counted.n, rows.map(fromKeyRow), (row) => row.id)
  },
  use: async (hash) => {
    const row = (await db('api_keys').where({ key_hash: hash }).whereNull('revoked_at').first()) as
      | KeyRow
      | undefined
    if (!row) return null
    await db('api_keys')
      .where({ id: row.id })
      .whereRaw(`(last_used_at is null or last_used_at < now() - interval '1 minute')`)
      .update({ last_used_at: db.fn.now() })
    return { name: row.name, role: row.role, configIds: row.config_ids, limits: row.limits }
  },
  any: async () => Boolean(await db('api_keys').whereNull('revoked_at').first('id')),
  revoke: async (idOrName) => {
    const changed = await db('api_keys')
      .where(typeof idOrName === 'number' ? { id: idOrName } : { name: idOrName })
      .update({ revoked_at: db.raw('coalesce(revoked_at, now())') })
    return changed > 0
  },
})

const asJson = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))

interface StoredAudit {
  readonly id: number
  readonly at: Date
  readonly actor: string
  readonly action: string
  readonly target: string
  readonly before: unknown
  readonly after: unknown
  readonly trace_id: string | null
}

export const auditLog = (db: Knex): AuditLog => ({
  append: async ({ actor, action, target, before, after, traceId }) => {
    await db('audit_log').insert({
      actor,
      action,
      target,
      before: asJson(before),
      after: asJson(after),
      trace_id: traceId ?? null,
    })
  },
  list: async ({ actor }, page) => {
    const scope = actor === undefined ? {} : { actor }
    const [rows, counted] = (await Promise.all([
      cut(db('audit_log').where(scope).select('*'), page),
      db('audit_log').where(scope).count('* as n').first(),
    ])) as [StoredAudit[], { n: number }]
    return toPage(
      page,
      counted.n,
      rows.map((row) => ({ ...row, at: row.at.toISOString() })),
      (row) => row.id,
    )
  },
})

const nameOf = ({ principal, key }: RequestName): { principal: string; key: string } => ({ principal, key })

export const idempotencyStore = (db: Knex): IdempotencyStore => ({
  reserve: async (request) => {
    // Takes a new key, an expired one, or one whose first request died before it was answered.
    const { rows } = (await db.raw(
      `insert into idempotency_keys as k (principal, key, method, path, body_sha256, expires_at)
       values (?, ?, ?, ?, ?, now() + interval '24 hours')
       on conflict (principal, key) do update set
         method = excluded.method, path = excluded.path, body_sha256 = excluded.body_sha256, status = null,
         headers = null, reply = null, created_at = now(), expires_at = excluded.expires_at
       where k.expires_at < now()
         or (k.status is null and k.created_at < now() - interval '1 minute'
             and k.method = excluded.method and k.path = excluded.path and k.body_sha256 = excluded.body_sha256)
       returning key`,
      [request.principal, request.key, request.method, request.path, request.bodySha256],
    )) as { rows: unknown[] }
    if (rows.length > 0) return { kind: 'fresh' }
    const kept = (await db('idempotency_keys').where(nameOf(request)).first()) as
      | {
          method: string
          path: string
          body_sha256: string
          status: number | null
          headers: Record<string, string> | null
          reply: unknown
        }
      | undefined
    if (!kept) return { kind: 'busy' }
    if (
      kept.method !== request.method ||
      kept.path !== request.path ||
      kept.body_sha256 !== request.bodySha256
    ) {
      return { kind: 'mismatch' }
    }
    if (kept.status === null) return { kind: 'busy' }
    return { kind: 'replay', reply: { status: kept.status, headers: kept.headers ?? {}, body: kept.reply } }
  },
  keep: async (request, { status, headers, body }) => {
    await db('idempotency_keys')
      .where(nameOf(request))
      .update({ status, headers: JSON.stringify(headers), reply: asJson(body) })
  },
  release: async (request) => {
    await db('idempotency_keys').where(nameOf(request)).whereNull('status').delete()
  },
})
