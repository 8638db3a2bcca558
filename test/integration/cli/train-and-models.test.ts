import { expect } from 'chai'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { listModels, exportModel, rollbackModel, showModel } from '../../../cli/commands/models.ts'
import { describeClassifiers, describeTraining, startTraining } from '../../../cli/commands/train.ts'
import type { TrainOptions } from '../../../cli/commands/train.ts'
import { exitCodeOf, followRuns } from '../../../cli/follow.ts'
import { openSystem } from '../../../cli/system.ts'
import type { System } from '../../../cli/system.ts'
import type { Run } from '../../../shared/runs/run.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { temporaryFolder } from '../../support/folders.ts'

const LAST = '2026-03-10'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }

describe('vigia train and vigia models', () => {
  let database: TestDatabase
  let system: System
  let folder: string
  let config: string
  before(async () => {
    database = await openTestDatabase()
    folder = await temporaryFolder()
    system = await openSystem({
      environment: {
        DATABASE_URL: database.url,
        MODELS_STORAGE_PATH: join(folder, 'models'),
        COMPUTE_THREADS: '1',
        LOG_LEVEL: 'error',
      },
      service: 'cli',
    })
    const configId = await newConfig(database.knex)
    for (const ad of ['a1', 'a2']) await insertDays(database.knex, configId, adDays(ad, 91, LAST, PARENTS))
    config = String(configId)
    await system.ensureWorkers()
  })
  after(async () => {
    await system.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const train = async (options: TrainOptions) =>
    followRuns(system.services, await startTraining(options, system.services), 'training')

  it('trains a config through queue, worker and threads, and says what it did', async () => {
    const [run] = await train({ config })
    expect(run).to.deep.include({ status: 'succeeded', progress: 1, actor: 'cli', job: 'train.config' })
    expect(run?.counts).to.deep.equal({ done: 4, skipped: 0, failed: 0 })
    expect(run && exitCodeOf([run])).to.equal(0)
    expect(run && describeTraining([run])).to.match(/config +status +models[^]*succeeded +4 +0 +0 +0/)
    const metadata = await system.services.models.metadata(Number(config))
    expect(metadata).to.deep.include({ models_count: { campaign: 1, adset: 1, ad: 2 } })
  })

  it('answers the same question with the same run', async () => {
    const [first] = await train({ config, entityType: 'ad', entityId: ['a1', 'a2'] })
    const [again] = await train({ config, entityType: 'ad', entityId: ['a2', 'a1'] })
    expect(again?.id).to.equal(first?.id)
  })

  it('trains as of a day, for one entity, and for every active config', async () => {
    const [run] = await train({ config, entityType: 'ad', entityId: ['a1'], asOf: '2026-03-09' })
    expect(run?.counts.done).to.equal(1)
    const [version] = await showModel(`config_${config}/ad_a1`, system.services)
    expect(version?.stats).to.include({ train_end: '2026-03-08' })
    expect(await train({})).to.have.length(1)
  })

  it('refuses what cannot be asked, saying what can', async () => {
    const refusal = async (options: TrainOptions): Promise<string> =>
      (await rejectionOf(startTraining(options, system.services))).message
    expect(await refusal({ config: 'nobody' })).to.include('there is no config nobody; there are: ')
    expect(await refusal({ config, asOf: '10/03/2026' })).to.include('2026-03-10')
    expect(await refusal({ config, entityId: ['a1'] })).to.include('--entity-type')
    expect(await refusal({ config, entityType: 'ad', entityId: ['../a1'] })).to.include('--entity-id')
  })

  it('lists, shows, rolls back and exports', async () => {
    const { services } = system
    const stable = await listModels({ config }, services)
    expect(stable.map(({ entityKey }) => entityKey)).to.have.members(
      [
        'campaign_c1',
        'adset_s1',
        'ad_a1',
        'ad_a2',
        'pooled_ad_adset_s1',
        'pooled_ad_campaign_c1',
        `pooled_ad_account_${config}`,
        'pooled_adset_campaign_c1',
        `pooled_adset_account_${config}`,
        `pooled_campaign_account_${config}`,
      ].map((name) => `config_${config}/${name}`),
    )
    expect(await listModels({ config, entityType: 'ad', limit: 1 }, services)).to.have.length(1)
    expect((await listModels({ config, all: true }, services)).length).to.be.greaterThan(4)
    const name = `config_${config}/ad_a1`
    expect((await rollbackModel(name, services)).version).to.equal(1)
    expect((await rollbackModel(`anomaly_detector/${name}@2`, services)).version).to.equal(2)
    expect(
      (await showModel(`config_${config}/pooled_ad_campaign_c1`, services))[0]?.points,
    ).to.be.greaterThan(50)
    const target = join(folder, 'exported.safetensors')
    const { version, bytes } = await exportModel(`${name}@1`, target, services)
    const file = await readFile(target)
    expect(file.length).to.equal(bytes)
    expect(file).to.deep.equal(await readFile(join(folder, 'models', version.artifactUri)))
    expect((await rejectionOf(exportModel(name, target, services))).message).to.include('cannot be written')
  })

  it('trains the classifiers of a config, saying what was missing for which level', async () => {
    const [run] = await train({ config, family: 'classifier' })
    if (!run) throw new Error('no run')
    expect(run).to.deep.include({ job: 'train.classifier', status: 'succeeded' })
    expect(run.counts).to.deep.equal({ done: 0, skipped: 3, failed: 0 })
    expect(exitCodeOf([run])).to.equal(0)
    const text = describeClassifiers([run])
    for (const level of ['campaign', 'adset', 'ad'])
      expect(text).to.match(
        new RegExp(` ${level} +kept_rules +needs 30 labelled days and 10 to judge by, got 0 and 0`),
      )
    const [ads] = await train({ config, family: 'classifier', entityType: 'ad' })
    expect(ads && describeClassifiers([ads])).not.to.include('campaign')
    expect(
      (
        await rejectionOf(
          startTraining(
            { config, family: 'classifier', entityType: 'ad', entityId: ['a1'] },
            system.services,
          ),
        )
      ).message,
    ).to.include('whole level')
  })

  it('says how well a classifier did', () => {
    const samples = { rows: 300, classes: 4, training: 200, validation: 60 }
    const scores = { macro_f1: 0.8125, log_loss: 0.5, rules_macro_f1: 0.7, rules_log_loss: 0.9 }
    const run = {
      configId: 7,
      result: {
        day: LAST,
        campaign: { status: 'trained', version: 3, samples, scores },
        adset: { status: 'kept_rules', reason: 'not_better', samples, scores: { ...scores, macro_f1: 0.71 } },
        ad: { status: 'failed', error: 'out of memory' },
      },
    } as unknown as Run
    expect(
      describeClassifiers([run])
        .split('\n')
        .map((line) => line.trim().split(/ {2,}/)),
    ).to.deep.equal([
      ['config', 'level', 'classifier', 'version', 'F1', 'rules', 'why'],
      ['7', 'campaign', 'trained', '3', '0.813', '0.700'],
      ['7', 'adset', 'kept_rules', '0.710', '0.700', 'a network does not do better'],
      ['7', 'ad', 'failed', 'out of memory'],
    ])
    const died = {
      configId: 7,
      result: null,
      status: 'failed',
      error: 'the database went away',
    } as unknown as Run
    expect(describeClassifiers([died])).to.include('the database went away')
  })

  it('knows models only by their names', async () => {
    const { services } = system
    for (const name of [
      'ad_a1',
      '../config_1/ad_a1',
      `config_${config}/ad_a1@x`,
      `config_${config}/ad_a1@0`,
      `anomaly_detector/config_${config}/ad`,
      `classifier/config_${config}/account`,
      '',
    ])
      expect(await rejectionOf(Promise.resolve().then(() => rollbackModel(name, services)))).to.include({
        code: 'INVALID_REQUEST',
      })
    const missing = [
      showModel(`config_${config}/ad_none`, services),
      showModel(`classifier/config_${config}/ad`, services),
      exportModel(`config_${config}/ad_a1@99`, join(folder, 'x'), services),
      rollbackModel(`config_${config}/ad_a1@99`, services),
    ]
    for (const call of missing) expect(await rejectionOf(call)).to.include({ code: 'MODEL_NOT_FOUND' })
    expect(await rejectionOf(listModels({ config: 'nobody' }, services))).to.include({
      code: 'CONFIG_NOT_FOUND',
    })
  })
})
