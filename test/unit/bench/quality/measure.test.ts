import { expect } from 'chai'
import { compare, extraAlerts, judgeAccount, noFindings } from '../../../../bench/quality/measure.ts'
import type { Findings, Verdicts } from '../../../../bench/quality/measure.ts'
import { toPanel } from '../../../../bench/quality/panel.ts'
import { asSeen, NONE } from '../../../../bench/quality/simulate.ts'
import type { Account, Label, SimulatedAd } from '../../../../bench/quality/simulate.ts'
import type { Incident, ToldAnomaly } from '../../../../ml/shifts/incidents.ts'

const DAYS = 60

const ad = (adsetId: string, adId: string): SimulatedAd => ({
  campaignId: 'c',
  adsetId,
  adId,
  start: 0,
  end: DAYS - 1,
  spend: new Float64Array(DAYS).fill(100),
  impressions: new Float64Array(DAYS).fill(5000),
  clicks: new Float64Array(DAYS).fill(80),
  leads: new Float64Array(DAYS).fill(2),
  reach: new Float64Array(DAYS).fill(4000),
})

const label = (change: Partial<Label> = {}): Label => ({
  id: '1',
  accountId: 'act_1',
  level: 'ad',
  entityId: 'a1',
  type: 'spend_spike',
  start: 30,
  end: 32,
  metric: 'spend',
  direction: 'up',
  evidence: 20,
  effect: { ...NONE, spend: 2 },
  factor: 2,
  lasting: false,
  leadsPerDay: 2,
  ...change,
})

const accountOf = (...labels: Label[]): Account => ({
  id: 'act_1',
  days: DAYS,
  ads: [ad('s1', 'a1'), ad('s1', 'a2'), ad('s2', 'a3')],
  changes: [],
  holidays: [],
  labels,
})

type Alert = Pick<ToldAnomaly, 'day'> & { readonly id: string } & Partial<ToldAnomaly>

/** What was told: one incident of all the alerts, rooted at its first entity. */
const told = (account: Account, ...alerts: readonly Alert[]): Verdicts => {
  const panel = toPanel(account, true)
  const byDay: ToldAnomaly[][] = Array.from({ length: DAYS }, () => [])
  const members = new Set<number>()
  for (const { id, ...rest } of alerts) {
    const entity = panel.entities.findIndex((one) => one.id === id)
    members.add(entity)
    byDay[rest.day]?.push({
      entity,
      type: 'spend_spike',
      metric: 'spend',
      direction: 'up',
      polarity: 'bad',
      severity: 'MEDIUM',
      observed: 200,
      expected: 100,
      lower: 50,
      upper: 150,
      deviation: 4,
      shift: null,
      alerted: true,
      incident: 0,
      score: 1,
      rarity: 0,
      contributions: null,
      modelSource: 'baseline',
      modelVersion: null,
      signals: [],
      ...rest,
    })
  }
  const days = alerts.map(({ day }) => day)
  const incident: Incident | null =
    alerts.length === 0
      ? null
      : {
          stored: null,
          family: 'volume',
          campaign: 0,
          root: [...members][0] as number,
          culprit: [...members][0] as number,
          figuresOf: [...members][0] as number,
          polarity: 'bad',
          observed: 200,
          expected: 100,
          money: null,
          alerted: true,
          metric: 'spend',
          direction: 'up',
          severity: 'MEDIUM',
          from: Math.min(...days),
          to: Math.max(...days),
          members,
          causes: [],
        }
  return { panel, alerts: byDay, incidents: incident ? [incident] : [] }
}

const findings = (account: Account, ...alerts: readonly Alert[]): Findings => {
  const found = noFindings()
  compare(account, told(account, ...alerts), found)
  return found
}

describe('verdicts held against labels', () => {
  it('count every judged day of every entity from its eighth on', () => {
    // Six entities; the last day is not over.
    expect(findings(accountOf()).entityDays).to.equal(6 * (DAYS - 1 - 7))
  })

  for (const { day, right } of [
    { day: 29, right: false },
    { day: 30, right: true },
    { day: 39, right: true },
    { day: 40, right: false },
  ]) {
    it(`take an alert of day ${day} for ${right ? 'true' : 'false'} when the fault lasts from day 30 to 32`, () => {
      const { trueEpisodes, falseEpisodes } = findings(accountOf(label()), { id: 'a1', day })
      expect([trueEpisodes, falseEpisodes]).to.deep.equal(right ? [1, 0] : [0, 1])
    })
  }

  it('take an alert of what is above or below the labelled entity for true, of its sibling for false', () => {
    for (const id of ['s1', 'c'])
      expect(findings(accountOf(label()), { id, day: 30 }).trueEpisodes).to.equal(1)
    for (const id of ['a2', 's2', 'a3'])
      expect(findings(accountOf(label()), { id, day: 30 }).falseEpisodes).to.equal(1)
  })

  it('count alerts with one silent day between as one episode, with two as two', () => {
    const days = (...some: number[]) => some.map((day) => ({ id: 'a1', day }))
    expect(findings(accountOf(), ...days(20, 22, 24)).falseEpisodes).to.equal(1)
    expect(findings(accountOf(), ...days(20, 23)).falseEpisodes).to.equal(2)
  })

  it('call an episode severe by its loudest anomaly', () => {
    const found = findings(accountOf(), { id: 'a1', day: 20 }, { id: 'a1', day: 21, severity: 'HIGH' })
    expect([found.falseEpisodes, found.severeFalse]).to.deep.equal([1, 1])
  })

  it('tell how late a fault was found, and how late by its own metric', () => {
    const [outcome] = findings(
      accountOf(label()),
      { id: 's1', day: 31, metric: 'ctr' },
      { id: 'a1', day: 33 },
    ).outcomes
    expect(outcome).to.include({ delay: 1, fittingDelay: 3, incidents: 1, clear: true })
  })

  it('know a fault nobody was told of', () => {
    const [outcome] = findings(accountOf(label({ evidence: 8.9 }))).outcomes
    expect(outcome).to.include({
      delay: null,
      fittingDelay: null,
      incidents: 0,
      causeRight: null,
      clear: false,
    })
  })

  it('accept as cause the entity itself, and its parent only when it is the only child', () => {
    const causeOf = (entityId: string, named: string) =>
      findings(accountOf(label({ entityId })), { id: named, day: 30 }).outcomes[0]?.causeRight
    expect(causeOf('a1', 'a1')).to.equal(true)
    expect(causeOf('a1', 's1')).to.equal(false)
    expect(causeOf('a3', 's2')).to.equal(true)
  })

  it('give the day from which on a lasting fault is silent', () => {
    const account = accountOf(label({ lasting: true, end: DAYS - 1 }))
    const alerts = [30, 31, 32, 33, 34].map((day) => ({ id: 'a1', day }))
    expect(findings(account, ...alerts).outcomes[0]?.silentFrom).to.equal(6)
  })
})

describe('extra alerts of an account seen early', () => {
  const account = accountOf()

  it('are those of its newest days that the whole account does not give', () => {
    const whole = told(account, { id: 'a1', day: 37 })
    const early = asSeen(account, 40, 1)
    const seen = {
      ...told(account, { id: 'a1', day: 37 }, { id: 'a1', day: 38 }),
      panel: toPanel(early, true),
    }
    expect(extraAlerts(whole, seen)).to.equal(1)
    expect(extraAlerts(seen, seen)).to.equal(0)
  })

  it('are none of a calm account', () => {
    expect(extraAlerts(judgeAccount(account), judgeAccount(asSeen(account, 40, 1)))).to.equal(0)
  })
})
