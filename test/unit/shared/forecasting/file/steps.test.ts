import { expect } from 'chai'
import {
  STEPS,
  layOut,
  medianGap,
  repeatedSteps,
  spanOf,
  stepOfGap,
} from '../../../../../shared/forecasting/file/steps.ts'
import type { Step } from '../../../../../shared/forecasting/file/steps.ts'

const [hourly, daily, weekly] = STEPS as [Step, Step, Step]
const of = (...values: number[]): Float64Array => Float64Array.from(values)
const HOUR = 3600
const DAY = 86_400

describe('steps of a series', () => {
  it('have the seasons of their kind', () => {
    expect(STEPS.map(({ name, periods }) => [name, ...periods])).to.deep.equal([
      ['hourly', 24, 168],
      ['daily', 7],
      ['weekly', 52],
    ])
  })

  it('are told from the median gap, which may be off by a twelfth', () => {
    for (const step of STEPS) {
      const off = step.seconds / 12
      for (const gap of [step.seconds - off, step.seconds, step.seconds + off])
        expect(stepOfGap(gap), String(gap)).to.equal(step)
      for (const gap of [step.seconds - off - 1, step.seconds + off + 1])
        expect(stepOfGap(gap), String(gap)).to.equal(null)
    }
    expect(stepOfGap(30 * DAY)).to.equal(null)
    expect(stepOfGap(1)).to.equal(null)
    expect(stepOfGap(Number.NaN)).to.equal(null)
  })

  it('come from the gaps that are some, whatever stands twice or is missing', () => {
    expect(medianGap(of(0, 1, 2, 4))).to.equal(1)
    expect(medianGap(of(0, 0, 0, 0, 5))).to.equal(5)
    expect(medianGap(of(0, 1, 3))).to.equal(1)
    expect(medianGap(of(0, 1, 100, 101, 102))).to.equal(1)
    expect(medianGap(of(7, 7))).to.be.NaN
    expect(medianGap(of(7))).to.be.NaN
  })

  it('take stamps that are early or late by a quarter of a step', () => {
    const quarter = HOUR / 4
    expect(spanOf(of(0, HOUR + quarter, 2 * HOUR), hourly)).to.equal(3)
    expect(spanOf(of(0, HOUR + quarter + 1, 2 * HOUR + quarter), hourly)).to.be.NaN
    expect(spanOf(of(0, HOUR - quarter - 1), hourly)).to.be.NaN
    expect(spanOf(of(0, 3 * DAY), daily)).to.equal(4)
    expect(spanOf(of(0, 3 * DAY), weekly)).to.be.NaN
    expect(spanOf(of(5), daily)).to.equal(1)
  })

  it('do not lose count of stamps that are late by a little more each time', () => {
    const stamps = Float64Array.from({ length: 1000 }, (_, i) => i * (HOUR + 5))
    expect(spanOf(stamps, hourly)).to.equal(1000)
  })

  it('lay out one value each: of several the last one, none where none is', () => {
    const stamps = of(0, DAY, DAY, 4 * DAY)
    expect([...layOut(stamps, of(1, 2, 3, 4), daily, 5)]).to.deep.equal([1, 3, Number.NaN, Number.NaN, 4])
    expect(repeatedSteps(stamps, daily)).to.equal(1)
    expect([...layOut(of(0), of(9), daily, 1)]).to.deep.equal([9])
  })
})
