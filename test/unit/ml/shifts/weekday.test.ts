import { expect } from 'chai'
import { gapsOf, weekdayEffects, weekdayOf } from '../../../../ml/shifts/weekday.ts'
import type { WeekdayEffects } from '../../../../ml/shifts/weekday.ts'

const DAYS = 120
const calm = { days: DAYS, firstWeekday: 3, holiday: new Uint8Array(DAYS) }
/** Weekday 0 a tenth above the others. */
const pattern = (day: number): number => (weekdayOf(calm, day) === 0 ? Math.log(1.1) : 0)
const effectsAt = (account: typeof calm, day: number, valueOf: (day: number) => number): WeekdayEffects =>
  weekdayEffects(account, day, gapsOf(account, valueOf))

describe('the weekday pattern of an account', () => {
  it('is none where there is no history', () => {
    const { effect, variance } = effectsAt(calm, 0, pattern)
    expect([...effect]).to.deep.equal([0, 0, 0, 0, 0, 0, 0])
    expect(Math.min(...variance)).to.be.closeTo(0.04, 1e-12)
  })

  it('comes near to the truth within weeks, and is sure of it', () => {
    const { effect, variance } = effectsAt(calm, DAYS, pattern)
    expect((effect[0] as number) - (effect[1] as number)).to.be.closeTo(Math.log(1.1), 0.015)
    expect([...effect].reduce((sum, value) => sum + value, 0)).to.be.closeTo(0, 1e-12)
    expect(Math.max(...variance)).to.be.below(0.001)
  })

  it('does not look at the day it is for, nor beyond', () => {
    const until = (day: number): number => (day < 60 ? pattern(day) : Number.NaN)
    expect(effectsAt(calm, 60, pattern)).to.deep.equal(effectsAt(calm, 60, until))
  })

  it('follows the trend of an account without taking it for a pattern', () => {
    const { effect } = effectsAt(calm, DAYS, (day) => 0.01 * day)
    for (const value of effect) expect(value).to.be.closeTo(0, 1e-9)
  })

  it('leaves holidays out', () => {
    const holiday = new Uint8Array(DAYS)
    holiday[80] = 1
    const dip = (day: number): number => pattern(day) - (day === 80 ? 3 : 0)
    const { effect } = effectsAt({ ...calm, holiday }, DAYS, dip)
    expect((effect[0] as number) - (effect[weekdayOf(calm, 80)] as number)).to.be.closeTo(
      Math.log(1.1),
      0.015,
    )
  })

  it('is not moved by one odd week', () => {
    const odd = (day: number): number => pattern(day) + (day === 70 ? 4 : 0)
    const { effect } = effectsAt(calm, DAYS, odd)
    expect(Math.max(...effect.map(Math.abs))).to.be.below(0.2)
  })
})
