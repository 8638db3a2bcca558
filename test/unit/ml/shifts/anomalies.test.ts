import { expect } from 'chai'
import type { AccountEntity } from '../../../../ml/shifts/account.ts'
import { shiftSignal } from '../../../../ml/shifts/anomalies.ts'
import type { Shift } from '../../../../ml/shifts/shift.ts'

const DAYS = 40
const DAY = 35

/** 100 a day, 4 leads a day but on the days named. */
const entityWith = (leads: (day: number) => number, spend = 100): AccountEntity => ({
  id: 'a',
  level: 'ad',
  parent: -1,
  start: 0,
  end: Infinity,
  spend: new Float64Array(DAYS).fill(100).fill(spend, DAY),
  impressions: new Float64Array(DAYS).fill(5000),
  clicks: new Float64Array(DAYS).fill(100),
  leads: Float64Array.from({ length: DAYS }, (_, t) => leads(t)),
  reach: new Float64Array(DAYS).fill(4000),
  budget: new Float64Array(DAYS),
  mixed: new Uint8Array(DAYS),
  idle: new Uint8Array(DAYS),
  tolerance: {},
  confirmed: new Set(),
})

const shift = (changes: Partial<Shift>): Shift => ({
  day: DAY,
  entity: 0,
  figure: 'cpm',
  deviate: 5.5,
  window: 1,
  size: Math.log(1.5),
  bad: true,
  shares: null,
  parts: [],
  origins: null,
  ...changes,
})

describe('signals of shifts', () => {
  it('of the price of impressions are of the cost per lead, as it was seen', () => {
    const signal = shiftSignal(
      entityWith(() => 4),
      shift({}),
    )
    expect(signal).to.include({ type: 'cpl_spike', metric: 'cpl', direction: 'up', observed: 25 })
    expect(signal.expected).to.be.closeTo(25 / 1.5, 1e-9)
  })

  it('while no lead has come take what one cost in the four weeks before, at the new price', () => {
    const signal = shiftSignal(
      entityWith((day) => (day === DAY ? 0 : 4)),
      shift({}),
    )
    expect(signal).to.include({ type: 'cpl_spike', metric: 'cpl', direction: 'up', expected: 25 })
    expect(signal.observed).to.be.closeTo(37.5, 1e-9)
    // Leads of more than four weeks ago say nothing any more.
    for (const [last, metric] of [
      [DAY - 30, 'multivariate'],
      [DAY - 29, 'cpl'],
    ] as const)
      expect(
        shiftSignal(
          entityWith((day) => (day === last ? 4 : 0)),
          shift({ window: 2 }),
        ).metric,
      ).to.equal(metric)
  })

  it('say nothing of the cost per lead by one day on which fewer than three leads were to be had', () => {
    const metrics = [2.9, 3].map(
      (leads) =>
        shiftSignal(
          entityWith(() => leads),
          shift({}),
        ).metric,
    )
    expect(metrics).to.deep.equal(['multivariate', 'cpl'])
    const few = entityWith(() => 2)
    expect(shiftSignal(few, shift({ window: 2 })).metric).to.equal('cpl')
    expect(shiftSignal(few, shift({})).contributions).to.deep.equal({ cpm: 1 })
  })

  it('say nothing of the cost per lead by a day that is strong for who usually brings fewer than three leads', () => {
    /** Usually so many leads a day; on the day twice the money and twice as many, at a price half as high again. */
    const strong = (leads: number): string =>
      shiftSignal(
        entityWith((day) => (day === DAY ? 2 * leads : leads), 200),
        shift({}),
      ).metric
    expect([2.9, 3].map(strong)).to.deep.equal(['multivariate', 'cpl'])
    // Nor by a day on which less was spent than three leads usually cost, or that brought too few at any price.
    const weak = (spend: number, leads: number): string =>
      shiftSignal(
        entityWith((day) => (day === DAY ? leads : 4), spend),
        shift({}),
      ).metric
    expect([74, 75].map((spend) => weak(spend, 4))).to.deep.equal(['multivariate', 'cpl'])
    expect([1, 2].map((leads) => weak(100, leads))).to.deep.equal(['multivariate', 'cpl'])
  })

  it('take the leads of four weeks for what is usual, or of as many days as it ran', () => {
    const metricOf = (entity: AccountEntity): string => shiftSignal(entity, shift({})).metric
    expect(metricOf(entityWith((day) => (day < DAY - 28 ? 0 : 3)))).to.equal('cpl')
    expect(metricOf(entityWith((day) => (day < DAY - 27 ? 0 : 3)))).to.equal('multivariate')
    const young = entityWith((day) => (day < DAY - 10 ? 0 : 3))
    expect(metricOf({ ...young, start: DAY - 10 })).to.equal('cpl')
    expect(metricOf(young)).to.equal('multivariate')
  })

  it('of no money at all are silence, of less are a drop', () => {
    const [nothing, less] = [0, 20].map((spend) =>
      shiftSignal(
        entityWith(() => 4, spend),
        shift({ figure: 'spend', size: Math.log((spend || 0.01) / 100), deviate: -6 }),
      ),
    )
    expect(nothing).to.include({ type: 'zero_spend', metric: 'spend', direction: 'down', observed: 0 })
    expect(nothing?.expected).to.be.closeTo(100, 1e-9)
    expect(less).to.include({ type: 'spend_drop', observed: 20 })
    expect(less?.expected).to.be.closeTo(100, 1e-9)
  })

  it('of junk clicks are bad though the click rate went up', () => {
    const signal = shiftSignal(
      entityWith(() => 4),
      shift({ figure: 'ctr', size: Math.log(3) }),
    )
    expect(signal).to.include({ type: 'ctr_spike', polarity: 'bad', direction: 'up', severity: 'HIGH' })
  })
})
