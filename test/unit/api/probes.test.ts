import { expect } from 'chai'
import { createReadiness } from '../../../api/probes.ts'
import type { Readiness } from '../../../api/probes.ts'

describe('readiness', () => {
  let now: number
  let broken: Set<string>
  let asked: number
  let readiness: Readiness
  beforeEach(() => {
    now = 1_000_000
    broken = new Set()
    asked = 0
    const check = (name: string) => (): Promise<void> => {
      asked += 1
      return broken.has(name) ? Promise.reject(new Error(`${name} is away`)) : Promise.resolve()
    }
    readiness = createReadiness({ postgres: check('postgres'), warmup: check('warmup') }, () => now)
  })
  const state = async (): Promise<readonly [boolean, string]> => {
    const { ready, status } = await readiness.check()
    return [ready, status]
  }

  it('waits for everything at the start, however long that takes', async () => {
    broken.add('warmup')
    expect(await state()).to.deep.equal([false, 'unavailable'])
    now += 59_999
    expect(await state()).to.deep.equal([false, 'unavailable'])
    broken.clear()
    expect(await state()).to.deep.equal([true, 'ok'])
  })

  it('a replica that was ready stays so for a minute without a dependency, and no longer', async () => {
    await state()
    now += 10_000
    broken.add('postgres')
    expect(await state()).to.deep.equal([true, 'degraded'])
    now += 59_999
    expect(await state()).to.deep.equal([true, 'degraded'])
    now += 1
    expect(await state()).to.deep.equal([false, 'unavailable'])
    broken.clear()
    expect(await state()).to.deep.equal([true, 'ok'])
  })

  it('the minute begins anew when the dependency was back in between', async () => {
    await state()
    broken.add('postgres')
    await state()
    now += 59_000
    broken.clear()
    await state()
    broken.add('postgres')
    expect(await state()).to.deep.equal([true, 'degraded'])
    now += 59_999
    expect(await state()).to.deep.equal([true, 'degraded'])
  })

  it('is over at once when the process closes', async () => {
    await state()
    readiness.drain()
    expect(await state()).to.deep.equal([false, 'draining'])
    broken.add('postgres')
    expect(await state()).to.deep.equal([false, 'draining'])
  })

  it('asks once for many who look at once, and says why it is not', async () => {
    broken.add('postgres')
    const reports = await Promise.all([readiness.check(), readiness.check(), readiness.check()])
    expect(asked).to.equal(2)
    for (const { checks } of reports)
      expect(checks.map(({ name, ok, error }) => [name, ok, error])).to.deep.equal([
        ['postgres', false, 'postgres is away'],
        ['warmup', true, undefined],
      ])
  })
})
