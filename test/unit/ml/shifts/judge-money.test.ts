import { expect } from 'chai'
import { accountOfAds, during, even, indexOf, noisy } from '../../../support/account-days.ts'
import type { OfDay } from '../../../support/account-days.ts'
import type { AccountDays } from '../../../../ml/shifts/account.ts'
import { defaultShiftParams } from '../../../../ml/shifts/thresholds.ts'
import { findShifts } from '../../../../ml/shifts/judge.ts'
import type { Shift } from '../../../../ml/shifts/shift.ts'
import type { ShiftParams } from '../../../../ml/shifts/thresholds.ts'

const DAYS = 60
const LAST = DAYS - 1
/** No deviate is beyond it. */
const NEVER = 99

const moneyOf = (account: AccountDays, params: Partial<ShiftParams> = {}, ad = 'ad 0'): Shift[] =>
  findShifts(account, { ...defaultShiftParams, ...params }).filter(
    ({ entity, figure }) => entity === indexOf(account, ad) && figure === 'spend',
  )

/** One ad, with the money of its last days by factors of what is usual. */
const ending = (factors: readonly number[], spread = 0.15): AccountDays => {
  const usual = even(100, spread, 3)
  const first = DAYS - factors.length
  return accountOfAds(DAYS, [
    { adset: 's', spend: (t) => (t < first ? usual(t) : 100 * (factors[t - first] as number)) },
  ])
}

describe('a leap of money in a day', () => {
  it('is told on the day by a threshold of its own, down and up', () => {
    for (const factor of [0.5, 2]) {
      const leap = ending([factor])
      const [found] = moneyOf(leap, { leapThreshold: 0, threshold: NEVER })
      expect(found).to.include({ day: LAST, window: 1 })
      const deviate = Math.abs(found?.deviate ?? 0)
      expect(moneyOf(leap, { leapThreshold: deviate - 0.01, threshold: NEVER })).to.have.length(1)
      expect(moneyOf(leap, { leapThreshold: deviate + 0.01, threshold: NEVER })).to.deep.equal([])
      expect(moneyOf(leap, { leapThreshold: deviate + 0.01, threshold: deviate - 0.01 })).to.deep.equal([])
    }
  })

  it('has to be more than half a log of growth or fall: less is held to the ordinary threshold', () => {
    for (const sign of [1, -1]) {
      const told = (size: number, params: Partial<ShiftParams>): number =>
        moneyOf(ending([Math.exp(sign * size)], 0.02), params).length
      expect(told(0.47, { threshold: NEVER })).to.equal(0)
      expect(told(0.53, { threshold: NEVER })).to.equal(1)
      expect(told(0.47, {})).to.equal(1)
    }
  })

  it('is told also where a longer window is louder', () => {
    const sinking = ending([0.62, 0.54])
    const [first, second] = moneyOf(sinking, { leapThreshold: 2.6, threshold: 2.6 })
    expect([first?.day, second?.day, second?.window]).to.deep.equal([LAST - 1, LAST, 2])
    const ofDay = moneyOf(sinking, { leapThreshold: 2.6, threshold: NEVER }).find(({ day }) => day === LAST)
    expect(ofDay).to.include({ window: 1 })
    expect(Math.abs(ofDay?.deviate ?? 0)).to.be.below(Math.abs(second?.deviate ?? 0))
  })

  it('is held to the ordinary threshold over several days', () => {
    const sunk = ending([0.57, 0.57])
    const [first, second] = moneyOf(sunk, { leapThreshold: 2.6, threshold: 2.6 })
    const [one, two] = [first, second].map((shift) => Math.abs(shift?.deviate ?? 0)) as [number, number]
    expect(second).to.include({ day: LAST, window: 2 })
    expect(two).to.be.above(one + 0.5)
    // Beyond that of a leap, and no leap of one day.
    const leapThreshold = (one + two) / 2
    expect(moneyOf(sunk, { leapThreshold, threshold: two + 0.2 })).to.deep.equal([])
    expect(moneyOf(sunk, { leapThreshold, threshold: leapThreshold })).to.have.length(1)
  })

  it('has to be surer where single days of the account are often far out', () => {
    /** Six campaigns of an ad; of the first one the money moves on the last day. */
    const account = (isHeavy: boolean, factor: number): AccountDays =>
      accountOfAds(
        DAYS,
        Array.from({ length: 6 }, (_, k) => {
          const usual = even(100, 0.26, k + 1)
          const spend: OfDay = (t) => {
            if (k === 0) return t === LAST ? 100 * factor : usual(t)
            const isFar = isHeavy && t > 10 && t < LAST - 1 && (t + 5 * k) % 12 === 0
            return isFar ? 100 * Math.exp((t + k) % 2 === 0 ? 0.55 : -0.55) : usual(t)
          }
          return { adset: `s${k}`, campaign: `c${k}`, spend }
        }),
      )
    const told = (isHeavy: boolean, factor: number, params: Partial<ShiftParams> = {}): boolean =>
      moneyOf(account(isHeavy, factor), params).some(({ day }) => day === LAST)
    expect(told(false, 0.5)).to.equal(true)
    expect(told(true, 0.5)).to.equal(false)
    // That alone keeps it from being told.
    expect(told(true, 0.5, { threshold: defaultShiftParams.leapThreshold })).to.equal(true)
    expect(told(true, 0.35)).to.equal(true)
  })
})

