/** What jobs may rely on, whichever backend carries them. */
import { expect } from 'chai'
import { effectsOf, createTestTables, openGate } from '../support/test-jobs.ts'
import * as jobs from '../support/test-jobs.ts'
import { openTestDatabase } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { ended, forkWorker, openJobSystem } from '../support/job-system.ts'
import type { JobSystem } from '../support/job-system.ts'
import type { Run } from '../../shared/runs/run.ts'
import { queueJobId } from '../../shared/runs/carrier.ts'

export interface BackendUnderTest {
  readonly name: 'redis' | 'postgres'
  /** Undefined: PostgreSQL. */
  readonly redisUrl: () => Promise<string | undefined>
}

const OPEN = new Set(['queued', 'running'])

export const describeQueueBackend = ({ name, redisUrl }: BackendUnderTest): void => {
  describe(`jobs on ${name}`, () => {
    let database: TestDatabase
    let system: JobSystem
    let url: string | undefined
    const prefix = `test-${process.pid}-${Math.random().toString(36).slice(2)}`

    const run = async (id: string): Promise<Run> => {
      const found = await system.runs.get(id)
      if (!found) throw new Error(`no run ${id}`)
      return found
    }
    const over = (id: string, deadlineMs?: number): Promise<Run> =>
      eventually(
        `the end of run ${id}`,
        async () => {
          const found = await run(id)
          return OPEN.has(found.status) ? null : found
        },
        deadlineMs,
      )
    const entered = (id: string, attempt = 1): Promise<unknown> =>
      eventually(`run ${id} at attempt ${attempt}`, () =>
        database.knex('entered').where({ run_id: id, attempt }).first(),
      )

    before(async () => {
      database = await openTestDatabase()
      await createTestTables(database.knex)
      url = await redisUrl()
      system = await openJobSystem({ knex: database.knex, databaseUrl: database.url, redisUrl: url, prefix })
      await system.queues.check()
    })
    after(async () => {
      await system.close()
      await database.close()
    })

    it('has workers that tell when they have looked for work, whether there was some or not', async () => {
      const { id } = await system.enqueue(jobs.testEffect, { key: 'looked for' })
      for (let i = 0; i < 2; i++) {
        const workers = system.work()
        await workers.ready
        await workers.close()
      }
      expect((await over(id)).status).to.equal('succeeded')
    })

    describe('without a worker', () => {
      it('records a run and hands it to the queue', async () => {
        const ticket = await system.enqueue(
          jobs.testEffect,
          { key: 'idle' },
          { actor: 'key:ci', traceId: 't1' },
        )
        expect(ticket).to.include({ status: 'queued', created: true })
        const found = await run(ticket.id)
        expect(found).to.include({
          job: 'test.effect',
          key: 'idle',
          actor: 'key:ci',
          traceId: 't1',
          attempt: 0,
        })
        const id = queueJobId({ job: 'test.effect', key: 'idle', generation: 1 })
        expect([...(await system.queues.states('ml', [id, 'unheard-of']))]).to.deep.equal([[id, 'live']])
        expect(await database.knex('outbox').where({ run_id: ticket.id }).first()).to.equal(undefined)
      })

      it('answers a known key with its run', async () => {
        const [first, second, third] = await system.enqueueMany(jobs.testEffect, [
          { key: 'twice' },
          { key: 'twice' },
          { key: 'idle' },
        ])
        expect(second?.id).to.equal(first?.id)
        expect(third?.created).to.equal(false)
        const again = await Promise.all(
          Array.from({ length: 8 }, () => system.enqueue(jobs.testEffect, { key: 'twice' })),
        )
        expect(again.map((ticket) => [ticket.id, ticket.created])).to.deep.equal(
          again.map(() => [first?.id, false]),
        )
      })

      it('cancels a queued run at once, and starts it again when it is asked for again', async () => {
        const { id } = await system.enqueue(jobs.testEffect, { key: 'cancelled' })
        expect(await system.service.cancel(id)).to.deep.equal({ id, status: 'cancelled' })
        const jobId = queueJobId({ job: 'test.effect', key: 'cancelled', generation: 1 })
        expect((await system.queues.states('ml', [jobId])).has(jobId)).to.equal(false)
        const again = await system.enqueue(jobs.testEffect, { key: 'cancelled' })
        expect(again).to.deep.equal({ id, status: 'queued', created: true })
      })

      it('says how deep its queues are', async () => {
        const depths = await system.queues.depths()
        const ml = depths.find((depth) => depth.queue === 'ml')
        expect(ml).to.deep.include({ waiting: 3, active: 0, failed: 0 })
        expect(ml?.oldestWaitingS).to.be.within(0, 60)
        expect(depths).to.have.length(5)
      })

      it('adds again what the queue lost, once', async () => {
        const { id } = await system.enqueue(jobs.testEffect, { key: 'lost' })
        const jobId = queueJobId({ job: 'test.effect', key: 'lost', generation: 1 })
        await system.queues.remove([{ id: jobId, queue: 'ml' }])
        await database.knex.raw(`update runs set updated_at = now() - interval '1 minute' where id = ?`, [id])
        expect(await system.reconciler.pass()).to.equal(true)
        expect([...(await system.queues.states('ml', [jobId])).values()]).to.deep.equal(['live'])
      })

      it('hands over what an enqueue that died left in the outbox', async () => {
        const { id } = await system.enqueue(jobs.testEffect, { key: 'outbox' })
        const jobId = queueJobId({ job: 'test.effect', key: 'outbox', generation: 1 })
        await system.queues.remove([{ id: jobId, queue: 'ml' }])
        await database.knex.raw(`insert into outbox values (?, now() - interval '1 minute')`, [id])
        await system.reconciler.pass()
        expect([...(await system.queues.states('ml', [jobId])).values()]).to.deep.equal(['live'])
        expect(await database.knex('outbox').where({ run_id: id }).first()).to.equal(undefined)
      })
    })

    describe('without a worker, prepared for one', () => {
      it('counts the jobs of a paused queue as waiting', async () => {
        const sync = system.queues.board.find((queue) => queue.name === 'sync')
        await sync?.pause()
        const job = { id: 'a|b|1', queue: 'sync', name: 'a', runId: 'b', attempts: 1, delayMs: 0 } as const
        await system.queues.add([job, { ...job, id: 'a|c|1', delayMs: 60_000 }])
        const depth = (await system.queues.depths()).find(({ queue }) => queue === 'sync')
        expect(depth).to.include({ waiting: 1, delayed: 1 })
        expect([...(await system.queues.states('sync', [job.id])).values()]).to.deep.equal(['live'])
        await sync?.resume()
      })

      it('takes note of a run that killed three workers', async () => {
        const { id } = await system.enqueue(jobs.testEffect, { key: 'deadly' })
        await database.knex.raw(
          `update runs set status = 'running', deaths = 3, lease_until = now() - interval '1 second' where id = ?`,
          [id],
        )
      })
    })

    describe('with workers in this process', () => {
      before(() => void system.work())

      it('gives up on a run that kills its workers', async () => {
        const { data } = await system.runs.list(
          { job: 'test.effect', configIds: null },
          { page: 1, pageSize: 100, afterId: null },
        )
        const deadly = data.find(({ key }) => key === 'deadly')
        expect(await over(deadly?.id ?? '')).to.include({
          status: 'failed',
          error: '4 workers in a row died while they ran this',
        })
      })

      it('lets a late finisher change nothing', async () => {
        const { id } = await system.enqueue(jobs.testDeaf, { key: 'late finisher' })
        await entered(id)
        // Another execution has taken over, and died since.
        await database.knex.raw(
          `update runs set attempt = 2, lease_until = now() - interval '1 minute', updated_at = now() - interval '1 minute' where id = ?`,
          [id],
        )
        await openGate(database.knex, 'late finisher')
        await eventually('a pass', async () => {
          await system.reconciler.pass()
          return (await run(id)).status === 'succeeded'
        })
        expect((await run(id)).attempt).to.equal(3)
        expect(await effectsOf(database.knex, id)).to.deep.equal(['done'])
      })

      it('runs what was waiting, each with one effect', async () => {
        const { id } = await system.enqueue(jobs.testEffect, { key: 'idle' })
        expect(await over(id)).to.deep.include({
          status: 'succeeded',
          progress: 1,
          result: { echoed: 'idle' },
        })
        expect(await effectsOf(database.knex, id)).to.deep.equal(['done'])
        const lost = await system.enqueue(jobs.testEffect, { key: 'lost' })
        expect((await over(lost.id)).attempt).to.equal(1)
      })

      it('does nothing again for a key that succeeded', async () => {
        const { id } = await system.enqueue(jobs.testEffect, { key: 'again' })
        await over(id)
        const again = await system.enqueue(jobs.testEffect, { key: 'again' })
        expect(again).to.deep.equal({ id, status: 'succeeded', created: false })
        expect(await effectsOf(database.knex, id)).to.have.length(1)
      })

      it('tries again what failed', async () => {
        const { id } = await system.enqueue(jobs.testFlaky, { key: 'flaky' })
        expect(await over(id)).to.include({ status: 'succeeded', attempt: 3, error: null })
      })

      it('ends a poison job in the failed set while its siblings go on', async () => {
        const tickets = await Promise.all([
          system.enqueue(jobs.testPoison, { key: 'poison' }),
          system.enqueue(jobs.testEffect, { key: 'sibling' }),
        ])
        const [poison, sibling] = await Promise.all(tickets.map(({ id }) => over(id)))
        expect(poison).to.include({ status: 'failed', attempt: 3, error: 'poisoned' })
        expect(sibling).to.include({ status: 'succeeded' })
        const jobId = queueJobId({ job: 'test.poison', key: 'poison', generation: 1 })
        await eventually(
          'the failed set',
          async () => (await system.queues.states('ml', [jobId])).get(jobId) === 'ended',
        )
        expect((await system.queues.depths()).find(({ queue }) => queue === 'ml')?.failed).to.be.at.least(1)
        const again = await system.enqueue(jobs.testPoison, { key: 'poison' })
        expect(again.created).to.equal(true)
        expect(await over(again.id)).to.include({ status: 'failed', attempt: 6 })
      })

      it('does not try a refused job again', async () => {
        const { id } = await system.enqueue(jobs.testRefused, { key: 'refused' })
        expect(await over(id)).to.include({
          status: 'failed',
          attempt: 1,
          error: 'INVALID_REQUEST: that will never do',
        })
      })

      for (const [key, restarts] of [
        ['succeeded/none', false],
        ['skipped/no_source', false],
        ['skipped/stale_data', true],
        ['skipped/disabled', true],
        ['partial/none', true],
        ['failed/none', true],
      ] as const) {
        it(`${restarts ? 'starts again' : 'leaves alone'} a run that ended ${key}`, async () => {
          const { id } = await system.enqueue(jobs.testOutcome, { key })
          expect((await over(id)).status).to.equal(key.split('/')[0])
          const again = await system.enqueue(jobs.testOutcome, { key })
          expect(again).to.include({ id, created: restarts })
          expect((await over(id)).attempt).to.equal(restarts ? 2 : 1)
        })
      }

      it('shows progress and ends a running job that is cancelled', async () => {
        const { id } = await system.enqueue(jobs.testGated, { key: 'to be cancelled' })
        await entered(id)
        const seen = await eventually('progress', async () => {
          const found = await run(id)
          return found.progress > 0 ? found : null
        })
        expect(seen).to.deep.include({ progress: 0.5, counts: { done: 7, skipped: 0, failed: 0 } })
        expect(await system.service.cancel(id)).to.deep.equal({ id, status: 'running' })
        expect(await over(id)).to.include({ status: 'cancelled' })
        expect(await effectsOf(database.knex, id)).to.deep.equal([])
        const refusal = await system.service.cancel(id).catch((error: unknown) => error)
        expect(refusal).to.include({ code: 'CONFLICT' })
      })

      it('gives up on work that takes too long, and on work that does not heed a cancel', async () => {
        const late = await system.enqueue(jobs.testOverdue, { key: 'late' })
        const deaf = await system.enqueue(jobs.testDeaf, { key: 'deaf' })
        expect(await over(late.id)).to.include({
          status: 'failed',
          attempt: 2,
          error: 'test.overdue took longer than 0.1 s',
        })
        await entered(deaf.id)
        await system.service.cancel(deaf.id)
        expect(await over(deaf.id)).to.include({ status: 'cancelled' })
        await openGate(database.knex, 'deaf')
        // What the deaf job does now is refused by the fence.
        const last = await system.enqueue(jobs.testEffect, { key: 'after the deaf' })
        await over(last.id)
        expect(await effectsOf(database.knex, deaf.id)).to.deep.equal([])
      })

      it('finishes a parent once, after its last child, whatever became of them', async () => {
        const payload = { key: 'family', children: [1, 2, 3, 4, 5, 6, -1], gated: false }
        const { id } = await system.enqueue(jobs.testParent, payload)
        const parent = await over(id)
        expect(parent).to.deep.include({
          status: 'partial',
          counts: { done: 6, skipped: 0, failed: 0 },
          reasons: { even: 3, odd: 3 },
        })
        expect(parent.result).to.deep.include({ failedRuns: 1 })
        expect(await effectsOf(database.knex, id)).to.deep.equal(['finished'])
      })

      it('does not wait for children that were never spawned', async () => {
        const { id } = await system.enqueue(jobs.testParent, { key: 'childless', children: [], gated: false })
        expect(await over(id)).to.deep.include({ status: 'succeeded', result: { spawned: 0 } })
        expect(await effectsOf(database.knex, id)).to.deep.equal([])
      })

      const needing = async (key: string, on: readonly string[]): Promise<string> =>
        (await system.enqueue(jobs.testBuilt, { key, on: [...on] })).id
      const waitingForOthers = (id: string): Promise<unknown> =>
        eventually('the wait', async () => (await run(id)).phase === 'needs')

      it('runs nothing before what it needs, and starts that once for all who need it', async () => {
        const first = await needing('roof', ['wall 1', 'wall 2'])
        const second = await needing('chimney', ['wall 2', 'built frame'])
        await waitingForOthers(first)
        await waitingForOthers(second)
        await openGate(database.knex, 'wall 2')
        await openGate(database.knex, 'below built frame')
        expect(await over(second)).to.include({ status: 'succeeded' })
        // Its other wall does not stand yet.
        expect(await run(first)).to.include({ status: 'running', phase: 'needs' })
        await openGate(database.knex, 'wall 1')
        expect(await over(first)).to.include({ status: 'succeeded' })
        expect(await effectsOf(database.knex, first)).to.deep.equal(['built'])
        const walls = await database.knex('runs').where({ job: 'test.gated', key: 'wall 2' })
        expect(walls).to.have.length(1)
        const [wall] = walls as { finished_at: Date }[]
        const built = await run(second)
        expect((wall?.finished_at.getTime() ?? Infinity) <= (built.finishedAt?.getTime() ?? 0)).to.equal(true)
      })

      it('does not wait for what has succeeded before', async () => {
        await openGate(database.knex, 'old wall')
        const wall = await system.enqueue(jobs.testGated, { key: 'old wall' })
        await over(wall.id)
        const id = await needing('extension', ['old wall'])
        expect(await over(id)).to.include({ status: 'succeeded', attempt: 1 })
      })

      for (const [what, reason] of [
        ['skipped stale_data', 'stale_data'],
        ['skipped no_source', 'needs_failed'],
        ['poisoned well', 'needs_failed'],
      ] as const) {
        it(`skips what needs a run that ended ${what}, with a reason that lets it start again`, async () => {
          const id = await needing(`house on ${what}`, [what])
          const ended = await over(id)
          expect(ended).to.deep.include({ status: 'skipped', reasons: { [reason]: 1 } })
          expect(ended.result?.['unmet']).to.have.length(1)
          expect(await effectsOf(database.knex, id)).to.deep.equal([])
          // The well is not poisoned again while it waits: one start of its own per start of the house.
          const again = await system.enqueue(jobs.testBuilt, { key: `house on ${what}`, on: ['old wall'] })
          expect(again).to.include({ id, created: true })
          expect(await over(id)).to.include({ status: 'succeeded' })
        })
      }

      it('cancels what waits for others and leaves those be', async () => {
        const id = await needing('folly', ['wall of folly'])
        await waitingForOthers(id)
        expect(await system.service.cancel(id)).to.include({ status: 'cancelled' })
        const { data } = await system.runs.list(
          { job: 'test.gated', configIds: null },
          { page: 1, pageSize: 1, afterId: null },
        )
        expect(data[0]).to.include({ key: 'wall of folly' })
        await openGate(database.knex, 'wall of folly')
        expect(await over(data[0]?.id ?? '')).to.include({ status: 'succeeded' })
        expect(await run(id)).to.include({ status: 'cancelled' })
      })

      it('goes on when what it needs is cancelled, or deleted', async () => {
        const id = await needing('gazebo', ['wall of gazebo'])
        await waitingForOthers(id)
        const wall = (await database.knex('runs').where({ key: 'wall of gazebo' }).first()) as { id: string }
        await system.service.cancel(wall.id)
        expect(await over(id)).to.deep.include({ status: 'skipped', reasons: { needs_failed: 1 } })

        const other = await needing('pergola', ['wall of pergola'])
        await waitingForOthers(other)
        await openGate(database.knex, 'wall of pergola')
        await database.knex('runs').where({ key: 'wall of pergola' }).delete()
        await system.reconciler.pass()
        expect(await over(other)).to.include({ status: 'succeeded' })
      })

      it('shows a waiting parent as running, and cancels it with its children', async () => {
        const { id } = await system.enqueue(jobs.testParent, {
          key: 'waiting',
          children: [1, 2],
          gated: true,
        })
        const waiting = await eventually('the wait', async () => {
          const found = await run(id)
          return found.phase === 'children' ? found : null
        })
        expect(waiting.status).to.equal('running')
        expect(await system.service.cancel(id)).to.include({ status: 'cancelled' })
        const { data: children } = await system.runs.list(
          { job: 'test.child', configIds: null },
          { page: 1, pageSize: 2, afterId: null },
        )
        for (const child of children) expect(await over(child.id)).to.include({ status: 'cancelled' })
        expect(await effectsOf(database.knex, id)).to.deep.equal([])
      })

      it('wakes a parent whose last child ended unnoticed', async () => {
        const { id } = await system.enqueue(jobs.testParent, { key: 'unnoticed', children: [1], gated: true })
        await eventually('the wait', async () => (await run(id)).phase === 'children')
        // As if the child had been deleted.
        await database
          .knex('runs')
          .where({ parent_id: id })
          .update({ parent_id: null, cancel_requested: true })
        await system.reconciler.pass()
        expect(await over(id)).to.include({ status: 'succeeded' })
        expect(await effectsOf(database.knex, id)).to.deep.equal(['finished'])
      })
    })

    describe('with a worker process of its own', () => {
      let own: JobSystem
      before(async () => {
        // Nobody else may take the work.
        await system.close()
        system = await openJobSystem({
          knex: database.knex,
          databaseUrl: database.url,
          redisUrl: url,
          prefix,
        })
      })
      const fork = () => forkWorker({ databaseUrl: database.url, redisUrl: url, prefix })

      it('restarts the work of a killed worker within 20 s, with its effect once', async () => {
        const doomed = await fork()
        const { id } = await system.enqueue(jobs.testGated, { key: 'killed' })
        const parent = await system.enqueue(jobs.testParent, {
          key: 'orphaned',
          children: [1, 2],
          gated: true,
        })
        await entered(id)
        await eventually('the wait', async () => (await run(parent.id)).phase === 'children')
        doomed.kill('SIGKILL')
        await ended(doomed)
        own = await openJobSystem({ knex: database.knex, databaseUrl: database.url, redisUrl: url, prefix })
        own.work()
        await eventually(
          'the second attempt',
          () => database.knex('entered').where({ run_id: id, attempt: 2 }).first(),
          20_000,
        )
        await openGate(database.knex, 'killed')
        await openGate(database.knex, 'orphaned/children')
        expect(await over(id)).to.include({ status: 'succeeded', attempt: 2 })
        expect(await effectsOf(database.knex, id)).to.deep.equal(['done'])
        expect(await over(parent.id, 20_000)).to.include({ status: 'succeeded' })
        expect(await effectsOf(database.knex, parent.id)).to.deep.equal(['finished'])
        await own.close()
      })

      it('hands back at SIGTERM what does not end, without using up a try', async () => {
        const leaving = await fork()
        const { id } = await system.enqueue(jobs.testGated, { key: 'handed back' })
        const many = await system.enqueueMany(
          jobs.testEffect,
          Array.from({ length: 40 }, (_, index) => ({ key: `load ${index}` })),
        )
        await entered(id)
        leaving.kill('SIGTERM')
        expect(await ended(leaving)).to.equal(0)
        expect(await run(id)).to.include({ status: 'queued', attempt: 1 })
        const row = await database.knex('runs').where({ id }).first('tries', 'deaths')
        expect(row).to.deep.equal({ tries: 0, deaths: 0 })
        own = await openJobSystem({ knex: database.knex, databaseUrl: database.url, redisUrl: url, prefix })
        own.work()
        await openGate(database.knex, 'handed back')
        expect(await over(id)).to.include({ status: 'succeeded', attempt: 2 })
        for (const ticket of many) {
          expect((await over(ticket.id)).status).to.equal('succeeded')
          expect(await effectsOf(database.knex, ticket.id)).to.deep.equal(['done'])
        }
        await own.close()
      })
    })
  })
}
