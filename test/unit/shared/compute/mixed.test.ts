import { expect } from 'chai'
import type { ComputePool } from '../../../../shared/compute.ts'
import { createMixedPool, mayExhaustMemory, mixedPool } from '../../../../shared/compute/mixed.ts'
import type { ForkPool } from '../../../../shared/compute/forks.ts'
import type { ThreadPool } from '../../../../shared/compute/pool.ts'
import { warmUpFit } from '../../../../shared/compute/warm-up.ts'
import { fitSeries } from '../../../../shared/series/fit-series.ts'
import { autoencoderFit, fitTask } from '../../../support/series-fits.ts'

describe('mixed pool', () => {
  it('has a process for what may exhaust memory: TensorFlow, and series of more than 10,000 rows', () => {
    expect(mayExhaustMemory('fitSeries', fitTask(10_000))).to.equal(false)
    expect(mayExhaustMemory('fitSeries', fitTask(10_001))).to.equal(true)
    expect(mayExhaustMemory('fitSeries', autoencoderFit())).to.equal(true)
    expect(mayExhaustMemory('fit', warmUpFit())).to.equal(false)
  })

  it('hands each task to its pool with its options, and closes both', async () => {
    const seen: string[] = []
    const { signal } = new AbortController()
    const spy = (name: string): ComputePool => ({
      threads: 2,
      run: (task, _, options) => {
        seen.push(`${name} ${task} ${String(options?.signal === signal)}`)
        return Promise.reject(new Error(name))
      },
      close: () => {
        seen.push(`${name} closed`)
        return Promise.resolve()
      },
    })
    const threads: ThreadPool = { ...spy('threads'), warm: () => Promise.resolve(), alive: () => 0 }
    const forks: ForkPool = { ...spy('forks'), alive: () => [] }
    const pool = mixedPool(threads, forks)
    await pool.run('fitSeries', fitTask(100), { signal }).catch(() => undefined)
    await pool.run('fitSeries', autoencoderFit(), { signal }).catch(() => undefined)
    await pool.close()
    expect(seen).to.deep.equal([
      'threads fitSeries true',
      'forks fitSeries true',
      'threads closed',
      'forks closed',
    ])
  })

  it('does in threads and in processes what the same work does here', async () => {
    const pool = createMixedPool(1)
    try {
      await pool.warm()
      for (const task of [fitTask(500), fitTask(10_001), autoencoderFit()]) {
        const { artifactSha256 } = await pool.run('fitSeries', task)
        expect(artifactSha256).to.equal((await fitSeries(task)).artifactSha256)
      }
    } finally {
      await pool.close()
    }
  })
})
