import { expect } from 'chai'
import { createHash } from 'node:crypto'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { createModelLoader } from '../../../shared/registry/model-loader.ts'
import type { ModelVersion } from '../../../shared/registry/model-version.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openDetectionSystem } from '../../support/detection.ts'
import type { DetectionSystem } from '../../support/detection.ts'
import { openTrainingSystem } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

const DAY = '2026-03-10'
const NOON = '2026-03-11T15:00:00.000Z'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }
const ago = (days: number): string => toLocalDate(toDayNumber(DAY) - days)

interface Judged {
  readonly entity_id: string
  readonly anomaly_date: string
  readonly model_source: string
  readonly model_version: number | null
  readonly baseline_reason: string | null
}

describe('models in detection', () => {
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

  /** 70 days of an ad, one of them beyond anything it had. */
  const adWithSpike = (adId: string, date: string) =>
    insertDays(
      database.knex,
      configId,
      adDays(adId, 70, DAY, PARENTS).map((row) => (row.date === date ? { ...row, spend: 5000 } : row)),
    )
  const judged = async (): Promise<Judged[]> =>
    (await database
      .knex('ml_anomalies')
      .where({ config_id: configId, type: 'spend_spike' })
      .whereIn('severity', ['CRITICAL'])
      .where('observed', 5000)
      .orderBy(['anomaly_date', 'entity_id'])
      .select(
        'entity_id',
        'anomaly_date',
        'model_source',
        'model_version',
        'baseline_reason',
      )) satisfies Judged[]
  const versionsOf = (ad: string): Promise<readonly ModelVersion[]> =>
    system.registry.versionsOf(`anomaly_detector/config_${configId}/ad_${ad}`)
  const newestOf = async (ad: string): Promise<ModelVersion> => {
    const [newest] = await versionsOf(ad)
    if (!newest) throw new Error(`no version of ${ad}`)
    return newest
  }

  it('judge every day by the newest version trained before it', async () => {
    for (let days = 0; days < 7; days += 1) await adWithSpike(`a${days}`, ago(days))
    await system.train(configId, ago(4), { entityType: 'ad' })
    await system.train(configId, ago(1), { entityType: 'ad' })
    const outcome = await detection.detect(configId, { days: 7 })
    expect(outcome.result).to.include({ judged_by_forest: 5 * 7 })
    const baseline = { model_source: 'baseline', model_version: null, baseline_reason: 'no_model' }
    const own = (version: number) => ({ model_source: 'own', model_version: version, baseline_reason: null })
    expect(await judged()).to.deep.equal([
      { entity_id: 'a6', anomaly_date: ago(6), ...baseline },
      { entity_id: 'a5', anomaly_date: ago(5), ...baseline },
      { entity_id: 'a4', anomaly_date: ago(4), ...own(1) },
      { entity_id: 'a3', anomaly_date: ago(3), ...own(1) },
      { entity_id: 'a2', anomaly_date: ago(2), ...own(1) },
      { entity_id: 'a1', anomaly_date: ago(1), ...own(2) },
      { entity_id: 'a0', anomaly_date: DAY, ...own(2) },
    ])
  })

  it('are not asked with forests switched off', async () => {
    await adWithSpike('a1', DAY)
    await system.train(configId, DAY, { entityType: 'ad' })
    const outcome = await detection.detect(configId, {}, { useForests: false })
    expect(outcome.result).to.include({ judged_by_forest: 0 })
    expect((await judged()).map((row) => row.baseline_reason)).to.deep.equal(['disabled'])
  })

  const damages = {
    'cut short': (path: string) => truncate(path, 100),
    'changed in one byte': async (path: string) => {
      const bytes = await readFile(path)
      bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
      await writeFile(path, bytes)
    },
    foreign: (path: string) => writeFile(path, 'id,spend\n1,2\n'),
  }
  for (const [what, damage] of Object.entries(damages)) {
    it(`leave service when a file is ${what}; its entity is judged by its ad set's, the siblings by theirs`, async () => {
      await adWithSpike('a1', DAY)
      await adWithSpike('a2', DAY)
      await system.train(configId, DAY, { entityType: 'ad' })
      const { artifactUri } = await newestOf('a1')
      const path = join(system.root, artifactUri)
      await damage(path)
      const outcome = await detection.detect(configId)
      expect(outcome).to.deep.include({ status: 'succeeded', counts: { done: 2, skipped: 0, failed: 0 } })
      expect(
        (await judged()).map((row) => [row.entity_id, row.model_source, row.baseline_reason]),
      ).to.deep.equal([
        ['a1', 'adset', null],
        ['a2', 'own', null],
      ])
      expect((await newestOf('a1')).state).to.equal('broken')
      expect((await newestOf('a2')).state).to.equal('ready')
      const names = await readdir(join(path, '..'))
      expect(names.filter((name) => name.includes('.corrupt'))).to.have.length(1)
    })
  }

  it('leave service when the bytes are those recorded but no model', async () => {
    await adWithSpike('a1', DAY)
    await system.train(configId, DAY, { entityType: 'ad' })
    const { artifactUri, id } = await newestOf('a1')
    const bytes = Buffer.from('not a model')
    await writeFile(join(system.root, artifactUri), bytes)
    await database
      .knex('model_versions')
      .where({ id })
      .update({
        artifact_bytes: bytes.length,
        artifact_sha256: createHash('sha256').update(bytes).digest('hex'),
      })
    await detection.detect(configId)
    expect((await judged()).map((row) => row.baseline_reason)).to.deep.equal(['broken_artifact'])
    expect((await newestOf('a1')).state).to.equal('broken')
  })

  it('are trained anew after damage and used again', async () => {
    await adWithSpike('a1', DAY)
    await system.train(configId, DAY, { entityType: 'ad' })
    await truncate(join(system.root, (await newestOf('a1')).artifactUri), 10)
    await detection.detect(configId)
    await system.train(configId, DAY, { entityType: 'ad' })
    const models = createModelLoader({
      artifacts: system.artifacts,
      registry: system.registry,
      announcements: system.announcements,
      logger: silentLogger,
      maxBytes: 1 << 20,
      maxEntries: 10,
      clock: { now: () => system.now() },
    })
    await detection.detect(configId, {}, { models })
    expect((await judged()).map((row) => [row.model_source, row.baseline_reason])).to.deep.equal([
      ['own', null],
    ])
  })
})
