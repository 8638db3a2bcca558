/**
 * Webhooks and the messages to them, in PostgreSQL. Messages are written with what they tell of, in one transaction;
 * that an event is told to a webhook once is a unique key. A worker sends to a webhook during its turn, which it holds
 * by a token: messages to one receiver go out one after the other, in their order, whichever worker has them.
 */
import type { Knex } from 'knex'
import { numericId, toPage } from '../../shared/core/page.ts'
import type { PageRequest } from '../../shared/core/page.ts'
import type {
  Attempted,
  Delivery,
  Notice,
  Outgoing,
  Turn,
  Webhook,
  WebhookFilter,
  WebhookKind,
  WebhookStore,
} from '../../shared/notify/webhooks.ts'
import type { Carriage } from '../../shared/runs/run.ts'
import { rawRows } from '../raw-rows.ts'
import { recordRuns } from './runs.ts'

interface WebhookRow extends Omit<
  Webhook,
  'last_delivered_at' | 'previous_secret_until' | 'created_at' | 'updated_at'
> {
  readonly last_delivered_at: Date | null
  readonly previous_until: Date | null
  readonly created_at: Date
  readonly updated_at: Date
}

interface DeliveryRow extends Omit<
  Delivery,
  'message_id' | 'next_attempt_at' | 'last_attempt_at' | 'delivered_at' | 'created_at'
> {
  readonly message_id: string
  readonly next_attempt_at: Date
  readonly last_attempt_at: Date | null
  readonly delivered_at: Date | null
  readonly created_at: Date
}

interface OutgoingRow {
  readonly id: number
  readonly message_id: string
  readonly kind: WebhookKind
  readonly url: string
  readonly secret: string | null
  readonly previous_secret: string | null
  readonly body: string
  readonly attempts: number
  readonly age_ms: number
}

/** Where it leads, without what may be a password. */
const redacted = (text: string): string => {
  const { origin, pathname, search } = new URL(text)
  return pathname === '/' && search === '' ? origin : `${origin}/***`
}

const fromRow = (row: WebhookRow): Webhook => ({
  id: row.id,
  config_id: row.config_id,
  name: row.name,
  kind: row.kind,
  url: redacted(row.url),
  events: row.events,
  severity_min: row.severity_min,
  status: row.status,
  status_reason: row.status_reason,
  pending: row.pending,
  dead: row.dead,
  last_delivered_at: row.last_delivered_at?.toISOString() ?? null,
  previous_secret_until: row.previous_until?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})

const fromDelivery = (row: DeliveryRow): Delivery => ({
  id: row.id,
  message_id: `msg_${row.message_id.replaceAll('-', '')}`,
  event_type: row.event_type,
  incident_id: row.incident_id,
  status: row.status,
  attempts: row.attempts,
  next_attempt_at: row.status === 'pending' ? row.next_attempt_at.toISOString() : null,
  last_attempt_at: row.last_attempt_at?.toISOString() ?? null,
  last_status: row.last_status,
  last_error: row.last_error,
  delivered_at: row.delivered_at?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
})

const toOutgoing = (row: OutgoingRow): Outgoing => ({
  deliveryId: row.id,
  messageId: row.message_id,
  kind: row.kind,
  url: row.url,
  secrets: [row.secret, row.previous_secret].flatMap((secret) => secret ?? []),
  body: row.body,
  attempt: row.attempts,
  ageMs: row.age_ms,
})

const rankSql = (column: string): string =>
  `array_position(array['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'], ${column})`

/** What goes with a webhook whose row is `w`. */
const OUTGOING = `w.kind, w.url, w.secret,
  case when w.previous_until > now() then w.previous_secret end as previous_secret`

const described = (db: Knex | Knex.Transaction): Knex.QueryBuilder =>
  db('webhooks as w')
    .joinRaw(
      `cross join lateral (
         select count(*) filter (where d.status = 'pending') as pending,
           count(*) filter (where d.status = 'dead') as dead, max(d.delivered_at) as last_delivered_at
         from webhook_deliveries d where d.webhook_id = w.id) told`,
    )
    .select(
      'w.*',
      'told.*',
      db.raw('case when w.previous_until > now() then w.previous_until end as previous_until'),
    )

