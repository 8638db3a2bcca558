/** Mutes: entities and metrics nobody wants to hear of until a day. */
import { z } from 'zod'
import { ConfigId, RowId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { Mute, MuteDraft } from '../../shared/notify/mutes.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const TAG = 'Mutes'

const list = route({
  method: 'get',
  path: '/api/v1/mutes',
  role: 'viewer',
  tag: TAG,
  summary: 'Mutes in force, newest first',
  query: PageQuery.extend({
    config_id: ConfigId,
    all: z
      .enum(['true', 'false'])
      .default('false')
      .transform((text) => text === 'true')
      .describe('Also those that are over'),
  }),
  reply: { 200: PageReply(Mute) },
  handle: async ({ query, seesConfig }, { mutes }) => {
    seesConfig(query.config_id)
    const page = await mutes.list(query.config_id, query.all, toPageRequest(query))
    return { status: 200, body: { ...page, data: [...page.data] } }
  },
})

const create = route({
  method: 'post',
  path: '/api/v1/mutes',
  role: 'trainer',
  tag: TAG,
  summary:
    'Mutes an entity with all below it, a metric, or one metric of an entity, up to and including a day',
  body: MuteDraft,
  reply: { 201: Mute },
  handle: async ({ body, principal, seesConfig }, { mutes }) => {
    seesConfig(body.config_id)
    const mute = await mutes.create(body, principal.actor)
    return { status: 201, body: mute, audit: { target: `mute/${mute.id}`, after: mute } }
  },
})

const remove = route({
  method: 'delete',
  path: '/api/v1/mutes/:id',
  role: 'trainer',
  tag: TAG,
  summary: 'Ends a mute: from now on it is heard of again',
  params: z.object({ id: RowId }),
  reply: { 204: null },
  handle: async ({ params, seesConfig }, { mutes }) => {
    const before = await mutes.get(params.id)
    try {
      seesConfig(before.config_id)
    } catch {
      throw new AppError('NOT_FOUND', `there is no mute ${params.id}; list them with GET /api/v1/mutes`)
    }
    await mutes.remove(params.id)
    return { status: 204, audit: { target: `mute/${params.id}`, before } }
  },
})

export const muteRoutes: readonly Route[] = [list, create, remove]
