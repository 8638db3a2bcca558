/**
 * Jobs to test the machinery with. Their effects are rows in `effects`, written under the fence; jobs that
 * wait do so until their key stands in `gates`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Knex } from 'knex'
import { z } from 'zod'
import { assertFence } from '../../db/fence.ts'
import { AppError } from '../../shared/core/errors.ts'
import type { WorkContext, WorkOutcome } from '../../shared/core/work.ts'
import { jobRegistry } from '../../shared/jobs/all.ts'
import { defineJob, need } from '../../shared/jobs/define-job.ts'
import type { Job } from '../../shared/jobs/define-job.ts'
import type { Services } from '../../shared/services.ts'

/** What the test jobs get as their services. */
export const testServices = (knex: Knex): Services => ({ knex }) as unknown as Services
const knexOf = (services: Services): Knex => (services as unknown as { knex: Knex }).knex

export const createTestTables = async (knex: Knex): Promise<void> => {
  await knex.raw(`
    create table effects (id bigserial primary key, run_id uuid not null, attempt int not null, what text not null);
    create table gates (key text primary key);
    create table entered (run_id uuid not null, attempt int not null, pid int not null);
  `)
}

export const effectsOf = async (knex: Knex, runId: string): Promise<readonly string[]> =>
  (await knex('effects').where({ run_id: runId }).orderBy('id').select('what')).map(
    (row: { what: string }) => row.what,
  )

const effect = (knex: Knex, { fence }: WorkContext, what: string): Promise<void> =>
  knex.transaction(async (trx) => {
    await assertFence(trx, fence)
    await trx('effects').insert({ run_id: fence.runId, attempt: fence.attempt, what })
  })

const enter = async (knex: Knex, { fence }: WorkContext): Promise<void> => {
  await knex('entered').insert({ run_id: fence.runId, attempt: fence.attempt, pid: process.pid })
}

const gate = async (knex: Knex, key: string, signal: AbortSignal | null): Promise<void> => {
  while (!(await knex('gates').where({ key }).first())) {
    signal?.throwIfAborted()
    await delay(20)
  }
}

const success: WorkOutcome = { status: 'succeeded', counts: { done: 1, skipped: 0, failed: 0 }, reasons: {} }

const Keyed = z.object({ key: z.string() })
type Keyed = z.infer<typeof Keyed>

const keyed = (
  name: string,
  run: Job<Keyed>['run'],
  more: Partial<Pick<Job<Keyed>, 'finish' | 'timeoutMs' | 'retry' | 'queue'>> = {},
): Job<Keyed> =>
  defineJob({
    name,
    queue: 'ml',
    payload: Keyed,
    retry: { attempts: 3, delayMs: 20 },
    timeoutMs: 60_000,
    key: ({ key }: Keyed) => [key],
    run,
    ...more,
  })

/** Has one effect. */
export const testEffect = keyed('test.effect', async (context, services) => {
  await effect(knexOf(services), context, 'done')
  return { ...success, result: { echoed: context.payload.key } }
})

/** Waits for its gate, then has one effect. */
export const testGated = keyed('test.gated', async (context, services) => {
  const knex = knexOf(services)
  await enter(knex, context)
  context.progress(0.5, { done: 7 })
  await gate(knex, context.payload.key, context.signal)
  await effect(knex, context, 'done')
  return success
})

/** As gated, but does not heed its signal. */
export const testDeaf = keyed('test.deaf', async (context, services) => {
  const knex = knexOf(services)
  await enter(knex, context)
  await gate(knex, context.payload.key, null)
  await effect(knex, context, 'done')
  return success
})

/** Takes longer than it may. */
export const testOverdue = keyed(
  'test.overdue',
  async (context, services) => {
    await gate(knexOf(services), context.payload.key, context.signal)
    return success
  },
  { timeoutMs: 100, retry: { attempts: 2, delayMs: 20 } },
)

