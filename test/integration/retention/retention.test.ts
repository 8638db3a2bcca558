import { expect } from 'chai'
import { housekeeping } from '../../../db/repositories/housekeeping.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createRetention } from '../../../shared/retention/retention.ts'
import { newRunId } from '../../../shared/runs/run-id.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'

const NOW = new Date('2026-06-01T04:30:00.000Z')
const DAY_MS = 86_400_000
/** One millisecond beyond, and exactly at, so many days. */
const beyond = (days: number): Date => new Date(NOW.getTime() - days * DAY_MS - 1)
const at = (days: number): Date => new Date(NOW.getTime() - days * DAY_MS)

describe('retention', () => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await openTestDatabase()
  })
  afterEach(() => database.close())

  const nightly = () =>
    createRetention({
      housekeeping: housekeeping(database.knex),
      registry: { retire: () => Promise.resolve({ archived: 1, unpublished: 2, orphans: 3 }) },
      auditDays: 30,
    }).nightly(NOW, {
      signal: new AbortController().signal,
      fence: { runId: newRunId(NOW), attempt: 1 },
      logger: silentLogger,
      progress: () => {},
    })

  it('drops audit rows, kept replies, counts of limits, runs and claims beyond their age and counts them', async () => {
    const { knex } = database
    await knex('audit_log').insert(
      [beyond(30), at(30), NOW].map((instant) => ({ at: instant, actor: 'a', action: 'b', target: 'c' })),
    )
    const reply = { principal: 'p', method: 'POST', path: '/x', body_sha256: '0'.repeat(64) }
    await knex('idempotency_keys').insert([
      { ...reply, key: 'over', expires_at: new Date(NOW.getTime() - 1) },
      { ...reply, key: 'just', expires_at: NOW },
    ])
    await knex('rate_limits').insert([
      { key: 'over', points: 1, expire: NOW.getTime() - 1 },
      { key: 'just', points: 1, expire: NOW.getTime() },
    ])
    const run = { job: 'x', queue: 'ml', payload: '{}', actor: 'test' }
    const kept = newRunId(NOW)
    const dropped = newRunId(NOW)
    await knex('runs').insert([
      { ...run, id: dropped, key: 'old', status: 'succeeded', finished_at: beyond(90) },
      { ...run, id: kept, key: 'edge', status: 'succeeded', finished_at: at(90) },
      { ...run, id: newRunId(NOW), key: 'open', status: 'queued', created_at: beyond(400) },
      { ...run, id: newRunId(NOW), key: 'again', status: 'running', finished_at: beyond(400) },
    ])
    await knex('schedules').insert([
      { id: 'busy', job: 'x', cron: '* * * * *', timezone: 'UTC' },
      { id: 'quiet', job: 'x', cron: '* * * * *', timezone: 'UTC' },
    ])
    const claim = { state: 'claimed' }
    await knex('schedule_claims').insert([
      { ...claim, schedule_id: 'busy', scheduled_at: beyond(91), run_id: dropped },
      { ...claim, schedule_id: 'busy', scheduled_at: at(90), run_id: kept },
      { ...claim, schedule_id: 'quiet', scheduled_at: beyond(200) },
    ])
    expect(await nightly()).to.deep.equal({
      status: 'succeeded',
      counts: { done: 1, skipped: 0, failed: 0 },
      reasons: {},
      result: {
        versions_archived: 1,
        files_unpublished: 2,
        orphans_removed: 3,
        audit_rows_dropped: 1,
        replies_dropped: 1,
        limits_dropped: 1,
        runs_dropped: 1,
        claims_dropped: 1,
        messages_dropped: 0,
      },
    })
    const keysOf = (table: string, column: string): Promise<string[]> =>
      knex(table).orderBy(column).pluck<string[]>(column)
    expect(await keysOf('idempotency_keys', 'key')).to.deep.equal(['just'])
    expect(await keysOf('rate_limits', 'key')).to.deep.equal(['just'])
    expect(await keysOf('runs', 'key')).to.have.members(['edge', 'open', 'again'])
    // Where catching up begins stays known.
    expect(await keysOf('schedule_claims', 'schedule_id')).to.deep.equal(['busy', 'quiet'])
    expect(await knex('audit_log')).to.have.length(2)
    expect((await nightly()).result).to.include({ runs_dropped: 0, claims_dropped: 0, audit_rows_dropped: 0 })
  })

  it('keeps what a dropped run left: its anomalies, models and claims', async () => {
    const { knex } = database
    const id = newRunId(NOW)
    const [config] = (await knex('ads_configs').insert({ account_id: 'x', name: 'x' }).returning('id')) as {
      id: number
    }[]
    await knex('runs').insert({
      id,
      job: 'detect.ad',
      key: 'k',
      queue: 'ml',
      payload: '{}',
      actor: 'test',
      status: 'succeeded',
      finished_at: beyond(90),
    })
    await knex('ml_anomalies').insert({
      config_id: config?.id,
      entity_type: 'ad',
      entity_id: 'a1',
      type: 'spend_spike',
      metric: 'spend',
      anomaly_date: '2026-02-01',
      severity: 'HIGH',
      signals: '[]',
      model_source: 'baseline',
      score: 1,
      direction: 'up',
      polarity: 'bad',
      first_seen: NOW,
      last_seen: NOW,
      run_id: id,
    })
    expect((await nightly()).result).to.include({ runs_dropped: 1 })
    const rows = (await knex('ml_anomalies')) as { run_id: string | null }[]
    expect(rows.map((row) => row.run_id)).to.deep.equal([null])
  })
})
