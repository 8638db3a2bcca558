import { expect } from 'chai'
import { anomalyStore, detectionStore } from '../../../db/repositories/anomalies.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { createAnomalies } from '../../../shared/detection/anomalies.ts'
import type { FeedbackVerdict } from '../../../shared/detection/anomalies.ts'
import { readTolerances, toleranceOf, TOLERANCE_DAYS } from '../../../shared/detection/tolerance.ts'
import type { Tolerance } from '../../../shared/detection/tolerance.ts'
import { newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'

const D = toDayNumber('2026-03-10')

interface Finding {
  readonly level?: string
  readonly id?: string
  readonly metric?: string
  /** Days before D. */
  readonly back?: number
  readonly verdicts?: readonly FeedbackVerdict[]
}

describe('what false positives teach', () => {
  let database: TestDatabase
  let configId: number
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    configId = await newConfig(database.knex)
  })

  const find = async (...findings: readonly Finding[]): Promise<void> => {
    const anomalies = createAnomalies(anomalyStore(database.knex))
    for (const finding of findings) {
      const { level = 'ad', id = 'a1', metric = 'cpl', back = 1, verdicts = ['false_positive'] } = finding
      const [row] = (await database
        .knex('ml_anomalies')
        .insert({
          config_id: configId,
          entity_type: level,
          entity_id: id,
          type: `${metric}_spike`,
          metric,
          anomaly_date: toLocalDate(D - back),
          severity: 'HIGH',
          signals: '[]',
          model_source: 'baseline',
          score: 1,
          direction: 'up',
          polarity: 'bad',
          first_seen: new Date(),
          last_seen: new Date(),
        })
        .returning('id')) as { id: number }[]
      for (const verdict of verdicts)
        await anomalies.feedback(row?.id ?? 0, { verdict, actor: 'test', notes: null, at: new Date() })
    }
  }
  const tolerances = (config = configId): Promise<readonly Tolerance[]> =>
    readTolerances(detectionStore(database.knex), config, D)
  const ofAd = (deviates: number): Tolerance => ({
    entityType: 'ad',
    entityId: 'a1',
    metric: 'cpl',
    deviates,
  })

  it('is nothing where nobody said anything, or that it was real', async () => {
    await find({ back: 1, verdicts: [] }, { back: 2, verdicts: ['true_positive'] })
    expect(await tolerances()).to.deep.equal([])
  })

  it('is half a deviate each, of that entity and metric alone, and one and a half at most', async () => {
    await find({ back: 1 })
    expect(await tolerances()).to.deep.equal([ofAd(0.5)])
    await find({ back: 2 }, { back: 3 })
    expect(await tolerances()).to.deep.equal([ofAd(1.5)])
    await find({ back: 4 }, { metric: 'spend' }, { id: 'a2' }, { level: 'campaign' })
    expect(await tolerances()).to.deep.equal([
      ofAd(1.5),
      { ...ofAd(0.5), metric: 'spend' },
      { ...ofAd(0.5), entityId: 'a2' },
      { ...ofAd(0.5), entityType: 'campaign' },
    ])
    expect(await tolerances(await newConfig(database.knex))).to.deep.equal([])
  })

  it('counts the newest verdict', async () => {
    await find(
      { back: 1, verdicts: ['false_positive', 'true_positive'] },
      { back: 2, verdicts: ['true_positive', 'false_positive'] },
    )
    expect(await tolerances()).to.deep.equal([ofAd(0.5)])
  })

  it('wears off after 90 days, and knows nothing of days to come', async () => {
    await find({ back: TOLERANCE_DAYS - 1 })
    expect(await tolerances()).to.deep.equal([ofAd(0.5)])
    await find({ back: TOLERANCE_DAYS })
    expect(await tolerances()).to.deep.equal([ofAd(0.5)])
    await find({ back: 0 })
    expect(await tolerances()).to.deep.equal([ofAd(1)])
    await find({ back: -1 })
    expect(await tolerances()).to.deep.equal([ofAd(1)])
  })

  it('grows by the number of false positives', () => {
    expect([0, 1, 2, 3, 4, 100].map(toleranceOf)).to.deep.equal([0, 0.5, 1, 1.5, 1.5, 1.5])
  })
})
