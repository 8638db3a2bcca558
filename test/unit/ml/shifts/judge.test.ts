import { expect } from 'chai'
import { simulateAccount } from '../../../../bench/quality/simulate.ts'
import type { AccountOptions } from '../../../../bench/quality/simulate.ts'
import { toPanel } from '../../../../bench/quality/panel.ts'
import type { AccountDays, AccountEntity } from '../../../../ml/shifts/account.ts'
import { defaultShiftParams } from '../../../../ml/shifts/thresholds.ts'
import { findShifts } from '../../../../ml/shifts/judge.ts'
import type { Shift } from '../../../../ml/shifts/shift.ts'
import type { ShiftParams } from '../../../../ml/shifts/thresholds.ts'

const DAYS = 90
const TRIPLED = { spend: 3, impressions: 3, clicks: 3, leads: 3, reach: 3 }

const accountOf = (options: Partial<AccountOptions> = {}): AccountDays =>
  toPanel(
    simulateAccount({
      seed: 15,
      index: 1,
      days: DAYS,
      weekdayAmplitude: 0.2,
      leadsPerAd: 8,
      campaigns: 2,
      faults: 0,
      partialEnd: false,
      ...options,
    }),
    false,
  )

/** The account with its days changed from `from` to `to` in one ad and in what is above it. */
const withFault = (
  account: AccountDays,
  ad: number,
  from: number,
  to: number,
  factors: Partial<Record<'spend' | 'impressions' | 'clicks' | 'leads' | 'reach', number>>,
): AccountDays => {
  const entities = account.entities.map((entity) => ({
    ...entity,
    spend: entity.spend.slice(),
    impressions: entity.impressions.slice(),
    clicks: entity.clicks.slice(),
    leads: entity.leads.slice(),
    reach: entity.reach.slice(),
  }))
  for (const [name, factor] of Object.entries(factors) as ['spend', number][]) {
    for (let t = from; t <= to; t++) {
      const was = (account.entities[ad] as AccountEntity)[name][t] as number
      const gap = Math.round(was * factor) - was
      for (let i = ad; i >= 0; i = (account.entities[i] as AccountEntity).parent)
        ((entities[i] as AccountEntity)[name][t] as number) += gap
    }
  }
  return { ...account, entities }
}

const busiestAd = ({ entities }: AccountDays): number => {
  let best = -1
  let most = 0
  entities.forEach(({ level, start, end, leads }, i) => {
    const sum = leads.reduce((total, value) => total + value, 0)
    if (level !== 'ad' || start > 0 || end < DAYS - 1 || sum <= most) return
    best = i
    most = sum
  })
  return best
}

const of = (shifts: readonly Shift[], entity: number): Shift[] =>
  shifts.filter((shift) => shift.entity === entity && shift.bad)