const one = async (db: Knex | Knex.Transaction, id: number): Promise<Webhook | null> => {
  const row = (await described(db).where('w.id', id).first()) as WebhookRow | undefined
  return row ? fromRow(row) : null
}

const filtered = (query: Knex.QueryBuilder, { configIds, configId }: WebhookFilter): Knex.QueryBuilder => {
  if (configIds !== null) void query.whereIn('w.config_id', [...configIds])
  if (configId !== undefined)
    void query.where((either) => void either.where('w.config_id', configId).orWhereNull('w.config_id'))
  return query
}

const cut = (query: Knex.QueryBuilder, column: string, page: PageRequest): Knex.QueryBuilder => {
  void query.orderBy(column, 'desc').limit(page.pageSize)
  if (page.afterId === null) return query.offset((page.page - 1) * page.pageSize)
  return query.where(column, '<', numericId(page.afterId))
}

/**
 * Writes messages to all whom they concern, in the transaction of what they tell of, with the run that sends them:
 * both are there, or neither is. What was told before, and what is muted, is left out.
 * @returns what the queue has to carry once the transaction is committed (a reconciler does it otherwise)
 */
export const notify = async (
  trx: Knex.Transaction,
  { messages, run }: Notice,
): Promise<readonly Carriage[]> => {
  if (messages.length === 0) return []
  const input = messages.map((message, position) => ({
    position,
    config_id: message.configId,
    event_id: message.eventId,
    event_type: message.type,
    incident_id: message.incidentId,
    severity: message.severity,
    metric: message.metric,
    day: message.day,
    path: message.path.map(({ entityType, entityId }) => `${entityType} ${entityId}`),
    body: message.body,
  }))
  const written = await rawRows(
    trx,
    `insert into webhook_deliveries (webhook_id, config_id, event_id, event_type, incident_id, body)
     select w.id, m.config_id, m.event_id, m.event_type, m.incident_id, m.body
     from jsonb_to_recordset(cast(:input as jsonb)) as m(position int, config_id int, event_id text, event_type text,
       incident_id bigint, severity text, metric text, day date, path jsonb, body text)
     join webhooks w on (w.config_id is null or w.config_id = m.config_id) and w.status <> 'disabled'
       and m.event_type = any(w.events) and ${rankSql('m.severity')} >= ${rankSql('w.severity_min')}
     where not exists (
       select from mutes
       where mutes.config_id = m.config_id and m.day between mutes.muted_from and mutes.muted_until
         and (mutes.metric is null or mutes.metric = m.metric)
         and (mutes.entity_id is null
           or jsonb_exists(m.path, concat(mutes.entity_type, ' ', mutes.entity_id)))
     )
     order by w.id, m.position
     on conflict (webhook_id, event_id) do nothing
     returning id`,
    { input: JSON.stringify(input) },
  )
  if (written.length === 0) return []
  return (await recordRuns(trx, [run])).flatMap(({ carriage }) => carriage ?? [])
}

const noteSql = {
  delivered: `status = 'delivered', delivered_at = now(), last_status = :status, last_error = null`,
  again: `next_attempt_at = now() + :delayMs * interval '1 millisecond', last_status = :status, last_error = :error`,
  dead: `status = 'dead', last_status = :status, last_error = :error`,
  gone: `status = 'dead', last_status = :status, last_error = :error`,
} satisfies Record<Attempted['kind'], string>

const noteBindings = (attempted: Attempted): Record<string, unknown> => ({
  status: attempted.status,
  ...('error' in attempted ? { error: attempted.error } : {}),
  ...('delayMs' in attempted ? { delayMs: attempted.delayMs } : {}),
})

