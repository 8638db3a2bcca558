import { expect } from 'chai'
import { copyFile, open, readdir, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createModelLoader } from '../../../shared/registry/model-loader.ts'
import type { ModelLoader, ModelLoaderParts } from '../../../shared/registry/model-loader.ts'
import type { ModelVersion } from '../../../shared/registry/model-version.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { openTrainingSystem } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

const DAY = '2026-03-10'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }

describe('model loader', () => {
  let database: TestDatabase
  let system: TrainingSystem
  let configId: number
  let reads: string[]
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    system = await openTrainingSystem(database.knex)
    configId = await newConfig(database.knex)
    reads = []
    for (const ad of ['a1', 'a2'])
      await insertDays(database.knex, configId, adDays(ad, 60, '2026-03-09', PARENTS))
    await system.train(configId, DAY, { entityType: 'ad' })
  })

  const newLoader = (parts: Partial<ModelLoaderParts> = {}): ModelLoader =>
    createModelLoader({
      artifacts: {
        read: (uri, bytes) => {
          reads.push(uri)
          return system.artifacts.read(uri, bytes)
        },
      },
      registry: system.registry,
      announcements: system.announcements,
      logger: silentLogger,
      maxBytes: 1 << 20,
      maxEntries: 100,
      clock: { now: () => system.now() },
      ...parts,
    })
  const version = async (id = 'a1'): Promise<ModelVersion> => {
    const [newest] = await system.registry.versionsOf(`anomaly_detector/config_${configId}/ad_${id}`)
    if (!newest) throw new Error('no version')
    return newest
  }
  const pathOf = (ref: ModelVersion): string => join(system.root, ref.artifactUri)

  it('reads a model once, however many ask at the same time, and shares its bytes', async () => {
    const loader = newLoader()
    const ref = await version()
    const loaded = await Promise.all([loader.load(ref), loader.load(ref), loader.load(ref)])
    const bytes = loaded.map((one) => (one.status === 'ready' ? one.bytes : null))
    expect(new Set(bytes).size).to.equal(1)
    expect(bytes[0]).to.be.instanceOf(SharedArrayBuffer)
    expect(bytes[0]?.byteLength).to.equal(ref.artifactBytes)
    await loader.load(ref)
    expect(reads).to.have.length(1)
  })

  it('answers in the order asked', async () => {
    const refs = [await version('a2'), await version('a1'), await version('a2')]
    const loaded = await newLoader().loadMany(refs)
    expect(loaded.map(({ ref }) => ref.model)).to.deep.equal(refs.map(({ model }) => model))
  })

  it('reads again after 5 minutes', async () => {
    const loader = newLoader()
    const ref = await version()
    system.setNow('2026-03-11T07:00:00.000Z')
    await loader.load(ref)
    system.setNow('2026-03-11T07:05:00.000Z')
    await loader.load(ref)
    expect(reads).to.have.length(1)
    system.setNow('2026-03-11T07:05:00.002Z')
    await loader.load(ref)
    expect(reads).to.have.length(2)
  })

  it('keeps within its bytes and its entries', async () => {
    const refs = [await version('a1'), await version('a2')]
    for (const bounds of [
      { maxEntries: 1 },
      { maxBytes: Math.max(...refs.map((ref) => ref.artifactBytes)) },
    ]) {
      reads = []
      const loader = newLoader(bounds)
      for (const ref of [...refs, ...refs]) await loader.load(ref)
      expect(reads).to.have.length(4)
    }
  })

  it('drops what a message names, and nothing else', async () => {
    const loader = newLoader()
    const [one, two] = [await version('a1'), await version('a2')]
    const readAgain = async (payload: unknown): Promise<number> => {
      await loader.loadMany([one, two])
      reads = []
      await system.announcements.publish('models.changed', payload)
      await loader.loadMany([one, two])
      return reads.length
    }
    expect(await readAgain({ models: [one.model] })).to.equal(1)
    expect(await readAgain({ models: ['anomaly_detector/config_1/ad_x'] })).to.equal(0)
    expect(await readAgain({ config_id: configId })).to.equal(2)
    expect(await readAgain({ config_id: configId + 1 })).to.equal(0)
    for (const payload of [null, 'text', {}]) expect(await readAgain(payload)).to.equal(0)
    loader.close()
    await loader.load(one)
    expect(reads).to.deep.equal([one.artifactUri])
  })

  describe('finding an artifact', () => {
    const flipBit = async (path: string, position: number): Promise<void> => {
      const file = await open(path, 'r+')
      const byte = Buffer.alloc(1)
      await file.read(byte, 0, 1, position)
      byte[0] = (byte[0] ?? 0) ^ 0x10
      await file.write(byte, 0, 1, position)
      await file.close()
    }
    const damages: Record<string, (ref: ModelVersion) => Promise<void>> = {
      truncated: (ref) => truncate(pathOf(ref), ref.artifactBytes - 1),
      emptied: (ref) => truncate(pathOf(ref), 0),
      lengthened: (ref) => truncate(pathOf(ref), ref.artifactBytes + 1),
      'with a bit flipped in its first byte': (ref) => flipBit(pathOf(ref), 0),
      'with a bit flipped in its last byte': (ref) => flipBit(pathOf(ref), ref.artifactBytes - 1),
      'of another entity': async (ref) => copyFile(pathOf(await version('a2')), pathOf(ref)),
      'damaged under its published name': () =>
        truncate(join(system.root, 'anomaly_detector', `config_${configId}`, 'ad_a1.safetensors'), 10),
      missing: (ref) => rm(pathOf(ref)),
    }
    for (const [what, damage] of Object.entries(damages)) {
      it(`${what} is answered as broken, quarantined and taken out of service`, async () => {
        const ref = await version()
        await damage(ref)
        const loaded = await newLoader().load(ref)
        expect(loaded.status).to.equal('broken')
        expect((await version()).state).to.equal('broken')
        const names = await readdir(join(pathOf(ref), '..'))
        expect(names).to.deep.equal(what === 'missing' ? [] : ['v1.safetensors.corrupt'])
        const day = Date.parse(`${DAY}T00:00:00Z`) / 86_400_000
        const [left] = await system.registry.versionsBefore([ref.model, ref.model.replace('a1', 'a2')], [day])
        expect(left?.size).to.equal(1)
        // The next training heals it.
        await system.train(configId, DAY, { entityType: 'ad' })
        expect((await newLoader().load(await version())).status).to.equal('ready')
      })
    }
  })

  it('blames no model when the whole store is away', async () => {
    const ref = await version()
    await rename(system.root, `${system.root}.away`)
    expect(await rejectionOf(newLoader().load(ref))).to.include({ code: 'STORAGE_UNAVAILABLE' })
    expect((await version()).state).to.equal('ready')
    await rename(`${system.root}.away`, system.root)
    expect((await newLoader().load(ref)).status).to.equal('ready')
  })

  it('answers broken also when the damage cannot be recorded', async () => {
    const ref = await version()
    await truncate(pathOf(ref), 1)
    const registry = { markBroken: () => Promise.reject(new Error('no database')) }
    expect((await newLoader({ registry }).load(ref)).status).to.equal('broken')
  })
})
