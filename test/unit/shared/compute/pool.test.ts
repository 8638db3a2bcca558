import { expect } from 'chai'
import { frameBuffers } from '../../../../shared/entities/frames.ts'
import { fitBatch } from '../../../../shared/training/fit-batch.ts'
import { createComputePool, threadsFor } from '../../../../shared/compute/pool.ts'
import type { ThreadPool } from '../../../../shared/compute/pool.ts'
import { warmUpFit } from '../../../../shared/compute/warm-up.ts'
import { rejectionOf } from '../../../support/entities.ts'
import { eventually } from '../../../support/eventually.ts'

describe('compute pool', () => {
  let pool: ThreadPool
  before(() => {
    pool = createComputePool({ threads: 2 })
  })
  after(() => pool.close())

  it('has one thread per core but one, two on two cores, or as many as it is told', () => {
    expect([1, 2, 3, 8].map((cores) => threadsFor(0, cores))).to.deep.equal([1, 2, 2, 7])
    expect(threadsFor(3, 1)).to.equal(3)
  })

  it('gives in its threads what the same work gives here', async () => {
    await pool.warm()
    const results = await Promise.all([1, 2, 3].map(() => pool.run('fit', warmUpFit())))
    const expected = fitBatch(warmUpFit())
    for (const result of results) expect(result).to.deep.equal(expected)
  })

  it('takes buffers over instead of copying them', async () => {
    const task = warmUpFit()
    await pool.run('fit', task, { transfer: frameBuffers(task.batch) })
    expect(task.batch.columns.spend.length).to.equal(0)
    expect(task.batch.offsets.length).to.equal(0)
  })

  it('ends work that is aborted, under way or waiting, and goes on with the rest', async () => {
    const controller = new AbortController()
    const aborted = Array.from({ length: 6 }, () =>
      rejectionOf(pool.run('fit', warmUpFit(), { signal: controller.signal })),
    )
    const kept = pool.run('fit', warmUpFit())
    controller.abort(new Error('cancelled'))
    for (const error of await Promise.all(aborted)) expect(error.message).to.equal('cancelled')
    expect(await kept).to.have.length(warmUpFit().batch.heads.length)
  })

  it('refuses work that was aborted before', async () => {
    const signal = AbortSignal.abort(new Error('too late'))
    expect((await rejectionOf(pool.run('fit', warmUpFit(), { signal }))).message).to.equal('too late')
  })

  it('reports a task that cannot be done, and lives on', async () => {
    const { batch: _, ...broken } = warmUpFit()
    const error = await rejectionOf(pool.run('fit', broken as ReturnType<typeof warmUpFit>))
    expect(error).to.be.instanceOf(TypeError)
    expect(await pool.run('fit', warmUpFit())).to.not.be.empty
  })

  it('lets idle threads go, and starts new ones for new work', async () => {
    const idle = createComputePool({ threads: 1, idleMs: 1 })
    try {
      for (let repeat = 0; repeat < 2; repeat++) {
        await idle.run('fit', warmUpFit())
        await eventually('threads to end', () => idle.alive() === 0)
      }
    } finally {
      await idle.close()
    }
  })

  it('refuses what waits, and what comes, once it is closed', async () => {
    const closing = createComputePool({ threads: 1 })
    const tasks = [1, 2, 3].map(() => rejectionOf(closing.run('fit', warmUpFit())))
    await closing.close()
    expect(await Promise.all(tasks)).to.have.length(3)
    expect((await rejectionOf(closing.run('fit', warmUpFit()))).message).to.include('closed')
  })
})
