/**
 * Incidents in PostgreSQL: what detection writes of them, what people read and decide. Whoever writes those of a
 * config takes turns with all who write its anomalies, and leaves the messages in the same transaction.
 */
import type { Knex } from 'knex'
import { LEAD_METRICS } from '../../ml/shifts/gate.ts'
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { LocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import { toPage } from '../../shared/core/page.ts'
import type {
  EntityKey,
  IncidentBatch,
  IncidentCause,
  IncidentChange,
  IncidentState,
  IncidentWriter,
  NamedEntity,
  SavedIncident,
  StoredIncident,
} from '../../shared/detection/incident-store.ts'
import type { IncidentFilter, IncidentRecord, IncidentStore } from '../../shared/detection/incidents.ts'
import type { Notice } from '../../shared/notify/webhooks.ts'
import type { Carriage } from '../../shared/runs/run.ts'
import { assertFence } from '../fence.ts'
import { rawRows } from '../raw-rows.ts'
import { expireOld, raise, takeAllTurns } from './anomalies.ts'
import { cutByDay, dayCursor } from './day-pages.ts'
import { isLouder, mergeIncident } from './merge-incidents.ts'
import type { PathOf } from './merge-incidents.ts'
import { notify } from './webhooks.ts'

interface CauseJson {
  readonly depth: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly share: number
  readonly observed: number | null
  readonly expected: number | null
}

interface IncidentRow {
  readonly id: number
  readonly config_id: number
  readonly campaign_id: string
  readonly family: StoredIncident['family']
  readonly root_type: Level
  readonly root_id: string
  readonly metric: StoredIncident['metric']
  readonly direction: 'up' | 'down'
  readonly polarity: StoredIncident['polarity']
  readonly severity: StoredIncident['severity']
  readonly date_from: LocalDate
  readonly date_to: LocalDate
  readonly causes: readonly CauseJson[]
  readonly figures_type: Level
  readonly figures_id: string
  readonly observed: number | null
  readonly expected: number | null
  readonly money: number | null
  readonly alerted_at: Date | null
  readonly status: StoredIncident['status']
  readonly resolution: IncidentRecord['resolution']
  readonly notes: string | null
  readonly actor: string | null
  readonly acted_at: Date | null
  readonly created_at: Date
  readonly updated_at: Date
  readonly run_id: string | null
}

interface DescribedRow extends IncidentRow {
  readonly config_name: string
  readonly currency: string
  readonly members: readonly (readonly [Level, string])[]
  readonly findings: number
}

type Connection = Knex | Knex.Transaction

const toKey = (entityType: Level, entityId: string): EntityKey => ({ entityType, entityId })
const textOf = ({ entityType, entityId }: EntityKey): string => `${entityType} ${entityId}`

const fromCause = (cause: CauseJson): IncidentCause => ({
  ...toKey(cause.entity_type, cause.entity_id),
  depth: cause.depth,
  share: cause.share,
  observed: cause.observed,
  expected: cause.expected,
})

const toCause = (cause: IncidentCause): CauseJson => ({
  depth: cause.depth,
  entity_type: cause.entityType,
  entity_id: cause.entityId,
  share: cause.share,
  observed: cause.observed,
  expected: cause.expected,
})

const stateOf = (row: IncidentRow): IncidentState => ({
  campaignId: row.campaign_id,
  family: row.family,
  root: toKey(row.root_type, row.root_id),
  metric: row.metric,
  direction: row.direction,
  polarity: row.polarity,
  severity: row.severity,
  dateFrom: toDayNumber(row.date_from),
  dateTo: toDayNumber(row.date_to),
  causes: row.causes.map(fromCause),
  figuresOf: toKey(row.figures_type, row.figures_id),
  observed: row.observed,
  expected: row.expected,
  money: row.money,
})

const fromRow = (row: DescribedRow): StoredIncident => ({
  ...stateOf(row),
  id: row.id,
  alerted: row.alerted_at !== null,
  status: row.status,
  members: row.members.map(([entityType, entityId]) => toKey(entityType, entityId)),
})

/** Incidents with their accounts, and with the entities of the anomalies nobody took back. */
const described = (db: Connection): Knex.QueryBuilder =>
  db('ml_incidents as i')
    .join('ads_configs as account', 'account.id', 'i.config_id')
    .joinRaw(
      `cross join lateral (
         select count(*) as findings, coalesce(jsonb_agg(distinct jsonb_build_array(a.entity_type, a.entity_id))
           filter (where a.resolution is null or a.resolution not in ('restated', 'false_positive')), '[]') as members
         from ml_anomalies a where a.incident_id = i.id) own`,
    )
    .select('i.*', 'account.name as config_name', 'account.currency', 'own.*')

/** Names and parents of entities of one config. */
interface Places {
  readonly pathOf: PathOf
  readonly nameOf: (entity: EntityKey) => string | null
}

interface PlaceRow {
  readonly config_id: number
  readonly entity_type: Level
  readonly entity_id: string
  readonly ad_name: string | null
  readonly adset_id: string | null
  readonly adset_name: string | null
  readonly campaign_id: string | null
  readonly campaign_name: string | null
}

interface WantedPlace {
  readonly configId: number
  readonly campaignId: string
  readonly entity: EntityKey
}

/** One statement for all of them. */
const readPlaces = async (
  db: Connection,
  wanted: readonly WantedPlace[],
): Promise<(configId: number) => Places> => {
  const keyOf = (configId: number, entity: EntityKey): string => `${configId} ${textOf(entity)}`
  const distinct = new Map(wanted.map((one) => [keyOf(one.configId, one.entity), one]))
  const rows =
    distinct.size === 0
      ? []
      : await rawRows<PlaceRow>(
          db,
          `select e.config_id, e.entity_type, e.entity_id, ad.name as ad_name,
             s.adset_id, s.name as adset_name, c.campaign_id, c.name as campaign_name
           from jsonb_to_recordset(cast(:wanted as jsonb)) as e(config_id int, entity_type text, entity_id text,
             campaign_id text)
           left join ads_ads ad on e.entity_type = 'ad' and ad.config_id = e.config_id and ad.ad_id = e.entity_id
           left join ads_adsets s on s.config_id = e.config_id
             and s.adset_id = case e.entity_type when 'adset' then e.entity_id else ad.adset_id end
           left join ads_campaigns c on c.config_id = e.config_id
             and c.campaign_id = coalesce(s.campaign_id, ad.campaign_id, e.campaign_id)`,
          {
            wanted: JSON.stringify(
              [...distinct.values()].map(({ configId, campaignId, entity }) => ({
                config_id: configId,
                entity_type: entity.entityType,
                entity_id: entity.entityId,
                campaign_id: campaignId,
              })),
            ),
          },
        )
  const paths = new Map<string, readonly EntityKey[]>()
  const names = new Map<string, string | null>()
  for (const row of rows) {
    const own = toKey(row.entity_type, row.entity_id)
    const above: EntityKey[] = []
    if (row.entity_type === 'ad') names.set(keyOf(row.config_id, own), row.ad_name)
    if (row.adset_id !== null) {
      const adset = toKey('adset', row.adset_id)
      names.set(keyOf(row.config_id, adset), row.adset_name)
      if (row.entity_type === 'ad') above.push(adset)
    }
    if (row.campaign_id !== null) {
      const campaign = toKey('campaign', row.campaign_id)
      names.set(keyOf(row.config_id, campaign), row.campaign_name)
      if (row.entity_type !== 'campaign') above.push(campaign)
    }
    paths.set(keyOf(row.config_id, own), [own, ...above])
  }
  return (configId) => ({
    pathOf: (entity) => paths.get(keyOf(configId, entity)) ?? [entity],
    // Imports leave a name empty that they were not given.
    nameOf: (entity) => names.get(keyOf(configId, entity)) || null,
  })
}

/** The first of each depth, as far as they follow one another. */
const firstCauses = (causes: readonly IncidentCause[]): IncidentCause[] => {
  const chain: IncidentCause[] = []
  for (;;) {
    const [first] = causes
      .filter(({ depth }) => depth === chain.length + 1)
      .toSorted((a, b) => b.share - a.share)
    if (!first) return chain
    chain.push(first)
  }
}

const withNames = async (db: Connection, rows: readonly DescribedRow[]): Promise<IncidentRecord[]> => {
  const placesOf = await readPlaces(
    db,
    rows.flatMap((row) => {
      const state = stateOf(row)
      return [state.root, state.figuresOf, ...state.causes].map((entity) => ({
        configId: row.config_id,
        campaignId: row.campaign_id,
        entity: toKey(entity.entityType, entity.entityId),
      }))
    }),
  )
  return rows.map((row) => {
    const { pathOf, nameOf } = placesOf(row.config_id)
    const named = ({ entityType, entityId }: EntityKey): NamedEntity => ({
      entityType,
      entityId,
      name: nameOf({ entityType, entityId }),
    })
    const incident = fromRow(row)
    return {
      incident,
      configId: row.config_id,
      configName: row.config_name,
      currency: row.currency,
      path: pathOf(incident.root).map(named),
      figuresOf: named(incident.figuresOf),
      mainCauses: firstCauses(incident.causes).map((cause) => ({
        ...named(cause),
        share: cause.share,
        observed: cause.observed,
      })),
      causes: incident.causes.map((cause) => ({ ...cause, name: nameOf(cause) })),
      findings: row.findings,
      alertedAt: row.alerted_at,
      resolution: row.resolution,
      notes: row.notes,
      actor: row.actor,
      actedAt: row.acted_at,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
  })
}

const read = async (db: Connection, ids: readonly number[]): Promise<IncidentRecord[]> =>
  ids.length === 0
    ? []
    : withNames(
        db,
        (await described(db)
          .whereIn('i.id', [...ids])
          .orderBy('i.id')) as DescribedRow[],
      )

const naturalKey = (incident: {
  readonly campaignId: string
  readonly metric: string
  readonly direction: string
  readonly dateFrom: number
}): string => `${incident.campaignId} ${incident.metric} ${incident.direction} ${incident.dateFrom}`

/** Those the batch may be about, by id. */
const KNOWN = `
select i.* from ml_incidents i
where i.config_id = :configId and (i.id = any(cast(:ids as bigint[])) or exists (
  select from jsonb_to_recordset(cast(:keys as jsonb)) as k(campaign_id text, metric text, direction text, date_from date)
  where k.campaign_id = i.campaign_id and k.metric = i.metric and k.direction = i.direction
    and k.date_from = i.date_from))
order by i.id`

const OPEN = `
insert into ml_incidents (config_id, campaign_id, family, root_type, root_id, metric, direction, polarity, severity,
  date_from, date_to, causes, figures_type, figures_id, observed, expected, money, created_at, updated_at, run_id)
select :configId, n.campaign_id, n.family, n.root_type, n.root_id, n.metric, n.direction, n.polarity, n.severity,
  n.date_from, n.date_to, n.causes, n.figures_type, n.figures_id, n.observed, n.expected, n.money,
  :at, :at, cast(:runId as uuid)
from jsonb_to_recordset(cast(:incidents as jsonb)) as n(position int, campaign_id text, family text, root_type text,
  root_id text, metric text, direction text, polarity text, severity text, date_from date, date_to date, causes jsonb,
  figures_type text, figures_id text, observed float8, expected float8, money numeric(15,2))
order by n.position
returning id, campaign_id, metric, direction, date_from`

const GROW = `
update ml_incidents i set root_type = u.root_type, root_id = u.root_id, polarity = u.polarity, severity = u.severity,
  date_to = u.date_to, causes = u.causes, figures_type = u.figures_type, figures_id = u.figures_id, observed = u.observed, expected = u.expected, money = u.money,
  updated_at = :at, run_id = cast(:runId as uuid)
from jsonb_to_recordset(cast(:incidents as jsonb)) as u(id bigint, root_type text, root_id text, polarity text,
  severity text, date_to date, causes jsonb, figures_type text, figures_id text, observed float8, expected float8, money numeric(15,2))
where i.id = u.id
  and (i.root_type, i.root_id, i.polarity, i.severity, i.date_to, i.causes, i.figures_type, i.figures_id, i.observed,
    i.expected, i.money)
    is distinct from (u.root_type, u.root_id, u.polarity, u.severity, u.date_to, u.causes, u.figures_type, u.figures_id,
    u.observed, u.expected, u.money)`

/**
 * What nobody was told of yet, while there is room on the local day: whoever saves has its turn. What is over as soon as
 * it is found comes last: it is nothing to send a message of.
 */
const TELL = `
update ml_incidents set alerted_at = :at, updated_at = :at, run_id = cast(:runId as uuid)
where id in (
  select i.id
  from jsonb_to_recordset(cast(:wanted as jsonb)) as w(id bigint, deviation float8, is_new boolean)
  join ml_incidents i on i.id = w.id and i.alerted_at is null and i.polarity <> 'good'
    and (i.status = 'open' or w.is_new)
  order by i.status = 'open' desc, array_position(cast(:severities as text[]), i.severity) desc, w.deviation desc nulls last,
    abs(i.money) desc nulls last, i.id
  limit greatest(0, :perDay - (
    select count(*) from ml_incidents told
    where told.config_id = :configId and cast(told.alerted_at at time zone :timeZone as date)
      = cast(cast(:at as timestamptz) at time zone :timeZone as date))))
returning id`

const LINK = `
update ml_anomalies a set incident_id = l.incident_id
from jsonb_to_recordset(cast(:links as jsonb)) as l(entity_type text, entity_id text, type text, metric text, day date,
  incident_id bigint)
where a.config_id = :configId and a.entity_type = l.entity_type and a.entity_id = l.entity_id and a.type = l.type
  and a.metric = l.metric and a.anomaly_date = l.day and a.incident_id is distinct from l.incident_id`

/** Alerts are anomalies of what was told of. */
const ALERT = `
update ml_anomalies a set alerted = l.alerted and i.alerted_at is not null
from jsonb_to_recordset(cast(:links as jsonb)) as l(entity_type text, entity_id text, type text, metric text, day date,
  incident_id bigint, alerted boolean)
left join ml_incidents i on i.id = l.incident_id
where a.config_id = :configId and a.entity_type = l.entity_type and a.entity_id = l.entity_id and a.type = l.type
  and a.metric = l.metric and a.anomaly_date = l.day
  and a.alerted is distinct from (l.alerted and i.alerted_at is not null)`

/**
 * An incident lasts from the first to the last day of what stands of it, and is as loud as the loudest of it: of the
 * anomalies nobody took back, and of those being linked now, which may still have to be written. Days come late, and
 * are restated. Where another one of the same name began on that day already, the first day stays.
 */
const STAND = `
with standing as (
  select i.id, min(stands.day) as first, max(stands.day) as last,
    max(array_position(cast(:severities as text[]), stands.severity)) as loudest
  from ml_incidents i
  cross join lateral (
    select a.anomaly_date as day, cast(a.severity as text) as severity from ml_anomalies a
    where a.incident_id = i.id and (a.resolution is null or a.resolution not in ('restated', 'false_positive'))
    union all
    select l.day, l.severity
    from jsonb_to_recordset(cast(:links as jsonb)) as l(incident_id bigint, day date, severity text)
    where l.incident_id = i.id) stands
  where i.config_id = :configId and (i.status <> 'resolved' or i.id = any(cast(:seen as bigint[])))
  group by i.id
), said as (
  select i.id, (cast(:severities as text[]))[loudest] as severity, last, case when not exists (
      select from ml_incidents o
      where o.config_id = i.config_id and o.campaign_id = i.campaign_id and o.metric = i.metric
        and o.direction = i.direction and o.date_from = first and o.id <> i.id)
    and row_number() over (partition by i.campaign_id, i.metric, i.direction, first order by i.id) = 1
    then first else i.date_from end as first
  from standing join ml_incidents i on i.id = standing.id
)
update ml_incidents i set severity = said.severity, date_from = said.first,
  date_to = greatest(said.first, said.last), updated_at = :at, run_id = cast(:runId as uuid)
from said
where i.id = said.id and (i.severity, i.date_from, i.date_to)
  is distinct from (said.severity, said.first, greatest(said.first, said.last))`

/**
 * What is over, and what is back. An incident is back when a newer day of it was seen, or findings that had been
 * taken back are there again: nobody looks after it, and nobody was told of it yet. One whose anomalies are not stored
 * yet is held open by being seen.
 */
const SETTLE = `
with judged as (
  select i.id, i.status, i.resolution,
    i.date_to < least(cast(:day as date), case when i.metric = any(:ofLeads) then cast(:leadsDay as date) end) - 1
      as is_old,
    coalesce(m.open, false) as has_open, i.id = any(cast(:seen as bigint[])) and m.open is null as is_awaited,
    i.id = any(cast(:grown as bigint[])) as has_grown, i.id = any(cast(:seen as bigint[])) as is_seen
  from ml_incidents i
  cross join lateral (
    select bool_or(a.status <> 'resolved') as open from ml_anomalies a where a.incident_id = i.id) m
  where i.config_id = :configId and (i.status <> 'resolved' or i.id = any(cast(:seen as bigint[])))
), moved as (
  select id, case when status <> 'resolved' then 'resolved' else 'open' end as status,
    case when status <> 'resolved' then case when is_old then 'over' else 'settled' end end as resolution
  from judged
  where case
    when status <> 'resolved' then is_old or not (has_open or is_awaited)
    else not is_old and has_open and is_seen
      and (resolution = 'settled' or (resolution = 'over' and has_grown))
    end
)
update ml_incidents i
set status = moved.status, resolution = moved.resolution,
  alerted_at = case when moved.status = 'resolved' then i.alerted_at end, updated_at = :at, run_id = cast(:runId as uuid)
from moved where i.id = moved.id
returning i.id, i.status`

const toJson = (state: IncidentState): Record<string, unknown> => ({
  campaign_id: state.campaignId,
  family: state.family,
  root_type: state.root.entityType,
  root_id: state.root.entityId,
  metric: state.metric,
  direction: state.direction,
  polarity: state.polarity,
  severity: state.severity,
  date_from: toLocalDate(state.dateFrom),
  date_to: toLocalDate(state.dateTo),
  causes: state.causes.map(toCause),
  figures_type: state.figuresOf.entityType,
  figures_id: state.figuresOf.entityId,
  observed: state.observed,
  expected: state.expected,
  money: state.money,
})

/** A stored incident, or one to be opened, with all the batch says of it. */
interface Target {
  readonly stored: IncidentRow | null
  readonly said: SavedIncident[]
  /** Positions in the batch. */
  readonly positions: number[]
}

const groupByTarget = (batch: IncidentBatch, known: readonly IncidentRow[]): Target[] => {
  const byId = new Map(known.map((row) => [row.id, row]))
  const byKey = new Map(known.map((row) => [naturalKey(stateOf(row)), row]))
  const targets = new Map<string, Target>()
  batch.incidents.forEach((said, position) => {
    const key = naturalKey(said)
    const stored = (said.id === null ? undefined : byId.get(said.id)) ?? byKey.get(key) ?? null
    const name = stored ? String(stored.id) : key
    const target = targets.get(name) ?? { stored, said: [], positions: [] }
    target.said.push(said)
    target.positions.push(position)
    targets.set(name, target)
  })
  return [...targets.values()]
}

const isTold = ({ incident: { alerted, polarity } }: IncidentRecord): boolean =>
  alerted && polarity !== 'good'

/** What is told of is as much as of anything in an incident the writer knows of. */
const changed = (
  record: IncidentRecord,
  type: IncidentChange['type'],
  previousSeverity: IncidentChange['previousSeverity'] = null,
): IncidentChange => ({
  type,
  previousSeverity,
  incident: record.incident,
  configId: record.configId,
  configName: record.configName,
  currency: record.currency,
  path: record.path,
  figuresOf: record.figuresOf,
  mainCauses: record.mainCauses,
})

const tell = (
  trx: Knex.Transaction,
  changes: readonly IncidentChange[],
  noticeOf: (changes: readonly IncidentChange[]) => Notice,
): Promise<readonly Carriage[]> =>
  changes.length === 0 ? Promise.resolve([]) : notify(trx, noticeOf(changes))

export const incidentWriter = (db: Knex): IncidentWriter => ({
  known: async (configId, since) => {
    const rows = (await described(db)
      .where('i.config_id', configId)
      .where('i.date_to', '>=', toLocalDate(since))
      .orderBy('i.id')) as DescribedRow[]
    return rows.map(fromRow)
  },

  save: (fence, batch, noticeOf) =>
    db.transaction(async (trx) => {
      const { configId, day, leadsDay, at, budget, findings, expiry } = batch
      const { runId } = fence
      await assertFence(trx, fence)
      await takeAllTurns(trx, configId)
      const written = await raise(trx, fence, findings, false)
      const expired = expiry ? await expireOld(trx, configId, findings.level, expiry) : 0
      const known =
        batch.incidents.length === 0
          ? []
          : await rawRows<IncidentRow>(trx, KNOWN, {
              configId,
              ids: batch.incidents.flatMap(({ id }) => id ?? []),
              keys: JSON.stringify(batch.incidents.map(toJson)),
            })
      const targets = groupByTarget(batch, known)
      const placesOf = await readPlaces(
        trx,
        targets.flatMap(({ stored, said }) =>
          [...(stored ? [stateOf(stored)] : []), ...said].map(({ campaignId, root }) => ({
            configId,
            campaignId,
            entity: root,
          })),
        ),
      )
      const { pathOf } = placesOf(configId)
      const merged = targets.map((target) => {
        const before = target.stored ? stateOf(target.stored) : null
        return { ...target, before, after: mergeIncident(before, target.said, pathOf) }
      })

      const fresh = merged.filter(({ stored }) => !stored)
      const added =
        fresh.length === 0
          ? []
          : await rawRows<Pick<IncidentRow, 'id' | 'campaign_id' | 'metric' | 'direction' | 'date_from'>>(
              trx,
              OPEN,
              {
                configId,
                at,
                runId,
                incidents: JSON.stringify(
                  fresh.map(({ after }, position) => ({ position, ...toJson(after) })),
                ),
              },
            )
      const idOf = new Map(
        added.map((row) => [
          naturalKey({ ...row, campaignId: row.campaign_id, dateFrom: toDayNumber(row.date_from) }),
          row.id,
        ]),
      )
      const grown = merged.flatMap(({ stored, after }) =>
        stored ? [{ id: stored.id, ...toJson(after) }] : [],
      )
      if (grown.length > 0) await rawRows(trx, GROW, { at, runId, incidents: JSON.stringify(grown) })

      const ids = merged.map(({ stored, after }) => stored?.id ?? idOf.get(naturalKey(after)) ?? null)
      const idAt = new Map(
        merged.flatMap(({ positions }, i) => positions.map((place) => [place, ids[i]] as const)),
      )
      const links = JSON.stringify(
        batch.links.map((link) => ({
          entity_type: link.entityType,
          entity_id: link.entityId,
          type: link.type,
          metric: link.metric,
          day: toLocalDate(link.day),
          severity: link.severity,
          incident_id: link.incident === null ? null : (idAt.get(link.incident) ?? null),
          alerted: link.alerted,
        })),
      )
      const hasLinks = batch.links.length > 0
      if (hasLinks) await rawRows(trx, LINK, { configId, links })
      await rawRows(trx, STAND, { configId, links, severities: [...SEVERITIES], seen: ids, at, runId })
      const settled = await rawRows<{ id: number; status: StoredIncident['status'] }>(trx, SETTLE, {
        configId,
        day: toLocalDate(day),
        leadsDay: toLocalDate(leadsDay),
        ofLeads: [...LEAD_METRICS],
        at,
        runId,
        seen: ids,
        grown: merged.flatMap(({ before, after }, i) =>
          before && after.dateTo > before.dateTo ? [ids[i] as number] : [],
        ),
      })

      const wanted = merged.flatMap(({ stored, said }, i) => {
        const deviations = said.flatMap(({ alerted, deviation }) => (alerted ? [deviation] : []))
        if (deviations.length === 0) return []
        return [{ id: ids[i], deviation: Math.max(...deviations), is_new: stored === null }]
      })
      const newlyTold =
        wanted.length === 0
          ? []
          : await rawRows<{ id: number }>(trx, TELL, {
              configId,
              at,
              runId,
              ...budget,
              severities: [...SEVERITIES],
              wanted: JSON.stringify(wanted),
            })
      if (hasLinks) await rawRows(trx, ALERT, { configId, links })

      const told = new Set(newlyTold.map(({ id }) => id))
      const resolved = new Set(settled.flatMap(({ id, status }) => (status === 'resolved' ? [id] : [])))
      const loudBefore = new Map(
        merged.flatMap(({ before, after }, i) =>
          before && isLouder(after.severity, before.severity) ? [[ids[i] as number, before.severity]] : [],
        ),
      )
      const records = await read(trx, [...new Set([...told, ...resolved, ...loudBefore.keys()])])
      const escalated = records.filter(
        ({ incident: { id, status } }) => loudBefore.has(id) && status !== 'resolved',
      )
      const changes = records.filter(isTold).flatMap((record): IncidentChange[] => {
        const { id, status } = record.incident
        if (told.has(id)) return status === 'resolved' ? [] : [changed(record, 'incident.opened')]
        if (resolved.has(id)) return [changed(record, 'incident.resolved')]
        if (status === 'resolved') return []
        return [changed(record, 'incident.escalated', loudBefore.get(id) ?? null)]
      })
      return {
        ...written,
        expired,
        opened: idOf.size,
        escalated: escalated.length,
        resolved: resolved.size,
        carriages: await tell(trx, changes, noticeOf),
      }
    }),
})

const filtered = (query: Knex.QueryBuilder, filter: IncidentFilter): Knex.QueryBuilder => {
  void query
    .where('i.config_id', filter.configId)
    .where('i.date_from', '<=', filter.dateTo)
    .where('i.date_to', '>=', filter.dateFrom)
  if (filter.status !== undefined) void query.where('i.status', filter.status)
  if (filter.severity !== undefined) void query.where('i.severity', filter.severity)
  if (filter.alerted !== undefined) void query.whereRaw('(i.alerted_at is not null) = ?', [filter.alerted])
  if (filter.isOver !== undefined) void query.whereRaw("(i.status = 'resolved') = ?", [filter.isOver])
  return query
}

const countOf = async (db: Knex, filter: IncidentFilter): Promise<number> => {
  const counted = (await filtered(db('ml_incidents as i'), filter).count('* as n').first()) as { n: number }
  return counted.n
}

/** What still goes on and was told of first, then what is loud, then what costs most, then what is new. */
const MOST_URGENT = `i.status = 'resolved', i.alerted_at is null, i.polarity = 'good',
  array_position(array['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], i.severity), i.status = 'acknowledged',
  abs(i.money) desc nulls last, i.date_from desc, i.id desc`

export const incidentStore = (db: Knex): IncidentStore => ({
  list: async (filter, page) => {
    const query = cutByDay(filtered(described(db), filter), page, 'i.date_from', 'i.id')
    const [rows, total] = (await Promise.all([query, countOf(db, filter)])) as [DescribedRow[], number]
    return toPage(page, total, await withNames(db, rows), ({ incident }) =>
      dayCursor(toLocalDate(incident.dateFrom), incident.id),
    )
  },

  mostUrgent: async (filter, limit) => {
    const query = filtered(described(db), filter).orderByRaw(MOST_URGENT).limit(limit)
    const [rows, total] = (await Promise.all([query, countOf(db, filter)])) as [DescribedRow[], number]
    return { total, rows: await withNames(db, rows) }
  },

  find: async (id) => {
    const [record] = await read(db, [id])
    return record ?? null
  },

  decide: (id, configId, status, { actor, notes, at }, noticeOf) =>
    db.transaction(async (trx) => {
      await takeAllTurns(trx, configId)
      const from = status === 'resolved' ? ['open', 'acknowledged'] : ['open']
      const resolution = status === 'resolved' ? 'manual' : null
      const decision = { status, resolution, actor, acted_at: at, ...(notes === null ? {} : { notes }) }
      const moved = await trx('ml_incidents')
        .where({ id })
        .whereIn('status', from)
        .update({ ...decision, updated_at: at })
      const [record] = await read(trx, [id])
      // Also what came since somebody decided.
      if (record?.incident.status === status)
        await trx('ml_anomalies').where({ incident_id: id }).whereIn('status', from).update(decision)
      const changes =
        moved > 0 && status === 'resolved' && record && isTold(record)
          ? [changed(record, 'incident.resolved')]
          : []
      return tell(trx, changes, noticeOf)
    }),
})
