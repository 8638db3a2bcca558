import { expect } from 'chai'
import { createForkPool } from '../../../../shared/compute/forks.ts'
import type { ForkPool } from '../../../../shared/compute/forks.ts'
import { fitSeries } from '../../../../shared/series/fit-series.ts'
import type { FitSeriesTask } from '../../../../shared/series/fit-task.ts'
import { rejectionOf } from '../../../support/entities.ts'
import { eventually } from '../../../support/eventually.ts'
import { startProcess } from '../../../support/processes.ts'
import { autoencoderFit, fitTask, longFit } from '../../../support/series-fits.ts'

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const goneAfter = (pid: number): Promise<boolean> => eventually(`${pid} to end`, () => !isAlive(pid))

describe('fork pool', () => {
  let pool: ForkPool
  before(() => {
    pool = createForkPool({ forks: 1 })
  })
  after(() => pool.close())

  const pidOf = async (forks: ForkPool): Promise<number> =>
    (await eventually('a fork', () => (forks.alive().length > 0 ? forks.alive() : null)))[0]!

  it('gives in a process what the same work gives here, one task after the other in the same', async () => {
    const tasks = [fitTask(500), autoencoderFit()]
    const results = []
    const pids = new Set<number>()
    for (const task of tasks) {
      results.push(await pool.run('fitSeries', task))
      pids.add(await pidOf(pool))
    }
    expect(pids.size).to.equal(1)
    for (const [i, task] of tasks.entries()) {
      const { artifact, artifactSha256, members, stats } = results[i]!
      const here = await fitSeries(task)
      expect(artifactSha256).to.equal(here.artifactSha256)
      expect([...artifact!]).to.deep.equal([...here.artifact!])
      expect(members).to.deep.equal(here.members)
      expect(members[0]!.status).to.equal('ready')
      expect(stats).to.deep.equal(here.stats)
    }
  })

  it('fails the one task of a process that is killed; the next has a fresh one', async () => {
    const lost = rejectionOf(pool.run('fitSeries', longFit()))
    const next = pool.run('fitSeries', fitTask(500))
    const pid = await pidOf(pool)
    process.kill(pid, 'SIGKILL')
    expect((await lost).message).to.match(/^the process that worked at fitSeries is gone: killed/)
    expect((await next).members[0]!.status).to.equal('ready')
    expect(await pidOf(pool)).to.not.equal(pid)
  })

  it('does not give work to a process that was killed while it waited', async () => {
    await pool.run('fitSeries', fitTask(500))
    const pid = await pidOf(pool)
    process.kill(pid, 'SIGKILL')
    await eventually('it to be missed', () => !pool.alive().includes(pid))
    expect((await pool.run('fitSeries', fitTask(500))).artifact).to.not.equal(null)
  })

  it('fails the one task that runs out of memory, and says so', async () => {
    const small = createForkPool({ forks: 1, heapMb: 16 })
    try {
      const error = await rejectionOf(small.run('fitSeries', autoencoderFit()))
      expect(error.message).to.include('out of memory, its heap may have 16 MB')
      await eventually('it to be gone', () => small.alive().length === 0)
    } finally {
      await small.close()
    }
  })

  it('kills the process of work that is aborted, and goes on with the rest', async () => {
    const controller = new AbortController()
    const aborted = rejectionOf(pool.run('fitSeries', longFit(), { signal: controller.signal }))
    const waiting = rejectionOf(pool.run('fitSeries', fitTask(500), { signal: controller.signal }))
    const kept = pool.run('fitSeries', fitTask(500))
    const pid = await pidOf(pool)
    controller.abort(new Error('cancelled'))
    expect((await aborted).message).to.equal('cancelled')
    expect((await waiting).message).to.equal('cancelled')
    expect((await kept).artifact).to.not.equal(null)
    await goneAfter(pid)
  })

  it('refuses work that was aborted before', async () => {
    const signal = AbortSignal.abort(new Error('too late'))
    expect((await rejectionOf(pool.run('fitSeries', fitTask(500), { signal }))).message).to.equal('too late')
  })

  it('reports a task that cannot be done, or not even be sent, and lives on', async () => {
    const { members: _, ...broken } = fitTask(500)
    const error = await rejectionOf(pool.run('fitSeries', broken as FitSeriesTask))
    expect(error.name).to.equal('TypeError')
    const unsendable = { ...fitTask(500), seriesId: (() => '') as unknown as string }
    expect((await rejectionOf(pool.run('fitSeries', unsendable))).message).to.include('could not be cloned')
    expect((await pool.run('fitSeries', fitTask(500))).artifact).to.not.equal(null)
  })

  it('lets idle processes go, and starts new ones for new work', async () => {
    const idle = createForkPool({ forks: 1, idleMs: 1 })
    try {
      for (let repeat = 0; repeat < 2; repeat++) {
        await idle.run('fitSeries', fitTask(500))
        await eventually('it to end', () => idle.alive().length === 0)
      }
    } finally {
      await idle.close()
    }
  })

  it('refuses what waits, and what comes, once it is closed, and leaves no process', async () => {
    const closing = createForkPool({ forks: 1 })
    const tasks = [longFit(), fitTask(500)].map((task) => rejectionOf(closing.run('fitSeries', task)))
    const pid = await pidOf(closing)
    await closing.close()
    expect(await Promise.all(tasks)).to.have.length(2)
    expect(isAlive(pid)).to.equal(false)
    expect((await rejectionOf(closing.run('fitSeries', fitTask(500)))).message).to.include('closed')
  })

  it('leaves no process behind when its parent is killed, not even one at work', async () => {
    const parent = startProcess(new URL('../../../support/fork-parent.js', import.meta.url))
    const pid = Number((await parent.line(/^fork \d+$/)).slice('fork '.length))
    expect(isAlive(pid)).to.equal(true)
    await parent.end('SIGKILL')
    await goneAfter(pid)
  })
})
