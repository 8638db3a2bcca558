/** Incidents to be written and to be told of, made up. */
import type { Knex } from 'knex'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { IncidentBatch, IncidentLink, SavedIncident } from '../../shared/detection/incident-store.ts'
import type { Fence } from '../../shared/core/work.ts'
import { newRunId } from '../../shared/runs/run-id.ts'
import type { EventType, IncidentData, IncidentEvent } from '../../shared/notify/events.ts'

export interface EventOptions extends Partial<IncidentData> {
  readonly type?: EventType
  readonly day?: string
  readonly path?: readonly { readonly entityType: Level; readonly entityId: string }[]
}

/** Of incident 1 of the config unless told otherwise. */
export const incidentEvent = (
  configId: number,
  { type = 'incident.opened', day = '2026-03-10', path, ...data }: EventOptions = {},
): IncidentEvent => ({
  type,
  at: new Date('2026-03-11T07:00:00.000Z'),
  day,
  path: path ?? [
    { entityType: 'adset', entityId: 's1' },
    { entityType: 'campaign', entityId: 'c1' },
  ],
  data: {
    config_id: configId,
    config_name: 'Loja',
    incident_id: 1,
    status: type === 'incident.resolved' ? 'resolved' : 'open',
    severity: 'HIGH',
    previous_severity: null,
    metric: 'cpl',
    direction: 'up',
    polarity: 'bad',
    date_from: '2026-03-09',
    date_to: '2026-03-10',
    campaign: { entity_type: 'campaign', entity_id: 'c1', name: 'Spring' },
    root: { entity_type: 'adset', entity_id: 's1', name: 'Mães <25-34> & família' },
    sentence: 'Leads of ad set Mães <25-34> & família cost 41.50 instead of 20.00 since 9 March.',
    main_cause: { entity_type: 'ad', entity_id: 'a1', name: 'Vídeo 1', share: 0.871234567 },
    money: { amount: 312.4, currency: 'BRL' },
    ...data,
  },
})

/** Room for all that tests tell of. */
export const ROOM = { perDay: 1000, timeZone: 'UTC' }

/** The day incidents of the tests are seen first. */
export const MONDAY = toDayNumber('2026-03-09')

/** A new incident of ad set s1 of campaign c1: dear leads, of which ad a1 is to blame. */
export const savedIncident = (changes: Partial<SavedIncident> = {}): SavedIncident => ({
  id: null,
  alerted: true,
  deviation: 6,
  campaignId: 'c1',
  family: 'yield',
  root: { entityType: 'adset', entityId: 's1' },
  metric: 'cpl',
  direction: 'up',
  polarity: 'bad',
  severity: 'HIGH',
  dateFrom: MONDAY,
  dateTo: MONDAY,
  causes: [
    { entityType: 'ad', entityId: 'a1', depth: 1, share: 0.87, observed: 60, expected: 20 },
    { entityType: 'ad', entityId: 'a2', depth: 1, share: 0.13, observed: 22, expected: 20 },
  ],
  figuresOf: { entityType: 'adset', entityId: 's1' },
  observed: 41.5,
  expected: 20,
  money: 312.4,
  ...changes,
})

/** A run that is being executed, to write incidents under. */
export const runningFence = async (knex: Knex): Promise<Fence> => {
  const runId = newRunId(new Date())
  await knex('runs').insert({
    id: runId,
    job: 'detect.campaign',
    key: runId,
    queue: 'ml',
    payload: '{}',
    actor: 'test',
    status: 'running',
    attempt: 1,
  })
  return { runId, attempt: 1 }
}

/** An anomaly of ad set s1 on its first day. */
export const linkTo = (incident: number | null, changes: Partial<IncidentLink> = {}): IncidentLink => ({
  entityType: 'adset',
  entityId: 's1',
  type: 'cpl_spike',
  metric: 'cpl',
  day: MONDAY,
  severity: 'HIGH',
  incident,
  alerted: true,
  ...changes,
})

/** Campaign c1 "Spring" with ad sets s1 "Lookalike 2%" (ads a1 "Video 1", a2) and s2 (ad a3), none of which has rows. */
export const insertTree = async (knex: Knex, configId: number): Promise<void> => {
  const config = { config_id: configId }
  const inCampaign = { ...config, campaign_id: 'c1' }
  await knex('ads_campaigns').insert({ ...inCampaign, name: 'Spring' })
  await knex('ads_adsets').insert([
    { ...inCampaign, adset_id: 's1', name: 'Lookalike 2%' },
    { ...inCampaign, adset_id: 's2', name: 'Broad' },
  ])
  await knex('ads_ads').insert([
    { ...inCampaign, adset_id: 's1', ad_id: 'a1', name: 'Video 1' },
    { ...inCampaign, adset_id: 's1', ad_id: 'a2', name: 'Photo' },
    { ...inCampaign, adset_id: 's2', ad_id: 'a3', name: '' },
  ])
}

/** What a check has to write besides its incidents: nothing. */
export const nothingFound = (configId: number): Pick<IncidentBatch, 'findings' | 'expiry'> => ({
  findings: { configId, level: 'ad', entityIds: [], days: [], anomalies: [], seenAt: new Date(0) },
  expiry: null,
})

/** The anomaly of a link, as detection leaves it. @returns its id */
export const insertLinked = async (
  knex: Knex,
  configId: number,
  changes: Partial<IncidentLink> & Readonly<Record<string, unknown>> = {},
): Promise<number> => {
  const {
    entityType,
    entityId,
    type,
    metric,
    day,
    severity,
    incident: _,
    alerted,
    ...columns
  } = {
    ...linkTo(null),
    ...changes,
  }
  const seen = new Date((day + 1) * 86_400_000 + 3 * 3_600_000)
  const [row] = (await knex('ml_anomalies')
    .insert({
      config_id: configId,
      entity_type: entityType,
      entity_id: entityId,
      parent_id: null,
      type,
      metric,
      anomaly_date: toLocalDate(day),
      severity,
      signals: '[]',
      model_source: 'baseline',
      score: 1,
      observed: 41.5,
      expected: 20,
      direction: 'up',
      polarity: 'bad',
      alerted,
      first_seen: seen,
      last_seen: seen,
      ...columns,
    })
    .returning('id')) as { id: number }[]
  return row?.id ?? 0
}