describe('findShifts', () => {
  const calm = accountOf()
  const ad = busiestAd(calm)
  const adset = (calm.entities[ad] as AccountEntity).parent
  const campaign = (calm.entities[adset] as AccountEntity).parent
  const quiet = findShifts(calm)

  it('is quiet on an account without faults', () => {
    expect(quiet.filter(({ bad }) => bad).length).to.be.at.most(2)
  })

  it('does not take a change in the fourth digit for a shift, however still the figure was', () => {
    const still: AccountDays = {
      ...calm,
      entities: calm.entities.map((entity) => ({
        ...entity,
        reach: entity.impressions.map((impressions) => Math.round(impressions / 1.4)),
      })),
    }
    expect(findShifts(still).filter(({ figure }) => figure === 'frequency')).to.deep.equal([])
  })

  it('says on the first day that spend has tripled, in the ad and above it', () => {
    const shifts = findShifts(withFault(calm, ad, 60, 62, TRIPLED))
    const first = of(shifts, ad).find(({ day }) => day >= 60)
    expect(first).to.include({ day: 60, figure: 'spend', window: 1 })
    expect(first?.size).to.be.closeTo(Math.log(3), 0.4)
    expect(of(shifts, adset).some(({ day, figure }) => day === 60 && figure === 'spend')).to.equal(true)
  })

  it('says on the first day that spend leaps where a smaller move of the same rarity waits for more', () => {
    const doubled = { spend: 2, impressions: 2, clicks: 2, leads: 2, reach: 2 }
    const ads = calm.entities.flatMap(({ level, start, end }, i) =>
      level === 'ad' && start === 0 && end >= DAYS - 1 ? [i] : [],
    )
    const onDayOne = (params: ShiftParams): number =>
      ads.filter((one) =>
        of(findShifts(withFault(calm, one, 60, 61, doubled), params), one).some(({ day }) => day === 60),
      ).length
    // Doubled money of one ad is within what its own noise does.
    const told = onDayOne(defaultShiftParams)
    expect(told).to.be.at.least(ads.length - 1)
    const { threshold } = defaultShiftParams
    expect(onDayOne({ ...defaultShiftParams, leapThreshold: 2 * threshold })).to.be.below(told)
  })

  it('does not take the way back for a shift', () => {
    const shifts = findShifts(withFault(calm, ad, 60, 62, TRIPLED))
    expect(of(shifts, ad).filter(({ day }) => day > 62 && day < 75)).to.deep.equal([])
    expect(of(shifts, campaign).filter(({ day }) => day > 62 && day < 75)).to.deep.equal([])
  })

  it('falls silent when a shift has lasted four days, and stays so', () => {
    const shifts = findShifts(withFault(calm, ad, 50, DAYS - 1, { clicks: 0.5, leads: 0.5 }))
    const days = of(shifts, ad).flatMap(({ day, figure }) => (figure === 'ctr' ? [day] : []))
    expect(days[0]).to.be.within(50, 51)
    expect(days.every((day) => day <= 55)).to.equal(true)
  })

  it('names the child a shift comes from', () => {
    const shifts = findShifts(withFault(calm, ad, 60, 62, TRIPLED))
    const shift = shifts.find(
      ({ day, entity, figure }) => day === 60 && entity === adset && figure === 'spend',
    )
    const parts = shift?.parts.toSorted((a, b) => b.gap - a.gap) ?? []
    expect(parts[0]?.entity).to.equal(ad)
  })

  /** Who explains most of what is said of `entity` on `day`. */
  const originOf = (account: AccountDays, day: number, entity: number): number => {
    const shift = of(findShifts(account), entity).find((one) => one.day === day)
    const gains = [...(shift?.origins?.gains ?? [])]
    return shift?.origins?.entities[gains.lastIndexOf(Math.max(...gains))] ?? -1
  }
  const faultyAds = (ads: readonly number[], factors: Partial<typeof TRIPLED>): AccountDays =>
    ads.reduce((account, one) => withFault(account, one, 60, 62, factors), calm)

  it('traces a shift to the ad that moved alone, and to the ad set whose ads moved alike', () => {
    const adsOf = (parent: number): number[] =>
      calm.entities.flatMap((one, i) =>
        one.parent === parent && one.start === 0 && one.end >= 62 ? [i] : [],
      )
    const several = calm.entities.findIndex(({ level }, i) => level === 'adset' && adsOf(i).length > 1)
    const siblings = adsOf(several)
    const [first = -1] = siblings
    const stopped = { spend: 0, impressions: 0, clicks: 0, leads: 0, reach: 0 }
    for (const factors of [TRIPLED, stopped]) {
      expect(originOf(faultyAds([first], factors), 60, first)).to.equal(first)
      // Each of them says the same.
      for (const one of [first, several]) {
        expect(originOf(faultyAds(siblings, factors), 60, one)).to.equal(several)
      }
    }
  })

  const confirmedOn = (account: AccountDays, days: readonly number[]): AccountDays => ({
    ...account,
    entities: account.entities.map((one) => ({ ...one, confirmed: new Set(days) })),
  })

  it('learns nothing of a day that people called odd', () => {
    /** How often each person saw the ad, once more of them did on day 50: not enough to be odd. */
    const sizes = (change: number, confirmed: readonly number[]): number[] => {
      const before = withFault(calm, ad, 50, 50, { reach: change })
      const faulty = withFault(before, ad, 60, 62, { reach: 0.4 })
      const shifts = of(findShifts(confirmedOn(faulty, confirmed)), ad)
      expect(shifts.some(({ day }) => day < 60)).to.equal(false)
      return shifts.flatMap(({ figure, size }) => (figure === 'frequency' ? [size] : []))
    }
    expect(sizes(1, [50])).to.have.length.above(0)
    expect(sizes(1.1, [50])).to.deep.equal(sizes(1, [50]))
    expect(sizes(1.1, [])).to.not.deep.equal(sizes(1, []))
    expect(sizes(1.1, [49])).to.not.deep.equal(sizes(1, [49]))
  })

  it('takes days that people called odd for no new level, however long a shift lasts', () => {
    const lasting = withFault(calm, ad, 50, DAYS - 1, { clicks: 0.5, leads: 0.5 })
    const daysOf = (confirmed: readonly number[]): number[] =>
      of(findShifts(confirmedOn(lasting, confirmed)), ad).flatMap(({ day, figure }) =>
        figure === 'ctr' ? [day] : [],
      )
    const from = 50
    const all = Array.from({ length: 12 }, (_, k) => from + k)
    expect(Math.max(...daysOf([]))).to.be.at.most(55)
    // Of those four that made the new level one is enough.
    expect(Math.max(...daysOf([50, 51, 52]))).to.be.at.most(56)
    expect(daysOf(all)).to.include.members([58, 59, 60])
    expect(Math.max(...daysOf(all))).to.be.at.most(67)
  })

  it('traces nothing that is for the better', () => {
    const shifts = findShifts(withFault(calm, ad, 60, 62, { leads: 3 }))
    const good = shifts.filter((shift) => !shift.bad)
    expect(good).to.not.deep.equal([])
    expect(good.every(({ origins }) => origins === null)).to.equal(true)
    expect(shifts.every(({ bad, origins }) => !bad || origins !== null)).to.equal(true)
  })

  it('says the same of a day whatever comes after it', () => {
    const faulty = withFault(calm, ad, 60, 70, { clicks: 0.5, leads: 0.5 })
    const cut = 64
    const early: AccountDays = { ...faulty, completeUntil: cut, leadsUntil: cut }
    expect(findShifts(early)).to.deep.equal(findShifts(faulty).filter(({ day }) => day < cut))
  })

  it('says nothing of a day that is not complete, nor of leads still arriving', () => {
    const faulty = withFault(calm, ad, DAYS - 3, DAYS - 1, { leads: 0 })
    const shifts = findShifts({ ...faulty, completeUntil: DAYS - 1, leadsUntil: DAYS - 3 })
    expect(shifts.filter(({ day }) => day >= DAYS - 3).map(({ figure }) => figure)).to.not.include.members([
      'leads',
    ])
    expect(shifts.every(({ day }) => day < DAYS - 1)).to.equal(true)
  })

  it('does not tell a known budget change for a shift, and does tell an unknown one', () => {
    const doubled = withFault(calm, ad, 60, DAYS - 1, {
      spend: 2,
      impressions: 2,
      clicks: 2,
      leads: 2,
      reach: 2,
    })
    const known: AccountDays = {
      ...doubled,
      entities: doubled.entities.map((entity, i) =>
        i === ad
          ? { ...entity, budget: entity.budget.map((log, t) => (t >= 60 ? log + Math.log(2) : log)) }
          : entity,
      ),
    }
    expect(of(findShifts(doubled), ad).some(({ day }) => day === 60)).to.equal(true)
    expect(of(findShifts(known), ad).filter(({ day }) => day >= 60 && day < 66)).to.deep.equal([])
  })

  it('judges an entity from its eighth day on', () => {
    const late = { ...(calm.entities[ad] as AccountEntity) }
    const start = 50
    for (const name of ['spend', 'impressions', 'clicks', 'leads', 'reach'] as const) {
      const column = late[name].slice()
      column.fill(0, 0, start)
      ;(late as Record<typeof name, Float64Array>)[name] = column
    }
    const alone: AccountDays = {
      ...calm,
      entities: calm.entities.map((entity, i) => (i === ad ? { ...late, start } : entity)),
    }
    const shifts = findShifts(
      withFault(alone, ad, start + 7, start + 8, { spend: 6, impressions: 6, clicks: 6, leads: 6, reach: 6 }),
    )
    expect(of(shifts, ad).find(({ figure }) => figure === 'spend')?.day).to.equal(start + 7)
    expect(of(shifts, ad).filter(({ day }) => day < start + 7)).to.deep.equal([])
  })

  it('takes clicks that bring no more leads for junk, and clicks that do for good news', () => {
    const junk = findShifts(withFault(calm, ad, 60, 62, { clicks: 3 }))
    expect(of(junk, ad).find(({ figure }) => figure === 'ctr')).to.include({ day: 60, bad: true })
    const better = findShifts(withFault(calm, ad, 60, 62, { clicks: 3, leads: 3 }))
    const clicks = better.find(({ entity, day, figure }) => entity === ad && day >= 60 && figure === 'ctr')
    expect(clicks?.bad).to.equal(false)
  })

  it('tells of the silence of an ad that spends next to nothing, as long as a shift lasts', () => {
    const small: AccountDays = {
      ...calm,
      entities: calm.entities.map((entity, i) =>
        i === ad
          ? { ...entity, spend: entity.spend.map((spend) => Math.round((spend / 100) * 100) / 100) }
          : entity,
      ),
    }
    const nothing = { spend: 0, impressions: 0, clicks: 0, leads: 0, reach: 0 }
    const silences = of(findShifts(withFault(small, ad, 60, 70, nothing)), ad).filter(
      ({ figure }) => figure === 'spend',
    )
    expect(silences.map(({ day }) => day)).to.deep.equal([60, 61, 62, 63])
  })

  it('does not tell of the silence of who was silent within the week before', () => {
    const nothing = { spend: 0, impressions: 0, clicks: 0, leads: 0, reach: 0 }
    const twice = withFault(withFault(calm, ad, 60, 60, nothing), ad, 64, 64, nothing)
    const days = of(findShifts(twice), ad).flatMap(({ day, figure, size }) =>
      figure === 'spend' && size < -3 ? [day] : [],
    )
    expect(days).to.deep.equal([60])
  })

  it('holds the money of a holiday against what it did to the others', () => {
    const holiday = calm.holiday.slice()
    holiday[60] = 1
    const quieter = {
      ...calm,
      holiday,
      entities: calm.entities.map((entity) => {
        const [spend, impressions] = [entity.spend.slice(), entity.impressions.slice()]
        for (const column of [spend, impressions]) column[60] = Math.round((column[60] as number) * 0.6)
        return { ...entity, spend, impressions }
      }),
    }
    const ofMoney = (account: AccountDays): number[] =>
      findShifts(account).flatMap(({ day, figure, entity }) =>
        day === 60 && figure === 'spend' ? [entity] : [],
      )
    expect(ofMoney(quieter)).to.deep.equal([])
    expect(ofMoney(withFault(quieter, ad, 60, 60, { ...TRIPLED, spend: 5 }))).to.include(ad)
  })

  it('says that something goes on until the odds are against it', () => {
    const faulty = withFault(calm, ad, 60, 61, { clicks: 0.4, leads: 0.4 })
    const days = of(findShifts(faulty), ad).flatMap(({ day, figure }) => (figure === 'ctr' ? [day] : []))
    expect(days[0]).to.be.within(60, 61)
    expect(days.every((day) => day <= 61)).to.equal(true)
  })
})
