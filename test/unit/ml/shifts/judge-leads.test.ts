import { expect } from 'chai'
import { accountOfAds, indexOf } from '../../../support/account-days.ts'
import type { AccountDays } from '../../../../ml/shifts/account.ts'
import { defaultShiftParams } from '../../../../ml/shifts/thresholds.ts'
import { findShifts } from '../../../../ml/shifts/judge.ts'
import type { Shift } from '../../../../ml/shifts/shift.ts'
import type { ShiftParams } from '../../../../ml/shifts/thresholds.ts'

const DAYS = 50
const FAULT = DAYS - 6
const OF_LEADS = ['conversion_rate', 'cpl', 'leads'] as const
type FigureOfLeads = (typeof OF_LEADS)[number]
/** No deviate is beyond it. */
const NEVER = 99

/**
 * An ad of which only `figure` may be told, with so many leads a day of 400 clicks, in the end times `factor`: as even
 * as whole leads are.
 */
const falling = (perDay: number, factor: number, figure: FigureOfLeads): AccountDays => {
  const leadsOf = (t: number): number => Math.floor((t + 1) * perDay + 1e-9) - Math.floor(t * perDay + 1e-9)
  const silenced = ['spend', 'ctr', 'joint', ...OF_LEADS].filter((name) => name !== figure)
  return accountOfAds(DAYS, [
    {
      spend: () => 200,
      conversion: (t) => ((t < FAULT ? 1 : factor) * leadsOf(t)) / 400,
      tolerance: Object.fromEntries(silenced.map((name) => [name, NEVER])),
    },
  ])
}

const told = (account: AccountDays, params: Partial<ShiftParams>): Shift | undefined =>
  findShifts(account, { ...defaultShiftParams, ...params }).find(
    ({ entity, bad }) => bad && entity === indexOf(account, 'ad 0'),
  )

/** Whether what is first said of the ad is said the same day as long as this is asked for and no more. */
const expectAsked = (
  perDay: number,
  factor: number,
  figure: FigureOfLeads,
  asked: (deviate: number) => { readonly leadsThreshold: number; readonly fewLeadsThreshold: number },
  within = 0.02,
): void => {
  const account = falling(perDay, factor, figure)
  const first = told(account, { leadsThreshold: 0, fewLeadsThreshold: 0 })
  if (!first) throw new Error(`${perDay} leads a day times ${factor}: nothing is told`)
  expect(first.figure).to.equal(figure)
  expect(first.day).to.be.at.least(FAULT)
  const deviate = Math.abs(first.deviate)
  expect(told(account, asked(deviate - within))?.day).to.equal(first.day)
  expect(told(account, asked(deviate + within))?.day).to.not.equal(first.day)
}

/** Thresholds of many leads and of few that come to `deviate` at a part `few` of the way, once `more` is added. */
const between =
  (few: number, more = 0, apart = 3) =>
  (deviate: number): { readonly leadsThreshold: number; readonly fewLeadsThreshold: number } => ({
    leadsThreshold: deviate - more - few * apart,
    fewLeadsThreshold: deviate - more + (1 - few) * apart,
  })

describe('how sure a figure of leads has to be', () => {
  it('is less where many leads are expected than where few are', () => {
    const { leadsThreshold, fewLeadsThreshold } = defaultShiftParams
    expect(leadsThreshold).to.be.below(fewLeadsThreshold)
  })

  it('is one threshold from eight leads a day on, and another one up to two', () => {
    expectAsked(9, 0, 'conversion_rate', between(0))
    expectAsked(1.75, 0, 'conversion_rate', between(1))
  })

  it('is in between by the log of leads a day', () => {
    for (const perDay of [7, 4, 2.25]) {
      const few = Math.log(8 / perDay) / Math.log(8 / 2)
      expectAsked(perDay, 0, 'conversion_rate', between(few), 0.1)
    }
  })

  it('is more by half of the cost per lead, and by nine tenths of leads, than of the conversion rate', () => {
    expectAsked(20, 0, 'conversion_rate', between(0))
    expectAsked(20, 0, 'cpl', between(0, 0.5))
    expectAsked(20, 0, 'leads', between(0, 0.9))
  })

  it('is more by eight tenths of what moved by less than 0.4 of its log', () => {
    // The logs of 134 / 200 and of 133 / 200 are on either side of it.
    expectAsked(200, 134 / 200, 'conversion_rate', between(0, 0.8))
    expectAsked(200, 133 / 200, 'conversion_rate', between(0))
    expectAsked(200, 134 / 200, 'cpl', between(0, 0.5 + 0.8))
    expectAsked(200, 133 / 200, 'cpl', between(0, 0.5))
  })
})
