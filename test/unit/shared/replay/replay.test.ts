import { expect } from 'chai'
import { simulateAccount } from '../../../../bench/quality/simulate.ts'
import { loadConfig } from '../../../../shared/config.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { judgementParams } from '../../../../shared/detection/params.ts'
import { replayFolder } from '../../../../shared/replay/replay-folder.ts'
import type { FolderReplay, ReplayWish } from '../../../../shared/replay/replay-folder.ts'
import type { ReplayReport } from '../../../../shared/replay/report.ts'
import { trainingSettings } from '../../../../shared/training/settings.ts'
import { AppError } from '../../../../shared/core/errors.ts'
import { toDayNumber } from '../../../../shared/core/days.ts'
import { accountFiles, FIRST_DAY, openFolderDesk } from '../../../support/replay-folders.ts'
import type { Files, FolderDesk } from '../../../support/replay-folders.ts'

const DAYS = 84
const simulated = (index: number, faults: number) =>
  simulateAccount({
    seed: 11,
    index,
    days: DAYS,
    weekdayAmplitude: 0.2,
    leadsPerAd: 6,
    campaigns: 2,
    faults,
    partialEnd: false,
    types: ['zero_spend', 'spend_spike', 'joint'],
  })

/** Few trees: what is told of them is the same. */
const SETTINGS = { ISOLATION_FOREST_TREES: '5' }

const wishOf = (wish: Partial<ReplayWish> = {}, env: Readonly<Record<string, string>> = {}): ReplayWish => {
  const config = loadConfig({ ...SETTINGS, ...env })
  return {
    from: null,
    to: null,
    trainEveryDays: 7,
    params: judgementParams(config),
    forests: trainingSettings(config),
    ...wish,
  }
}

