/** Configs: the ad accounts vigia watches. */
import { z } from 'zod'
import { ConfigId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { AdsConfig, ConfigDraft, ConfigPatch } from '../../shared/entities/configs.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const TAG = 'Configs'
const Params = z.object({ id: ConfigId })
const Flag = z.enum(['true', 'false']).transform((text) => text === 'true')

const listConfigs = route({
  method: 'get',
  path: '/api/v1/configs',
  role: 'viewer',
  summary: 'List the configs one may see',
  tag: TAG,
  query: PageQuery.extend({ is_active: Flag.optional() }),
  reply: { 200: PageReply(AdsConfig) },
  handle: async ({ query, principal }, { configs }) => {
    const filter = { ids: principal.configIds, isActive: query.is_active ?? null }
    return { status: 200, body: await configs.list(filter, toPageRequest(query)) }
  },
})

const createConfig = route({
  method: 'post',
  path: '/api/v1/configs',
  role: 'admin',
  summary: 'Make a config for an ad account',
  tag: TAG,
  body: ConfigDraft,
  reply: { 201: AdsConfig },
  handle: async ({ body, principal }, { configs }) => {
    // It could not see what it made.
    if (principal.configIds) throw new AppError('FORBIDDEN', `${principal.actor} is limited to some configs`)
    const config = await configs.create(body)
    return {
      status: 201,
      body: config,
      headers: { Location: `/api/v1/configs/${config.id}` },
      audit: { target: `/api/v1/configs/${config.id}`, after: config },
    }
  },
})

const getConfig = route({
  method: 'get',
  path: '/api/v1/configs/:id',
  role: 'viewer',
  summary: 'One config',
  tag: TAG,
  params: Params,
  reply: { 200: AdsConfig },
  handle: async ({ params, seesConfig }, { configs }) => {
    seesConfig(params.id)
    return { status: 200, body: await configs.get(params.id) }
  },
})

const patchConfig = route({
  method: 'patch',
  path: '/api/v1/configs/:id',
  role: 'admin',
  summary: 'Change the name, state, time zone, source or attribution lag of a config',
  tag: TAG,
  params: Params,
  body: ConfigPatch,
  reply: { 200: AdsConfig },
  handle: async ({ params, body, seesConfig }, { configs }) => {
    seesConfig(params.id)
    const before = await configs.get(params.id)
    const after = await configs.patch(params.id, body)
    return { status: 200, body: after, audit: { before, after } }
  },
})

const deleteConfig = route({
  method: 'delete',
  path: '/api/v1/configs/:id',
  role: 'admin',
  summary: 'Deactivate a config, or with hard=true erase it with its data and models',
  tag: TAG,
  params: Params,
  query: z.object({ hard: Flag.default(false) }),
  reply: { 204: null },
  handle: async ({ params, query, seesConfig }, { configs }) => {
    seesConfig(params.id)
    const before = await configs.get(params.id)
    await configs.remove(params.id, query.hard)
    return { status: 204, audit: { before, after: { hard: query.hard } } }
  },
})

export const configRoutes: readonly Route[] = [
  listConfigs,
  createConfig,
  getConfig,
  patchConfig,
  deleteConfig,
]
