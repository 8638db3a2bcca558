/**
 * Classifiers over a real database and real files. In this account the frequency of a day tells how its next week
 * goes, which the rules cannot see.
 */
import { existsSync } from 'node:fs'
import { rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Knex } from 'knex'
import { classificationStore } from '../../../db/repositories/classifications.ts'
import { featureStore } from '../../../db/repositories/features.ts'
import { labelSources } from '../../../db/repositories/label-sources.ts'
import { toNamed } from '../../../ml/features/feature-names.ts'
import { Mt19937 } from '../../../ml/rng/mt19937.ts'
import { createClassifierTraining, labelOf } from '../../../shared/classification/train-classifier.ts'
import type { ClassifierTraining, LabelSource } from '../../../shared/classification/train-classifier.ts'
import type { ComputePool } from '../../../shared/compute.ts'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import { insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { featuresOf } from '../../support/features.ts'
import { openTrainingSystem } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

const DAY = '2026-03-10'
const LAST = toDayNumber(DAY)
const DAYS = 40
const ENTITIES = 12
const REFERENCE = { avgCpl: 20, avgCtr: 1, avgConversionRate: 5 }

/** Features of every day; where it does not tell, every entity goes on as it is, which the rules know. */
const fill = async (knex: Knex, configId: number, tells: boolean): Promise<void> => {
  const random = new Mt19937(7)
  await insertDays(
    knex,
    configId,
    Array.from({ length: DAYS + 20 }, (_, i) => ({
      adId: 'all',
      adsetId: 'set',
      campaignId: 'camp',
      date: toLocalDate(LAST - i),
      spend: 100,
      impressions: 5000,
      clicks: 100,
      leads: 5,
      reach: 4000,
    })),
  )
  const rows: Record<string, unknown>[] = []
  for (let entity = 0; entity < ENTITIES; entity++) {
    const worn = Array.from({ length: DAYS }, () => random.double() < 0.5)
    for (let i = 0; i < DAYS; i++) {
      const bad = tells ? (worn[i - 7] ?? false) : entity % 2 === 0
      const leads7d = bad ? 2 : 10
      const spend7d = bad ? 120 : 100
      const features = featuresOf({
        spend7d,
        leads7d,
        cpl7d: spend7d / leads7d,
        daysWithLeads7d: bad ? 2 : 6,
        impressions7d: 5000,
        ctr7d: 1,
        conversionRate7d: 5,
        frequency7d: worn[i] ? 4 : 1.1,
        daysActive: 30,
      })
      rows.push({
        config_id: configId,
        entity_type: 'campaign',
        entity_id: `c${String(entity).padStart(2, '0')}`,
        feature_date: toLocalDate(LAST - DAYS + 1 + i),
        watermark: new Date(0),
        features: JSON.stringify(toNamed(features)),
      })
    }
  }
  await knex('ml_features').insert(rows)
}

describe('training the classifier of tiers', () => {
  let database: TestDatabase
  let system: TrainingSystem
  before(async () => {
    database = await openTestDatabase()
    system = await openTrainingSystem(database.knex)
  })
  after(() => database.close())

  const classifiers = (compute: ComputePool = computeInPlace): ClassifierTraining =>
    createClassifierTraining({
      clock: { now: () => system.now() },
      labels: labelSources(database.knex),
      registry: system.registry,
      artifacts: system.artifacts,
      models: system.loader,
      compute,
    })
  const train = async (configId: number, compute?: ComputePool) =>
    classifiers(compute).train(
      { configId, day: DAY, entityType: 'campaign' },
      await system.startRun(configId),
    )
  const versions = async (configId: number) =>
    (await system.registry.versionsOf(`classifier/config_${configId}/campaign`)).map(
      ({ version, state, aliases }) => ({ version, state, aliases }),
    )
  const file = (configId: number): string =>
    join(system.root, 'classifier', `config_${configId}`, 'campaign.safetensors')

  it('puts a network in service that sees what the rules do not', async () => {
    const configId = await newConfig(database.knex)
    await fill(database.knex, configId, true)
    const outcome = await train(configId)
    expect(outcome).to.deep.include({ status: 'succeeded', counts: { done: 1, skipped: 0, failed: 0 } })
    expect(outcome.result?.['campaign']).to.include({ status: 'trained', version: 1 })
    expect(existsSync(file(configId))).to.equal(true)

    const classifier = await classifiers().classifierFor(configId, 'campaign')
    expect(classifier?.modelVersion).to.equal(`classifier/config_${configId}/campaign@1`)
    const week = { spend7d: 100, leads7d: 10, cpl7d: 10, daysWithLeads7d: 6, ctr7d: 1, conversionRate7d: 5 }
    expect(classifier?.classify(featuresOf({ ...week, frequency7d: 1.1 }), REFERENCE).tier).to.equal(
      'HIGH_PERFORMER',
    )
    expect(classifier?.classify(featuresOf({ ...week, frequency7d: 4 }), REFERENCE).tier).to.equal(
      'UNDERPERFORMER',
    )

    // The same rows are the same network.
    const again = await train(configId)
    expect(again.result?.['campaign']).to.deep.include({ status: 'reused', version: 1 })

    expect(await versions(configId)).to.deep.equal([{ version: 1, state: 'ready', aliases: ['stable'] }])
  })

  it('answers by the rules while its file is damaged or gone, and trains it anew under its number', async () => {
    const configId = await newConfig(database.knex)
    await fill(database.knex, configId, true)
    await train(configId)
    const [version] = await system.registry.versionsOf(`classifier/config_${configId}/campaign`)
    const path = join(system.root, version?.artifactUri ?? '')
    await truncate(path, 50)
    expect(await classifiers().classifierFor(configId, 'campaign')).to.equal(null)
    expect(existsSync(`${path}.corrupt`)).to.equal(true)
    expect(await versions(configId)).to.deep.equal([{ version: 1, state: 'broken', aliases: ['stable'] }])
    expect((await train(configId)).result?.['campaign']).to.include({ status: 'trained', version: 1 })
    expect(await classifiers().classifierFor(configId, 'campaign')).not.to.equal(null)

    // Nobody asked for it since, so that training is the first to miss it.
    await rm(file(configId))
    await rm(path)
    expect((await train(configId)).result?.['campaign']).to.include({ status: 'trained', version: 1 })
    expect(existsSync(file(configId))).to.equal(true)
    expect(await versions(configId)).to.deep.equal([{ version: 1, state: 'ready', aliases: ['stable'] }])
  })

  it('keeps the rules where a network is no better, and takes one out of service that was', async () => {
    const configId = await newConfig(database.knex)
    await fill(database.knex, configId, true)
    await train(configId)
    expect(await classifiers().classifierFor(configId, 'campaign')).not.to.equal(null)
    await database.knex('ml_features').where({ config_id: configId }).delete()
    await database.knex('ads_insights_daily').where({ config_id: configId }).delete()
    await fill(database.knex, configId, false)
    const outcome = await train(configId)
    expect(outcome).to.deep.include({ reasons: { kept_rules: 1 } })
    expect(outcome.result?.['campaign']).to.include({ status: 'kept_rules', reason: 'not_better' })
    expect(await classifiers().classifierFor(configId, 'campaign')).to.equal(null)
    expect(existsSync(file(configId))).to.equal(false)
    expect(await versions(configId)).to.deep.equal([{ version: 1, state: 'ready', aliases: [] }])
    // There is nothing left to take out, and nothing wrong with that.
    expect((await train(configId)).result?.['campaign']).to.include({ reason: 'not_better' })
  })

  it('takes nothing out of service for a run that is no longer its own', async () => {
    const configId = await newConfig(database.knex)
    await fill(database.knex, configId, true)
    await train(configId)
    const lost = { ...(await system.startRun(configId)).fence, attempt: 7 }
    const model = `classifier/config_${configId}/campaign`
    expect(await rejectionOf(system.registry.retract(model, lost))).to.be.instanceOf(FenceLost)
    expect(existsSync(file(configId))).to.equal(true)
    expect(await classifiers().classifierFor(configId, 'campaign')).not.to.equal(null)
  })

  it('keeps the rules with too little to learn from, and without TensorFlow', async () => {
    const configId = await newConfig(database.knex)
    expect((await train(configId)).result?.['campaign']).to.include({ reason: 'insufficient_data' })
    await fill(database.knex, configId, true)
    const without: ComputePool = {
      ...computeInPlace,
      run: () => Promise.resolve({ status: 'no_tensorflow', error: 'not there' } as never),
    }
    expect((await train(configId, without)).result?.['campaign']).to.include({ reason: 'no_tensorflow' })
  })

  it('learns from all days of a level too large to read whole, and from all that people said', async () => {
    const configId = await newConfig(database.knex)
    await fill(database.knex, configId, true)
    const read = (days: number, limit: number) =>
      labelSources(database.knex).labelSources(configId, 'campaign', DAY, { days, limit })
    const perDay = (sources: readonly LabelSource[]): number[] => [
      ...sources
        .reduce((all, { day }) => all.set(day, (all.get(day) ?? 0) + 1), new Map<string, number>())
        .values(),
    ]
    const whole = await read(DAYS, ENTITIES * DAYS)
    const thinned = await read(DAYS, 3 * DAYS)
    expect(perDay(thinned)).to.deep.equal(Array.from({ length: DAYS }, () => 3))
    expect(await read(DAYS, 3 * DAYS)).to.deep.equal(thinned)
    // Not the same three every day, and each as it is among all.
    expect(new Set(thinned.map(({ entityId }) => entityId)).size).to.be.greaterThan(6)
    expect(whole).to.include.deep.members([...thinned])

    const left = whole.filter(
      (one) => !thinned.some(({ day, entityId }) => day === one.day && entityId === one.entityId),
    )
    await database.knex('ml_classification_feedback').insert(
      left.slice(0, 5).map(({ entityId, day }) => ({
        config_id: configId,
        entity_type: 'campaign',
        entity_id: entityId,
        classification_date: day,
        original_tier: 'LOW',
        correct_tier: 'MODERATE',
        actor: 'test',
      })),
    )
    const spoken = (await read(DAYS, 3 * DAYS)).filter(({ feedback }) => feedback !== null)
    expect(spoken).to.have.length(5)

    const [oldest] = await read(10, ENTITIES * DAYS)
    expect(oldest?.day).to.equal(toLocalDate(LAST - 9))
  })

  it('knows the account of each day as classification does', async () => {
    const configId = await newConfig(database.knex)
    await fill(database.knex, configId, true)
    // A dear week in the middle.
    await database
      .knex('ads_insights_daily')
      .where({ config_id: configId })
      .whereBetween('date', [toLocalDate(LAST - 20), toLocalDate(LAST - 14)])
      .update({ spend: 300, clicks: 50 })
    const sources = await labelSources(database.knex).labelSources(configId, 'campaign', DAY, {
      days: DAYS,
      limit: ENTITIES * DAYS,
    })
    const features = featureStore(database.knex)
    for (const back of [0, 7, 14, 21, 30, DAYS - 1]) {
      const one = sources.find(({ day }) => day === toLocalDate(LAST - back)) as LabelSource
      expect(one.reference).to.deep.equal(await features.accountReference(configId, one.day))
    }
    // Its next seven days are the dear week.
    expect(sources.find(({ day }) => day === toLocalDate(LAST - 21))?.after?.avgCpl).to.equal(60)
    expect(sources.find(({ day }) => day === toLocalDate(LAST - 22))?.after?.avgCpl).to.equal(
      (6 * 300 + 100) / 35,
    )
  })

  it('learns from what people said before what became of it, and from that before the rules', async () => {
    const configId = await newConfig(database.knex)
    await fill(database.knex, configId, true)
    const store = classificationStore(database.knex)
    const [row] = (await database
      .knex('ml_classifications')
      .insert({
        config_id: configId,
        entity_id: 'c00',
        tier: 'LOW',
        confidence: 0.7,
        probabilities: '{}',
        metrics_snapshot: '{}',
        direction: 'stable',
        tier_since: toLocalDate(LAST - 20),
        classification_date: toLocalDate(LAST - 20),
        classified_at: new Date(),
        valid_until: new Date(),
        model_version: 'rules@1',
      })
      .returning('id')) as { id: number }[]
    for (const correctTier of ['LOW', 'MODERATE'] as const) {
      await store.addFeedback({ classificationId: row?.id ?? 0, correctTier, reason: null, actor: 'test' })
    }
    const sources = await labelSources(database.knex).labelSources(configId, 'campaign', DAY, {
      days: 180,
      limit: 4000,
    })
    const at = (back: number): LabelSource | undefined =>
      sources.find(({ entityId, day }) => entityId === 'c00' && day === toLocalDate(LAST - back))
    expect(sources).to.have.length(ENTITIES * DAYS)
    // The newest feedback counts.
    expect(labelOf(at(20) as LabelSource)).to.deep.equal({ tier: 'MODERATE', origin: 'feedback' })
    expect(at(7)?.after).not.to.equal(null)
    expect(labelOf(at(7) as LabelSource)?.origin).to.equal('outcome')
    expect(at(6)?.after).to.equal(null)
    expect(labelOf(at(6) as LabelSource)?.origin).to.equal('rules')
    expect(at(7)?.after?.avgCpl).to.equal(20)
  })
})
