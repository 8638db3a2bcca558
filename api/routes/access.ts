/** API keys and the audit log: admins only. */
import { z } from 'zod'
import { AuditRow } from '../../shared/access/audit.ts'
import { ApiKey, KeyName } from '../../shared/access/keys.ts'
import { ROLES } from '../../shared/access/principal.ts'
import { ConfigId } from '../../shared/core/entity.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { KeyLimits } from '../../shared/series/limits.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const TAG = 'Access'

const listKeys = route({
  method: 'get',
  path: '/api/v1/keys',
  role: 'admin',
  allConfigs: true,
  tag: TAG,
  summary: 'API keys, without the keys themselves',
  query: PageQuery,
  reply: { 200: PageReply(ApiKey) },
  handle: async ({ query }, { keys }) => ({ status: 200, body: await keys.list(toPageRequest(query)) }),
})

const createKey = route({
  method: 'post',
  path: '/api/v1/keys',
  role: 'admin',
  allConfigs: true,
  tag: TAG,
  summary: 'Makes an API key; the answer is the only place it is shown',
  body: z.object({
    name: KeyName,
    role: z.enum(ROLES),
    config_ids: z.array(ConfigId).min(1).max(1000).nullable().default(null).describe('null: all configs'),
    limits: KeyLimits.nullable()
      .default(null)
      .describe('Rules of rate limits of its own, null for no limit; those not named are as for everybody'),
  }),
  reply: { 201: ApiKey.extend({ key: z.string() }) },
  handle: async ({ body, principal }, { keys }) => {
    const made = await keys.create(
      { name: body.name, role: body.role, configIds: body.config_ids, limits: body.limits },
      principal.actor,
    )
    const { key: _, ...shown } = made
    return {
      status: 201,
      body: made,
      headers: { 'Cache-Control': 'no-store' },
      audit: { target: `key/${made.name}`, after: shown },
    }
  },
})

const revokeKey = route({
  method: 'delete',
  path: '/api/v1/keys/:id',
  role: 'admin',
  allConfigs: true,
  tag: TAG,
  summary: 'Revokes a key; it stops working within seconds',
  params: z.object({ id: ConfigId }),
  reply: { 204: null },
  handle: async ({ params }, { keys }) => {
    await keys.revoke(params.id)
    return { status: 204, audit: { target: `key/${params.id}` } }
  },
})

const listAudit = route({
  method: 'get',
  path: '/api/v1/audit',
  role: 'admin',
  allConfigs: true,
  tag: TAG,
  summary: 'Who wrote what, newest first',
  query: PageQuery.extend({ actor: z.string().max(300).optional() }),
  reply: { 200: PageReply(AuditRow) },
  handle: async ({ query }, { audit }) => ({
    status: 200,
    body: await audit.list(query.actor === undefined ? {} : { actor: query.actor }, toPageRequest(query)),
  }),
})

export const accessRoutes: readonly Route[] = [listKeys, createKey, revokeKey, listAudit]
