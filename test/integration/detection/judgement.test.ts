import { expect } from 'chai'
import { simulateAccount } from '../../../bench/quality/simulate.ts'
import type { SimulatedAd } from '../../../bench/quality/simulate.ts'
import { accountSource } from '../../../db/repositories/account-source.ts'
import { anomalyStore, detectionStore } from '../../../db/repositories/anomalies.ts'
import { incidentWriter } from '../../../db/repositories/incidents.ts'
import { toLocalDate } from '../../../shared/core/days.ts'
import { defaultShiftParams } from '../../../ml/shifts/thresholds.ts'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import type { Level } from '../../../shared/core/entity.ts'
import type { WorkOutcome } from '../../../shared/core/work.ts'
import { createAccountJudge } from '../../../shared/detection/account-judge.ts'
import { createAnomalies } from '../../../shared/detection/anomalies.ts'
import type { FeedbackVerdict } from '../../../shared/detection/anomalies.ts'
import type { StoredIncident } from '../../../shared/detection/incident-store.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { gatedJudgement, openDetectionSystem, openJudgement } from '../../support/detection.ts'
import type { DetectionSystem } from '../../support/detection.ts'
import { FIRST_DAY } from '../../support/replay-folders.ts'
import { openTrainingSystem } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

/** The day on which leads of one ad begin to cost three times as much. */
const BREAK = 70
const REPAIRED = 75
const LAG_DAYS = 3

interface Said {
  readonly status: string
  readonly alerted: boolean
  /** Its first and last day. */
  readonly dates: readonly [number, number]
  readonly ad: string | undefined
}

const dateOf = (day: number): string => toLocalDate(FIRST_DAY + day)

