/** Mutes in PostgreSQL. What they keep quiet is left out where messages are written (`notify` of webhooks.ts). */
import type { Knex } from 'knex'
import { numericId, toPage } from '../../shared/core/page.ts'
import type { Mute, MuteStore } from '../../shared/notify/mutes.ts'

interface MuteRow extends Omit<Mute, 'from' | 'until' | 'created_at'> {
  readonly muted_from: string
  readonly muted_until: string
  readonly created_at: Date
}

const fromRow = (row: MuteRow): Mute => ({
  id: row.id,
  config_id: row.config_id,
  entity_type: row.entity_type,
  entity_id: row.entity_id,
  metric: row.metric,
  from: row.muted_from,
  until: row.muted_until,
  reason: row.reason,
  actor: row.actor,
  created_at: row.created_at.toISOString(),
})

/** The same quiet until the same day is one mute, whoever asks for it again. */
const ADD = `
insert into mutes (config_id, entity_type, entity_id, metric, muted_from, muted_until, reason, actor)
values (:config_id, :entity_type, :entity_id, :metric, :muted_from, :muted_until, :reason, :actor)
on conflict (config_id, coalesce(entity_type, ''), coalesce(entity_id, ''), coalesce(metric, ''), muted_until)
do update set muted_from = least(mutes.muted_from, excluded.muted_from),
              reason = coalesce(excluded.reason, mutes.reason)
returning *`

export const muteStore = (db: Knex): MuteStore => ({
  add: async (mute) => {
    const { rows } = await db.raw<{ rows: MuteRow[] }>(ADD, {
      config_id: mute.configId,
      entity_type: mute.entityType,
      entity_id: mute.entityId,
      metric: mute.metric,
      muted_from: mute.from,
      muted_until: mute.until,
      reason: mute.reason,
      actor: mute.actor,
    } as Knex.ValueDict)
    return fromRow(rows[0] as MuteRow)
  },
  list: async (configId, day, page) => {
    const wanted = (): Knex.QueryBuilder => {
      const query = db('mutes').where({ config_id: configId })
      return day === null ? query : query.where('muted_until', '>=', day)
    }
    const query = wanted().orderBy('id', 'desc').limit(page.pageSize)
    if (page.afterId === null) void query.offset((page.page - 1) * page.pageSize)
    else void query.where('id', '<', numericId(page.afterId))
    const [rows, counted] = (await Promise.all([query, wanted().count('* as n').first()])) as [
      MuteRow[],
      { n: number },
    ]
    return toPage(page, counted.n, rows.map(fromRow), (row) => row.id)
  },
  within: async (configId, from, to) => {
    const rows = (await db('mutes')
      .where({ config_id: configId })
      .where('muted_from', '<=', to)
      .where('muted_until', '>=', from)
      .orderBy('id')) as MuteRow[]
    return rows.map(fromRow)
  },
  find: async (id) => {
    const row = (await db('mutes').where({ id }).first()) as MuteRow | undefined
    return row ? fromRow(row) : null
  },
  remove: async (id) => (await db('mutes').where({ id }).delete()) > 0,
})
