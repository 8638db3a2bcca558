import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { defaultDetectionParams } from '../../../../ml/detectors/params.ts'
import {
  type BaselineMetric,
  type WeekdayBaseline,
  weekdayBaseline,
} from '../../../../ml/detectors/weekday-baseline.ts'
import { studentP } from '../../../../ml/stats/two-sided.ts'
import { repeat } from '../build-frame.ts'

interface Case {
  readonly metric: BaselineMetric
  readonly day: number
  readonly days: readonly number[]
  readonly values: readonly (number | null)[]
  readonly observed: number
  readonly baseline: (WeekdayBaseline & { readonly z: number; readonly rarity: number }) | null
}

const { cases } = JSON.parse(readFileSync('test/fixtures/weekday-baseline/cases.json', 'utf8')) as {
  readonly cases: readonly Case[]
}

const D = 20_000
/** Baseline of spend on D after these values of the days before it. */
const after = (values: readonly number[], metric: BaselineMetric = 'spend') =>
  weekdayBaseline(
    metric,
    Float64Array.from(values),
    Int32Array.from(values, (_, i) => D - values.length + i),
    D,
    defaultDetectionParams,
  )

describe('weekday baseline', () => {
  it('equals the definition written in numpy, case by case', () => {
    for (const { metric, day, days, values, observed, baseline } of cases) {
      const ours = weekdayBaseline(
        metric,
        Float64Array.from(values, (value) => value ?? Number.NaN),
        Int32Array.from(days),
        day,
        defaultDetectionParams,
      )
      if (baseline === null || ours === null) {
        expect(ours).to.equal(baseline)
        continue
      }
      const { z, rarity, ...expected } = baseline
      for (const [name, value] of Object.entries(expected)) {
        expect(ours[name as keyof WeekdayBaseline], name).to.be.closeTo(value, 1e-9 * (1 + Math.abs(value)))
      }
      const ourZ = (observed - ours.expected) / ours.scale
      expect(ourZ).to.be.closeTo(z, 1e-9 * (1 + Math.abs(z)))
      expect(studentP(ourZ, ours.n - 1)).to.be.closeTo(rarity, 1e-9)
    }
  })

  it('needs 7 values', () => {
    expect(after(repeat(6, 100))).to.equal(null)
    expect(after(repeat(7, 100))?.expected).to.equal(100)
  })

  it('expects 100 after 28 days of 100, within 5%', () => {
    const baseline = after(repeat(28, 100))
    expect(baseline).to.include({ expected: 100, lower: 87.5, upper: 112.5, scale: 5, n: 28 })
  })

  it('knows a weekday from 3 of them, not from 2', () => {
    const week = [10, 20, 30, 40, 50, 60, 70]
    expect(after([...week, ...week])?.expected).to.equal(40)
    expect(after([...week, ...week, ...week])?.expected).to.equal(10)
  })

  it('follows a trend from 28 values, not from 27', () => {
    const rising = Array.from({ length: 28 }, (_, i) => 1000 + i)
    expect(after(rising)?.expected).to.equal(1028)
    expect(after(rising.slice(1))?.expected).to.be.below(1020)
  })

  it('clamps the trend to half the median per 28 days', () => {
    // Slope 10, median 135, so at most 135 * .5 / 28 a day.
    const steep = Array.from({ length: 28 }, (_, i) => 10 * i)
    const clamped = (135 * 0.5) / 28
    // The weekday's values 0, 70, 140, 210 carried 28, 21, 14 and 7 days along.
    expect(after(steep)?.expected).to.be.closeTo(105 + clamped * 17.5, 1e-9)
  })

  it('never expects less than nothing', () => {
    const falling = Array.from({ length: 56 }, (_, i) => Math.max(0, 56 - 2 * i))
    const baseline = after(falling)
    expect(baseline?.expected).to.be.at.least(0)
    expect(baseline?.lower).to.equal(0)
  })

  it('has a smallest scale per metric', () => {
    const zeros = repeat(14, 0)
    expect(after(zeros, 'spend')?.scale).to.equal(1)
    expect(after(zeros, 'cpl')?.scale).to.equal(0.5)
    expect(after(zeros, 'ctr')?.scale).to.equal(0.05)
    expect(after(zeros, 'leads')?.scale).to.equal(0.5)
    expect(after(zeros, 'conversion_rate')?.scale).to.equal(0.5)
  })

  it('looks back 56 days and never at D or later', () => {
    const days = Int32Array.from({ length: 60 }, (_, i) => D - 57 + i)
    const values = Float64Array.from(days, (day) => (day < D - 56 || day >= D ? 1e6 : 100))
    expect(weekdayBaseline('spend', values, days, D, defaultDetectionParams)).to.include({
      expected: 100,
      scale: 5,
      n: 56,
    })
  })
})
