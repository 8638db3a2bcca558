import { expect } from 'chai'
import { simulateAccount } from '../../../../bench/quality/simulate.ts'
import type { AccountOptions } from '../../../../bench/quality/simulate.ts'
import { toPanel } from '../../../../bench/quality/panel.ts'
import type { AccountDays, AccountEntity } from '../../../../ml/shifts/account.ts'
import { findShifts } from '../../../../ml/shifts/judge.ts'
import type { Shift } from '../../../../ml/shifts/judge.ts'

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

  it('does not take the way back for a shift', () => {
    const shifts = findShifts(withFault(calm, ad, 60, 62, TRIPLED))
    expect(of(shifts, ad).filter(({ day }) => day > 62 && day < 75)).to.deep.equal([])
    expect(of(shifts, campaign).filter(({ day }) => day > 62 && day < 75)).to.deep.equal([])
  })

  it('falls silent when a shift has lasted five days, and stays so', () => {
    const shifts = findShifts(withFault(calm, ad, 50, DAYS - 1, { clicks: 0.5, leads: 0.5 }))
    const days = of(shifts, ad).flatMap(({ day, figure }) => (figure === 'ctr' ? [day] : []))
    expect(days[0]).to.be.within(50, 51)
    expect(days.every((day) => day <= 57)).to.equal(true)
  })

  it('names the child a shift comes from', () => {
    const shifts = findShifts(withFault(calm, ad, 60, 62, TRIPLED))
    const shift = shifts.find(
      ({ day, entity, figure }) => day === 60 && entity === adset && figure === 'spend',
    )
    const parts = shift?.parts.toSorted((a, b) => b.gap - a.gap) ?? []
    expect(parts[0]?.entity).to.equal(ad)
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
})
