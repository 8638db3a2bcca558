import { expect } from 'chai'
import type { Knex } from 'knex'
import { anomalyStore } from '../../../db/repositories/anomalies.ts'
import { configs as configStore } from '../../../db/repositories/configs.ts'
import { dailyReport } from '../../../db/repositories/daily-report.ts'
import { freshness as freshnessStore } from '../../../db/repositories/freshness.ts'
import { incidentStore, incidentWriter } from '../../../db/repositories/incidents.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { createIncidents } from '../../../shared/detection/incidents.ts'
import { createConfigs } from '../../../shared/entities/configs.ts'
import { createDataFreshness } from '../../../shared/entities/freshness.ts'
import type { Notice as WebhookNotice } from '../../../shared/notify/webhooks.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createReports } from '../../../shared/report/daily-report.ts'
import type { DailyReport, Notice } from '../../../shared/report/report.ts'
import { insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import {
  insertLinked,
  insertTree,
  linkTo,
  ROOM,
  runningFence,
  savedIncident,
  nothingFound,
} from '../../support/incidents.ts'
import { insertAdvice, insertAnomaly, insertForecast, insertRun, insertTier } from '../../support/report.ts'

const DAY = '2026-03-10'
const NOW = new Date('2026-03-11T10:00:00Z')
/** Nobody is to be told. */
const NOBODY: WebhookNotice = { messages: [], run: {} as WebhookNotice['run'] }
const LATER = '2026-03-20T00:00:00Z'
const daysBefore = (days: number): string => toLocalDate(toDayNumber(DAY) - days)

describe('the morning report', () => {
  let database: TestDatabase
  let knex: Knex
  let configId: number
  const artifacts = { removeConfig: () => Promise.resolve() }
  const report = (date: string | null = null, id = configId): Promise<DailyReport> => {
    const configs = createConfigs(configStore(knex), artifacts, silentLogger)
    const freshness = createDataFreshness(freshnessStore(knex), configs, silentLogger)
    const clock = { now: () => NOW }
    const incidents = createIncidents({
      store: incidentStore(knex),
      anomalies: anomalyStore(knex),
      configs,
      clock,
      webhooks: { notice: () => NOBODY, hurry: () => Promise.resolve() },
    })
    return createReports({ clock, store: dailyReport(knex), configs, freshness, incidents }).daily(id, date)
  }
  const spendOn = (date: string, spend: number, leads: number, campaignId = 'c1'): Promise<void> =>
    insertDays(knex, configId, [
      {
        adId: `${campaignId}-a`,
        adsetId: `${campaignId}-s`,
        campaignId,
        date,
        spend,
        impressions: 1000,
        clicks: 20,
        leads,
        reach: 900,
      },
    ])

  /** That detection and advice were done for a day. */
  const looked = async (day: string): Promise<void> => {
    for (const job of ['detect.campaign', 'recommend.campaign'])
      await insertRun(knex, configId, job, { day, entityIds: null })
  }
  const textsOf = (notices: readonly Notice[]): string[] => notices.map(({ text }) => text)

  before(async () => {
    database = await openTestDatabase()
    knex = database.knex
  })
  after(() => database.close())
  beforeEach(async () => {
    configId = await newConfig(knex)
  })

  describe('figures', () => {
    it('sums the day, the week and the week before, and compares the weeks', async () => {
      await spendOn(DAY, 30, 3)
      await spendOn(DAY, 10, 1, 'c2')
      await spendOn(daysBefore(6), 60, 1)
      // One day either side of each boundary.
      await spendOn(daysBefore(7), 40, 2)
      await spendOn(daysBefore(13), 10, 2)
      await spendOn(daysBefore(14), 1000, 100)
      await spendOn('2026-03-11', 5000, 500)
      const { date, totals, config } = await report()
      expect(date).to.equal(DAY)
      expect(config).to.include({ id: configId, currency: 'BRL', timezone: 'America/Sao_Paulo' })
      expect(totals.day).to.deep.equal({ spend: 40, leads: 4, cpl: 10 })
      expect(totals.week).to.deep.equal({ spend: 100, leads: 5, cpl: 20 })
      expect(totals.week_before).to.deep.equal({ spend: 50, leads: 4, cpl: 12.5 })
      expect(totals.change).to.deep.equal({ spend: 100, leads: 25, cpl: 60 })
    })

    it('compares with nothing where there was nothing, and has no cost without leads', async () => {
      await spendOn(DAY, 10, 0)
      const { totals } = await report()
      expect(totals.week).to.deep.equal({ spend: 10, leads: 0, cpl: null })
      expect(totals.change).to.deep.equal({ spend: null, leads: null, cpl: null })
    })

    it('compares whole weeks only', async () => {
      await spendOn(DAY, 10, 1)
      await spendOn(daysBefore(12), 5, 1)
      expect((await report()).totals.change.spend).to.equal(null)
      await spendOn(daysBefore(13), 0, 0)
      expect((await report()).totals.change.spend).to.equal(100)
    })

    it('begins its history with the first day that has figures', async () => {
      await spendOn(DAY, 10, 1)
      await spendOn(daysBefore(2), 5, 1)
      expect((await report()).history.map(({ date, spend }) => [date, spend])).to.deep.equal([
        [daysBefore(2), 5],
        [daysBefore(1), 0],
        [DAY, 10],
      ])
    })

    it('tells every one of the last 28 days, those without rows as zero', async () => {
      await spendOn(DAY, 10, 1)
      await spendOn(daysBefore(27), 7, 2)
      await spendOn(daysBefore(28), 99, 9)
      const { history } = await report()
      expect(history).to.have.length(28)
      expect(history[0]).to.deep.equal({ date: daysBefore(27), spend: 7, leads: 2 })
      expect(history[1]).to.deep.equal({ date: daysBefore(26), spend: 0, leads: 0 })
      expect(history.at(-1)).to.deep.equal({ date: DAY, spend: 10, leads: 1 })
      expect(history.map(({ date }) => date)).to.deep.equal(
        Array.from({ length: 28 }, (_, i) => daysBefore(27 - i)),
      )
    })

    it('rounds to six decimals and no further', async () => {
      await spendOn(DAY, 10, 3)
      expect((await report()).totals.day.cpl).to.equal(3.333333)
    })

    it('says since when the figures stand', async () => {
      await spendOn(DAY, 10, 3)
      await knex('ads_insights_daily')
        .where({ config_id: configId })
        .update({ updated_at: '2026-03-11T07:00:00Z' })
      expect((await report()).data_as_of).to.equal('2026-03-11T07:00:00.000Z')
    })
  })

  describe('which day', () => {
    it('refuses an account without figures, and says what to do', async () => {
      for (const date of [null, DAY]) {
        const error = await rejectionOf(report(date))
        expect(error).to.include({ code: 'INSUFFICIENT_DATA', status: 422 })
        expect(error.message).to.include(`vigia import FILE --config ${configId}`)
      }
    })

    it('refuses an account whose only day still runs', async () => {
      await spendOn('2026-03-11', 5, 1)
      expect(await rejectionOf(report())).to.include({ code: 'INSUFFICIENT_DATA' })
    })

    it('refuses a day that is not over, and takes the last that is', async () => {
      await spendOn(DAY, 10, 1)
      expect(await rejectionOf(report('2026-03-11'))).to.include({ code: 'INVALID_REQUEST' })
      expect((await report(DAY)).date).to.equal(DAY)
    })

    it('refuses a config that is not there', async () => {
      expect(await rejectionOf(report(null, 999_999))).to.include({ code: 'CONFIG_NOT_FOUND' })
    })

    it('is made again for an earlier day as things were', async () => {
      await spendOn(DAY, 10, 1)
      await spendOn(daysBefore(1), 20, 1)
      await insertTier(knex, configId, { level: 'campaign', id: 'c1', day: daysBefore(1), tier: 'LOW' })
      await insertTier(knex, configId, { level: 'campaign', id: 'c1', day: DAY, tier: 'MODERATE' })
      for (const [day, predicted] of [
        [daysBefore(1), 1],
        [DAY, 5],
      ] as const)
        for (const metric of ['spend', 'leads'] as const)
          await insertForecast(knex, configId, {
            level: 'campaign',
            id: 'c1',
            metric,
            day,
            predicted,
            halfWidth: 0,
          })
      const { date, totals, tiers, next_week: next, notices } = await report(daysBefore(1))
      expect(date).to.equal(daysBefore(1))
      expect(totals.day.spend).to.equal(20)
      expect(totals.week.spend).to.equal(20)
      expect(tiers[0]).to.deep.include({ date: daysBefore(1) })
      expect(tiers[0]?.counts).to.include({ LOW: 1, MODERATE: 0 })
      expect(next?.spend.predicted).to.equal(7)
      expect(textsOf(notices)).to.deep.equal([
        'What is odd and what to do are told as they stand now, not as they stood that day.',
      ])
    })
  })

  describe('notices', () => {
    beforeEach(() => looked(DAY))
    const complete = async (day: string): Promise<void> => {
      await insertTier(knex, configId, { level: 'campaign', id: 'c1', day, tier: 'LOW' })
      for (const metric of ['spend', 'leads'] as const)
        await insertForecast(knex, configId, {
          level: 'campaign',
          id: 'c1',
          metric,
          day,
          predicted: 5,
          halfWidth: 1,
        })
    }

    it('are none when everything is of the day', async () => {
      await spendOn(DAY, 10, 1)
      await complete(DAY)
      expect((await report()).notices).to.deep.equal([])
    })

    it('say what to run where there are neither tiers nor forecasts', async () => {
      await spendOn(DAY, 10, 1)
      const { notices, tiers, next_week: next } = await report()
      expect(tiers).to.deep.equal([])
      expect(next).to.equal(null)
      expect(notices.map(({ part }) => part)).to.deep.equal(['tiers', 'next_week'])
      expect(notices[0]?.text).to.include(`"vigia classify --config ${configId}"`)
      expect(notices[1]?.text).to.include(`"vigia forecasts generate --config ${configId}"`)
    })

    it('say what to run where tiers and forecasts are of an earlier day', async () => {
      await spendOn(DAY, 10, 1)
      await complete(daysBefore(1))
      const { notices, next_week: next } = await report()
      expect(notices).to.have.length(2)
      expect(notices[0]?.text)
        .to.include(daysBefore(1))
        .and.to.include(`"vigia recommend --config ${configId}"`)
      expect(notices[1]?.text)
        .to.include(daysBefore(1))
        .and.to.include(`"vigia forecasts generate --config ${configId}"`)
      expect(next).to.deep.include({ forecast_date: daysBefore(1), from: DAY, to: '2026-03-16' })
    })

    it('leave out forecasts whose days are all over', async () => {
      await spendOn(DAY, 10, 1)
      await complete(daysBefore(7))
      const { notices, next_week: next } = await report()
      expect(next).to.equal(null)
      expect(textsOf(notices).join()).to.include(`The forecasts are of ${daysBefore(7)}`)
    })

    it('keep forecasts that reach one day further', async () => {
      await spendOn(DAY, 10, 1)
      await complete(daysBefore(6))
      expect((await report()).next_week).to.include({ to: '2026-03-11' })
    })

    it('do not ask to run again what found too little to tell', async () => {
      await spendOn(DAY, 10, 1)
      await insertForecast(knex, configId, {
        level: 'campaign',
        id: 'c1',
        metric: 'spend',
        day: DAY,
        predicted: 0,
        halfWidth: 0,
        insufficient: true,
      })
      const { notices, next_week: next } = await report()
      expect(next).to.equal(null)
      expect(notices[1]?.text).to.include('too little history').and.not.to.include('vigia')
    })

    it('say which day the report is of when yesterday is not in', async () => {
      await spendOn(daysBefore(1), 10, 1)
      const { date, notices } = await report()
      expect(date).to.equal(daysBefore(1))
      expect(notices[0]?.text).to.equal(
        `The figures of ${DAY} are not in yet; this is the report of ${daysBefore(1)}.`,
      )
    })

    it('say that the day asked for has no figures', async () => {
      await spendOn(daysBefore(1), 10, 1)
      expect((await report(DAY)).notices[0]?.text).to.include(`The figures of ${DAY} are not in`)
    })
  })

  describe('what nobody has done yet', () => {
    const missing = async (date: string | null = null): Promise<string[]> =>
      (await report(date)).notices
        .map(({ part }) => part)
        .filter((part) => part === 'anomalies' || part === 'advice')
    beforeEach(() => spendOn(DAY, 10, 1))

    it('is told apart from nothing found', async () => {
      const { notices } = await report()
      expect(textsOf(notices.slice(0, 2))).to.deep.equal([
        `Nobody has looked at ${DAY} yet; do it with "vigia detect --config ${configId}".`,
        `There is no advice for ${DAY} yet; make it with "vigia recommend --config ${configId}".`,
      ])
      await looked(DAY)
      expect(await missing()).to.deep.equal([])
    })

    it('is not asked for again where there is something to tell', async () => {
      await insertAnomaly(knex, configId, { level: 'campaign', id: 'c1', day: DAY, severity: 'LOW' })
      await insertAdvice(knex, configId, { level: 'ad', id: 'a', type: 'PAUSE', day: DAY, expiresAt: LATER })
      expect(await missing()).to.deep.equal([])
    })

    it('is not done by a run of another day, of some entities, or that failed', async () => {
      for (const job of ['detect.ad', 'recommend.ad']) {
        await insertRun(knex, configId, job, { day: daysBefore(1), entityIds: null })
        await insertRun(knex, configId, job, { day: DAY, entityIds: ['a'] })
        await insertRun(knex, configId, job, { day: DAY, entityIds: null }, { status: 'failed' })
      }
      expect(await missing()).to.deep.equal(['anomalies', 'advice'])
    })

    it('is done by a detection of several days, and of one that found its day out', async () => {
      await spendOn('2026-03-09', 10, 1)
      await insertRun(knex, configId, 'detect.ad', { day: null }, { result: { day: DAY } })
      expect(await missing()).to.deep.equal(['advice'])
      await knex('runs').where({ config_id: configId }).delete()
      // Two days up to the 11th reach the 10th; one does not.
      await insertRun(knex, configId, 'detect.ad', { day: '2026-03-11', days: 1 })
      expect(await missing()).to.deep.equal(['anomalies', 'advice'])
      await insertRun(knex, configId, 'detect.ad', { day: '2026-03-11', days: 2 })
      expect(await missing()).to.deep.equal(['advice'])
    })

    it('is not asked for of days long gone', async () => {
      await spendOn(daysBefore(3), 10, 1)
      expect(await missing(daysBefore(3))).to.deep.equal([])
    })
  })

  describe('a day asked for', () => {
    it('knows no advice and no finding of later days', async () => {
      await spendOn(DAY, 10, 1)
      await spendOn(daysBefore(1), 10, 1)
      await insertAdvice(knex, configId, { level: 'ad', id: 'a', type: 'PAUSE', day: DAY, expiresAt: LATER })
      await insertAnomaly(knex, configId, { level: 'campaign', id: 'c1', day: DAY, severity: 'LOW' })
      const { advice, anomalies } = await report(daysBefore(1))
      expect(advice.active).to.equal(0)
      expect(anomalies.open).to.equal(0)
    })

    it('is named in what to run', async () => {
      await spendOn(DAY, 10, 1)
      await spendOn(daysBefore(1), 10, 1)
      const texts = textsOf((await report(daysBefore(1))).notices)
      expect(texts.at(-1)).to.include(
        `"vigia forecasts generate --config ${configId} --date ${daysBefore(1)}"`,
      )
    })
  })

  describe('campaigns', () => {
    it('are told with their week and their tier, most spent first', async () => {
      await spendOn(DAY, 30, 3)
      await spendOn(daysBefore(6), 10, 1)
      await spendOn(daysBefore(7), 20, 4)
      await spendOn(daysBefore(13), 20, 4)
      await spendOn(daysBefore(14), 999, 99)
      await spendOn(DAY, 60, 0, 'c2')
      await spendOn(daysBefore(8), 5, 0, 'c3')
      await spendOn(daysBefore(14), 5, 1, 'c4')
      await knex('ads_campaigns').where({ config_id: configId, campaign_id: 'c1' }).update({ name: 'Summer' })
      await insertTier(knex, configId, { level: 'campaign', id: 'c1', day: DAY, tier: 'MODERATE' })
      await knex('ml_classifications')
        .where({ config_id: configId })
        .update({ tier_since: daysBefore(4) })
      const { campaigns } = await report()
      expect(campaigns).to.deep.equal({
        total: 3,
        top: [
          {
            campaign_id: 'c2',
            campaign_name: 'c2',
            tier: null,
            days_in_tier: null,
            week: { spend: 60, leads: 0, cpl: null },
            change: { spend: null, leads: null, cpl: null },
          },
          {
            campaign_id: 'c1',
            campaign_name: 'Summer',
            tier: 'MODERATE',
            days_in_tier: 5,
            week: { spend: 40, leads: 4, cpl: 10 },
            change: { spend: 0, leads: -50, cpl: 100 },
          },
          {
            campaign_id: 'c3',
            campaign_name: 'c3',
            tier: null,
            days_in_tier: null,
            week: { spend: 0, leads: 0, cpl: null },
            change: { spend: -100, leads: null, cpl: null },
          },
        ],
      })
    })

    it('are twenty at most, and counted all', async () => {
      for (let i = 0; i < 21; i += 1) await spendOn(DAY, 1, 0, `x${i}`)
      const { campaigns } = await report()
      expect(campaigns.total).to.equal(21)
      expect(campaigns.top).to.have.length(20)
    })
  })

  describe('tiers', () => {
    beforeEach(() => spendOn(DAY, 10, 1))

    it('are counted level by level, each on its newest day', async () => {
      for (const [level, id, day, tier] of [
        ['ad', 'a1', DAY, 'LOW'],
        ['ad', 'a2', DAY, 'LOW'],
        ['ad', 'a3', daysBefore(1), 'HIGH_PERFORMER'],
        ['campaign', 'c1', daysBefore(1), 'MODERATE'],
      ] as const)
        await insertTier(knex, configId, { level, id, day, tier })
      expect((await report()).tiers).to.deep.equal([
        {
          entity_type: 'campaign',
          date: daysBefore(1),
          counts: { UNDERPERFORMER: 0, LOW: 0, MODERATE: 1, HIGH_PERFORMER: 0 },
        },
        {
          entity_type: 'ad',
          date: DAY,
          counts: { UNDERPERFORMER: 0, LOW: 2, MODERATE: 0, HIGH_PERFORMER: 0 },
        },
      ])
    })

    it('are told by name where they changed, the fallen first and campaigns before their parts', async () => {
      await knex('ads_campaigns').where({ config_id: configId }).update({ name: 'Summer' })
      await knex('ads_ads').where({ config_id: configId }).update({ name: 'Beach' })
      for (const [level, id, previous, tier] of [
        ['ad', 'c1-a', 'MODERATE', 'LOW'],
        ['campaign', 'c1', 'HIGH_PERFORMER', 'MODERATE'],
        ['adset', 'gone', 'LOW', 'HIGH_PERFORMER'],
        ['adset', 'c1-s', 'LOW', 'LOW'],
      ] as const)
        await insertTier(knex, configId, { level, id, day: DAY, tier, previous })
      const { tier_changes: changes, tier_changes_total: total } = await report()
      expect(changes).to.deep.equal([
        {
          entity_type: 'campaign',
          entity_id: 'c1',
          entity_name: 'Summer',
          from: 'HIGH_PERFORMER',
          to: 'MODERATE',
          direction: 'declined',
        },
        {
          entity_type: 'ad',
          entity_id: 'c1-a',
          entity_name: 'Beach',
          from: 'MODERATE',
          to: 'LOW',
          direction: 'declined',
        },
        {
          entity_type: 'adset',
          entity_id: 'gone',
          entity_name: 'gone',
          from: 'LOW',
          to: 'HIGH_PERFORMER',
          direction: 'improved',
        },
      ])
      expect(total).to.equal(3)
    })

    it('tell thirty changes and how many there are', async () => {
      for (let i = 0; i < 31; i += 1)
        await insertTier(knex, configId, {
          level: 'ad',
          id: `a${i}`,
          day: DAY,
          tier: 'LOW',
          previous: 'MODERATE',
        })
      const { tier_changes: changes, tier_changes_total: total } = await report()
      expect(changes).to.have.length(30)
      expect(total).to.equal(31)
    })
  })

  describe('what is odd', () => {
    beforeEach(async () => {
      for (const campaign of ['c1', 'c2', 'c3']) await spendOn(DAY, 10, 1, campaign)
      await knex('ads_campaigns').where({ config_id: configId, campaign_id: 'c1' }).update({ name: 'Summer' })
    })

    it('is told campaign by campaign, the worst first, good news last', async () => {
      const good = { polarity: 'good', type: 'cpl_drop' } as const
      await insertAnomaly(knex, configId, {
        level: 'campaign',
        id: 'c3',
        day: DAY,
        severity: 'CRITICAL',
        ...good,
      })
      await insertAnomaly(knex, configId, {
        level: 'campaign',
        id: 'c1',
        day: daysBefore(2),
        severity: 'LOW',
      })
      await insertAnomaly(knex, configId, {
        level: 'ad',
        id: 'c1-a',
        day: DAY,
        severity: 'MEDIUM',
        parentId: 'c1-s',
      })
      await insertAnomaly(knex, configId, { level: 'campaign', id: 'c2', day: DAY, severity: 'HIGH' })
      await insertAnomaly(knex, configId, {
        level: 'campaign',
        id: 'c2',
        day: DAY,
        severity: 'CRITICAL',
        ...good,
      })
      const { anomalies } = await report()
      expect(anomalies).to.include({ open: 5, campaigns: 3 })
      expect(
        anomalies.groups.map((one) => [
          one.campaign_name,
          one.findings,
          one.severity,
          one.polarity,
          one.entity_type,
        ]),
      ).to.deep.equal([
        ['c2', 2, 'HIGH', 'bad', 'campaign'],
        ['Summer', 2, 'MEDIUM', 'bad', 'ad'],
        ['c3', 1, 'CRITICAL', 'good', 'campaign'],
      ])
      expect(anomalies.groups[1]).to.deep.include({
        campaign_id: 'c1',
        entity_name: 'c1-a',
        date: DAY,
        entity_id: 'c1-a',
        type: 'cpl_spike',
        metric: 'cpl',
        observed: 40,
        expected: 10,
        sentence: 'Cost per lead rose: BRL 40.00, expected BRL 10.00',
      })
    })

    it('tells campaigns that are equally bad by their newest finding', async () => {
      for (const [id, day] of [
        ['c1', daysBefore(1)],
        ['c2', DAY],
        ['c3', daysBefore(2)],
      ] as const)
        await insertAnomaly(knex, configId, { level: 'campaign', id, day, severity: 'HIGH' })
      expect((await report()).anomalies.groups.map((one) => one.campaign_id)).to.deep.equal([
        'c2',
        'c1',
        'c3',
      ])
    })

    it('says what it can of a finding without figures', async () => {
      const zero = { level: 'campaign', day: DAY, severity: 'HIGH', observed: null } as const
      await insertAnomaly(knex, configId, { ...zero, id: 'c1', expected: null })
      await insertAnomaly(knex, configId, { ...zero, id: 'c2', expected: 12 })
      expect((await report()).anomalies.groups.map((one) => one.sentence)).to.deep.equal([
        'Cost per lead rose',
        'Cost per lead rose; BRL 12.00 was expected',
      ])
    })

    it('tells the newest of findings that are equally bad', async () => {
      await insertAnomaly(knex, configId, { level: 'campaign', id: 'c1', day: DAY, severity: 'HIGH' })
      await insertAnomaly(knex, configId, {
        level: 'campaign',
        id: 'c1',
        day: daysBefore(1),
        severity: 'HIGH',
      })
      expect((await report()).anomalies.groups[0]).to.include({ date: DAY, findings: 2 })
    })

    it('leaves out what people took care of, what belongs to an incident, and what is over a week old', async () => {
      const bad = { level: 'campaign', id: 'c1', severity: 'HIGH' } as const
      await insertAnomaly(knex, configId, { ...bad, day: DAY, type: 't1', status: 'acknowledged' })
      await insertAnomaly(knex, configId, { ...bad, day: DAY, type: 't2', status: 'resolved' })
      await insertAnomaly(knex, configId, { ...bad, day: daysBefore(7) })
      expect((await report()).anomalies).to.deep.equal({ open: 0, alerted: 0, campaigns: 0, groups: [] })
      await insertAnomaly(knex, configId, { ...bad, day: daysBefore(6) })
      await insertAnomaly(knex, configId, { ...bad, day: '2026-03-11', partial: true })
      const { open, groups } = (await report()).anomalies
      expect(open).to.equal(2)
      expect(groups[0]).to.include({ date: '2026-03-11', partial: true })
      expect(groups[0]?.sentence).to.match(/^Cost per lead rose so far: /)
    })

    it('tells what nobody has to hear of last, and counts it apart', async () => {
      const quiet = { level: 'campaign', day: DAY, alerted: false } as const
      await insertAnomaly(knex, configId, { ...quiet, id: 'c1', severity: 'CRITICAL' })
      await insertAnomaly(knex, configId, { ...quiet, id: 'c2', severity: 'HIGH' })
      await insertAnomaly(knex, configId, {
        level: 'campaign',
        id: 'c2',
        day: DAY,
        severity: 'LOW',
        type: 't',
      })
      const { anomalies } = await report()
      expect(anomalies).to.include({ open: 3, alerted: 1, campaigns: 2 })
      expect(
        anomalies.groups.map((one) => [one.campaign_id, one.severity, one.alerted, one.findings]),
      ).to.deep.equal([
        ['c2', 'LOW', true, 2],
        ['c1', 'CRITICAL', false, 1],
      ])
    })

    it('shows twenty campaigns and counts all', async () => {
      for (let i = 0; i < 21; i += 1)
        await insertAnomaly(knex, configId, { level: 'campaign', id: `x${i}`, day: DAY, severity: 'LOW' })
      const { anomalies } = await report()
      expect(anomalies).to.include({ open: 21, campaigns: 21 })
      expect(anomalies.groups).to.have.length(20)
    })
  })

  describe('incidents', () => {
    /** Of the newest day unless told otherwise, with an open finding each. */
    const save = async (
      ...incidents: readonly Partial<Parameters<typeof savedIncident>[0]>[]
    ): Promise<void> => {
      const day = toDayNumber(DAY)
      const saved = incidents.map((one) => savedIncident({ dateFrom: day, dateTo: day, ...one }))
      const links = saved.map(({ metric, dateTo, severity }, i) =>
        linkTo(i, { type: `${metric}_spike` as 'cpl_spike', metric, day: dateTo, severity }),
      )
      for (const link of links) await insertLinked(knex, configId, { ...link, incident: null })
      await incidentWriter(knex).save(
        await runningFence(knex),
        {
          configId,
          day,
          ...nothingFound(configId),
          leadsDay: day,
          at: NOW,
          budget: ROOM,
          incidents: saved,
          links,
        },
        () => NOBODY,
      )
    }
    beforeEach(async () => {
      await spendOn(DAY, 10, 1, 'c9')
      await insertTree(knex, configId)
    })

    it('are told the loudest first, of those what costs most, with their sentences', async () => {
      await save(
        { metric: 'leads', severity: 'HIGH', money: 10 },
        { metric: 'cpl', severity: 'HIGH', money: 312.4 },
        { metric: 'ctr', severity: 'CRITICAL', money: null },
      )
      const { incidents, notices } = await report()
      expect(incidents.open.total).to.equal(3)
      expect(incidents.open.top.map(({ metric }) => metric)).to.deep.equal(['ctr', 'cpl', 'leads'])
      expect(incidents.open.top[1]).to.deep.include({
        campaign_id: 'c1',
        root: { entity_type: 'adset', entity_id: 's1', name: 'Lookalike 2%' },
        date_from: DAY,
        money: { amount: 312.4, currency: 'BRL' },
        findings: 1,
        status: 'open',
        sentence:
          'Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 since 10 March, 312.40 BRL more than expected; ad "Video 1" makes up 87% of it.',
      })
      expect(incidents.quiet).to.deep.equal({ total: 0, top: [] })
      expect(incidents.over).to.deep.equal({ total: 0, top: [] })
      expect(notices.filter(({ part }) => part === 'anomalies')).to.deep.equal([])
    })

    it('fold what nobody was told of and what is over, and forget what was over a week ago', async () => {
      const day = toDayNumber(DAY)
      await save(
        { metric: 'leads', alerted: false, severity: 'CRITICAL' },
        { metric: 'ctr', dateFrom: day - 6, dateTo: day - 6 },
        { metric: 'spend', dateFrom: day - 7, dateTo: day - 7 },
        { metric: 'cpl', dateFrom: day - 2 },
      )
      const { incidents, anomalies } = await report()
      const metricsOf = ({ top }: { top: readonly { metric: string }[] }): string[] =>
        top.map((one) => one.metric)
      expect(metricsOf(incidents.open)).to.deep.equal(['cpl'])
      expect(metricsOf(incidents.quiet)).to.deep.equal(['leads'])
      expect(metricsOf(incidents.over)).to.deep.equal(['ctr'])
      expect(anomalies.open).to.equal(0)
    })

    it('are unknown to the report of a day before them', async () => {
      await spendOn(daysBefore(1), 10, 1, 'c9')
      await save({})
      expect((await report(daysBefore(1))).incidents.open.total).to.equal(0)
    })
  })

  describe('advice', () => {
    const advise = (
      id: string,
      made: Partial<Parameters<typeof insertAdvice>[2]> & {
        type: Parameters<typeof insertAdvice>[2]['type']
      },
    ): Promise<void> =>
      insertAdvice(knex, configId, { level: 'campaign', id, day: DAY, expiresAt: LATER, ...made })
    // A lead costs 10.
    beforeEach(() => spendOn(DAY, 100, 10))

    it('comes by what it is worth, leads at what the account pays for one, then by priority', async () => {
      await advise('none-low', { type: 'CREATIVE_TEST', priority: 2 })
      await advise('none-high', { type: 'CREATIVE_TEST', priority: 9 })
      await advise('leads-3', { type: 'SCALE_UP', leads: 3, changePct: 20, spend7d: 1000 })
      await advise('pause-50', { type: 'PAUSE', spend7d: 50, priority: 1 })
      await advise('less-20', { type: 'BUDGET_DECREASE', changePct: -20, spend7d: 100 })
      await advise('unknown', { type: 'PAUSE', priority: 1 })
      const { advice } = await report()
      expect(advice.active).to.equal(6)
      expect(
        advice.top.map((one) => [one.entity_name, one.expected_leads, one.expected_saving]),
      ).to.deep.equal([
        ['pause-50', null, 50],
        ['leads-3', 3, null],
        ['less-20', null, 20],
        ['none-high', null, null],
        ['none-low', null, null],
        ['unknown', null, null],
      ])
    })

    it('has the name, the title and the sentence', async () => {
      await knex('ads_campaigns').where({ config_id: configId }).update({ name: 'Summer' })
      await advise('c1', {
        type: 'SCALE_UP',
        leads: 2,
        title: 'Raise it',
        sentence: 'It is cheap.',
        priority: 8,
      })
      const [first] = (await report()).advice.top
      expect(first).to.deep.include({
        type: 'SCALE_UP',
        title: 'Raise it',
        sentence: 'It is cheap.',
        entity_name: 'Summer',
        entity_type: 'campaign',
        priority: 8,
      })
    })

    it('is what stands: neither acted on nor over', async () => {
      await advise('a', { type: 'PAUSE', status: 'applied' })
      await advise('b', { type: 'PAUSE', status: 'dismissed' })
      await advise('c', { type: 'PAUSE', expiresAt: NOW.toISOString() })
      expect((await report()).advice).to.deep.equal({ active: 0, top: [] })
      await advise('d', { type: 'PAUSE', expiresAt: new Date(NOW.getTime() + 1).toISOString() })
      expect((await report()).advice.active).to.equal(1)
    })

    it('names the campaign of what is part of one', async () => {
      await knex('ads_campaigns').where({ config_id: configId }).update({ name: 'Summer' })
      await advise('c1-a', { type: 'PAUSE', level: 'ad', spend7d: 3 })
      await advise('c1', { type: 'PAUSE', spend7d: 2 })
      await advise('gone', { type: 'PAUSE', level: 'adset', spend7d: 1 })
      expect((await report()).advice.top.map((one) => one.campaign_name)).to.deep.equal([
        'Summer',
        null,
        null,
      ])
    })

    it('is shown ten at most', async () => {
      for (let i = 0; i < 11; i += 1) await advise(`c${i}`, { type: 'PAUSE', spend7d: i })
      const { advice } = await report()
      expect(advice.active).to.equal(11)
      expect(advice.top.map((one) => one.expected_saving)).to.deep.equal([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    })
  })

  describe('next week', () => {
    const forecast = (
      id: string,
      metric: 'spend' | 'leads' | 'cpl',
      predicted: number,
      halfWidth: number,
      rest: Partial<Parameters<typeof insertForecast>[2]> = {},
    ): Promise<void> =>
      insertForecast(knex, configId, {
        level: 'campaign',
        id,
        metric,
        day: DAY,
        predicted,
        halfWidth,
        ...rest,
      })
    beforeEach(() => spendOn(DAY, 100, 10))

    it('adds campaigns as independent, and days of one as going together by a quarter', async () => {
      await forecast('c1', 'spend', 10, 3)
      await forecast('c2', 'spend', 20, 4)
      await forecast('c1', 'leads', 1, 2)
      const { next_week: next } = await report()
      expect(next).to.include({ from: '2026-03-11', to: '2026-03-17', forecast_date: DAY })
      // Seven days of half-width h: sqrt(0.75 * 7 h² + 0.25 * 49 h²) = h * sqrt(17.5).
      const week = 5 * Math.sqrt(17.5)
      expect(next?.spend.predicted).to.equal(210)
      expect(next?.spend.lower).to.be.closeTo(210 - week, 1e-6)
      expect(next?.spend.upper).to.be.closeTo(210 + week, 1e-6)
      expect(next?.leads.lower).to.equal(0)
      expect(next?.leads.upper).to.be.closeTo(7 + 2 * Math.sqrt(17.5), 1e-6)
      expect(next?.cpl).to.equal(30)
      expect(next?.days).to.have.length(7)
      expect(next?.days[0]).to.deep.equal({
        date: '2026-03-11',
        spend: { predicted: 30, lower: 25, upper: 35 },
        leads: { predicted: 1, lower: 0, upper: 3 },
      })
    })

    it('stands on forecasts of seven days of campaigns alone', async () => {
      await forecast('c1', 'spend', 10, 1)
      await forecast('c1', 'leads', 1, 1)
      await forecast('c1', 'cpl', 99, 1)
      await forecast('c1', 'spend', 99, 1, { horizonDays: 14 })
      await forecast('c1-s', 'spend', 99, 1, { level: 'adset' })
      await forecast('c1-a', 'spend', 99, 1, { level: 'ad' })
      expect((await report()).next_week?.spend.predicted).to.equal(70)
    })

    it('has no cost a lead where no leads are expected', async () => {
      await forecast('c1', 'spend', 10, 1)
      await forecast('c1', 'leads', 0, 0)
      expect((await report()).next_week).to.include({ cpl: null })
    })

    it('does not take a metric nobody forecast for nothing expected', async () => {
      await forecast('c1', 'spend', 10, 1)
      await forecast('c1', 'leads', 1, 1, { day: daysBefore(1) })
      await forecast('c1', 'spend', 20, 1, { day: daysBefore(1) })
      const { next_week: next } = await report()
      expect(next).to.include({ forecast_date: daysBefore(1) })
      expect(next?.spend.predicted).to.equal(140)
    })

    it('leaves out campaigns with too little history, and says how many', async () => {
      await forecast('c1', 'spend', 10, 1)
      await forecast('c1', 'leads', 1, 1)
      await forecast('c2', 'spend', 0, 0, { insufficient: true })
      await forecast('c2', 'leads', 0, 0, { insufficient: true })
      const { next_week: next } = await report()
      expect(next?.spend.predicted).to.equal(70)
      expect(next).to.include({ campaigns: 1, left_out: 1 })
    })
  })
})