export const webhookStore = (db: Knex): WebhookStore => ({
  add: async ({ config_id, name, kind, url, events, severity_min, secret, actor }) => {
    const [row] = (await db('webhooks')
      .insert({ config_id, name, kind, url, events, severity_min, secret, actor })
      .returning('id')) as { id: number }[]
    const webhook = row && (await one(db, row.id))
    if (!webhook) throw new Error('the webhook was removed while it was made')
    return webhook
  },

  list: async (filter, page) => {
    const [rows, counted] = (await Promise.all([
      cut(filtered(described(db), filter), 'w.id', page),
      filtered(db('webhooks as w'), filter).count('* as n').first(),
    ])) as [WebhookRow[], { n: number }]
    return toPage(page, counted.n, rows.map(fromRow), (row) => row.id)
  },

  find: (id) => one(db, id),

  change: async (id, { rotation, status, ...plain }) => {
    await db('webhooks')
      .where({ id })
      .update({
        ...plain,
        ...(status === undefined ? {} : { status, status_reason: null }),
        ...(rotation === undefined
          ? {}
          : {
              secret: rotation.secret,
              previous_secret: db.ref('secret'),
              previous_until: db.raw(`now() + ? * interval '1 millisecond'`, [rotation.previousForMs]),
            }),
        updated_at: db.fn.now(),
      })
    // A pause is no time in which it was tried.
    if (status === 'active')
      await db('webhook_deliveries')
        .where({ webhook_id: id, status: 'pending' })
        .update({ retry_from: db.fn.now() })
    return one(db, id)
  },

  remove: async (id) => (await db('webhooks').where({ id }).delete()) > 0,

  deliveries: async (webhookId, status, page) => {
    const wanted = (): Knex.QueryBuilder =>
      db('webhook_deliveries').where({ webhook_id: webhookId, ...(status === null ? {} : { status }) })
    const [rows, counted] = (await Promise.all([
      cut(wanted(), 'id', page),
      wanted().count('* as n').first(),
    ])) as [DeliveryRow[], { n: number }]
    return toPage(page, counted.n, rows.map(fromDelivery), (row) => row.id)
  },

  revive: async (webhookId, deliveryId) =>
    (await db('webhook_deliveries')
      .where({ id: deliveryId, webhook_id: webhookId, status: 'dead' })
      .whereNotNull('incident_id')
      .update({
        status: 'pending',
        attempts: 0,
        retry_from: db.fn.now(),
        next_attempt_at: db.fn.now(),
      })) > 0,

  addTest: async (webhookId, body) => {
    // Dead until it is told otherwise: nobody tries it again.
    const [row] = await rawRows<OutgoingRow>(
      db,
      `with w as (select * from webhooks where id = :webhookId),
       added as (
         insert into webhook_deliveries (webhook_id, event_id, event_type, body, status, attempts, last_attempt_at,
           last_error)
         select w.id, concat('test-', gen_random_uuid()), 'webhook.test', :body, 'dead', 1, now(), 'was not answered'
         from w returning *)
       select added.id, added.message_id, added.body, added.attempts, 0 as age_ms, ${OUTGOING} from added, w`,
      { webhookId, body },
    )
    return row ? toOutgoing(row) : null
  },

  endTest: async (deliveryId, ended) => {
    await db.raw(`update webhook_deliveries set ${noteSql[ended.kind]} where id = :deliveryId`, {
      ...noteBindings(ended),
      deliveryId,
    } as Record<string, Knex.RawBinding>)
  },

  notify: (notice) => db.transaction((trx) => notify(trx, notice)),

  takeTurn: async (token, forMs) => {
    const [row] = await rawRows<{ id: number }>(
      db,
      `with free as (
         select w.id from webhooks w
         cross join lateral (
           select min(d.next_attempt_at) as since from webhook_deliveries d
           where d.webhook_id = w.id and d.status = 'pending') due
         where w.status = 'active' and (w.busy_until is null or w.busy_until <= now()) and due.since <= now()
         order by due.since, w.id
         limit 1 for no key update of w skip locked)
       update webhooks w set busy_until = now() + :forMs * interval '1 millisecond', busy_token = :token
       from free where w.id = free.id returning w.id`,
      { token, forMs },
    )
    return row ? { webhookId: row.id, token } : null
  },

  next: async ({ webhookId, token }, forMs) => {
    const [row] = await rawRows<OutgoingRow>(
      db,
      `with w as (
         update webhooks set busy_until = now() + :forMs * interval '1 millisecond'
         where id = :webhookId and busy_token = :token and status = 'active' returning *),
       due as (
         -- The oldest that waits of the same incident: its end is never told before its beginning.
         select coalesce(
             (select min(e.id) from webhook_deliveries e
              where e.webhook_id = d.webhook_id and e.incident_id = d.incident_id and e.status = 'pending'), d.id) as id
         from webhook_deliveries d, w
         where d.webhook_id = w.id and d.status = 'pending' and d.next_attempt_at <= now()
         order by d.id limit 1)
       -- What waited for its first try (a pause, nobody to send it) has not been tried for long.
       update webhook_deliveries d set attempts = d.attempts + 1, last_attempt_at = now(),
         retry_from = case when d.attempts = 0 then now() else d.retry_from end
       from due, w where d.id = due.id
       returning d.id, d.message_id, d.body, d.attempts,
         extract(epoch from now() - d.retry_from)::float8 * 1000 as age_ms, ${OUTGOING}`,
      { webhookId, token, forMs },
    )
    return row ? toOutgoing(row) : null
  },

  note: (turn, { deliveryId, attempt }, attempted) =>
    db.transaction(async (trx) => {
      const held = await heldBy(trx, turn)
      if (!held) return false
      const noted = await rawRows(
        trx,
        `update webhook_deliveries set ${noteSql[attempted.kind]}
         where id = :deliveryId and attempts = :attempt and status = 'pending' returning id`,
        { ...noteBindings(attempted), deliveryId, attempt },
      )
      if (noted.length > 0 && attempted.kind === 'again') {
        await rawRows(
          trx,
          `update webhook_deliveries d set next_attempt_at = e.next_attempt_at
           from webhook_deliveries e
           where e.id = :deliveryId and d.webhook_id = e.webhook_id and d.incident_id = e.incident_id
             and d.status = 'pending' and d.id > e.id and d.next_attempt_at < e.next_attempt_at`,
          { deliveryId },
        )
      }
      if (noted.length > 0 && attempted.kind === 'gone') {
        const { webhookId } = turn
        await trx('webhooks')
          .where({ id: webhookId })
          .update({ status: 'disabled', status_reason: attempted.error, updated_at: trx.fn.now() })
        await trx('webhook_deliveries')
          .where({ webhook_id: webhookId, status: 'pending' })
          .update({ status: 'dead', last_error: `the webhook was disabled: ${attempted.error}` })
      }
      return noted.length > 0
    }),

  endTurn: async ({ webhookId, token }, restMs) => {
    await db('webhooks')
      .where({ id: webhookId, busy_token: token })
      .update({
        busy_token: null,
        busy_until: restMs > 0 ? db.raw(`now() + ? * interval '1 millisecond'`, [restMs]) : null,
      })
  },

  nextDue: async () => {
    const [row] = await rawRows<{ at: Date | null; in_ms: number }>(
      db,
      `select min(due.at) as at, extract(epoch from min(due.at) - now())::float8 * 1000 as in_ms
       from webhooks w
       cross join lateral (
         select greatest(min(d.next_attempt_at), w.busy_until, now()) as at from webhook_deliveries d
         where d.webhook_id = w.id and d.status = 'pending') due
       where w.status = 'active'
         and exists (select from webhook_deliveries d where d.webhook_id = w.id and d.status = 'pending')`,
      {},
    )
    return row?.at ? { at: row.at, inMs: row.in_ms } : null
  },
})

/** Locks the webhook while its turn is this one's. */
const heldBy = async (trx: Knex.Transaction, { webhookId, token }: Turn): Promise<boolean> =>
  (await trx('webhooks').where({ id: webhookId, busy_token: token }).forNoKeyUpdate().first('id')) !==
  undefined
