import { expect } from 'chai'
import type { ProphetOptimizer } from '../../../../ml/forecast/prophet-optimizer.ts'
import { openPackages, quietly } from '../../../../shared/forecasting/open-packages.ts'

type Fit = Parameters<ProphetOptimizer['optimize']>

describe('the forecasting packages', () => {
  it('are opened once', async () => {
    expect(await openPackages()).to.equal(await openPackages())
  })

  it('write nothing while they fit, and leave the streams as they were', () => {
    const streams = [process.stdout, process.stderr]
    const writers = (): unknown[] => streams.map((stream) => Reflect.get(stream, 'write') as unknown)
    const before = writers()
    const during: unknown[] = []
    const loud = quietly({
      optimize: () => {
        during.push(...writers())
        for (const stream of streams) stream.write('optimization failed\n')
        throw new Error('no fit')
      },
    })
    const fit = [] as unknown as Fit
    expect(() => loud.optimize(...fit)).to.throw('no fit')
    for (const [i, writer] of during.entries()) expect(writer).not.to.equal(before[i])
    expect(writers()).to.deep.equal(before)
  })
})