describe('thresholds of an account', () => {
  /** As many ads that stand for themselves; of the first one impressions are dearer on the last day. */
  const account = (ads: number): AccountDays =>
    accountOfAds(
      DAYS,
      Array.from({ length: ads }, (_, k) => ({
        cpm: k === 0 ? during(LAST, LAST, 1.3, even(10, 0.08, 1)) : even(10, 0.08, k + 1),
      })),
    )
  const told = (ads: number, threshold: number): Shift[] =>
    findShifts(account(ads), {
      ...defaultShiftParams,
      threshold,
      goodThreshold: NEVER,
      jointThreshold: NEVER,
    }).filter(({ entity, figure, day }) => entity === 0 && figure === 'cpm' && day === LAST)

  it('rise by a twentieth of a deviate when there are twice as many entities, beyond twenty', () => {
    for (const [ads, surer] of [
      [10, 0],
      [20, 0],
      [40, 0.05],
      [80, 0.1],
    ] as const) {
      const deviate = Math.abs(told(ads, 2.9)[0]?.deviate ?? 0)
      expect(deviate).to.be.above(3)
      expect(told(ads, deviate - surer - 0.01)).to.have.length(1)
      expect(told(ads, deviate - surer + 0.01)).to.deep.equal([])
    }
  })
})

describe('money that stays up', () => {
  it('is told in the end though no day of it is far out: what is held against the noise is no part of it', () => {
    const FROM = 40
    for (const seed of [2, 3, 7, 8]) {
      const account = accountOfAds(DAYS, [
        { adset: 's', spend: during(FROM, DAYS, 1.7, noisy(100, 0.2, seed)) },
        ...[1, 2, 3, 4].map((k) => ({ adset: `t${k}`, spend: noisy(100, 0.2, 100 * k + seed) })),
      ])
      const [first] = moneyOf(account)
      expect(first?.day, `${seed}`).to.be.within(FROM + 5, FROM + 7)
      expect(first?.window).to.be.at.least(6)
    }
  })
})