/** Fails twice, then has one effect. */
export const testFlaky = keyed('test.flaky', async (context, services) => {
  if (context.fence.attempt < 3) throw new Error(`try ${context.fence.attempt} fails`)
  await effect(knexOf(services), context, 'done')
  return success
})

/** Fails always. */
export const testPoison = keyed('test.poison', () => Promise.reject(new Error('poison\0ed')))

/** Is refused. */
export const testRefused = keyed('test.refused', () =>
  Promise.reject(new AppError('INVALID_REQUEST', 'that will never do')),
)

/** Ends as its key says. */
export const testOutcome = keyed('test.outcome', ({ payload }) =>
  Promise.resolve({
    status: payload.key.split('/')[0] as WorkOutcome['status'],
    counts: { done: 0, skipped: 1, failed: 1 },
    reasons: { [payload.key.split('/')[1] ?? 'none']: 1 },
  }),
)

const Child = z.object({ key: z.string(), index: z.int(), gated: z.boolean() })

export const testChild = defineJob({
  name: 'test.child',
  queue: 'training',
  payload: Child,
  retry: { attempts: 2, delayMs: 20 },
  timeoutMs: 60_000,
  key: ({ key, index }) => [key, index],
  run: async (context, services) => {
    const { key, index, gated } = context.payload
    const knex = knexOf(services)
    if (index < 0) throw new Error('a child fails')
    if (gated) await enter(knex, context)
    if (gated) await gate(knex, `${key}/children`, context.signal)
    await effect(knex, context, `child ${index}`)
    return { ...success, reasons: { [index % 2 === 0 ? 'even' : 'odd']: 1 }, result: { index } }
  },
})

const Parent = z.object({ key: z.string(), children: z.array(z.int()), gated: z.boolean() })

/** Spawns children and sums them up after the last. */
export const testParent = defineJob({
  name: 'test.parent',
  queue: 'ml',
  payload: Parent,
  retry: { attempts: 3, delayMs: 20 },
  timeoutMs: 60_000,
  key: ({ key }) => [key],
  run: async (context) => {
    const { key, children, gated } = context.payload
    await context.spawn(
      testChild,
      children.map((index) => ({ key, index, gated })),
    )
    return { ...success, result: { spawned: children.length } }
  },
  finish: async (context, services) => {
    await effect(knexOf(services), context, 'finished')
    const { counts, reasons, results, failedRuns } = context.children
    return {
      status: failedRuns > 0 ? 'partial' : 'succeeded',
      counts,
      reasons,
      result: { results, failedRuns },
    }
  },
})

const Built = z.object({ key: z.string(), on: z.array(z.string()) })

/** Needs `test.gated` of each key of `on`, and what those of `built` need; then has one effect. */
export const testBuilt: Job<z.infer<typeof Built>> = defineJob({
  name: 'test.built',
  queue: 'ml',
  payload: Built,
  retry: { attempts: 3, delayMs: 20 },
  timeoutMs: 60_000,
  key: ({ key }) => [key],
  needs: ({ on }) =>
    on.map((name) => {
      if (name.startsWith('built ')) return need(testBuilt, { key: name, on: [`below ${name}`] })
      if (name.startsWith('skipped ')) return need(testOutcome, { key: `skipped/${name.slice(8)}` })
      if (name.startsWith('poisoned ')) return need(testPoison, { key: name })
      return need(testGated, { key: name })
    }),
  run: async (context, services) => {
    await effect(knexOf(services), context, 'built')
    return success
  },
})

export const testJobs = jobRegistry([
  testBuilt,
  testEffect,
  testGated,
  testDeaf,
  testOverdue,
  testFlaky,
  testPoison,
  testRefused,
  testOutcome,
  testChild,
  testParent,
])

/** Opens the gate of waiting jobs. */
export const openGate = async (knex: Knex, key: string): Promise<void> => {
  await knex('gates').insert({ key }).onConflict().ignore()
}
