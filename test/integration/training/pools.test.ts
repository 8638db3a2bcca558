import { expect } from 'chai'
import { readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openDetectionSystem } from '../../support/detection.ts'
import type { DetectionSystem } from '../../support/detection.ts'
import { openTrainingSystem, payloadOf } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

const DAY = '2026-03-10'
const NOON = '2026-03-11T15:00:00.000Z'
const NONE = { own: 0, adset: 0, campaign: 0, account: 0, baseline: 0 }

describe('pooled models', () => {
  let database: TestDatabase
  let system: TrainingSystem
  let detection: DetectionSystem
  let configId: number
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    system = await openTrainingSystem(database.knex)
    system.setNow(NOON)
    detection = openDetectionSystem(system)
    configId = await newConfig(database.knex)
  })

  const versions = (pool: string) =>
    system.registry.versionsOf(`anomaly_detector/config_${configId}/pooled_${pool}`)
  const rows = () => database.knex('model_versions').where({ config_id: configId }).orderBy('id')
  const ad = (id: string, days: number, adsetId: string, campaignId: string): Promise<void> =>
    insertDays(database.knex, configId, adDays(id, days, DAY, { adsetId, campaignId }))
  const judgedBy = async (level: (typeof LEVELS)[number] = 'ad'): Promise<unknown> =>
    (await detection.detect(configId, { level })).result?.['judged_by']

  it('judge every entity of a new account of 12 campaigns on its eighth day', async () => {
    for (let i = 0; i < 12; i += 1) await ad(`a${i}`, 8, `s${i}`, `c${i}`)
    const outcome = await system.train(configId, DAY)
    expect(outcome).to.deep.include({ status: 'succeeded', counts: { done: 0, skipped: 36, failed: 0 } })
    expect(outcome.result).to.deep.include({ trained: 0, pooled: { trained: 3, reused: 0, failed: 0 } })
    for (const level of LEVELS) expect(await judgedBy(level), level).to.deep.equal({ ...NONE, account: 12 })
    expect((await versions(`campaign_account_${configId}`))[0]).to.deep.include({
      version: 1,
      family: 'anomaly_detector',
      entityKey: `config_${configId}/pooled_campaign_account_${configId}`,
      entityType: 'campaign',
      entityId: null,
      points: 12 * 7,
      aliases: ['stable'],
    })
  })

  it('are lent by ad sets or ads to the campaigns of a new account that has few', async () => {
    for (let i = 0; i < 12; i += 1) await ad(`a${i}`, 8, i < 6 ? 's1' : 's2', 'c1')
    const outcome = await system.train(configId, DAY)
    expect(outcome.result).to.deep.include({ pooled: { trained: 2, reused: 0, failed: 0 } })
    expect(await versions(`campaign_account_${configId}`)).to.deep.equal([])
    expect(await judgedBy('campaign')).to.deep.equal({ ...NONE, account: 1 })
    expect(await judgedBy('adset')).to.deep.equal({ ...NONE, account: 2 })
  })

  it('are not counted in metadata.json', async () => {
    await ad('a1', 61, 's1', 'c1')
    await system.train(configId, DAY)
    expect(await system.registry.metadata(configId)).to.deep.include({
      models_count: { campaign: 1, adset: 1, ad: 1 },
    })
    expect(await rows()).to.have.length(3 + 6)
  })

  it('answer a repeated training with the versions there are', async () => {
    await ad('a1', 61, 's1', 'c1')
    await system.train(configId, DAY)
    const before = await rows()
    const again = await system.train(configId, DAY)
    expect(again.result).to.deep.include({ reused: 3, pooled: { trained: 0, reused: 6, failed: 0 } })
    expect(await rows()).to.deep.equal(before)
  })

  it('are left alone by a training of chosen entities', async () => {
    await ad('a1', 61, 's1', 'c1')
    await system.train(configId, DAY, { entityType: 'ad', entityIds: ['a1'] })
    expect((await rows()).map((row: { entity_id: string | null }) => row.entity_id)).to.deep.equal(['a1'])
  })

  it('judge only days after those they were trained on', async () => {
    await ad('old', 70, 's1', 'c1')
    await ad('young', 20, 's1', 'c1')
    await system.train(configId, toLocalDate(toDayNumber(DAY) - 1), { entityType: 'ad' })
    const outcome = await detection.detect(configId, { days: 3 })
    expect(outcome.result?.['judged_by']).to.deep.equal({ ...NONE, own: 2, adset: 2, baseline: 2 })
  })

  it('step in for one another: the nearest that has 50 rows and is whole', async () => {
    await ad('old', 61, 's1', 'c1')
    await ad('sister', 9, 's1', 'c1')
    await ad('cousin', 9, 's2', 'c1')
    await ad('stranger', 9, 's3', 'c2')
    await ad('newborn', 7, 's1', 'c1')
    await system.train(configId, DAY, { entityType: 'ad' })
    const all = { own: 1, adset: 1, campaign: 1, account: 1, baseline: 1 }
    expect(await judgedBy()).to.deep.equal(all)

    const [pool] = await versions('ad_adset_s1')
    await truncate(join(system.root, pool?.artifactUri ?? ''), 100)
    // What was read before stays in memory, as its bytes are known to be right.
    await system.announcements.publish('models.changed', { config_id: configId })
    expect(await judgedBy()).to.deep.equal({ ...all, adset: 0, campaign: 2 })
    expect((await versions('ad_adset_s1'))[0]?.state).to.equal('broken')
    expect(await readdir(join(system.root, pool?.artifactUri ?? '', '..'))).to.deep.equal([
      'v1.safetensors.corrupt',
    ])

    const healed = await system.train(configId, DAY, { entityType: 'ad' })
    expect(healed.result).to.deep.include({ pooled: { trained: 1, reused: 2, failed: 0 } })
    expect(await judgedBy()).to.deep.equal(all)
  })

  it('are named on what they found', async () => {
    await ad('old', 61, 's1', 'c1')
    await insertDays(
      database.knex,
      configId,
      adDays('young', 30, DAY, { adsetId: 's1', campaignId: 'c1' }).map((row) =>
        row.date === DAY ? { ...row, spend: 5000, clicks: 2 } : row,
      ),
    )
    await system.train(configId, DAY, { entityType: 'ad' })
    await detection.detect(configId)
    const found = (await database
      .knex('ml_anomalies')
      .where({ config_id: configId, entity_id: 'young', type: 'performance_drop' })
      .first()) as Record<string, unknown>
    expect(found).to.include({ model_source: 'adset', model_version: 1, baseline_reason: null })
    const signals = found['signals'] as readonly Record<string, unknown>[]
    const said = signals.find(({ detector }) => detector === 'isolation_forest')
    // Its smoothed cost per lead, in its own currency and not in multiples.
    expect(said?.['observed']).to.be.within(5000, 5100)
    expect(said?.['expected']).to.be.within(20, 100)
  })

  it('come once, after the last chunk of a large account', async () => {
    await ad('a1', 61, 's1', 'c1')
    await ad('a2', 20, 's2', 'c1')
    const training = system.with({})
    const payload = payloadOf(configId, DAY)
    const { result = {} } = await training.trainChunk(
      { ...payload, entityType: 'ad', askedType: null, entityIds: ['a1', 'a2'], chunk: 0 },
      await system.startRun(configId),
    )
    expect(await versions('ad_campaign_c1')).to.deep.equal([])
    const children = {
      counts: { done: 1, skipped: 1, failed: 0 },
      reasons: { insufficient_data: 1 },
      results: [result],
      failedRuns: 0,
    }
    const outcome = await training.finishConfig(payload, children, await system.startRun(configId))
    // Of ads: ad set s1, campaign, account; of ad sets: campaign, account; of campaigns: account.
    expect(outcome.result).to.deep.include({ trained: 1, pooled: { trained: 6, reused: 0, failed: 0 } })
    expect((await versions('ad_campaign_c1'))[0]?.points).to.equal(60 + 19)
  })

  it('leave no file and no row behind when the run was handed to another worker', async () => {
    await ad('a1', 61, 's1', 'c1')
    const context = await system.startRun(configId)
    let appends = 0
    const registry = {
      ...system.registry,
      append: async (batch: Parameters<typeof system.registry.append>[0]) => {
        appends += 1
        if (appends === 2)
          await database.knex('runs').where({ id: context.fence.runId }).update({ attempt: 2 })
        return system.registry.append(batch)
      },
    }
    const work = system
      .with({ registry })
      .trainConfig(payloadOf(configId, DAY, { entityType: 'ad' }), context)
    expect(await work.catch((error: unknown) => error)).to.be.instanceOf(FenceLost)
    expect(await versions('ad_adset_s1')).to.deep.equal([])
    const folder = join(system.root, 'anomaly_detector', `config_${configId}`)
    expect((await readdir(folder)).toSorted()).to.deep.equal(['.versions', 'ad_a1.safetensors'])
    expect(await readdir(join(folder, '.versions', 'pooled_ad_adset_s1'))).to.deep.equal([])
    const again = await system.train(configId, DAY, { entityType: 'ad' })
    expect(again.result).to.deep.include({ reused: 1, pooled: { trained: 3, reused: 0, failed: 0 } })
  })
})
