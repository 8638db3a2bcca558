/** Webhooks: who is told of incidents, and what became of each message. Admins only: they say where data goes. */
import { z } from 'zod'
import { ConfigId, RowId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import {
  Delivery,
  DELIVERY_STATUSES,
  TestResult,
  Webhook,
  WebhookDraft,
  WebhookPatch,
} from '../../shared/notify/webhooks.ts'
import type { Principal } from '../../shared/access/principal.ts'
import type { Services } from '../../shared/services.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'

const TAG = 'Webhooks'
const Params = z.object({ id: RowId })
/** Shown this once. */
const Secret = z
  .string()
  .nullable()
  .describe('whsec_..., shown by this answer only; null where there is none')
const UNSEEN = { 'Cache-Control': 'no-store' }

const missing = (id: number): AppError =>
  new AppError('NOT_FOUND', `there is no webhook ${id}; list them with GET /api/v1/webhooks`)

/** The webhook, unless it is of a config the principal may not see, or of all configs while it may see some only. */
const visible = async (id: number, { configIds }: Principal, { webhooks }: Services): Promise<Webhook> => {
  const webhook = await webhooks.get(id)
  const { config_id } = webhook
  if (configIds !== null && (config_id === null || !configIds.includes(config_id))) throw missing(id)
  return webhook
}

const list = route({
  method: 'get',
  path: '/api/v1/webhooks',
  role: 'admin',
  tag: TAG,
  summary: 'Webhooks, newest first, without the paths of their URLs and without secrets',
  query: PageQuery.extend({
    config_id: ConfigId.optional().describe('Those of this config and those of all configs'),
  }),
  reply: { 200: PageReply(Webhook) },
  handle: async ({ query, principal, seesConfig }, { webhooks, configs }) => {
    if (query.config_id !== undefined) {
      seesConfig(query.config_id)
      await configs.get(query.config_id)
    }
    const filter = {
      configIds: principal.configIds,
      ...(query.config_id === undefined ? {} : { configId: query.config_id }),
    }
    const page = await webhooks.list(filter, toPageRequest(query))
    return { status: 200, body: { ...page, data: [...page.data] } }
  },
})

const create = route({
  method: 'post',
  path: '/api/v1/webhooks',
  role: 'admin',
  tag: TAG,
  summary: 'Makes a webhook; the answer is the only place its secret is shown',
  body: WebhookDraft,
  reply: { 201: Webhook.extend({ secret: Secret }).meta({ id: 'NewWebhook' }) },
  handle: async ({ body, principal, seesConfig }, { webhooks }) => {
    if (body.config_id !== null) seesConfig(body.config_id)
    else if (principal.configIds !== null) {
      throw new AppError('FORBIDDEN', `${principal.actor} is limited to some configs: name one as config_id`)
    }
    const { webhook, secret } = await webhooks.create(body, principal.actor)
    return {
      status: 201,
      body: { ...webhook, secret },
      headers: { ...UNSEEN, Location: `/api/v1/webhooks/${webhook.id}` },
      audit: { target: `webhook/${webhook.id}`, after: webhook },
    }
  },
})

const get = route({
  method: 'get',
  path: '/api/v1/webhooks/:id',
  role: 'admin',
  tag: TAG,
  summary: 'One webhook',
  params: Params,
  reply: { 200: Webhook },
  handle: async ({ params, principal }, services) => ({
    status: 200,
    body: await visible(params.id, principal, services),
  }),
})

const change = route({
  method: 'patch',
  path: '/api/v1/webhooks/:id',
  role: 'admin',
  tag: TAG,
  summary: 'Changes, pauses or resumes a webhook, or gives it a new secret',
  params: Params,
  body: WebhookPatch,
  codes: ['CONFLICT'],
  reply: { 200: Webhook.extend({ secret: Secret }).meta({ id: 'ChangedWebhook' }) },
  handle: async ({ params, body, principal }, services) => {
    const before = await visible(params.id, principal, services)
    const { webhook, secret } = await services.webhooks.change(params.id, body)
    return {
      status: 200,
      body: { ...webhook, secret },
      headers: UNSEEN,
      audit: {
        target: `webhook/${params.id}`,
        before,
        after: { ...webhook, url_changed: body.url !== undefined, secret_rotated: secret !== null },
      },
    }
  },
})

const remove = route({
  method: 'delete',
  path: '/api/v1/webhooks/:id',
  role: 'admin',
  tag: TAG,
  summary: 'Removes a webhook with its messages, also those that wait',
  params: Params,
  reply: { 204: null },
  handle: async ({ params, principal }, services) => {
    const before = await visible(params.id, principal, services)
    await services.webhooks.remove(params.id)
    return { status: 204, audit: { target: `webhook/${params.id}`, before } }
  },
})

const test = route({
  method: 'post',
  path: '/api/v1/webhooks/:id/test',
  role: 'admin',
  tag: TAG,
  summary: 'Sends a message of type webhook.test, now and once, and says what came of it',
  params: Params,
  reply: { 200: TestResult },
  handle: async ({ params, principal }, services) => {
    await visible(params.id, principal, services)
    const result = await services.webhooks.test(params.id)
    return { status: 200, body: result, audit: { target: `webhook/${params.id}`, after: result } }
  },
})

const deliveries = route({
  method: 'get',
  path: '/api/v1/webhooks/:id/deliveries',
  role: 'admin',
  tag: TAG,
  summary: 'Messages to a webhook, newest first: delivered, to be tried again, or given up (dead)',
  params: Params,
  query: PageQuery.extend({ status: z.enum(DELIVERY_STATUSES).optional() }),
  reply: { 200: PageReply(Delivery) },
  handle: async ({ params, query, principal }, services) => {
    await visible(params.id, principal, services)
    const page = await services.webhooks.deliveries(params.id, query.status ?? null, toPageRequest(query))
    return { status: 200, body: { ...page, data: [...page.data] } }
  },
})

const redeliver = route({
  method: 'post',
  path: '/api/v1/webhooks/:id/deliveries/:delivery_id/redeliver',
  role: 'admin',
  tag: TAG,
  summary: 'Tries a message that was given up from the start, under the same webhook-id',
  params: Params.extend({ delivery_id: RowId }),
  codes: ['CONFLICT'],
  reply: { 204: null },
  handle: async ({ params, principal }, services) => {
    await visible(params.id, principal, services)
    await services.webhooks.redeliver(params.id, params.delivery_id)
    return { status: 204, audit: { target: `webhook/${params.id}/delivery/${params.delivery_id}` } }
  },
})

export const webhookRoutes: readonly Route[] = [
  list,
  create,
  get,
  change,
  remove,
  test,
  deliveries,
  redeliver,
]
