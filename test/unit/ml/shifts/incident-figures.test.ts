import { expect } from 'chai'
import type { AccountDays, AccountEntity } from '../../../../ml/shifts/account.ts'
import { openIncidentBook } from '../../../../ml/shifts/incidents.ts'
import type { AccountAnomaly, Incident } from '../../../../ml/shifts/incidents.ts'
import type { Shift } from '../../../../ml/shifts/shift.ts'

const DAYS = 4

const entity = (changes: Partial<AccountEntity>): AccountEntity => ({
  id: 'c',
  level: 'campaign',
  parent: -1,
  start: 0,
  end: Infinity,
  spend: new Float64Array(DAYS).fill(100),
  impressions: new Float64Array(DAYS).fill(1000),
  clicks: new Float64Array(DAYS).fill(50),
  leads: new Float64Array(DAYS).fill(10),
  reach: new Float64Array(DAYS).fill(900),
  budget: new Float64Array(DAYS),
  mixed: new Uint8Array(DAYS),
  idle: new Uint8Array(DAYS),
  tolerance: {},
  confirmed: new Set(),
  ...changes,
})

const CAMPAIGN = 0
const AD_SET = 1
const account = (adSet: Partial<AccountEntity> = {}): AccountDays => ({
  days: DAYS,
  firstWeekday: 0,
  entities: [entity({}), entity({ id: 's', level: 'adset', parent: CAMPAIGN, ...adSet })],
  holiday: new Uint8Array(DAYS),
  completeUntil: DAYS,
  leadsUntil: DAYS,
})

const dear = (day: number, changes: Partial<AccountAnomaly> = {}): AccountAnomaly => ({
  entity: AD_SET,
  day,
  type: 'cpl_spike',
  metric: 'cpl',
  severity: 'HIGH',
  polarity: 'bad',
  direction: 'up',
  score: 0.99,
  rarity: 0.01,
  observed: 20,
  expected: 10,
  lower: 8,
  upper: 12,
  deviation: 5,
  contributions: null,
  modelSource: 'baseline',
  modelVersion: null,
  signals: [],
  shift: null,
  ...changes,
})
const fewClicks = (day: number, changes: Partial<AccountAnomaly> = {}): AccountAnomaly =>
  dear(day, { type: 'ctr_drop', metric: 'ctr', direction: 'down', observed: 1, expected: 5, ...changes })
const shiftOf = (figure: Shift['figure'], day: number): Shift => ({
  day,
  entity: AD_SET,
  figure,
  deviate: 5,
  window: 1,
  size: Math.log(2),
  bad: true,
  shares: null,
  parts: [],
  origins: null,
})

/** The one incident of what is seen day by day. */
const only = (days: AccountDays, ...anomalies: readonly AccountAnomaly[]): Incident => {
  const book = openIncidentBook(days)
  for (const anomaly of anomalies) book.take(anomaly.day, [anomaly])
  expect(book.incidents).to.have.length(1)
  return book.incidents[0] as Incident
}

describe('the figures of an incident', () => {
  it('are those of all its days, of the entity that is loudest', () => {
    // 300 for 15 leads, whatever each of the days alone would say.
    const leads = Float64Array.of(10, 2, 12, 1)
    const incident = only(account({ leads }), dear(1), dear(2), dear(3))
    expect(incident).to.include({ figuresOf: AD_SET, observed: 20, expected: 10, money: 150 })
  })

  it('are per day where they are amounts', () => {
    const spend = Float64Array.of(100, 0, 30, 60)
    const drop = { type: 'spend_drop', metric: 'spend', direction: 'down', expected: 90 } as const
    const incident = only(account({ spend }), dear(1, drop), dear(3, drop))
    expect(incident).to.include({ observed: 30, expected: 90, money: -180 })
  })

  it('stay those of its metric when another gets as loud', () => {
    const incident = only(account(), dear(1), fewClicks(2))
    expect(incident).to.include({ metric: 'cpl', to: 2, observed: 10, expected: 10 })
  })

  it('move to who gets louder, and stay with who was loudest', () => {
    const campaign = { entity: CAMPAIGN, expected: 8 }
    expect(only(account(), dear(1), dear(2, { ...campaign, severity: 'CRITICAL' }))).to.include({
      root: CAMPAIGN,
      figuresOf: CAMPAIGN,
      expected: 8,
      severity: 'CRITICAL',
    })
    expect(only(account(), dear(1), dear(2, { ...campaign, severity: 'MEDIUM' }))).to.include({
      root: CAMPAIGN,
      figuresOf: AD_SET,
      expected: 10,
      severity: 'HIGH',
    })
  })

  it('are those of who is to blame, when that is somebody who is odd as well', () => {
    const parts = [{ entity: AD_SET, gap: -100, promised: 200 }]
    const shift = { ...shiftOf('cpl', 1), entity: CAMPAIGN, parts }
    const whole = dear(1, { entity: CAMPAIGN, severity: 'CRITICAL', shift })
    const book = openIncidentBook(account())
    book.take(1, [whole, dear(1, { severity: 'MEDIUM' })])
    expect(book.incidents[0]).to.include({ root: CAMPAIGN, culprit: AD_SET, figuresOf: AD_SET, observed: 10 })
    const calm = only(account(), whole)
    expect(calm).to.include({ root: CAMPAIGN, culprit: AD_SET, figuresOf: CAMPAIGN })
  })

  it('of causes are costs per lead when impressions got dearer', () => {
    // 100 bought 1000 impressions, where 2000 were promised, and 10 leads.
    const parts = [{ entity: AD_SET, gap: -1000, promised: 2000 }]
    const whole = dear(1, { entity: CAMPAIGN, shift: { ...shiftOf('cpm', 1), entity: CAMPAIGN, parts } })
    expect(only(account(), whole).causes).to.deep.equal([
      { entity: AD_SET, depth: 1, share: 1, observed: 10, expected: 5 },
    ])
    const none = only(account({ leads: new Float64Array(DAYS) }), whole)
    expect(none.causes).to.deep.equal([
      { entity: AD_SET, depth: 1, share: 1, observed: null, expected: null },
    ])
  })

  it('tell dear impressions by how much dearer they are, of what a lead cost over all days', () => {
    const leads = Float64Array.of(10, 5, 5, 20)
    // On day 3 alone a lead cost 5, half of which is too much.
    const cheap = { observed: 5, expected: 2.5, shift: shiftOf('cpm', 3) }
    const incident = only(account({ leads }), dear(1, { shift: shiftOf('cpm', 1) }), dear(3, cheap))
    expect(incident).to.include({ observed: 10, expected: 5 })
    const yields = only(account({ leads }), dear(1, { shift: shiftOf('cpl', 1) }))
    expect(yields).to.include({ observed: 20, expected: 10 })
  })

  it('are those of the day where its days have none, or are not all there', () => {
    const without = only(account({ leads: new Float64Array(DAYS) }), dear(1))
    expect(without).to.include({ observed: 20, expected: 10, money: 300 - 200 })
    const often = { type: 'frequency_alert', metric: 'frequency', observed: 5, expected: 2.5 } as const
    expect(only(account(), dear(1, often))).to.include({ observed: 5, expected: 2.5, money: null })
    const stored = { ...only(account(), dear(1)), from: -2, to: 0, observed: 33 }
    const book = openIncidentBook(account(), { known: [stored] })
    book.take(1, [dear(1)])
    expect(book.incidents[0]).to.include({ observed: 20, expected: 10 })
  })
})
