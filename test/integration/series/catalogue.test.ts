import { systemClock } from '../../../shared/core/clock.ts'
import { expect } from 'chai'
import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Knex } from 'knex'
import type { WorkContext } from '../../../shared/core/work.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createSeriesCatalogue } from '../../../shared/series/catalogue.ts'
import type { SeriesCatalogue } from '../../../shared/series/catalogue.ts'
import { REGISTRY_ORDERS } from '../../../shared/series/registry-store.ts'
import type { SeriesVersionFilter } from '../../../shared/series/registry-store.ts'
import { createSeriesRetention } from '../../../shared/series/series-retention.ts'
import { SERIES_CHANGED } from '../../../shared/series/series.ts'
import type { SeriesVersion } from '../../../shared/series/series.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { eventually } from '../../support/eventually.ts'
import { openSeriesStore, SHORT } from '../../support/series.ts'
import type { SeriesStore } from '../../support/series.ts'

const BY = { actor: 'key:ops', traceId: 'trace-2' }
const DAY_MS = 86_400_000

describe('the catalogue of series', () => {
  let database: TestDatabase
  let knex: Knex
  let system: SeriesStore
  let catalogue: SeriesCatalogue
  let announced: string[]
  let count = 0
  let id: string
  before(async () => {
    database = await openTestDatabase(16)
    ;({ knex } = database)
    system = await openSeriesStore(knex)
    catalogue = createSeriesCatalogue({
      clock: systemClock,
      store: system.store.seriesRegistry,
      record: system.store.series,
      files: system.store.seriesFiles,
      announcements: {
        publish: (topic, payload) => {
          expect(topic).to.equal(SERIES_CHANGED)
          announced.push(...(payload as { series: string[] }).series)
          return Promise.resolve()
        },
      },
      logger: silentLogger,
      defaultClass: 'standard',
    })
  })
  after(async () => {
    await system.close()
    await database.close()
  })
  beforeEach(() => {
    id = `valve_${(count += 1)}`
    announced = []
  })

  const pathOf = (uri: string): string => join(system.root, uri)
  const archivedPathOf = (uri: string): string => pathOf(uri.replace(/\/([^/]+)$/, '/archive/$1'))
  const isThere = (path: string): Promise<boolean> =>
    stat(path).then(
      () => true,
      () => false,
    )
  const version = (number: number): Promise<SeriesVersion> => catalogue.version(id, number)
  const stateOf = async (number: number): Promise<string> => (await version(number)).state
  const context: WorkContext = {
    signal: new AbortController().signal,
    fence: { runId: 'r', attempt: 1 },
    logger: silentLogger,
    progress: () => {},
  }
  const retention = (keepVersions = 10) =>
    createSeriesRetention({
      store: system.store.seriesRegistry,
      files: system.store.seriesFiles,
      catalogue,
      keepVersions,
    })
  /** As if the nightly clean-up came `days` from now. */
  const inDays = (days: number): Date => new Date(Date.now() + days * DAY_MS)

  describe('a damaged file', () => {
    it('is put aside with its version, and told of', async () => {
      await system.train(id, { data: id })
      const served = await version(1)
      await writeFile(pathOf(served.artifactUri), 'not what it was')
      expect(await catalogue.markBroken(served, 'hash differs')).to.equal(true)
      expect(await stateOf(1)).to.equal('broken')
      expect(await isThere(`${pathOf(served.artifactUri)}.corrupt`)).to.equal(true)
      expect(announced).to.deep.equal([id])
      expect(await catalogue.markBroken(served, 'again')).to.equal(false)
      expect(announced).to.deep.equal([id])
    })

    it('that is gone breaks its version too', async () => {
      await system.train(id, { data: id })
      const served = await version(1)
      await rm(pathOf(served.artifactUri))
      expect(await catalogue.markBroken(served, 'missing')).to.equal(true)
      expect(await stateOf(1)).to.equal('broken')
    })

    it('that is whole again, or was all along, breaks nothing', async () => {
      await system.train(id, { data: id })
      expect(await catalogue.markBroken(await version(1), 'a reader was unlucky')).to.equal(false)
      expect(await stateOf(1)).to.equal('ready')
      expect(announced).to.deep.equal([])
    })
  })

  describe('restoring', () => {
    const archiveFirst = async (): Promise<SeriesVersion> => {
      for (const n of [1, 2, 3])
        await catalogue.putAway((await system.train(id, { data: `${id} ${n}` }, 2)).archived)
      const archived = await version(1)
      expect(archived.state).to.equal('archived')
      expect(await isThere(archivedPathOf(archived.artifactUri))).to.equal(true)
      expect(await isThere(pathOf(archived.artifactUri))).to.equal(false)
      return archived
    }

    it('brings the files back and tells of it', async () => {
      const archived = await archiveFirst()
      const restored = await catalogue.restore(id, 1, BY)
      expect(restored).to.deep.equal({ ...archived, state: 'ready' })
      expect(await isThere(pathOf(archived.artifactUri))).to.equal(true)
      expect(await isThere(pathOf(archived.tailUri ?? ''))).to.equal(true)
      expect(announced).to.deep.equal([id])
      expect(await catalogue.rollback(id, 1, BY)).to.deep.equal({ from: 3, to: 1 })
    })

    it('is one restoring when many ask at once', async () => {
      await archiveFirst()
      const all = await Promise.all(Array.from({ length: 6 }, () => catalogue.restore(id, 1, BY)))
      expect(all.map(({ state }) => state)).to.deep.equal(Array.from({ length: 6 }, () => 'ready'))
      expect(
        await knex('audit_log').where({ target: `series/${id}/v1`, action: 'series.restore' }),
      ).to.have.length(1)
    })

    it('of a version whose file is gone or damaged marks it broken', async () => {
      for (const spoil of [(path: string) => rm(path), (path: string) => writeFile(path, 'x')]) {
        const archived = await archiveFirst()
        await spoil(archivedPathOf(archived.artifactUri))
        expect(await rejectionOf(catalogue.restore(id, 1, BY))).to.include({ code: 'CONFLICT' })
        expect(await stateOf(1)).to.equal('broken')
        expect(await rejectionOf(catalogue.restore(id, 1, BY))).to.include({ code: 'CONFLICT' })
        id = `${id}_next`
      }
    })

    it('lasts: the clean-up leaves it for 30 days', async () => {
      await archiveFirst()
      await catalogue.restore(id, 1, BY)
      await retention(2).retain(inDays(0), context)
      expect(await stateOf(1)).to.equal('ready')
      await knex('model_versions')
        .where({ series_id: id, version: 1 })
        .update({ restored_at: new Date(Date.now() - 31 * DAY_MS) })
      await retention(2).retain(inDays(0), context)
      expect(await stateOf(1)).to.equal('archived')
      expect(announced).to.include(id)
    })
  })

  describe('deletion', () => {
    it('takes versions, counts, aliases and files, and the number goes on', async () => {
      for (const n of [1, 2]) await system.train(id, { data: `${id} ${n}` })
      const { artifactUri } = await version(1)
      // Older than the mark of the deletion, whatever the clock of the disk.
      for (const name of await readdir(join(pathOf(artifactUri), '..')))
        await utimes(join(pathOf(artifactUri), '..', name), new Date(0), new Date(0))
      await knex('series_stats').insert({ series_id: id, hour: new Date(), predictions: 1 })
      const sketch = { series_id: id, version: 1, channel: 'value', hour: new Date(), counts: [1] }
      await knex('drift_sketches').insert(sketch)
      expect(await catalogue.remove(id, BY)).to.equal(2)
      expect(announced).to.deep.equal([id])
      for (const table of ['model_versions', 'series_stats', 'drift_sketches'])
        expect(await knex(table).where({ series_id: id }), table).to.deep.equal([])
      expect(await knex('model_aliases').where({ model: `anomaly_detector/series/${id}` })).to.deep.equal([])
      expect(await readdir(join(pathOf(artifactUri), '..'))).to.deep.equal([])
      expect(await system.store.series.served([{ seriesId: id, version: null }])).to.deep.equal([
        { missing: 'series' },
      ])
      expect(await rejectionOf(catalogue.get(id))).to.include({ code: 'MODEL_NOT_FOUND' })
      expect(await rejectionOf(catalogue.remove(id, BY))).to.include({ code: 'MODEL_NOT_FOUND' })
      // Other channels and another class: it is a new series in all but its numbers.
      const series = await system.store.series.ensure(id, { ...SHORT, class: 'waveform' })
      expect(series).to.include({ class: 'waveform', channels: null, lastVersion: 2, generation: 2 })
      expect(await system.train(id, { data: `${id} 1`, channels: ['axial'] })).to.include({
        version: 3,
        created: true,
        serving: true,
      })
      const audit: { actor: string; trace_id: string } = await knex('audit_log')
        .where({ target: `series/${id}`, action: 'series.delete' })
        .first('actor', 'trace_id')
      expect(audit).to.deep.equal({ actor: 'key:ops', trace_id: 'trace-2' })
    })

    it('lets no training of what was deleted change what came after', async () => {
      await system.train(id, { data: `${id} 1` })
      const before = await system.store.series.ensure(id, SHORT)
      const draft = await system.draft(before, { data: `${id} late` })
      await catalogue.remove(id, BY)
      await catalogue.put(id, { class: 'short' }, BY)
      const late = system.store.series.append(draft, await system.fence(), 10)
      expect(await rejectionOf(late)).to.include({ code: 'MODEL_NOT_FOUND' })
      expect(await catalogue.get(id)).to.include({ versions: 0, stable: null })
    })

    it('while versions are appended leaves nothing of them', async () => {
      const series = await system.store.series.ensure(id, SHORT)
      const drafts = await Promise.all(
        Array.from({ length: 8 }, (_, i) => system.draft(series, { data: `${id} ${i}` })),
      )
      const fences = await Promise.all(drafts.map(() => system.fence()))
      const appends = Promise.allSettled(
        drafts.map((draft, i) =>
          system.store.series.append(draft, fences[i] ?? { runId: '', attempt: 0 }, 10),
        ),
      )
      await catalogue.remove(id, BY)
      const ended = await appends
      const kept = ended.filter(({ status }) => status === 'fulfilled').length
      expect(await knex('model_versions').where({ series_id: id })).to.deep.equal([])
      expect(await system.store.series.ensure(id, SHORT)).to.include({ lastVersion: kept, generation: 2 })
    })
  })

  describe('settings', () => {
    it('set by many at once are those of one of them', async () => {
      const set = await Promise.all(
        Array.from({ length: 8 }, (_, i) => catalogue.put(id, { tags: { a: `${i}`, b: `${i}` } }, BY)),
      )
      expect(set.filter(({ created }) => created)).to.have.length(1)
      const { tags } = (await catalogue.get(id)).series
      expect(tags['a']).to.equal(tags['b'])
    })

    it('changed by many at once lose nothing', async () => {
      await catalogue.put(id, {}, BY)
      await Promise.all(
        Array.from({ length: 10 }, (_, i) => catalogue.patch(id, { tags: { [`t${i}`]: 'x' } }, BY)),
      )
      expect(Object.keys((await catalogue.get(id)).series.tags)).to.have.length(10)
    })
  })

  describe('the nightly clean-up', () => {
    it('archives what is beyond the newest kept of every series, and moves the files', async () => {
      const other = `${id}_other`
      for (const n of [1, 2, 3, 4]) await system.train(id, { data: `${id} ${n}` })
      await system.train(other, { data: `${other} 1` })
      await catalogue.rollback(id, 1, BY)
      await retention(2).retain(inDays(0), context)
      // v1 is stable, v3 is previous and among the newest two.
      expect(await Promise.all([1, 2, 3, 4].map(stateOf))).to.deep.equal([
        'ready',
        'archived',
        'ready',
        'ready',
      ])
      const archived = await version(2)
      expect(await isThere(archivedPathOf(archived.artifactUri))).to.equal(true)
      expect(await isThere(archivedPathOf(archived.tailUri ?? ''))).to.equal(true)
      expect((await catalogue.version(other, 1)).state).to.equal('ready')
    })

    it('keeps counts for 400 days, and those of drift for a week', async () => {
      const asOf = inDays(0)
      const ago = (ms: number): Date => new Date(asOf.getTime() - ms)
      const stats = [400 * DAY_MS, 400 * DAY_MS + 1].map(ago)
      const sketches = [7 * DAY_MS, 7 * DAY_MS + 1].map(ago)
      await knex('series_stats').insert(stats.map((hour) => ({ series_id: id, hour })))
      const sketch = { series_id: id, version: 1, channel: 'value', counts: [1] }
      await knex('drift_sketches').insert(sketches.map((hour) => ({ ...sketch, hour })))
      await retention(10).retain(asOf, context)
      expect(await knex('series_stats').where({ series_id: id }).pluck('hour')).to.deep.equal([stats[0]])
      expect(await knex('drift_sketches').where({ series_id: id }).pluck('hour')).to.deep.equal([sketches[0]])
    })

    it('leaves a version that is made stable while it looks', async () => {
      for (const n of [1, 2, 3]) await system.train(id, { data: `${id} ${n}` })
      // The clean-up has chosen v1 and waits for its row, which a rollback holds.
      let cleaned: Promise<unknown> | undefined
      await knex.transaction(async (trx) => {
        await trx('model_versions').where({ series_id: id, version: 1 }).forUpdate().first('id')
        cleaned = system.store.seriesRegistry.archiveOld(1)
        await eventually('the clean-up waits', async () => {
          const { rows } = (await knex.raw(
            `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%row_number()%'`,
          )) as { rows: unknown[] }
          return rows.length > 0
        })
        await trx('model_versions').where({ series_id: id, version: 1 }).update({ restored_at: trx.fn.now() })
      })
      await cleaned
      expect(await stateOf(1)).to.equal('ready')
    })

    it('moves files that were left when their worker died', async () => {
      for (const n of [1, 2, 3]) await system.train(id, { data: `${id} ${n}` }, 2)
      const { artifactUri, state } = await version(1)
      expect(state).to.equal('archived')
      expect(await isThere(pathOf(artifactUri))).to.equal(true)
      await retention().retain(inDays(0), context)
      expect(await isThere(pathOf(artifactUri))).to.equal(false)
      expect(await isThere(archivedPathOf(artifactUri))).to.equal(true)
    })

    it('sweeps the files of a worker that was killed before it wrote the row, once they are a day old', async () => {
      const series = await system.store.series.ensure(id, SHORT)
      await system.train(id, { data: `${id} kept` })
      const draft = await system.draft(series, { data: `${id} lost` })
      await retention().retain(inDays(0.9), context)
      expect(await isThere(pathOf(draft.artifactUri))).to.equal(true)
      const outcome = await retention().retain(inDays(1.1), context)
      expect(outcome).to.include({ status: 'succeeded' })
      expect(await isThere(pathOf(draft.artifactUri))).to.equal(false)
      expect(await isThere(pathOf(draft.tailUri ?? ''))).to.equal(false)
      expect(await isThere(pathOf((await version(1)).artifactUri))).to.equal(true)
      // Its repetition writes them anew.
      expect(await system.train(id, { data: `${id} lost` })).to.include({ version: 2, created: true })
      expect(await isThere(pathOf(draft.artifactUri))).to.equal(true)
    })

    it('drops counts of more than 400 days ago', async () => {
      const counted = (days: number) => ({ series_id: id, hour: inDays(-days), predictions: 1 })
      await knex('series_stats').insert([counted(399), counted(401)])
      await retention().retain(inDays(0), context)
      expect(await knex('series_stats').where({ series_id: id })).to.have.length(1)
    })

    it('keeps uploads of open trainings, and young ones', async () => {
      const [queued, done, young] = ['1', '2', '3'].map((digit) => digit.repeat(64)) as [
        string,
        string,
        string,
      ]
      const files = system.store.seriesFiles
      for (const fingerprint of [queued, done, young]) await files.saveUpload(fingerprint, new Uint8Array(8))
      const at = (fingerprint: string): string => join(system.root, 'uploads', `${fingerprint}.safetensors`)
      for (const fingerprint of [queued, done]) await utimes(at(fingerprint), inDays(-1), inDays(-1))
      for (const [fingerprint, status] of [
        [queued, 'queued'],
        [done, 'succeeded'],
      ] as const) {
        const { runId } = await system.fence()
        await knex('runs')
          .where({ id: runId })
          .update({ status, payload: JSON.stringify({ upload: fingerprint }) })
      }
      const swept = await retention().sweepUploads(inDays(0), context)
      expect(swept.result).to.deep.equal({ uploads_removed: 1 })
      expect(await Promise.all([queued, done, young].map((one) => isThere(at(one))))).to.deep.equal([
        true,
        false,
        true,
      ])
    })
  })

  it('leaves models of entities their own clean-up, and their lists to them', async () => {
    for (let n = 1; n <= 12; n += 1) await system.train(id, { data: `${id} ${n}` }, 1000)
    const { modelVersions } = system.store
    expect(await modelVersions.archiveOld()).to.deep.equal([])
    expect(await modelVersions.inactiveSince(30_000)).to.deep.equal([])
    const row: { id: number } = await knex('model_versions').where({ series_id: id, version: 1 }).first('id')
    expect(await modelVersions.byId(row.id)).to.equal(null)
    expect(await modelVersions.ofModel(`anomaly_detector/series/${id}`)).to.deep.equal([])
    expect(await modelVersions.configIds()).to.deep.equal([])
  })

  describe('pages', () => {
    const CLASSES = ['standard', 'short'] as const
    let names: string[]
    before(async () => {
      const rows = Array.from({ length: 60 }, (_, i) => ({
        id: `page_${i % 12}_x`,
        version: Math.floor(i / 12) + 1,
      }))
      await knex('series').insert(
        Array.from({ length: 12 }, (_, i) => ({
          id: `page_${i}_x`,
          class: CLASSES[i % 2],
          channels: ['value'],
        })),
      )
      await insert(rows)
      names = rows.map((row) => `${row.id} v${row.version}`)
    })

    let inserted = 0
    const insert = async (rows: readonly { id: string; version: number }[]): Promise<void> => {
      for (const { id: seriesId, version: number } of rows) {
        inserted += 1
        await knex('model_versions').insert({
          model: `anomaly_detector/series/${seriesId}`,
          version: number,
          family: 'anomaly_detector',
          fingerprint: `${inserted}`.padStart(64, '0'),
          entity_key: `series/${seriesId}`,
          series_id: seriesId,
          class: CLASSES[Number(seriesId.split('_')[1]) % 2],
          families: ['zscore'],
          params: '{}',
          stats: '{}',
          points: inserted,
          data_hash: '0'.repeat(64),
          members: '[]',
          artifact_uri: 'x',
          artifact_sha256: '0'.repeat(64),
          artifact_bytes: 1,
          trained_at: new Date(),
          actor: 'test',
          // Many of the same instant, and some a microsecond apart.
          created_at: knex.raw(`timestamptz '2026-01-01' + ? * interval '1 microsecond'`, [
            Math.floor(inserted / 4),
          ]),
        })
      }
    }

    const walk = async (
      filter: SeriesVersionFilter,
      order: (typeof REGISTRY_ORDERS)[number],
      pageSize: number,
      between: () => Promise<void> = () => Promise.resolve(),
    ): Promise<string[]> => {
      const seen: string[] = []
      let cursor: string | null = null
      do {
        const page: Awaited<ReturnType<SeriesCatalogue['versions']>> = await catalogue.versions({
          filter: { prefix: 'page_', ...filter },
          order,
          pageSize,
          cursor,
        })
        expect(page.rows.length).to.be.at.most(pageSize)
        seen.push(...page.rows.map((row) => `${row.seriesId} v${row.version}`))
        cursor = page.nextCursor
        if (cursor !== null) await between()
      } while (cursor !== null)
      return seen
    }

    it('put together are the whole, whatever their size, order and filter', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 70 }),
          fc.constantFrom(...REGISTRY_ORDERS),
          fc.constantFrom<SeriesVersionFilter>(
            {},
            { class: 'short' },
            { pointsMin: 20 },
            { prefix: 'page_1' },
          ),
          async (pageSize, order, filter) => {
            const whole = await walk(filter, order, 500)
            expect(await walk(filter, order, pageSize)).to.deep.equal(whole)
            expect(new Set(whole).size).to.equal(whole.length)
          },
        ),
        { numRuns: 30 },
      )
      expect(await walk({}, 'created_at', 7)).to.have.members(names)
    })

    it('show nothing twice and miss nothing while others are added', async () => {
      for (const order of REGISTRY_ORDERS) {
        const before = await walk({}, order, 500)
        let next = 100 + inserted
        const seen = await walk({}, order, 9, () =>
          insert([{ id: `page_${next % 12}_x`, version: (next += 1) }]),
        )
        expect(new Set(seen).size).to.equal(seen.length)
        expect(seen.filter((name) => before.includes(name))).to.deep.equal(before)
      }
    })

    it('of series put together are the whole too', async () => {
      const walkSeries = async (
        order: (typeof REGISTRY_ORDERS)[number],
        pageSize: number,
      ): Promise<string[]> => {
        const seen: string[] = []
        let cursor: string | null = null
        do {
          const page: Awaited<ReturnType<SeriesCatalogue['list']>> = await catalogue.list({
            filter: { prefix: 'page_' },
            order,
            pageSize,
            cursor,
          })
          seen.push(...page.rows.map(({ series }) => series.id))
          cursor = page.nextCursor
        } while (cursor !== null)
        return seen
      }
      for (const order of REGISTRY_ORDERS) {
        const whole = await walkSeries(order, 500)
        expect(whole).to.have.length(12)
        for (const pageSize of [1, 5, 11, 12, 13])
          expect(await walkSeries(order, pageSize)).to.deep.equal(whole)
      }
    })
  })
})
