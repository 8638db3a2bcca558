import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Knex } from 'knex'
import { assertFence } from '../../../db/fence.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'

describe('the fence of a run', () => {
  let database: TestDatabase
  let knex: Knex
  let runId: string
  before(async () => {
    database = await openTestDatabase()
    ;({ knex } = database)
    await knex.raw('create table effects (run_id uuid)')
  })
  after(() => database.close())
  beforeEach(async () => {
    runId = randomUUID()
    const run = { id: runId, job: 'test', key: runId, queue: 'ml', payload: '{}', actor: 'test' }
    await knex('runs').insert({ ...run, status: 'running', attempt: 2 })
  })

  /** An effect as repositories write it. */
  const write = (attempt: number): Promise<unknown> =>
    knex.transaction(async (trx) => {
      await trx('effects').insert({ run_id: runId })
      await assertFence(trx, { runId, attempt })
    })
  const refused = async (attempt: number): Promise<boolean> => {
    try {
      await write(attempt)
      return false
    } catch (error) {
      expect(error).to.be.instanceOf(FenceLost)
      expect(await knex('effects').where({ run_id: runId })).to.have.length(0)
      return true
    }
  }

  it('lets the running attempt write', async () => {
    await write(2)
    expect(await knex('effects').where({ run_id: runId })).to.have.length(1)
  })

  it('rolls back an earlier attempt, and one that does not exist yet', async () => {
    expect(await refused(1)).to.equal(true)
    expect(await refused(3)).to.equal(true)
  })

  for (const status of ['queued', 'succeeded', 'partial', 'failed', 'skipped', 'cancelled']) {
    it(`rolls back what a ${status} run still writes`, async () => {
      await knex('runs').where({ id: runId }).update({ status })
      expect(await refused(2)).to.equal(true)
    })
  }

  it('rolls back a run that is to be cancelled, and one that is gone', async () => {
    await knex('runs').where({ id: runId }).update({ cancel_requested: true })
    expect(await refused(2)).to.equal(true)
    await knex('runs').where({ id: runId }).del()
    expect(await refused(2)).to.equal(true)
  })

  it('makes a successor wait for effects under way, so that none lands after it started', async () => {
    const order: string[] = []
    let takeOver: Promise<void> | undefined
    await knex.transaction(async (trx) => {
      await assertFence(trx, { runId, attempt: 2 })
      takeOver = knex('runs')
        .where({ id: runId })
        .update({ attempt: 3 })
        .then(() => void order.push('taken over'))
      const waiting =
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update \"runs\"%'"
      await eventually('the successor waits', async () => (await knex.raw(waiting)).rowCount === 1)
      await trx('effects').insert({ run_id: runId })
      order.push('written')
    })
    await takeOver
    expect(order).to.deep.equal(['written', 'taken over'])
    expect(await knex('effects').where({ run_id: runId })).to.have.length(1)
  })

  it('lets several batches of one run write at the same time', async () => {
    await knex.transaction(async (first) => {
      await assertFence(first, { runId, attempt: 2 })
      await write(2)
    })
    expect(await knex('effects').where({ run_id: runId })).to.have.length(1)
  })
})
