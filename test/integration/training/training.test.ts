import { expect } from 'chai'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { anomalyStore } from '../../../db/repositories/anomalies.ts'
import { decodeSafetensors } from '../../../ml/artifact/safetensors.ts'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import type { WorkContext } from '../../../shared/core/work.ts'
import { createAnomalies } from '../../../shared/detection/anomalies.ts'
import { fitBatch } from '../../../shared/training/fit-batch.ts'
import type { FitResult } from '../../../shared/training/fit-batch.ts'
import { fitPools } from '../../../shared/training/fit-pools.ts'
import type { FitPoolsResult } from '../../../shared/training/fit-pools.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { openTrainingSystem, payloadOf } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

const DAY = '2026-03-10'
const LAST = '2026-03-09'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }
const OTHERS = { adsetId: 's2', campaignId: 'c2' }

describe('training', () => {
  let database: TestDatabase
  let system: TrainingSystem
  let configId: number
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    system = await openTrainingSystem(database.knex)
    configId = await newConfig(database.knex)
  })

  const folder = (...parts: string[]): string =>
    join(system.root, 'anomaly_detector', `config_${configId}`, ...parts)
  const versions = (level = 'ad', id = 'a1') =>
    system.registry.versionsOf(`anomaly_detector/config_${configId}/${level}_${id}`)
  const rows = () => database.knex('model_versions').where({ config_id: configId })
  /** One campaign, one ad set, and an ad per id, all of so many days. */
  const account = async (days: number, ...ads: string[]): Promise<void> => {
    for (const ad of ads) await insertDays(database.knex, configId, adDays(ad, days, LAST, PARENTS))
  }

  it('trains an entity with 50 rows and skips one with 49, naming its samples', async () => {
    await account(50, 'a50')
    await insertDays(database.knex, configId, adDays('a49', 49, LAST, OTHERS))
    const outcome = await system.train(configId, DAY)
    expect(outcome).to.deep.include({
      status: 'succeeded',
      counts: { done: 3, skipped: 3, failed: 0 },
      reasons: { insufficient_data: 3 },
    })
    expect(outcome.result?.['insufficient_data']).to.deep.equal([
      { entity_type: 'campaign', entity_id: 'c2', samples: 49 },
      { entity_type: 'adset', entity_id: 's2', samples: 49 },
      { entity_type: 'ad', entity_id: 'a49', samples: 49 },
    ])
    expect(await readdir(folder())).to.have.members([
      '.versions',
      'metadata.json',
      'campaign_c1.safetensors',
      'adset_s1.safetensors',
      'ad_a50.safetensors',
      'pooled_ad_adset_s1.safetensors',
      'pooled_ad_campaign_c1.safetensors',
      `pooled_ad_account_${configId}.safetensors`,
      'pooled_adset_campaign_c1.safetensors',
      `pooled_adset_account_${configId}.safetensors`,
      `pooled_campaign_account_${configId}.safetensors`,
    ])
    const [version] = await versions('ad', 'a50')
    expect(version).to.deep.include({
      version: 1,
      family: 'anomaly_detector',
      entityKey: `config_${configId}/ad_a50`,
      configId,
      entityType: 'ad',
      entityId: 'a50',
      points: 50,
      state: 'ready',
      aliases: ['stable'],
      artifactUri: `anomaly_detector/config_${configId}/.versions/ad_a50/v1.safetensors`,
    })
    expect(version?.stats).to.deep.include({ train_start: '2025-12-10', train_end: LAST })
  })

  it('does not train on D, on days before the window, without impressions, or labelled true_positive', async () => {
    const days = adDays('a1', 91, DAY, PARENTS)
    await insertDays(database.knex, configId, [
      ...adDays('a1', 5, '2025-12-09', PARENTS),
      ...days.map((row, i) => (i === 7 ? { ...row, impressions: 0 } : row)),
    ])
    const label = async (date: string, verdicts: readonly string[]): Promise<void> => {
      const [anomaly] = (await database
        .knex('ml_anomalies')
        .insert({
          config_id: configId,
          entity_type: 'ad',
          entity_id: 'a1',
          type: 'spend_spike',
          metric: 'spend',
          anomaly_date: date,
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
        await database.knex('ml_anomaly_feedback').insert({ anomaly_id: anomaly?.id, verdict, actor: 'test' })
    }
    await label('2026-02-01', ['true_positive'])
    await label('2026-02-02', ['false_positive'])
    await label('2026-02-03', ['true_positive', 'false_positive'])
    await system.train(configId, DAY, { entityType: 'ad' })
    expect((await versions())[0]?.points).to.equal(90 - 1 - 1)
  })

  it('trains anew without the days called real after a training, and again with them when that is taken back', async () => {
    await account(60, 'a1')
    const ids = (await database
      .knex('ml_anomalies')
      .insert(
        [LAST, LAST, '2026-03-08', '2026-03-07'].map((date, i) => ({
          config_id: configId,
          entity_type: 'ad',
          entity_id: 'a1',
          type: i === 0 ? 'cpl_spike' : 'spend_spike',
          metric: i === 0 ? 'cpl' : 'spend',
          anomaly_date: date,
          severity: 'HIGH',
          signals: '[]',
          model_source: 'baseline',
          score: 1,
          direction: 'up',
          polarity: 'bad',
          first_seen: new Date(),
          last_seen: new Date(),
        })),
      )
      .returning('id')) as { id: number }[]
    const anomalies = createAnomalies(anomalyStore(database.knex))
    const say = (i: number, verdict: 'true_positive' | 'false_positive') =>
      anomalies.feedback(ids[i]?.id ?? 0, { verdict, actor: 'test', notes: null, at: new Date() })
    const train = () => system.train(configId, DAY, { entityType: 'ad' })
    const points = async (): Promise<number[]> => (await versions()).map((version) => version.points)

    await train()
    for (let i = 0; i < 4; i += 1) await say(i, 'true_positive')
    // Two findings of one day take out one day.
    expect((await train()).result).to.include({ trained: 1, reused: 0 })
    expect((await points()).toSorted((a, b) => a - b)).to.deep.equal([57, 60])
    expect((await train()).result).to.include({ trained: 0, reused: 1 })
    for (let i = 0; i < 4; i += 1) await say(i, 'false_positive')
    expect((await train()).result).to.include({ trained: 0, reused: 1 })
    const stable = (await versions()).find((version) => version.aliases.includes('stable'))
    expect(stable?.points).to.equal(60)
  })

  it('answers a repeated training with the version there is', async () => {
    await account(60, 'a1', 'a2')
    const first = await system.train(configId, DAY)
    expect(first.result).to.include({ trained: 4, reused: 0 })
    const before = await rows().orderBy('id')
    const again = await system.train(configId, DAY)
    expect(again).to.deep.include({ status: 'succeeded', counts: { done: 4, skipped: 0, failed: 0 } })
    expect(again.result).to.include({ trained: 0, reused: 4 })
    expect(await rows().orderBy('id')).to.deep.equal(before)
  })

  it('gives the same tensors for the same rows, and other ones for other rows', async () => {
    await account(60, 'a1')
    await system.train(configId, DAY, { entityType: 'ad' })
    const twin = await newConfig(database.knex)
    await insertDays(database.knex, twin, adDays('a1', 60, LAST, PARENTS))
    system.setNow('2026-05-01T00:00:00Z')
    await system.train(twin, DAY, { entityType: 'ad' })
    const tensorsOf = async (config: number, version: number): Promise<string> => {
      const file = `anomaly_detector/config_${config}/.versions/ad_a1/v${version}.safetensors`
      const bytes = new Uint8Array(await readFile(join(system.root, file)))
      return Buffer.from(decodeSafetensors(new Uint8Array(bytes)).data).toString('hex')
    }
    expect(await tensorsOf(twin, 1)).to.equal(await tensorsOf(configId, 1))
    await database.knex('ads_insights_daily').where({ config_id: twin, date: LAST }).update({ spend: 999 })
    await system.train(twin, DAY, { entityType: 'ad' })
    expect(await tensorsOf(twin, 2)).to.not.equal(await tensorsOf(configId, 1))
  })

  it('moves stable to the new version and previous to the old one', async () => {
    await account(60, 'a1')
    await system.train(configId, LAST, { entityType: 'ad' })
    await system.train(configId, DAY, { entityType: 'ad' })
    expect((await versions()).map(({ version, aliases }) => [version, aliases])).to.deep.equal([
      [2, ['stable']],
      [1, ['previous']],
    ])
    // The day before once more: its fingerprint is known, only the aliases and the published file move.
    await system.train(configId, LAST, { entityType: 'ad' })
    expect((await versions()).map(({ version, aliases }) => [version, aliases])).to.deep.equal([
      [2, ['previous']],
      [1, ['stable']],
    ])
    expect(await readFile(folder('ad_a1.safetensors'))).to.deep.equal(
      await readFile(folder('.versions', 'ad_a1', 'v1.safetensors')),
    )
  })

  it('keeps 10 versions and those an alias names, without gaps in their numbers', async () => {
    await account(90, 'a1')
    const trainOn = (day: number) =>
      system.train(configId, toLocalDate(toDayNumber(DAY) - 12 + day), { entityType: 'ad' })
    for (let day = 1; day <= 10; day++) await trainOn(day)
    expect((await versions()).every(({ state }) => state === 'ready')).to.equal(true)
    await system.registry.rollback(`anomaly_detector/config_${configId}/ad_a1`, 1)
    await trainOn(11)
    // Version 1 was stable and is now previous.
    expect((await versions()).map(({ state }) => state)).to.deep.equal(Array(11).fill('ready'))
    await trainOn(12)
    const states = (await versions()).map(({ version, state }) => [version, state])
    expect(states).to.deep.equal([
      ...Array.from({ length: 10 }, (_, i) => [12 - i, 'ready']),
      [2, 'archived'],
      [1, 'archived'],
    ])
    const kept = Array.from({ length: 10 }, (_, i) => `v${i + 3}.safetensors`)
    expect(await readdir(folder('.versions', 'ad_a1'))).to.have.members(kept)
  })

  it('trains an archived fingerprint again under its own number', async () => {
    await account(90, 'a1')
    const trainOn = (day: number) =>
      system.train(configId, toLocalDate(toDayNumber(DAY) - 12 + day), { entityType: 'ad' })
    for (let day = 1; day <= 12; day++) await trainOn(day)
    const outcome = await trainOn(1)
    expect(outcome.result).to.include({ trained: 1, reused: 0 })
    const all = await versions()
    expect(all).to.have.length(12)
    expect(all.at(-1)).to.deep.include({ version: 1, state: 'ready', aliases: ['stable'] })
    expect(await readdir(folder('.versions', 'ad_a1'))).to.include('v1.safetensors')
  })

  it('numbers versions without gaps while two trainings of a config race', async () => {
    await account(90, 'a1', 'a2', 'a3')
    const days = [DAY, LAST, '2026-03-08', '2026-03-07', '2026-03-06']
    const outcomes = await Promise.all(days.map((day) => system.train(configId, day)))
    expect(outcomes.map(({ status }) => status)).to.deep.equal(days.map(() => 'succeeded'))
    for (const id of ['a1', 'a2', 'a3']) {
      const all = await versions('ad', id)
      expect(all.map(({ version }) => version)).to.deep.equal([5, 4, 3, 2, 1])
      expect(all.flatMap(({ aliases }) => aliases)).to.have.members(['stable', 'previous'])
      for (const version of all) expect((await system.loader.load(version)).status).to.equal('ready')
      const stable = all.find(({ aliases }) => aliases.includes('stable'))
      expect(await readFile(folder(`ad_${id}.safetensors`))).to.deep.equal(
        await readFile(join(system.root, stable?.artifactUri ?? '')),
      )
    }
  })

  it('stores one version when the same training races itself', async () => {
    await account(60, 'a1', 'a2')
    await Promise.all([1, 2, 3].map(() => system.train(configId, DAY)))
    // Four of their own, and six of their ad set, campaign and account.
    expect(await rows()).to.have.length(4 + 6)
    expect(await readdir(folder('.versions', 'ad_a1'))).to.deep.equal(['v1.safetensors'])
  })

  it('writes nothing once its fence is lost', async () => {
    await account(60, 'a1')
    const context = await system.startRun(configId)
    await database.knex('runs').where({ id: context.fence.runId }).update({ attempt: 2 })
    const error = await rejectionOf(system.with({}).trainConfig(payloadOf(configId, DAY), context))
    expect(error).to.be.instanceOf(FenceLost)
    expect(await rows()).to.deep.equal([])
    expect(await readdir(folder())).to.deep.equal(['.versions'])
    expect(await readdir(folder('.versions', 'ad_a1'))).to.deep.equal([])
  })

  it('stops when it is told to, leaving no half-written file', async () => {
    await account(60, 'a1')
    const controller = new AbortController()
    const context = await system.startRun(configId, controller.signal)
    const compute = {
      ...computeInPlace,
      run: (...[task, input]: Parameters<typeof computeInPlace.run>) => {
        controller.abort(new Error('cancelled'))
        return computeInPlace.run(task, input)
      },
    } as typeof computeInPlace
    const error = await rejectionOf(system.with({ compute }).trainConfig(payloadOf(configId, DAY), context))
    expect(error.message).to.equal('cancelled')
    expect(await rows()).to.deep.equal([])
    expect(await readdir(folder(), { recursive: true })).to.not.include.members(['metadata.json'])
  })

  describe('when something fails', () => {
    const failingFor = (ids: readonly string[]): typeof computeInPlace =>
      ({
        ...computeInPlace,
        run: (
          task: 'fit' | 'fitPools',
          input: Parameters<typeof fitBatch>[0] & Parameters<typeof fitPools>[0],
        ): Promise<FitResult | FitPoolsResult> =>
          Promise.resolve(
            task === 'fitPools'
              ? fitPools(input)
              : fitBatch(input).map((outcome) =>
                  ids.includes(outcome.entityId)
                    ? { status: 'failed', entityId: outcome.entityId, error: 'not a number' }
                    : outcome,
                ),
          ),
      }) as typeof computeInPlace

    it('counts the entity whose fit failed, and trains its siblings', async () => {
      await account(60, 'a1', 'a2', 'a3')
      const training = system.with({ compute: failingFor(['a2']) })
      const outcome = await training.trainConfig(payloadOf(configId, DAY), await system.startRun(configId))
      expect(outcome).to.deep.include({
        status: 'partial',
        counts: { done: 4, skipped: 0, failed: 1 },
        reasons: { training_failed: 1 },
      })
      expect(outcome.result?.['failures']).to.deep.equal([
        { entity_type: 'ad', entity_id: 'a2', reason: 'training_failed', error: 'not a number' },
      ])
      expect(await versions('ad', 'a2')).to.deep.equal([])
    })

    it('counts the entities of a thread that died', async () => {
      await account(60, 'a1')
      const compute = { ...computeInPlace, run: () => Promise.reject(new Error('out of memory')) }
      const outcome = await system
        .with({ compute })
        .trainConfig(payloadOf(configId, DAY), await system.startRun(configId))
      expect(outcome).to.deep.include({ status: 'failed', reasons: { training_failed: 3, pooled_failed: 6 } })
      expect(outcome.error).to.include('out of memory')
    })

    it('counts the entity whose artifact cannot be saved, and trains its siblings', async () => {
      await account(60, 'a1', 'a2')
      await system.train(configId, DAY, { entityType: 'campaign' })
      await writeFile(folder('.versions', 'ad_a1'), 'a file where a folder should be')
      const outcome = await system.train(configId, DAY)
      expect(outcome).to.deep.include({
        status: 'partial',
        counts: { done: 3, skipped: 0, failed: 1 },
        reasons: { save_failed: 1 },
      })
      expect(JSON.parse(await readFile(folder('metadata.json'), 'utf8'))).to.deep.include({
        models_count: { campaign: 1, adset: 1, ad: 1 },
        failed_count: { campaign: 0, adset: 0, ad: 1 },
      })
      await rm(folder('.versions', 'ad_a1'))
      expect((await system.train(configId, DAY)).result).to.include({ trained: 1, reused: 3 })
    })

    it('says what failed also when not even metadata.json can be written', async () => {
      await account(60, 'a1', 'a2')
      const full = (): Promise<never> => Promise.reject(new Error('ENOSPC: no space left on device'))
      const artifacts = { ...system.artifacts, stage: full, writeMetadata: full }
      const outcome = await system
        .with({ artifacts })
        .trainConfig(payloadOf(configId, DAY), await system.startRun(configId))
      expect(outcome).to.deep.include({ status: 'failed', reasons: { save_failed: 4, pooled_failed: 6 } })
      expect(outcome.error).to.equal('no model could be trained: ENOSPC: no space left on device')
    })

    it('is tried again when only metadata.json cannot be written', async () => {
      await account(60, 'a1')
      const writeMetadata = (): Promise<never> => Promise.reject(new Error('ENOSPC: no space left on device'))
      const training = system.with({ artifacts: { ...system.artifacts, writeMetadata } })
      const work = training.trainConfig(payloadOf(configId, DAY), await system.startRun(configId))
      expect(await rejectionOf(work)).to.have.property('message', 'ENOSPC: no space left on device')
    })

    it('counts what cannot be published, and leaves no gap in its numbers', async () => {
      await account(60, 'a1', 'a2')
      // A file cannot replace a folder that has something in it.
      await mkdir(folder('ad_a1.safetensors', 'x'), { recursive: true })
      const outcome = await system.train(configId, DAY, { entityType: 'ad' })
      expect(outcome).to.deep.include({ status: 'partial', reasons: { save_failed: 1 } })
      expect(await versions()).to.deep.equal([])
      await rm(folder('ad_a1.safetensors'), { recursive: true })
      await system.train(configId, DAY, { entityType: 'ad' })
      expect((await versions()).map(({ version }) => version)).to.deep.equal([1])
    })

    it('counts what the registry refused, and removes the files it had staged', async () => {
      await account(60, 'a1')
      const registry = { ...system.registry, append: () => Promise.reject(new Error('connection reset')) }
      const outcome = await system
        .with({ registry })
        .trainConfig(payloadOf(configId, DAY), await system.startRun(configId))
      expect(outcome).to.deep.include({ status: 'failed', reasons: { registry_failed: 3, pooled_failed: 6 } })
      expect(await readdir(folder('.versions', 'ad_a1'))).to.deep.equal([])
    })

    it('publishes a reused model whose file went missing, and retrains one whose version did', async () => {
      await account(60, 'a1', 'a2')
      await system.train(configId, DAY, { entityType: 'ad' })
      await rm(folder('ad_a1.safetensors'))
      await rm(folder('ad_a2.safetensors'))
      await rm(folder('.versions', 'ad_a2', 'v1.safetensors'))
      const outcome = await system.train(configId, DAY, { entityType: 'ad' })
      expect(outcome).to.deep.include({ status: 'partial', reasons: { save_failed: 1 } })
      expect(await readdir(folder())).to.include('ad_a1.safetensors')
      expect((await versions('ad', 'a2'))[0]?.state).to.equal('broken')
      expect(await system.train(configId, DAY, { entityType: 'ad' })).to.have.property('status', 'succeeded')
      expect((await versions('ad', 'a2'))[0]).to.deep.include({ version: 1, state: 'ready' })
    })
  })

  it('writes metadata.json with exactly these fields', async () => {
    await account(60, 'a1', 'a2')
    await insertDays(database.knex, configId, adDays('a3', 10, LAST, OTHERS))
    const instants = ['2026-03-11T07:00:00.000Z', '2026-03-11T07:00:02.500Z']
    const clock = { now: () => new Date(instants.shift() ?? '2026-03-11T07:00:02.500Z') }
    const training = system.with({ clock })
    await training.trainConfig(payloadOf(configId, DAY), await system.startRun(configId))
    const text = await readFile(folder('metadata.json'), 'utf8')
    expect(JSON.parse(text)).to.deep.equal({
      format_version: 1,
      config_id: configId,
      last_training: '2026-03-11T07:00:02.500Z',
      models_count: { campaign: 1, adset: 1, ad: 2 },
      skipped_count: { campaign: 1, adset: 1, ad: 1 },
      failed_count: { campaign: 0, adset: 0, ad: 0 },
      training_duration_seconds: 2.5,
    })
    expect(await system.registry.metadata(configId)).to.deep.equal(JSON.parse(text))
    expect(await rejectionOf(system.registry.metadata(configId + 1000))).to.have.property(
      'code',
      'MODEL_NOT_FOUND',
    )
  })

  it('trains only what was asked for, and skips ids without rows', async () => {
    await account(60, 'a1', 'a2')
    const outcome = await system.train(configId, DAY, {
      entityType: 'ad',
      entityIds: ['a2', 'a2', '../../etc/passwd', 'gone'],
    })
    expect(outcome).to.deep.include({ counts: { done: 1, skipped: 2, failed: 0 } })
    expect((await rows()).map((row: { entity_id: string }) => row.entity_id)).to.deep.equal(['a2'])
  })

  it('fails an entity whose id cannot name a file, and nothing else', async () => {
    await insertDays(database.knex, configId, adDays('../../../up', 60, LAST, PARENTS))
    await account(60, 'a1')
    const outcome = await system.train(configId, DAY, { entityType: 'ad' })
    expect(outcome).to.deep.include({
      status: 'partial',
      counts: { done: 1, skipped: 0, failed: 1 },
      reasons: { save_failed: 1 },
    })
    expect(await readdir(join(system.root, '..'))).to.have.members(['models_storage', 'owner.json'])
  })

  it('skips a config without rows, and everything when forests are switched off', async () => {
    expect(await system.train(configId, DAY)).to.deep.include({
      status: 'skipped',
      counts: { done: 0, skipped: 0, failed: 0 },
      reasons: { no_data: 1 },
    })
    await account(60, 'a1')
    const settings = {
      useForests: false,
      historyDays: 90,
      minSamples: 50,
      forest: { trees: 20, contamination: 0.1, randomState: 42 },
    }
    const training = system.with({ settings })
    const context = await system.startRun(configId)
    expect(await training.trainConfig(payloadOf(configId, DAY), context)).to.deep.include({
      status: 'skipped',
      reasons: { disabled: 1 },
    })
    expect(await rows()).to.deep.equal([])
  })

  it('reports how far it is', async () => {
    await account(60, 'a1')
    const seen: number[] = []
    const context: WorkContext = {
      ...(await system.startRun(configId)),
      progress: (fraction) => void seen.push(fraction),
    }
    await system.with({}).trainConfig(payloadOf(configId, DAY), context)
    expect(seen).to.deep.equal(seen.toSorted((a, b) => a - b))
    expect(seen.at(-1)).to.equal(1)
  })

  describe('of a large config', () => {
    /** One row each is enough to be planned for. */
    const large = async (ads: number): Promise<void> =>
      insertDays(
        database.knex,
        configId,
        Array.from({ length: ads }, (_, i) => adDays(`a${i}`, 1, LAST, PARENTS)).flat(),
      )

    it('is planned as chunks beyond 1000 entities, one not', async () => {
      await large(998)
      const context = await system.startRun(configId)
      const training = system.with({})
      expect(await training.planChunks(payloadOf(configId, DAY), context)).to.deep.equal([])
      await insertDays(database.knex, configId, adDays('one-more', 1, LAST, PARENTS))
      const chunks = await training.planChunks(payloadOf(configId, DAY), context)
      expect(
        chunks.map(({ entityType, entityIds, chunk }) => [entityType, entityIds.length, chunk]),
      ).to.deep.equal([
        ['campaign', 1, 0],
        ['adset', 1, 1],
        ['ad', 999, 2],
      ])
      expect(
        await training.planChunks(payloadOf(configId, DAY, { entityType: 'ad' }), context),
      ).to.deep.equal([])
    })

    it('writes metadata after the last chunk, from what all of them did', async () => {
      await account(60, 'a1', 'a2')
      await insertDays(database.knex, configId, adDays('a3', 10, LAST, PARENTS))
      const training = system.with({})
      const outcomes = []
      for (const [chunk, entityIds] of [['a1', 'a3'], ['a2']].entries()) {
        system.setNow(`2026-03-11T07:00:0${chunk}.000Z`)
        const chunkOf = { entityType: 'ad', askedType: null, entityIds, chunk } as const
        const payload = { ...payloadOf(configId, DAY), ...chunkOf }
        outcomes.push(await training.trainChunk(payload, await system.startRun(configId)))
      }
      expect(await readdir(folder())).to.not.include('metadata.json')
      system.setNow('2026-03-11T07:00:09.000Z')
      const children = {
        counts: { done: 2, skipped: 1, failed: 0 },
        reasons: { insufficient_data: 1 },
        results: outcomes.map(({ result }) => result ?? {}),
        failedRuns: 0,
      }
      const context = await system.startRun(configId)
      const outcome = await training.finishConfig(payloadOf(configId, DAY), children, context)
      expect(outcome).to.deep.include({ status: 'succeeded', counts: { done: 2, skipped: 1, failed: 0 } })
      expect(JSON.parse(await readFile(folder('metadata.json'), 'utf8'))).to.deep.equal({
        format_version: 1,
        config_id: configId,
        last_training: '2026-03-11T07:00:09.000Z',
        models_count: { campaign: 0, adset: 0, ad: 2 },
        skipped_count: { campaign: 0, adset: 0, ad: 1 },
        failed_count: { campaign: 0, adset: 0, ad: 0 },
        training_duration_seconds: 9,
      })
      const broken = await training.finishConfig(
        payloadOf(configId, DAY),
        { ...children, failedRuns: 1 },
        context,
      )
      expect(broken).to.deep.include({
        status: 'partial',
        reasons: { insufficient_data: 1, chunk_failed: 1 },
      })
    })

    it('leaves metadata.json alone when the run is another execution’s, or its config was erased', async () => {
      await account(60, 'a1')
      const training = system.with({})
      const children = { counts: { done: 0, skipped: 0, failed: 0 }, reasons: {}, results: [], failedRuns: 0 }
      const context = await system.startRun(configId)
      const finish = () => training.finishConfig(payloadOf(configId, DAY), children, context)
      await database.knex('runs').where({ id: context.fence.runId }).update({ attempt: 2 })
      expect(await finish().catch((error: unknown) => error)).to.be.instanceOf(FenceLost)
      await database.knex('ads_configs').where({ id: configId }).delete()
      expect(await finish().catch((error: unknown) => error)).to.be.instanceOf(FenceLost)
      expect(await readdir(folder()).catch(() => [])).to.not.include('metadata.json')
    })
  })
})