describe('detection of an account', () => {
  let database: TestDatabase
  let system: TrainingSystem
  let detection: DetectionSystem
  let configId: number
  let broken: SimulatedAd
  before(async () => {
    database = await openTestDatabase()
    system = await openTrainingSystem(database.knex)
    detection = openDetectionSystem(system)
    configId = await newConfig(database.knex, 'UTC', LAG_DAYS)
    const { ads } = simulateAccount({
      seed: 3,
      index: 0,
      days: 84,
      weekdayAmplitude: 0.2,
      leadsPerAd: 12,
      campaigns: 2,
      faults: 0,
      partialEnd: false,
    })
    const full = ads.filter(({ start, end }) => start === 0 && end >= 83)
    broken = full.toSorted((a, b) => b.leads.reduce((x, y) => x + y) - a.leads.reduce((x, y) => x + y))[0]!
    const rows = ads.flatMap((ad) =>
      Array.from({ length: 84 }, (_, t) => t)
        .filter((t) => ad.start <= t && t <= ad.end)
        .map((t): AdDay => ({
          adId: ad.adId,
          adsetId: ad.adsetId,
          campaignId: ad.campaignId,
          date: dateOf(t),
          spend: Math.round((ad.spend[t] ?? 0) * 100) / 100,
          impressions: ad.impressions[t] ?? 0,
          clicks: ad.clicks[t] ?? 0,
          leads: Math.floor((ad.leads[t] ?? 0) / (ad === broken && t >= BREAK && t < REPAIRED ? 3 : 1)),
          reach: ad.reach[t] ?? 0,
        })),
    )
    await insertDays(database.knex, configId, rows)
    await database
      .knex('ads_insights_daily')
      .where({ config_id: configId })
      .update({ updated_at: new Date(0) })
  })
  after(async () => {
    await database.close()
  })

  /** All levels, at five in the morning after `day`. */
  const detect = async (day: number, params = gatedJudgement()): Promise<readonly WorkOutcome[]> => {
    system.setNow(`${dateOf(day + 1)}T05:00:00.000Z`)
    const outcomes: WorkOutcome[] = []
    for (const level of LEVELS)
      outcomes.push(
        await detection.detect(configId, { level, day: dateOf(day) }, { params, useForests: false }),
      )
    return outcomes
  }
  const incidents = (): Promise<readonly StoredIncident[]> =>
    incidentWriter(database.knex).known(configId, FIRST_DAY)
  const stored = async (): Promise<readonly unknown[]> => [
    await database
      .knex('ml_anomalies')
      .where({ config_id: configId })
      .select('id', 'status', 'alerted', 'incident_id', 'anomaly_date', 'severity')
      .orderBy('id'),
    await incidents(),
  ]

  it('says nothing of days whose leads are still arriving, then what broke, in which ad, and that it is over', async () => {
    /** What is the matter with what the money brings, after the check of each day. */
    const said = new Map<number, readonly Said[]>()
    for (let day = BREAK - 1; day <= REPAIRED + 4; day += 1) {
      const [outcome] = await detect(day)
      expect(outcome?.result).to.include({ leads_arrived: dateOf(day + 1 - LAG_DAYS) })
      // The next hour changes nothing, neither of what is new nor of what is known.
      if ([BREAK, BREAK + 2, BREAK + 3].includes(day)) {
        const before = await stored()
        await detect(day)
        expect(await stored()).to.deep.equal(before)
      }
      const yields = (await incidents()).filter(({ family }) => family === 'yield')
      said.set(
        day,
        yields.map(({ status, alerted, dateFrom, dateTo, causes, root }) => {
          const ad = root.entityType === 'ad' ? root : causes.find(({ entityType }) => entityType === 'ad')
          return { status, alerted, dates: [dateFrom - FIRST_DAY, dateTo - FIRST_DAY], ad: ad?.entityId }
        }),
      )
    }
    const wait = LAG_DAYS - 1
    for (const day of [BREAK - 1, BREAK, BREAK + wait - 1])
      expect(said.get(day), `day ${day}`).to.deep.equal([])
    const first = { status: 'open', alerted: true, dates: [BREAK, BREAK], ad: broken.adId }
    expect(said.get(BREAK + wait)).to.deep.equal([first])
    const statuses: string[] = []
    for (let day = BREAK + wait; day <= REPAIRED + 4; day += 1) {
      const [one, ...others] = said.get(day) ?? []
      expect(others, `day ${day}`).to.deep.equal([])
      expect(one).to.include({ alerted: true, ad: broken.adId })
      expect(one?.dates[0]).to.equal(BREAK)
      expect(one?.dates[1]).to.be.within(BREAK, Math.min(day - wait, REPAIRED - 1))
      statuses.push(one?.status ?? '')
    }
    // Over two days after the last of it, when leads of those have arrived.
    expect(statuses.indexOf('resolved')).to.be.within(4, REPAIRED - BREAK + 1)
    expect(statuses.slice(statuses.indexOf('resolved'))).to.not.include('open')
  })

  it('wakes people for as many incidents on a local day as the budget has, whatever the hour and the day checked', async () => {
    await database.knex('ml_anomalies').where({ config_id: configId }).delete()
    await database.knex('ml_incidents').where({ config_id: configId }).delete()
    const day = BREAK + 2
    const alerted = async (): Promise<number> => (await incidents()).filter((one) => one.alerted).length
    for (const alarmBudget of [0, 1, 1]) {
      await detect(day, { ...openJudgement(), alarmBudget })
      expect((await incidents()).length).to.be.greaterThan(1)
      expect(await alerted()).to.equal(alarmBudget)
    }
    await detect(day + 1, { ...openJudgement(), alarmBudget: 1 })
    expect(await alerted()).to.equal(2)
  })

  it('reads the pages of a large account in turn, each once for all levels, and none after the end', async () => {
    const large = await newConfig(database.knex, 'UTC', LAG_DAYS)
    const campaigns = Array.from({ length: 5 }, (_, c) => `c${c}`)
    await insertDays(
      database.knex,
      large,
      campaigns.flatMap((campaignId) =>
        Array.from({ length: 1000 }, (_, ad) =>
          adDays(`${campaignId}a${ad}`, 1, dateOf(80), { adsetId: `${campaignId}s`, campaignId }),
        ).flat(),
      ),
    )
    const reads: string[] = []
    const source = accountSource(database.knex)
    const accounts = createAccountJudge({
      source: {
        ...source,
        frames: (request) => {
          reads.push(String(request.campaigns))
          return source.frames(request)
        },
      },
      store: detectionStore(database.knex),
      holidays: { between: () => Promise.resolve([]) },
      compute: computeInPlace,
      params: defaultShiftParams,
    })
    const look = async (level: Level, end: AbortController): Promise<readonly string[]> => {
      const asked = { configId: large, level, entityIds: null, day: FIRST_DAY + 80 } as const
      const pages: string[] = []
      for await (const { batches, judged } of accounts.judge(
        await accounts.look(asked),
        { ...asked, rows: 'as they are', leadsArrived: FIRST_DAY + 77, refFrom: FIRST_DAY + 24 },
        end.signal,
      )) {
        const named = batches.campaign.flatMap(({ heads }) => heads.map(({ id }) => id))
        expect((await judged).account.entities.length).to.equal(1002 * named.length)
        pages.push(String(named))
      }
      return pages
    }
    const looks = await Promise.all(LEVELS.map((level) => look(level, new AbortController())))
    for (const pages of looks) expect(pages).to.deep.equal(campaigns)
    expect(reads).to.deep.equal(campaigns)

    const ended = new AbortController()
    ended.abort(new Error('ended'))
    expect((await rejectionOf(look('ad', ended))).message).to.equal('ended')
    expect(reads).to.deep.equal(campaigns)
  })

  it('lets days people called odd teach nothing, of who they said it of and of all below, from the next look on', async () => {
    /** Entities whose day teaches nothing, by level. */
    const withoutDay = async (day: number): Promise<readonly string[]> => {
      const asked = { configId, level: 'ad', entityIds: null, day: FIRST_DAY + 80 } as const
      const window = { rows: 'as they are', leadsArrived: FIRST_DAY + 77, refFrom: FIRST_DAY + 24 }
      const named: string[] = []
      for await (const page of detection.accounts.judge(
        await detection.accounts.look(asked),
        { ...asked, ...window },
        new AbortController().signal,
      )) {
        const { account, firstDay } = await page.judged
        for (const { level, id, confirmed } of account.entities)
          if (confirmed.has(FIRST_DAY + day - firstDay)) named.push(`${level} ${id}`)
      }
      return named
    }
    const { adId, adsetId } = broken
    const day = BREAK - 20
    expect(await withoutDay(day)).to.deep.equal([])
    const [anomaly] = (await database
      .knex('ml_anomalies')
      .insert({
        config_id: configId,
        entity_type: 'adset',
        entity_id: adsetId,
        type: 'cpl_spike',
        metric: 'cpl',
        anomaly_date: dateOf(day),
        severity: 'HIGH',
        signals: '[]',
        model_source: 'baseline',
        score: 1,
        direction: 'up',
        polarity: 'bad',
        first_seen: new Date(0),
        last_seen: new Date(0),
      })
      .returning('id')) as { id: number }[]
    const say = async (verdict: FeedbackVerdict): Promise<unknown> =>
      createAnomalies(anomalyStore(database.knex)).feedback(anomaly?.id ?? 0, {
        verdict,
        actor: 'ana',
        notes: null,
        at: system.now(),
      })
    await say('true_positive')
    const named = await withoutDay(day)
    expect(named).to.include.members([`adset ${adsetId}`, `ad ${adId}`])
    expect(named.filter((name) => !name.includes(adsetId))).to.deep.equal([])
    expect(await withoutDay(day + 1)).to.deep.equal([])
    await say('false_positive')
    expect(await withoutDay(day)).to.deep.equal([])
  })

  it('stores all that detectors say when the gate is open, but for leads that are still arriving', async () => {
    const anomaliesOf = (outcomes: readonly WorkOutcome[]): number =>
      outcomes.reduce((sum, { result }) => sum + Number(result?.['anomalies']), 0)
    const day = BREAK + 3
    const gated = anomaliesOf(await detect(day))
    expect(anomaliesOf(await detect(day, openJudgement()))).to.be.greaterThan(gated)
    const ofLeads = (await database
      .knex('ml_anomalies')
      .where({ config_id: configId, last_seen: system.now() })
      .whereIn('metric', ['cpl', 'leads', 'conversion_rate', 'multivariate'])
      .distinct()
      .pluck('anomaly_date')) as string[]
    expect(ofLeads).to.deep.equal([dateOf(day + 1 - LAG_DAYS)])
  })
})
