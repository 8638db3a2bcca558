import { expect } from 'chai'
import { readdir, readFile, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { ArtifactRef, ModelVersion } from '../../../shared/registry/model-version.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { eventually } from '../../support/eventually.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { openTrainingSystem } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

const DAY = '2026-03-10'
const LAST = '2026-03-09'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }
const PAGE = { page: 1, pageSize: 50, afterId: null }

const dayBefore = (day: string, days: number): string => toLocalDate(toDayNumber(day) - days)

describe('model registry', () => {
  let database: TestDatabase
  let system: TrainingSystem
  let configId: number
  let model: string
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(async () => {
    system = await openTrainingSystem(database.knex)
    configId = await newConfig(database.knex)
    model = `anomaly_detector/config_${configId}/ad_a1`
  })

  const folder = (...parts: string[]): string =>
    join(system.root, 'anomaly_detector', `config_${configId}`, ...parts)
  /** Version i of every ad answers for the days after DAY - (count - i) - 1. */
  const trainTimes = async (count: number, ...ads: string[]): Promise<void> => {
    for (const ad of ads) await insertDays(database.knex, configId, adDays(ad, 90, LAST, PARENTS))
    for (let i = count - 1; i >= 0; i--) await system.train(configId, dayBefore(DAY, i), { entityType: 'ad' })
  }
  const version = async (number: number): Promise<ModelVersion> => {
    const found = (await system.registry.versionsOf(model)).find((one) => one.version === number)
    if (!found) throw new Error(`no version ${number}`)
    return found
  }
  const aliases = async () =>
    Object.fromEntries(
      (await system.registry.versionsOf(model)).flatMap((one) =>
        one.aliases.map((alias) => [alias, one.version]),
      ),
    )

  describe('versions for a day', () => {
    const modelOf = (config: number, entity: string): string => `anomaly_detector/config_${config}/${entity}`
    const numbersFor = async (day: string, ids: readonly string[] = ['a1', 'a2']) => {
      const models = new Map(ids.map((id) => [modelOf(configId, `ad_${id}`), id]))
      // Another day beside it changes nothing.
      const days = [toDayNumber(day) - 1, toDayNumber(day)]
      const [, found] = await system.registry.versionsBefore([...models.keys()], days)
      return Object.fromEntries([...(found ?? [])].map(([name, ref]) => [models.get(name), ref.version]))
    }

    it('are the newest trained before it: D is never in its own model', async () => {
      await trainTimes(3, 'a1', 'a2')
      expect(await numbersFor(DAY)).to.deep.equal({ a1: 3, a2: 3 })
      expect(await numbersFor('2026-03-20')).to.deep.equal({ a1: 3, a2: 3 })
      expect(await numbersFor(LAST)).to.deep.equal({ a1: 2, a2: 2 })
      expect(await numbersFor(dayBefore(DAY, 2))).to.deep.equal({ a1: 1, a2: 1 })
      expect(await numbersFor(dayBefore(DAY, 3))).to.deep.equal({})
      expect(await numbersFor(DAY, ['a2', 'nobody'])).to.deep.equal({ a2: 3 })
    })

    it('are not newer than stable, and skip broken ones', async () => {
      await trainTimes(3, 'a1')
      await system.registry.activate((await version(2)).id)
      expect(await numbersFor(DAY)).to.deep.equal({ a1: 2 })
      await system.registry.markBroken(await version(2), 'test')
      expect(await numbersFor(DAY)).to.deep.equal({ a1: 1 })
    })

    it('do not mix configs or levels', async () => {
      await trainTimes(1, 'a1')
      const other = await newConfig(database.knex)
      await insertDays(database.knex, other, adDays('a1', 90, LAST, PARENTS))
      await system.train(other, DAY)
      const day = toDayNumber(DAY)
      const asked = [configId, other].flatMap((config) => [
        modelOf(config, 'adset_s1'),
        modelOf(config, 'ad_a1'),
        modelOf(config, 'adset_a1'),
      ])
      const [found] = await system.registry.versionsBefore(asked, [day])
      expect([...(found?.keys() ?? [])]).to.have.members([
        model,
        modelOf(other, 'adset_s1'),
        modelOf(other, 'ad_a1'),
      ])
    })
  })

  describe('activation', () => {
    it('moves stable and previous and republishes; repeating it changes nothing', async () => {
      await trainTimes(3, 'a1')
      expect(await aliases()).to.deep.equal({ stable: 3, previous: 2 })
      for (let repeat = 0; repeat < 2; repeat++) {
        const active = await system.registry.activate((await version(1)).id)
        expect(active).to.deep.include({ version: 1, aliases: ['stable'] })
        expect(await aliases()).to.deep.equal({ stable: 1, previous: 3 })
        expect(await readFile(folder('ad_a1.safetensors'))).to.deep.equal(
          await readFile(folder('.versions', 'ad_a1', 'v1.safetensors')),
        )
      }
    })

    it('rolls back to the previous version, forth again, and to any by number', async () => {
      await trainTimes(3, 'a1')
      await system.registry.rollback(model, 'previous')
      expect(await aliases()).to.deep.equal({ stable: 2, previous: 3 })
      await system.registry.rollback(model, 'previous')
      expect(await aliases()).to.deep.equal({ stable: 3, previous: 2 })
      await system.registry.rollback(model, 1)
      expect(await aliases()).to.deep.equal({ stable: 1, previous: 3 })
    })

    it('is refused for a version that is archived while it waits for its turn', async () => {
      await trainTimes(2, 'a1')
      const { id } = await version(1)
      let activation: Promise<unknown> = Promise.resolve()
      await database.knex.transaction(async (rival) => {
        await rival.raw('select pg_advisory_xact_lock(7164443, ?)', [configId])
        activation = rejectionOf(system.registry.activate(id))
        await eventually('the activation waits', () =>
          database
            .knex('pg_locks')
            .where({ locktype: 'advisory', classid: 7_164_443, objid: configId, granted: false })
            .first(),
        )
        await rival('model_versions').where({ id }).update({ state: 'archived' })
      })
      expect(await activation).to.include({ code: 'VERSION_ARCHIVED' })
      expect((await aliases())['stable']).to.equal(2)
    })

    it('is refused for archived, broken, missing and unknown versions', async () => {
      await trainTimes(1, 'a1')
      expect(await rejectionOf(system.registry.rollback(model, 'previous'))).to.include({
        code: 'MODEL_NOT_FOUND',
      })
      expect(await rejectionOf(system.registry.rollback(model, 2))).to.include({ code: 'MODEL_NOT_FOUND' })
      expect(await rejectionOf(system.registry.activate(999_999))).to.include({ code: 'MODEL_NOT_FOUND' })
      const { id } = await version(1)
      await rm(folder('.versions', 'ad_a1', 'v1.safetensors'))
      expect(await rejectionOf(system.registry.activate(id))).to.include({ code: 'CONFLICT' })
      await database.knex('model_versions').where({ id }).update({ state: 'broken' })
      expect(await rejectionOf(system.registry.activate(id))).to.include({ code: 'CONFLICT' })
      await database.knex('model_versions').where({ id }).update({ state: 'archived' })
      const archived = await rejectionOf(system.registry.activate(id))
      expect(archived).to.include({ code: 'VERSION_ARCHIVED', status: 409 })
      expect(await rejectionOf(system.registry.artifact(id))).to.include({ code: 'VERSION_ARCHIVED' })
    })

    it('leaves the aliases alone when the file cannot be published', async () => {
      await trainTimes(2, 'a1')
      await rm(folder('.versions', 'ad_a1', 'v1.safetensors'))
      await rejectionOf(system.registry.activate((await version(1)).id))
      expect(await aliases()).to.deep.equal({ stable: 2, previous: 1 })
    })
  })

  it('lists newest first, by page and by cursor, narrowed by what is asked', async () => {
    await trainTimes(2, 'a1', 'a2')
    await system.train(configId, DAY, { entityType: 'campaign' })
    // Of the ads also those of their ad set, campaign and account, of the campaign that of the account.
    const pooled = { ad: 2 * 3, campaign: 1 }
    const all = await system.registry.list({ configId }, PAGE)
    expect(all.total).to.equal(5 + pooled.ad + pooled.campaign)
    expect(all.data.map(({ id }) => id)).to.deep.equal(all.data.map(({ id }) => id).toSorted((a, b) => b - a))
    const first = await system.registry.list({ configId }, { page: 1, pageSize: 2, afterId: null })
    const second = await system.registry.list({ configId }, { page: 2, pageSize: 2, afterId: null })
    const last = first.data.at(-1)?.id ?? 0
    const cursor = await system.registry.list({ configId }, { page: 1, pageSize: 2, afterId: String(last) })
    expect(second.data).to.deep.equal(all.data.slice(2, 4))
    expect(cursor.data).to.deep.equal(second.data)
    const count = async (filter: object) => (await system.registry.list({ configId, ...filter }, PAGE)).total
    expect(await count({ entityType: 'ad' })).to.equal(4 + pooled.ad)
    expect(await count({ entityType: 'ad', entityId: 'a2' })).to.equal(2)
    expect(await count({ alias: 'stable' })).to.equal(3 + 3 + 1)
    expect(await count({ alias: 'previous' })).to.equal(2 + 3)
    expect(await count({ family: 'classifier' })).to.equal(0)
  })

  it('shows one version with all of its model, and hands out its file', async () => {
    await trainTimes(2, 'a1')
    const { id } = await version(1)
    const detail = await system.registry.get(id)
    expect(detail.version.id).to.equal(id)
    expect(detail.versions.map((one) => one.version)).to.deep.equal([2, 1])
    const { bytes } = await system.registry.artifact(id)
    expect(Buffer.from(bytes)).to.deep.equal(await readFile(folder('.versions', 'ad_a1', 'v1.safetensors')))
    expect(await rejectionOf(system.registry.get(999_999))).to.include({
      code: 'MODEL_NOT_FOUND',
      status: 404,
    })
    expect(await system.registry.versionsOf('anomaly_detector/config_1/ad_none')).to.deep.equal([])
  })

  it('does not mark a version broken whose bytes are other ones by now', async () => {
    await trainTimes(1, 'a1')
    const stale: ArtifactRef = { ...(await version(1)), artifactSha256: '0'.repeat(64) }
    await system.registry.markBroken(stale, 'test')
    expect((await version(1)).state).to.equal('ready')
    expect(await readdir(folder('.versions', 'ad_a1'))).to.deep.equal(['v1.safetensors'])
  })

  it('tells other processes which models changed', async () => {
    const messages: unknown[] = []
    system.announcements.subscribe('models.changed', (payload) => void messages.push(payload))
    await trainTimes(1, 'a1')
    await trainTimes(1, 'a1')
    await system.registry.markBroken(await version(1), 'test')
    const pools = ['account_' + configId, 'adset_s1', 'campaign_c1'].map((ancestor) =>
      model.replace('ad_a1', `pooled_ad_${ancestor}`),
    )
    expect(messages).to.have.length(3)
    expect(messages[0]).to.deep.equal({ models: [model] })
    expect((messages[1] as { models: string[] }).models).to.have.members(pools)
    expect(messages[2]).to.deep.equal({ models: [model] })
  })

  describe('nightly', () => {
    const signal = new AbortController().signal

    it('unpublishes what had no row for 30 days, and training publishes it again', async () => {
      await trainTimes(1, 'a1')
      await system.train(configId, DAY)
      const names = [
        'campaign_c1.safetensors',
        'adset_s1.safetensors',
        'ad_a1.safetensors',
        'pooled_ad_adset_s1.safetensors',
        `pooled_ad_account_${configId}.safetensors`,
      ]
      const noon = (day: string): Date => new Date(`${day}T12:00:00Z`)
      await system.registry.retire(noon('2026-04-08'), signal)
      expect(await readdir(folder())).to.include.members(names)
      const retired = await system.registry.retire(noon('2026-04-09'), signal)
      expect(retired.unpublished).to.be.at.least(names.length)
      expect(await readdir(folder())).to.not.include.members(names)
      expect((await version(1)).state).to.equal('ready')
      await system.train(configId, DAY)
      expect(await readdir(folder())).to.include.members(names)
    })

    it('removes files without a row after a day', async () => {
      await trainTimes(1, 'a1')
      await system.artifacts.settle(await system.artifacts.stage(model, new Uint8Array(3), 'killed-1'), 2)
      const asOf = new Date()
      expect((await system.registry.retire(asOf, signal)).orphans).to.equal(0)
      const old = new Date(asOf.getTime() - 25 * 3_600_000)
      for (const name of ['v1', 'v2'])
        await utimes(folder('.versions', 'ad_a1', `${name}.safetensors`), old, old)
      expect((await system.registry.retire(asOf, signal)).orphans).to.equal(1)
      expect(await readdir(folder('.versions', 'ad_a1'))).to.deep.equal(['v1.safetensors'])
    })

    it('archives what is beyond the newest 10', async () => {
      await trainTimes(1, 'a1')
      const { id: _, ...row } = (await database.knex('model_versions').where({ model }).first()) as {
        id: number
      }
      const copies = Array.from({ length: 10 }, (_unused, i) => ({
        ...row,
        params: '{}',
        stats: '{}',
        version: i + 2,
        fingerprint: String(i).padStart(64, '0'),
        artifact_uri: `anomaly_detector/config_${configId}/.versions/ad_a1/v${i + 2}.safetensors`,
      }))
      await database.knex('model_versions').insert(copies)
      // Version 1 is stable and stays.
      expect((await system.registry.retire(new Date(), signal)).archived).to.equal(0)
      await database.knex('model_aliases').where({ model }).update({ version: 11 })
      expect((await system.registry.retire(new Date(), signal)).archived).to.equal(1)
      expect((await version(1)).state).to.equal('archived')
      expect(await readdir(folder('.versions', 'ad_a1'))).to.deep.equal([])
    })
  })
})
