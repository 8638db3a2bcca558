import { expect } from 'chai'
import { schedules as schedulesRepository } from '../../../db/repositories/schedules.ts'
import { tick } from '../../../scheduler/tick.ts'
import { systemClock } from '../../../shared/core/clock.ts'
import { defineJob, instantKey } from '../../../shared/jobs/define-job.ts'
import { jobRegistry } from '../../../shared/jobs/all.ts'
import { SchedulePayload } from '../../../shared/jobs/sweep.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { openQueues } from '../../../shared/queue/open-queues.ts'
import type { Queues } from '../../../shared/queue/queues.ts'
import { createCarrier, queueJobId } from '../../../shared/runs/carrier.ts'
import { runs as runsRepository } from '../../../db/repositories/runs.ts'
import { createSchedulesService } from '../../../shared/schedules/schedules-service.ts'
import type { TimetableEntry } from '../../../shared/schedules/timetable.ts'
import { startScheduler } from '../../../scheduler/start.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'

const HOUR_MS = 3_600_000

const nightly = defineJob<SchedulePayload>({
  name: 'test.nightly',
  queue: 'maintenance',
  payload: SchedulePayload,
  retry: { attempts: 1, delayMs: 0 },
  timeoutMs: 1000,
  key: ({ asOf }) => [instantKey(asOf)],
  run: () =>
    Promise.resolve({ status: 'succeeded', counts: { done: 0, skipped: 0, failed: 0 }, reasons: {} }),
})

describe('the scheduler', () => {
  let database: TestDatabase
  let queues: Queues
  const entries: TimetableEntry[] = []
  const parts = () => {
    const runs = runsRepository(database.knex)
    return {
      runs,
      queues,
      schedules: schedulesRepository(database.knex),
      carrier: createCarrier({ runs, queues, jobs: jobRegistry([nightly]), logger: silentLogger }),
      entries,
      logger: silentLogger,
    }
  }
  /** A schedule that was due `agoMs` ago and has been there for days. */
  const plan = async (id: string, agoMs: number, more: Record<string, unknown> = {}): Promise<Date> => {
    const due = new Date(Math.floor((Date.now() - agoMs) / 60_000) * 60_000)
    const cron = `${due.getUTCMinutes()} ${due.getUTCHours()} * * *`
    await database.knex('schedules').insert({
      id,
      job: nightly.name,
      cron,
      timezone: 'UTC',
      updated_at: new Date(due.getTime() - 20 * HOUR_MS),
      ...more,
    })
    entries.push({ id, job: nightly, cron, timezone: 'UTC' })
    return due
  }
  const claimsOf = (id: string): Promise<{ state: string; run_id: string | null; scheduled_at: Date }[]> =>
    database.knex('schedule_claims').where({ schedule_id: id }).orderBy('scheduled_at')

  before(async () => {
    database = await openTestDatabase()
    queues = await openQueues({ databaseUrl: database.url, logger: silentLogger })
  })
  beforeEach(async () => {
    entries.length = 0
    await database.knex('schedules').delete()
    await database.knex('runs').delete()
  })
  after(async () => {
    await queues.close()
    await database.close()
  })

  it('catches up what came due while no scheduler ran, and hands it to the queue', async () => {
    const due = await plan('nightly', 2 * HOUR_MS)
    expect(await tick(parts())).to.deep.equal({ started: 1, missed: 0 })
    const [claim] = await claimsOf('nightly')
    expect(claim).to.deep.include({ state: 'claimed', scheduled_at: due })
    const run = await parts().runs.get(claim?.run_id ?? '')
    expect(run).to.deep.include({
      job: nightly.name,
      key: instantKey(due.toISOString()),
      actor: 'scheduler',
      asOf: due,
      status: 'queued',
    })
    const id = queueJobId({ job: nightly.name, key: run?.key ?? '', generation: 1 })
    expect((await queues.states('maintenance', [id])).get(id)).to.equal('live')
    expect(await tick(parts())).to.deep.equal({ started: 0, missed: 0 })
  })

  it('marks missed what is too old', async () => {
    await plan('nightly', 7 * HOUR_MS)
    expect(await tick(parts())).to.deep.equal({ started: 0, missed: 1 })
    expect((await claimsOf('nightly'))[0]).to.include({ state: 'missed', run_id: null })
  })

  it('claims each instant once, however many schedulers look', async () => {
    await Promise.all([plan('one', HOUR_MS), plan('two', HOUR_MS / 2), plan('three', 7 * HOUR_MS)])
    const looks = await Promise.all(Array.from({ length: 6 }, () => tick(parts())))
    expect(looks.reduce((sum, { started }) => sum + started, 0)).to.equal(2)
    expect(looks.reduce((sum, { missed }) => sum + missed, 0)).to.equal(1)
    expect(await database.knex('runs').select('id')).to.have.length(2)
  })

  it('does nothing for paused schedules, and catches up nothing when they are resumed', async () => {
    await plan('nightly', HOUR_MS, { paused: true })
    const service = createSchedulesService({ schedules: parts().schedules, clock: systemClock })
    expect(await tick(parts())).to.deep.equal({ started: 0, missed: 0 })
    expect((await service.list())[0]).to.include({ paused: true, nextRunAt: null })
    const resumed = await service.change('nightly', { paused: false })
    expect(resumed.nextRunAt?.getTime()).to.be.within(Date.now() + 22 * HOUR_MS, Date.now() + 24 * HOUR_MS)
    expect(await tick(parts())).to.deep.equal({ started: 0, missed: 0 })
  })

  it('catches up nothing of a new cron', async () => {
    const due = await plan('nightly', HOUR_MS)
    const service = createSchedulesService({ schedules: parts().schedules, clock: systemClock })
    const cron = `${due.getUTCMinutes()} * * * *`
    expect(await service.change('nightly', { cron })).to.include({ cronOverride: cron, cronInForce: cron })
    expect(await tick(parts())).to.deep.equal({ started: 0, missed: 0 })
    expect(await service.change('nightly', { cron: null })).to.include({ cronOverride: null })
    for (const [id, change, code] of [
      ['nightly', { cron: 'at four' }, 'INVALID_REQUEST'],
      ['nobody', { paused: true }, 'NOT_FOUND'],
    ] as const) {
      const refusal: unknown = await service.change(id, change).catch((error: unknown) => error)
      expect(refusal).to.include({ code })
    }
  })

  it('keeps pauses and overrides when the timetable changes, and forgets rows that left it', async () => {
    const { schedules } = parts()
    const row = { id: 'a', job: nightly.name, cron: '0 4 * * *', timezone: 'UTC' }
    await schedules.sync([row, { ...row, id: 'b' }])
    const before = (await schedules.list())[0]?.since
    await schedules.change('a', { paused: true, cronOverride: '0 5 * * *' })
    await schedules.sync([row])
    const [kept, ...others] = await schedules.list()
    expect(others).to.deep.equal([])
    expect(kept).to.include({ paused: true, cronInForce: '0 5 * * *' })
    await schedules.sync([{ ...row, timezone: 'America/Sao_Paulo' }])
    const [moved] = await schedules.list()
    expect(moved?.timezone).to.equal('America/Sao_Paulo')
    expect(moved?.since.getTime()).to.be.greaterThan(before?.getTime() ?? Infinity)
  })

  it('runs by itself until it is closed', async () => {
    await plan('nightly', HOUR_MS)
    const scheduler = await startScheduler(parts())
    await eventually('a claim', async () => (await claimsOf('nightly')).length === 1)
    await scheduler.close()
    const [view] = await parts().schedules.list()
    expect(view?.lastRun).to.include({ status: 'queued' })
  })
})