describe('money that others take over of who came or went', () => {
  const TURN = 50

  /**
   * An ad set: until, or from, `TURN` on its first ad has `share` of the money, and the others all of it at other
   * times, by `lasting` more; on that day they spend `spike` times as much. Another ad set beside it, and another campaign.
   */
  const turning = (
    kind: 'ends' | 'starts',
    share: number,
    { spike = 1, lasting = 1, others = 1, isKnown = true } = {},
  ): AccountDays => {
    const [from, to] = kind === 'ends' ? [TURN, DAYS] : [0, TURN - 1]
    const rest = (1000 * (1 - share)) / others
    const account = accountOfAds(DAYS, [
      {
        adset: 's0',
        spend: noisy(1000 * share, 0.05, 1),
        ...(kind === 'ends' ? { end: TURN - 1 } : { start: TURN }),
      },
      ...Array.from({ length: others }, (_, k) => ({
        adset: 's0',
        spend: during(TURN, TURN, spike, during(from, to, lasting / (1 - share), noisy(rest, 0.05, 5 + k))),
      })),
      { adset: 's1', spend: noisy(300, 0.05, 3) },
      { adset: 's2', campaign: 'd', spend: noisy(300, 0.05, 4) },
    ])
    if (!isKnown) for (const { mixed } of account.entities) mixed.fill(0)
    return account
  }
  const toldOf = (account: AccountDays): string[] =>
    findShifts(account)
      .filter(({ bad, day }) => bad && day >= TURN)
      .map(({ day, entity }) => `${day} ${(account.entities[entity] as { id: string }).id}`)

  for (const kind of ['ends', 'starts'] as const) {
    it(`is no shift of anybody when one that has most of it ${kind}`, () => {
      expect(toldOf(turning(kind, 0.8))).to.deep.equal([])
      expect(toldOf(turning(kind, 0.8, { others: 16 }))).to.deep.equal([])
      // It is the coming or going that excuses it.
      expect(toldOf(turning(kind, 0.8, { isKnown: false }))).to.include(`${TURN} ad 1`)
    })

    it(`does not excuse a much larger leap of the same day when one ${kind}`, () => {
      expect(toldOf(turning(kind, 0.5, { spike: 1.5 }))).to.not.include.members([`${TURN} ad 1`])
      expect(toldOf(turning(kind, 0.5, { spike: 30 }))).to.include.members([
        `${TURN} ad 1`,
        `${TURN} s0`,
        `${TURN} c`,
      ])
    })
  }

  it('may be more than that by about a half', () => {
    // One of 17 with a tenth of the money ends, and all others spend more than is left by it.
    expect(toldOf(turning('ends', 0.1, { others: 16, lasting: 1.5 }))).to.deep.equal([])
    expect(toldOf(turning('ends', 0.1, { others: 16, lasting: 1.5, isKnown: false }))).to.not.deep.equal([])
    expect(toldOf(turning('ends', 0.1, { others: 16, lasting: 4 }))).to.not.deep.equal([])
  })

  it('goes one way: who starts takes, who ends leaves', () => {
    // A third of the money of who was there comes or goes, and the others double or halve on that day.
    const others = (kind: 'ends' | 'starts', factor: number): string[] => {
      const usual = noisy(300, 0.05, 1)
      const account = accountOfAds(DAYS, [
        {
          adset: 's0',
          spend: noisy(100, 0.05, 2),
          ...(kind === 'ends' ? { end: TURN - 1 } : { start: TURN }),
        },
        { adset: 's0', spend: during(TURN, TURN, factor, usual) },
        { adset: 's1', spend: noisy(300, 0.05, 3) },
      ])
      return toldOf(account).filter((told) => told.startsWith(`${TURN} `))
    }
    expect(others('starts', 2)).to.include(`${TURN} ad 1`)
    expect(others('ends', 2)).to.not.include(`${TURN} ad 1`)
    expect(others('ends', 0.5)).to.include(`${TURN} ad 1`)
    expect(others('starts', 0.5)).to.not.include(`${TURN} ad 1`)
  })

  it('is known the day after, above who took it over too: nothing has fallen', () => {
    expect(toldOf(turning('ends', 0.3, { others: 8, lasting: 1.3 }))).to.deep.equal([])
  })
})
