/** The campaigns, ad sets and ads of a config. */
import { z } from 'zod'
import { ConfigId, EntityId, Level } from '../../shared/core/entity.ts'
import { EntityDetail, EntityStatus, EntityTree } from '../../shared/entities/entities.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const TAG = 'Entities'

const entityTree = route({
  method: 'get',
  path: '/api/v1/entities/tree',
  role: 'viewer',
  summary: 'All entities of a config as a tree, with the figures of the last 7 days',
  tag: TAG,
  query: z.object({ config_id: ConfigId, status: EntityStatus.optional() }),
  reply: { 200: EntityTree },
  handle: async ({ query, seesConfig }, { entities }) => {
    seesConfig(query.config_id)
    return { status: 200, body: await entities.tree(query.config_id, query.status ?? null) }
  },
})

const entityDetail = route({
  method: 'get',
  path: '/api/v1/entities/:entity_type/:id',
  role: 'viewer',
  summary: 'One entity',
  tag: TAG,
  params: z.object({ entity_type: Level, id: EntityId }),
  query: z.object({ config_id: ConfigId }),
  reply: { 200: EntityDetail },
  handle: async ({ params, query, seesConfig }, { entities }) => {
    seesConfig(query.config_id)
    const entity = { configId: query.config_id, entityType: params.entity_type, entityId: params.id }
    return { status: 200, body: await entities.detail(entity) }
  },
})

export const entityRoutes: readonly Route[] = [entityTree, entityDetail]
