import { expect } from 'chai'
import type { Knex } from 'knex'
import { openDatabase } from '../../../db/open.ts'
import { createStore } from '../../../db/store.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import type { ServedLookup, ServedVersion } from '../../../shared/series/series.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { queriesOf } from '../../support/queries.ts'
import { openSeriesStore, SHORT } from '../../support/series.ts'
import type { SeriesStore } from '../../support/series.ts'

describe('the record of series', () => {
  let database: TestDatabase
  let knex: Knex
  let system: SeriesStore
  let count = 0
  let id: string
  before(async () => {
    database = await openTestDatabase(24)
    ;({ knex } = database)
    system = await openSeriesStore(knex)
  })
  after(async () => {
    await system.close()
    await database.close()
  })
  beforeEach(() => {
    id = `pump_${(count += 1)}`
  })

  const numbers = async (): Promise<number[]> => {
    const rows: { version: number }[] = await knex('model_versions')
      .where({ series_id: id })
      .orderBy('version')
      .select('version')
    return rows.map(({ version }) => version)
  }
  const aliases = async (): Promise<Record<string, number>> => {
    const rows: { alias: string; version: number }[] = await knex('model_aliases')
      .where({ model: `anomaly_detector/series/${id}` })
      .select('alias', 'version')
    return Object.fromEntries(rows.map(({ alias, version }) => [alias, version]))
  }
  const states = async (): Promise<Record<number, string>> => {
    const rows: { version: number; state: string }[] = await knex('model_versions')
      .where({ series_id: id })
      .select('version', 'state')
    return Object.fromEntries(rows.map(({ version, state }) => [version, state]))
  }

  describe('a series', () => {
    it('is made once, and keeps what it was made with', async () => {
      expect(await system.store.series.byId(id)).to.equal(null)
      const made = await Promise.all(
        Array.from({ length: 8 }, () => system.store.series.ensure(id, { ...SHORT, tags: { site: 'a' } })),
      )
      expect(new Set(made.map(({ createdAt }) => createdAt.getTime())).size).to.equal(1)
      const later = await system.store.series.ensure(id, { ...SHORT, class: 'standard' })
      expect(later).to.deep.equal(made[0])
      expect(later).to.deep.include({ class: 'short', channels: null, lastVersion: 0, generation: 1 })
    })

    it('is not the one of another case', async () => {
      await system.train(id, { data: `${id} lower` })
      expect(await system.store.series.byId(id.toUpperCase())).to.equal(null)
      expect(await system.store.series.version(id.toUpperCase(), 1)).to.equal(null)
    })
  })

  describe('appending', () => {
    it('keeps everything of the draft', async () => {
      const series = await system.store.series.ensure(id, SHORT)
      const draft = await system.draft(series, { data: id, tags: { shift: 'night' } })
      const fence = await system.fence()
      const appended = await system.store.series.append(draft, fence, 10)
      expect(appended).to.deep.equal({ version: 1, created: true, serving: true, archived: [] })
      const { plan: _plan, generation: _generation, ...kept } = draft
      const version = await system.store.series.version(id, 1)
      expect(version).to.deep.equal({
        ...kept,
        version: 1,
        state: 'ready',
        class: 'short',
        timestampUnit: 's',
        ranges: {},
        parent: null,
        aliases: ['stable'],
        runId: fence.runId,
      })
      expect(await system.store.series.byFingerprint(id, draft.fingerprint)).to.deep.equal(version)
      expect(await system.store.series.byId(id)).to.deep.include({ channels: ['value'], lastVersion: 1 })
    })

    it('numbers 20 different trainings at once 1 to 20, in two pools', async () => {
      const other = await openDatabase({
        url: database.url,
        poolMax: 10,
        logger: silentLogger,
        applicationName: 'vigia-test-rival',
      })
      try {
        const rival = createStore(other.knex, system.root)
        const series = await system.store.series.ensure(id, SHORT)
        const drafts = await Promise.all(
          Array.from({ length: 20 }, (_, i) => system.draft(series, { data: `${id} ${i}` })),
        )
        const fences = await Promise.all(drafts.map(() => system.fence()))
        const appended = await Promise.all(
          drafts.map((draft, i) =>
            (i % 2 === 0 ? system.store : rival).series.append(
              draft,
              fences[i] ?? { runId: '', attempt: 0 },
              30,
            ),
          ),
        )
        const given = appended.map(({ version }) => version).sort((a, b) => a - b)
        expect(given).to.deep.equal(Array.from({ length: 20 }, (_, i) => i + 1))
        expect(appended.every(({ created }) => created)).to.equal(true)
        expect(await numbers()).to.deep.equal(given)
        expect(await aliases()).to.deep.equal({ stable: 20, previous: 19 })
      } finally {
        await other.close()
      }
    })

    it('makes one version of 20 trainings at once of the same', async () => {
      const series = await system.store.series.ensure(id, SHORT)
      const draft = await system.draft(series, { data: id })
      const appended = await Promise.all(
        Array.from({ length: 20 }, async () => system.store.series.append(draft, await system.fence(), 10)),
      )
      expect(appended.filter(({ created }) => created)).to.have.length(1)
      expect(new Set(appended.map(({ version }) => version))).to.deep.equal(new Set([1]))
      expect(await numbers()).to.deep.equal([1])
    })

    it('numbers many series at once, each from 1', async () => {
      const ids = Array.from({ length: 10 }, (_, i) => `${id}_${i}`)
      await Promise.all(
        ids.map(async (one) => {
          for (const data of ['a', 'b', 'c']) await system.train(one, { data: `${one} ${data}` })
        }),
      )
      const rows = (await knex('model_versions')
        .where('series_id', 'like', `${id}\\_%`)
        .groupBy('series_id')
        .select('series_id')
        .max('version as last')
        .count('* as n')) as { last: number; n: number }[]
      expect(rows.map(({ last, n }) => [last, n])).to.deep.equal(ids.map(() => [3, 3]))
    })

    it('moves stable and previous for immediate, and only publishes for hold', async () => {
      expect(await system.train(id, { data: `${id} 1`, plan: 'hold' })).to.include({ serving: true })
      expect(await aliases()).to.deep.equal({ stable: 1 })
      expect(await system.train(id, { data: `${id} 2` })).to.include({ version: 2, serving: true })
      expect(await aliases()).to.deep.equal({ stable: 2, previous: 1 })
      expect(await system.train(id, { data: `${id} 3`, plan: 'hold' })).to.include({
        version: 3,
        created: true,
        serving: false,
      })
      expect(await aliases()).to.deep.equal({ stable: 2, previous: 1 })
      const parents = [1, 2, 3].map(async (n) => (await system.store.series.version(id, n))?.parent)
      expect(await Promise.all(parents)).to.deep.equal([null, 1, 2])
    })

    it('answers a known fingerprint with its version and leaves the aliases alone', async () => {
      await system.train(id, { data: `${id} 1` })
      await system.train(id, { data: `${id} 2` })
      const again = await system.train(id, { data: `${id} 1` })
      expect(again).to.deep.equal({ version: 1, created: false, serving: false, archived: [] })
      expect(await aliases()).to.deep.equal({ stable: 2, previous: 1 })
      const audited = await knex('audit_log').where({ target: `series/${id}`, action: 'series.train' })
      expect(audited).to.have.length(2)
    })

    it('makes a broken version whole again, under its number', async () => {
      await system.train(id, { data: `${id} 1` })
      const version = await system.store.series.version(id, 1)
      if (!version) throw new Error('no version')
      expect(await system.store.series.markBroken(version)).to.equal(true)
      expect(await system.store.series.markBroken(version)).to.equal(false)
      expect(await states()).to.deep.equal({ 1: 'broken' })
      expect(await system.train(id, { data: `${id} 1` })).to.include({
        version: 1,
        created: false,
        serving: true,
      })
      expect(await states()).to.deep.equal({ 1: 'ready' })
    })

    it('does not mark a version broken whose bytes are others by now', async () => {
      await system.train(id, { data: `${id} 1` })
      const version = (await system.store.series.version(id, 1)) as ServedVersion
      expect(await system.store.series.markBroken({ ...version, artifactSha256: 'f'.repeat(64) })).to.equal(
        false,
      )
      expect(await states()).to.deep.equal({ 1: 'ready' })
    })

    it('archives the version at keep + 1, but none an alias names', async () => {
      for (let n = 1; n <= 2; n += 1)
        expect((await system.train(id, { data: `${id} ${n}` }, 2)).archived).to.deep.equal([])
      const third = await system.train(id, { data: `${id} 3`, plan: 'hold' }, 2)
      // v2 serves, v1 is previous.
      expect(third.archived).to.deep.equal([])
      const fourth = await system.train(id, { data: `${id} 4` }, 2)
      const first = await system.store.series.version(id, 1)
      expect(fourth.archived).to.deep.equal([
        { version: 1, uri: first?.artifactUri },
        { version: 1, uri: first?.tailUri },
      ])
      expect(await states()).to.deep.equal({ 1: 'archived', 2: 'ready', 3: 'ready', 4: 'ready' })
      expect(await aliases()).to.deep.equal({ stable: 4, previous: 2 })
    })

    it('makes an archived version ready again when it is trained again, and keeps it', async () => {
      for (let n = 1; n <= 4; n += 1) await system.train(id, { data: `${id} ${n}` }, 2)
      expect(await states()).to.deep.include({ 1: 'archived', 2: 'archived' })
      expect(await system.train(id, { data: `${id} 1` }, 2)).to.deep.equal({
        version: 1,
        created: false,
        serving: false,
        archived: [],
      })
      await system.train(id, { data: `${id} 5` }, 2)
      expect(await states()).to.deep.equal({
        1: 'ready',
        2: 'archived',
        3: 'archived',
        4: 'ready',
        5: 'ready',
      })
    })

    it('fixes the channels by the first success', async () => {
      const series = await system.store.series.ensure(id, SHORT)
      const channels = ['axial', 'radial']
      await system.store.series.append(
        await system.draft(series, { data: `${id} 1`, channels }),
        await system.fence(),
        10,
      )
      const refused = await rejectionOf(system.train(id, { data: `${id} 2`, channels: ['radial'] }))
      expect(refused).to.include({ code: 'UNKNOWN_CHANNEL' })
      expect(refused.message).to.contain('axial, radial')
      expect(await numbers()).to.deep.equal([1])
    })

    it('gives up with VERSION_CONFLICT when the series stays taken, and using up no number', async () => {
      await system.train(id, { data: `${id} 1` })
      await knex.transaction(async (trx) => {
        await trx('series').where({ id }).forUpdate().first('id')
        const refused = await rejectionOf(system.train(id, { data: `${id} 2` }))
        expect(refused).to.include({ code: 'VERSION_CONFLICT' })
      })
      expect(await system.train(id, { data: `${id} 2` })).to.include({ version: 2, created: true })
    })

    it('writes nothing for a run that lost its fence', async () => {
      const series = await system.store.series.ensure(id, SHORT)
      const draft = await system.draft(series, { data: id })
      const fence = await system.fence()
      const late = system.store.series.append(draft, { ...fence, attempt: 2 }, 10)
      expect(await late.catch((error: unknown) => error)).to.be.instanceOf(FenceLost)
      expect(await numbers()).to.deep.equal([])
      expect(await system.store.series.byId(id)).to.deep.include({ lastVersion: 0, channels: null })
    })

    it('writes nothing for a series that was deleted meanwhile', async () => {
      const series = await system.store.series.ensure(id, SHORT)
      const draft = await system.draft(series, { data: id })
      await knex('series').where({ id }).update({ generation: 2 })
      const refused = await rejectionOf(system.store.series.append(draft, await system.fence(), 10))
      expect(refused).to.include({ code: 'MODEL_NOT_FOUND' })
      await knex('series').where({ id }).update({ generation: 1, deleted_at: new Date() })
      const gone = await rejectionOf(system.store.series.append(draft, await system.fence(), 10))
      expect(gone).to.include({ code: 'MODEL_NOT_FOUND' })
      expect(await numbers()).to.deep.equal([])
    })
  })

  describe('what answers', () => {
    const summary = (lookup: ServedLookup | undefined): unknown =>
      lookup === undefined || 'missing' in lookup
        ? lookup?.missing
        : `${lookup.found.seriesId} v${lookup.found.version}`

    it('is found for any number of pairs in one query, in their order', async () => {
      const other = `${id}_other`
      await system.train(id, { data: `${id} 1` })
      await system.train(id, { data: `${id} 2`, plan: 'hold' })
      await system.train(other, { data: `${other} 1` })
      await system.store.series.ensure(`${id}_untrained`, SHORT)
      const wanted = [
        { seriesId: other, version: 1 },
        { seriesId: id, version: null },
        { seriesId: id, version: 2 },
        { seriesId: 'nobody', version: null },
        { seriesId: id, version: 9 },
        { seriesId: `${id}_untrained`, version: null },
        { seriesId: `${id}_untrained`, version: 1 },
        { seriesId: id, version: null },
      ]
      let found: readonly ServedLookup[] = []
      const texts = await queriesOf(async () => {
        found = await system.store.series.served(wanted)
      })
      expect(texts.filter((text) => /model_versions/.test(text))).to.have.length(1)
      expect(found.map(summary)).to.deep.equal([
        `${other} v1`,
        `${id} v1`,
        `${id} v2`,
        'series',
        'version',
        'series',
        'series',
        `${id} v1`,
      ])
      expect(await system.store.series.served([])).to.deep.equal([])
    })

    it('is most of what was predicted on lately, the busiest first', async () => {
      const hour = new Date('2026-03-10T10:00:00Z')
      for (const [name, predictions] of [
        ['calm', 5],
        ['busy', 50],
        ['old', 500],
      ] as const) {
        await system.train(`${id}_${name}`, { data: `${id} ${name}` })
        await knex('series_stats').insert({
          series_id: `${id}_${name}`,
          hour: name === 'old' ? new Date('2026-03-08T10:00:00Z') : hour,
          predictions,
        })
      }
      const since = new Date('2026-03-09T11:00:00Z')
      const names = async (limit: number): Promise<string[]> =>
        (await system.store.series.mostPredicted(since, limit)).map(({ seriesId }) => seriesId)
      expect(await names(10)).to.deep.equal([`${id}_busy`, `${id}_calm`])
      expect(await names(1)).to.deep.equal([`${id}_busy`])
    })
  })
})