describe('shared/replay', () => {
  let desk: FolderDesk
  let files: Files
  let whole: FolderReplay
  before(async () => {
    desk = await openFolderDesk()
    files = accountFiles([simulated(0, 6)])
    whole = await replayed(files)
  })
  after(() => desk.close())

  const replayed = async (
    of: Files,
    wish: Partial<ReplayWish> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<FolderReplay> => replayFolder(await desk.read(of), wishOf(wish, env), computeInPlace)

  const refusal = async (wish: Partial<ReplayWish>): Promise<AppError> => {
    try {
      await replayed(files, wish)
    } catch (error) {
      if (error instanceof AppError) return error
      throw error
    }
    throw new Error('it was taken')
  }

  const daysUpTo = ({ days }: ReplayReport, last: string): ReplayReport['days'] =>
    days.filter(({ date }) => date <= last)

  it('tells of faults, and who judged', () => {
    const { totals } = whole.report
    expect(totals).to.include({ accounts: 1, days: DAYS - 1 })
    expect(totals.labels).to.be.greaterThan(0)
    expect(totals.recall).to.be.greaterThan(0)
    expect(totals.alerted_incidents).to.be.greaterThan(0)
    expect(totals.judged_by.own).to.be.greaterThan(0)
    expect(totals.judged_by.account + totals.judged_by.campaign).to.be.greaterThan(0)
    expect(totals.signals).to.equal(totals.gated + signalsBehind(whole))
  })

  const signalsBehind = ({ accounts }: FolderReplay): number =>
    accounts.reduce(
      (sum, { replayed: { days } }) =>
        sum +
        days.reduce(
          (n, { anomalies }) => n + anomalies.reduce((count, { signals }) => count + signals.length, 0),
          0,
        ),
      0,
    )

  it('names the model of each anomaly, and lets none alert on the word of a forest', () => {
    const [{ account, replayed: { days } } = { account: null, replayed: { days: [] } }] = whole.accounts
    const entities = account?.days.entities ?? []
    const anomalies = days.flatMap((day) => day.anomalies)
    for (const { entity, day, modelSource, signals } of anomalies) {
      const ran = day - (entities[entity]?.start ?? 0)
      if (ran < 50) expect(modelSource).to.not.equal('own')
      // Trained every week, from 50 days with impressions on.
      if (ran > 60 && entities[entity]?.start === 0) expect(modelSource).to.equal('own')
      expect(signals.some(({ detector }) => detector !== 'isolation_forest')).to.equal(true)
    }
    expect(anomalies.some(({ modelSource }) => modelSource === 'own')).to.equal(true)
    expect(
      anomalies.some(({ modelSource }) => ['adset', 'campaign', 'account'].includes(modelSource)),
    ).to.equal(true)
  })

  it('alerts of the same without forests, and lets them speak through the open gate', async () => {
    const without = await replayed(files, {}, { USE_ISOLATION_FOREST: 'false' })
    expect(without.report.days).to.deep.equal(whole.report.days)
    expect(without.report.totals.judged_by).to.deep.include({ own: 0, adset: 0, campaign: 0, account: 0 })
    expect(without.report.totals.signals).to.be.lessThan(whole.report.totals.signals)
    const open = await replayed(files, {}, { USE_ALERT_GATE: 'false' })
    const multivariate = open.report.days.flatMap(({ anomalies }) =>
      anomalies.filter(({ metric }) => metric === 'multivariate'),
    )
    expect(multivariate.length).to.be.greaterThan(0)
    expect(open.report.totals.gated).to.equal(0)
  })

  for (const cut of [64]) {
    it(`cut after ${cut} days says of all but the last three what the whole one says`, async () => {
      const [header, ...rows] = (files['daily.csv'] as string).trimEnd().split('\n') as [string, ...string[]]
      const last = FIRST_DAY + cut - 1
      const kept = rows.filter((row) => toDayNumber(row.split(',')[1] as string) <= last)
      const cutShort = await replayed({ ...files, 'daily.csv': `${[header, ...kept].join('\n')}\n` })
      const until = cutShort.report.days.at(-4)?.date as string
      expect(daysUpTo(cutShort.report, until)).to.deep.equal(daysUpTo(whole.report, until))
    })
  }

  it('says of some days what it says of them among all', async () => {
    const from = FIRST_DAY + 50
    const to = FIRST_DAY + 63
    const { report } = await replayed(files, { from, to })
    expect(report.days).to.deep.equal(whole.report.days.slice(50, 64))
    const judges = whole.accounts.flatMap(({ replayed: { days } }) => days.slice(50, 64))
    expect(report.totals.judged_by.own).to.equal(judges.reduce((sum, { judgedBy }) => sum + judgedBy.own, 0))
    expect(report.totals.signals).to.equal(judges.reduce((sum, { signals }) => sum + signals, 0))
  })

  it('alerts of the same at any cadence of training, and has own models later at a longer one', async () => {
    const monthly = await replayed(files, { trainEveryDays: 30 })
    expect(monthly.report.days).to.deep.equal(whole.report.days)
    expect(monthly.report.totals.judged_by.own).to.be.lessThan(whole.report.totals.judged_by.own)
    expect(monthly.report.totals.judged_by.own).to.be.greaterThan(0)
  })

  it('judges every entity of enough siblings by a model from its eighth day on', async () => {
    const { report } = await replayed(accountFiles([manyCampaigns()]))
    const { baseline, ...models } = report.totals.eighth_days_judged_by
    expect(baseline).to.equal(0)
    expect(Object.values(models).reduce((sum, n) => sum + n, 0)).to.be.greaterThan(20)
  })

  const manyCampaigns = () =>
    simulateAccount({
      seed: 3,
      index: 0,
      days: 16,
      weekdayAmplitude: 0.2,
      leadsPerAd: 6,
      campaigns: 9,
      faults: 0,
      partialEnd: false,
    })

  it('keeps accounts of one folder apart', async () => {
    const both = await replayed(accountFiles([simulated(0, 6), simulated(1, 6)]))
    const [first] = both.accounts
    expect(both.report.totals.accounts).to.equal(2)
    const ofFirst = both.report.days.map(({ date, anomalies }) => ({
      date,
      anomalies: anomalies.filter(({ account_id }) => account_id === first?.account.id),
    }))
    expect(ofFirst).to.deep.equal(whole.report.days)
  })

  for (const [what, wish] of [
    ['after the last complete day', { from: FIRST_DAY + DAYS - 1 }],
    ['before the first', { to: FIRST_DAY - 1 }],
  ] as const) {
    it(`refuses days ${what}, naming those there are`, async () => {
      const error = await refusal(wish)
      expect(error.code).to.equal('INVALID_REQUEST')
      expect(error.message).to.contain('2026-01-05').and.to.contain('2026-03-28')
    })
  }
})
