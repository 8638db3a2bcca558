import { expect } from 'chai'
import { readFile } from 'node:fs/promises'
import type { AppError } from '../../../shared/core/errors.ts'
import { toPageRequest } from '../../../shared/core/page.ts'
import { idOfName } from '../../../shared/entities/csv/insight-rows.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { bytesOf, openEntityServices, rejectionOf } from '../../support/entities.ts'
import type { EntityServices } from '../../support/entities.ts'

const NOW = '2026-06-16T15:00:00Z'
const OWN =
  'date,campaign_id,campaign_name,adset_id,adset_name,ad_id,ad_name,spend,impressions,reach,clicks,leads'
const own = (...lines: readonly string[]): string => [OWN, ...lines].join('\n')
/** A row of campaign c, ad set s, ad `ad`. */
const row = (ad: string, date: string, spend: number, leads = 1): string =>
  `${date},c,Camp,s,Set,${ad},Ad ${ad},${spend},1000,800,20,${leads}`

const bundled = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../../../test/fixtures/meta/${name}`, import.meta.url))

describe('imports', () => {
  let database: TestDatabase
  let services: EntityServices
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(() => {
    services = openEntityServices(database.knex, NOW)
  })

  const daily = (configId: number) =>
    database
      .knex('ads_insights_daily')
      .where({ config_id: configId })
      .orderBy(['ad_id', 'date'])
      .select<Record<string, unknown>[]>('*')
  const figures = async (configId: number): Promise<unknown[]> =>
    (await daily(configId)).map(({ config_id: _config, updated_at: _at, ...rest }) => rest)
  const changedAt = async (configId: number): Promise<string[]> =>
    (await daily(configId)).map((found) => (found['updated_at'] as Date).toISOString())

  it('bring in the English and the Portuguese export alike', async () => {
    const [en, pt] = [await services.newConfig(), await services.newConfig()]
    const reports = []
    for (const [configId, file] of [
      [en, 'meta_export_en.csv'],
      [pt, 'meta_export_pt.csv'],
    ] as const) {
      const source = bytesOf(await bundled(file))
      reports.push(await services.imports.importInsights({ configId, source, actor: 'test' }))
    }
    expect(reports[0]).to.deep.include({
      rows_read: 2480,
      rows_upserted: 2480,
      rows_changed: 2480,
      rows_rejected: 0,
      entities_created: 36,
      date_from: '2026-01-05',
      date_to: '2026-05-04',
      warnings: [],
      errors: [],
      duplicate: false,
    })
    expect({ ...reports[1], import_id: 0 }).to.deep.equal({ ...reports[0], import_id: 0 })
    expect(await figures(pt)).to.deep.equal(await figures(en))
    const names = (table: string, configId: number) =>
      database.knex(table).where({ config_id: configId }).orderBy('name').pluck('name')
    for (const table of ['ads_campaigns', 'ads_adsets', 'ads_ads'])
      expect(await names(table, pt)).to.deep.equal(await names(table, en))
  })

  it('answer the same file with its first report, and change nothing', async () => {
    const configId = await services.newConfig()
    const text = own(row('a', '2026-06-01', 10), row('a', '2026-06-02', -1))
    const first = await services.importText(configId, text)
    const before = await daily(configId)
    services.setNow('2026-06-17T15:00:00Z')
    const second = await services.importText(configId, text)
    expect(second).to.deep.equal({ ...first, duplicate: true })
    expect(await daily(configId)).to.deep.equal(before)
    const other = await services.newConfig()
    expect((await services.importText(other, text)).duplicate).to.equal(false)
  })

  it('of the same file at once are one', async () => {
    const configId = await services.newConfig()
    const text = own(...Array.from({ length: 50 }, (_, i) => row(`a${i}`, '2026-06-01', i)))
    const reports = await Promise.all([1, 2, 3].map(() => services.importText(configId, text)))
    expect(reports.filter(({ duplicate }) => !duplicate)).to.have.length(1)
    expect(new Set(reports.map(({ import_id }) => import_id)).size).to.equal(1)
  })

  it('touch only the rows that changed', async () => {
    const configId = await services.newConfig()
    await services.importText(configId, own(row('a', '2026-06-01', 10), row('a', '2026-06-02', 20)))
    services.setNow('2026-06-17T15:00:00Z')
    const report = await services.importText(
      configId,
      own(row('a', '2026-06-01', 10), row('a', '2026-06-02', 21), row('b', '2026-06-02', 5)),
    )
    expect(report).to.include({ rows_upserted: 3, rows_changed: 2, entities_created: 1 })
    expect(await changedAt(configId)).to.deep.equal([
      '2026-06-16T15:00:00.000Z',
      '2026-06-17T15:00:00.000Z',
      '2026-06-17T15:00:00.000Z',
    ])
  })

  it('move the watermark forward even when the clock was set back', async () => {
    const configId = await services.newConfig()
    await services.importText(configId, own(row('a', '2026-06-01', 10)))
    services.setNow('2026-06-16T14:00:00Z')
    await services.importText(configId, own(row('b', '2026-06-01', 10)))
    expect(await changedAt(configId)).to.deep.equal(['2026-06-16T15:00:00.000Z', '2026-06-16T15:00:00.001Z'])
  })

  it('overwrite what earlier imports said, in the order they come', async () => {
    const configId = await services.newConfig()
    for (const spend of [10, 12, 11]) await services.importText(configId, own(row('a', '2026-06-01', spend)))
    expect(await figures(configId)).to.have.length(1)
    expect((await daily(configId))[0]).to.include({ spend: 11 })
  })

  it('take the last row of an ad and day, and say so', async () => {
    const configId = await services.newConfig()
    const report = await services.importText(
      configId,
      own(
        row('a', '2026-06-01', 1),
        row('b', '2026-06-01', 5),
        row('a', '2026-06-01', 2),
        row('a', '2026-06-01', 3),
      ),
    )
    expect(report).to.include({ rows_read: 4, rows_upserted: 2 })
    expect(report.warnings).to.deep.equal([
      '2 rows repeat an ad and day of the same file; the last one counts. Overridden: line 2, 4.',
    ])
    expect((await daily(configId)).map(({ spend }) => spend)).to.deep.equal([3, 5])
  })

  it('take the last row of an ad and day across batches too', async () => {
    const configId = await services.newConfig()
    const many = Array.from({ length: 12_000 }, (_, i) => row(`a${i}`, '2026-06-01', 1))
    const report = await services.importText(
      configId,
      own(row('a0', '2026-06-01', 7), ...many, row('a1', '2026-06-01', 9)),
    )
    expect(report).to.include({ rows_read: 12_002, rows_upserted: 12_000, entities_created: 12_002 })
    const spends = await database
      .knex('ads_insights_daily')
      .where({ config_id: configId })
      .whereIn('ad_id', ['a0', 'a1'])
      .orderBy('ad_id')
      .pluck('spend')
    expect(spends).to.deep.equal([1, 9])
  })

  it('ignore totals and report what they reject, line by line', async () => {
    const configId = await services.newConfig()
    const report = await services.importText(
      configId,
      own(
        ',,,,,,,99,99999,,,',
        row('a', '2026-06-01', 1),
        row('a', '2026-06-02', -1),
        row('../a', '2026-06-01', 1),
        row('a', '2026-06-17', 1),
      ),
    )
    expect(report).to.include({
      rows_read: 5,
      rows_upserted: 1,
      rows_rejected: 3,
      rows_ignored: 1,
      date_to: '2026-06-01',
    })
    expect(report.errors.map(({ line, column }) => [line, column])).to.deep.equal([
      [4, 'spend'],
      [5, 'ad_id'],
      [6, 'date'],
    ])
    expect(report.warnings).to.deep.equal(['1 row without ad or date (totals) ignored.'])
  })

  it('judge the future by the calendar of the account', async () => {
    const text = own(row('a', '2026-06-16', 1), row('a', '2026-06-17', 1))
    services.setNow('2026-06-16T12:00:00Z')
    const apia = await services.importText(await services.newConfig('Pacific/Kiritimati'), text)
    expect(apia).to.include({ rows_upserted: 2, rows_rejected: 0 })
    const niue = await services.importText(await services.newConfig('Pacific/Niue'), text)
    expect(niue).to.include({ rows_upserted: 1, rows_rejected: 1 })
  })

  it('keep a file of rejected rows on record', async () => {
    const configId = await services.newConfig()
    const report = await services.importText(configId, own(row('a', '2026-06-01', -1)))
    expect(report).to.deep.include({ rows_upserted: 0, entities_created: 0, date_from: null, date_to: null })
    const { data, total } = await services.imports.list(configId, toPageRequest({ page: 1, page_size: 50 }))
    expect(total).to.equal(1)
    expect(data[0]).to.deep.include({
      import_id: report.import_id,
      config_id: configId,
      actor: 'test',
      created_at: '2026-06-16T15:00:00.000Z',
    })
    expect(data[0]?.report.errors).to.deep.equal(report.errors)
  })

  it('list newest first, by page or by cursor', async () => {
    const configId = await services.newConfig()
    for (let day = 1; day <= 5; day++)
      await services.importText(configId, own(row('a', `2026-06-0${day}`, 1)))
    const ids = async (query: { page: number; cursor?: string }) => {
      const page = await services.imports.list(configId, toPageRequest({ page_size: 2, ...query }))
      return { ids: page.data.map(({ date_to }) => date_to), next: page.next_cursor, total: page.total }
    }
    const first = await ids({ page: 1 })
    expect(first).to.deep.include({ ids: ['2026-06-05', '2026-06-04'], total: 5 })
    const second = await ids({ page: 1, cursor: first.next ?? '' })
    expect(second.ids).to.deep.equal((await ids({ page: 2 })).ids)
    expect(second.ids).to.deep.equal(['2026-06-03', '2026-06-02'])
    expect(await ids({ page: 3 })).to.deep.include({ ids: ['2026-06-01'], next: null })
  })

  describe('of entities', () => {
    const entity = (table: string, configId: number, id: Record<string, string>) =>
      database
        .knex(table)
        .where({ config_id: configId, ...id })
        .first<Record<string, unknown>>()

    it('rename them', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      const report = await services.importText(configId, own('2026-06-02,c,Camp II,s,Set,a,Ad a,1,1,,,'))
      expect(report.entities_created).to.equal(0)
      expect(await entity('ads_campaigns', configId, { campaign_id: 'c' })).to.include({
        name: 'Camp II',
        status: 'ACTIVE',
      })
    })

    it('keep the names and places of newer days when older ones come later', async () => {
      const configId = await services.newConfig()
      const named = (date: string, version: string, ad = 'a') =>
        services.importText(
          configId,
          own(`${date},c,Camp ${version},s${version},Set ${version},${ad},Ad ${version},1,1,,,`),
        )
      const shown = async () => {
        const ad = await entity('ads_ads', configId, { ad_id: 'a' })
        const campaign = await entity('ads_campaigns', configId, { campaign_id: 'c' })
        return [ad?.['name'], ad?.['adset_id'], campaign?.['name']]
      }
      await named('2026-06-05', '5')
      await named('2026-06-04', '4')
      expect(await shown()).to.deep.equal(['Ad 5', 's5', 'Camp 5'])
      // The newest day of the campaign is another ad's.
      await named('2026-06-06', '6', 'b')
      await named('2026-06-05', '7')
      expect(await shown()).to.deep.equal(['Ad 7', 's7', 'Camp 6'])
      expect(await entity('ads_adsets', configId, { adset_id: 's4' })).to.include({ name: 'Set 4' })
      expect((await daily(configId)).map(({ adset_id }) => adset_id)).to.have.members(['s4', 's7', 's6'])
    })

    it('leave those that did not change alone', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      services.setNow('2026-06-17T15:00:00Z')
      await services.importText(configId, own('2026-06-02,c,Camp,s,Set II,a,Ad a,1,1,,,'))
      const at = async (table: string, id: Record<string, string>) =>
        (await entity(table, configId, id))?.['updated_at']
      expect(await at('ads_campaigns', { campaign_id: 'c' })).to.deep.equal(new Date(NOW))
      expect(await at('ads_adsets', { adset_id: 's' })).to.deep.equal(new Date('2026-06-17T15:00:00Z'))
    })

    it('move an ad to its new parent and leave its past where it was', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      await services.importText(configId, own('2026-06-02,c2,Camp 2,s2,Set 2,a,Ad a,1,1,,,'))
      expect(await entity('ads_ads', configId, { ad_id: 'a' })).to.include({
        adset_id: 's2',
        campaign_id: 'c2',
      })
      expect(
        (await daily(configId)).map(({ adset_id, campaign_id }) => [adset_id, campaign_id]),
      ).to.deep.equal([
        ['s', 'c'],
        ['s2', 'c2'],
      ])
    })

    it('keep the names of those a file gives by id alone', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      await services.importText(
        configId,
        'date,campaign_id,adset_id,ad_id,spend,impressions\n2026-06-02,c,s,a,1,1\n2026-06-02,c,s,b,1,1',
      )
      expect(await entity('ads_ads', configId, { ad_id: 'a' })).to.include({ name: 'Ad a' })
      expect(await entity('ads_ads', configId, { ad_id: 'b' })).to.include({ name: 'b' })
    })

    it('leave known ads where they are when a file names no parents', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      const report = await services.importText(
        configId,
        'Day,Ad ID,spend,impressions\n2026-06-02,a,1,1\n2026-06-02,new,1,1',
      )
      const noCampaign = idOfName('campaign', '', '')
      const noAdset = idOfName('adset', noCampaign, '')
      expect(report.entities_created).to.equal(3)
      expect(await entity('ads_ads', configId, { ad_id: 'a' })).to.include({
        adset_id: 's',
        campaign_id: 'c',
      })
      expect(await entity('ads_ads', configId, { ad_id: 'new' })).to.include({
        adset_id: noAdset,
        campaign_id: noCampaign,
      })
      expect(await entity('ads_campaigns', configId, { campaign_id: noCampaign })).to.include({
        name: '(no campaign)',
      })
      const again = await services.importText(configId, 'Day,Ad ID,spend,impressions\n2026-06-03,a,1,1')
      expect(again.entities_created).to.equal(0)
    })

    it('leave known ad sets where they are when a file names no campaigns', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      const report = await services.importText(
        configId,
        'Day,Ad set ID,Ad set name,Ad ID,spend,impressions\n2026-06-02,s,Set,a,1,1\n2026-06-02,s,Set,b,1,1',
      )
      expect(report.entities_created).to.equal(1)
      expect(await entity('ads_ads', configId, { ad_id: 'b' })).to.include({
        adset_id: 's',
        campaign_id: 'c',
      })
      expect(await database.knex('ads_campaigns').where({ config_id: configId })).to.have.length(1)
      expect((await daily(configId)).map(({ campaign_id }) => campaign_id)).to.deep.equal(['c', 'c', 'c'])
    })

    it('know ads without ids by their names', async () => {
      const configId = await services.newConfig()
      const text = (day: string) =>
        `Day,Campaign name,Ad set name,Ad name,spend,impressions\n${day},C,S,A,1,1`
      expect((await services.importText(configId, text('2026-06-01'))).entities_created).to.equal(3)
      expect((await services.importText(configId, text('2026-06-02'))).entities_created).to.equal(0)
    })

    it('take hostile names for names', async () => {
      const configId = await services.newConfig()
      const name = "Robert'); drop table ads_configs;-- ${x} :configId ? \\"
      await services.importText(configId, own(`2026-06-01,c,"${name}",s,"{1,""2""}",a,NULL,1,1,,,`))
      expect(await entity('ads_campaigns', configId, { campaign_id: 'c' })).to.include({ name })
      expect(await entity('ads_adsets', configId, { adset_id: 's' })).to.include({ name: '{1,"2"}' })
      expect(await entity('ads_ads', configId, { ad_id: 'a' })).to.include({ name: 'NULL' })
    })
  })

  it('put hours into the hourly table', async () => {
    const configId = await services.newConfig()
    const report = await services.importText(
      configId,
      'date,hour,campaign_id,adset_id,ad_id,spend,impressions\n2026-06-01,0,c,s,a,1.5,10\n2026-06-01,23,c,s,a,2,20\n2026-06-01,23,c,s,a,3,30',
    )
    expect(report).to.include({
      rows_read: 3,
      rows_upserted: 2,
      date_from: '2026-06-01',
      date_to: '2026-06-01',
    })
    expect(report.warnings.some((warning) => warning.startsWith('Figures by the hour'))).to.equal(true)
    expect(await daily(configId)).to.have.length(0)
    const rows = await database.knex('ads_insights_hourly').where({ config_id: configId }).orderBy('hour')
    expect(rows.map(({ hour, spend }: { hour: number; spend: number }) => [hour, spend])).to.deep.equal([
      [0, 1.5],
      [23, 3],
    ])
  })

  it('take hours for no word on whole days: an ad without a row of the day need not have stopped', async () => {
    const configId = await services.newConfig()
    const covered = async (): Promise<unknown> =>
      database.knex('ads_imports').where({ config_id: configId }).orderBy('id').select('date_from', 'date_to')
    const report = await services.importText(
      configId,
      'Day,Time of day,Ad set ID,Ad ID,Campaign ID,Amount spent (BRL),Impressions,Reporting starts,Reporting ends\n' +
        '2026-06-01,00:00:00 - 00:59:59,s,a,c,1.5,10,2026-05-01,2026-06-03\n,,,,,1.5,10,2026-05-01,2026-06-03\n',
    )
    expect(report).to.include({ rows_upserted: 1, date_from: '2026-05-01', date_to: '2026-06-03' })
    await services.importText(
      configId,
      'date,hour,campaign_id,adset_id,ad_id,spend,impressions\n2026-06-01,0,c,s,a,1.5,10\n2026-06-02,,c,s,a,2,20',
    )
    const again = await services.importText(
      configId,
      'date,hour,campaign_id,adset_id,ad_id,spend,impressions\n2026-06-01,1,c,s,a,1.5,10',
    )
    expect(again.warnings.filter((warning) => warning.startsWith('Figures by the hour'))).to.deep.equal([])
    expect(await covered()).to.deep.equal([
      { date_from: null, date_to: null },
      { date_from: '2026-06-02', date_to: '2026-06-02' },
      { date_from: null, date_to: null },
    ])
  })

  describe('leave nothing behind', () => {
    const nothing = async (configId: number): Promise<void> => {
      for (const table of ['ads_insights_daily', 'ads_campaigns', 'ads_adsets', 'ads_ads', 'ads_imports'])
        expect(await database.knex(table).where({ config_id: configId }), table).to.have.length(0)
    }

    it('when the file splits the days of an ad by more than time', async () => {
      const configId = await services.newConfig()
      const parts = 'Day,Ad ID,Age,Gender,spend,impressions,clicks,leads\n2026-06-01,a,18-24,female,1,1,1,1\n'
      const error = await rejectionOf(
        services.importText(configId, `${parts}2026-06-01,a,25-34,female,1,1,1,1\n`),
      )
      expect((error as AppError).code).to.equal('INVALID_CSV')
      expect((error as AppError).message)
        .to.include('broken down by Age, Gender')
        .and.include('line 2')
        .and.include('Export it broken down by day alone')
      await nothing(configId)
      // Of one part a day nothing is lost.
      expect(await services.importText(configId, parts)).to.include({ rows_upserted: 1 })
    })

    it('when the file breaks off being text far down', async () => {
      const configId = await services.newConfig()
      const good = `${own(...Array.from({ length: 20_000 }, (_, i) => row(`a${i}`, '2026-06-01', 1)))}\n`
      const source = bytesOf(good, Buffer.from('2026-06-02,c,Promoção', 'latin1'))
      const error = await rejectionOf(services.imports.importInsights({ configId, source, actor: 'test' }))
      expect((error as AppError).code).to.equal('INVALID_CSV')
      await nothing(configId)
    })

    it('when the source ends with an error', async () => {
      const configId = await services.newConfig()
      const source = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from(own(...Array.from({ length: 20_000 }, (_, i) => row(`a${i}`, '2026-06-01', 1))))
        throw new Error('the client went away')
      }
      const error = await rejectionOf(
        services.imports.importInsights({ configId, source: source(), actor: 'test' }),
      )
      expect(error.message).to.equal('the client went away')
      await nothing(configId)
    })

    it('when the connection is killed in the middle', async () => {
      const configId = await services.newConfig()
      let killed = false
      const source = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from(
          `${own(...Array.from({ length: 20_000 }, (_, i) => row(`a${i}`, '2026-06-01', 1)))}\n`,
        )
        const { rows }: { rows: { killed: boolean }[] } = await database.knex.raw(
          `select pg_terminate_backend(pid) as killed from pg_stat_activity
           where datname = current_database() and state = 'idle in transaction'`,
        )
        killed = rows.some((found) => found.killed)
        for (let i = 0; i < 20_000; i++) yield Buffer.from(`${row(`b${i}`, '2026-06-01', 1)}\n`)
      }
      await rejectionOf(services.imports.importInsights({ configId, source: source(), actor: 'test' }))
      expect(killed).to.equal(true)
      await nothing(configId)
      const report = await services.importText(configId, own(row('a', '2026-06-01', 1)))
      expect(report.rows_upserted).to.equal(1)
    })
  })

  describe('refuse', () => {
    const codeOf = async (promise: Promise<unknown>): Promise<string> =>
      ((await rejectionOf(promise)) as AppError).code

    it('a config that does not exist', async () => {
      expect(await codeOf(services.importText(2_000_000_000, own(row('a', '2026-06-01', 1))))).to.equal(
        'CONFIG_NOT_FOUND',
      )
    })

    it('a config deleted while the file was read', async () => {
      const configId = await services.newConfig()
      const source = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from(`${own(row('a', '2026-06-01', 1))}\n`)
        await services.configs.remove(configId, true)
      }
      const importing = services.imports.importInsights({ configId, source: source(), actor: 'test' })
      expect(await codeOf(importing)).to.equal('CONFIG_NOT_FOUND')
    })

    it('a file in another currency than the config', async () => {
      const configId = await services.newConfig()
      const text = 'Day,Ad ID,Amount spent (USD),Impressions\n2026-06-01,a,1,1'
      expect(await codeOf(services.importText(configId, text))).to.equal('INVALID_CSV')
    })
  })

  it('read the currency of a header without reading on', async () => {
    let taken = 0
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('Day,Ad ID,Amount spent (EUR),Impressions\n')
      for (; taken < 100; taken++) yield Buffer.from('2026-06-01,a,1,1\n'.repeat(10_000))
    }
    expect(await services.imports.currencyOf(source())).to.equal('EUR')
    expect(taken).to.be.lessThan(10)
    expect(await services.imports.currencyOf(bytesOf(own()))).to.equal(null)
  })

  describe('of budget changes', () => {
    const header = 'account_id,entity_id,kind,date,factor'
    const changes = (configId: number, ...lines: readonly string[]) =>
      services.imports.importChanges(configId, bytesOf([header, ...lines].join('\n')))
    const stored = (configId: number) =>
      database
        .knex('ads_budget_changes')
        .where({ config_id: configId })
        .orderBy(['entity_id', 'changed_at'])
        .select('entity_type', 'entity_id', 'old', 'new', 'changed_at')

    it('find the level by the id and the instant by the zone', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      const report = await changes(
        configId,
        'act_1,c,budget,2026-06-02,1.513',
        'act_1,s,budget,2026-06-03,0.5',
        'act_1,s,mix_start,2026-06-03,1.0',
        'act_1,gone,budget,2026-06-03,2',
      )
      expect(report).to.deep.equal({
        rows_read: 4,
        changes_imported: 2,
        changes_changed: 2,
        rows_ignored: 1,
        rows_rejected: 0,
        warnings: ['1 entity is not known to the config, and what was done to them is left out: gone.'],
        errors: [],
      })
      expect(await stored(configId)).to.deep.equal([
        {
          entity_type: 'campaign',
          entity_id: 'c',
          old: 100,
          new: 151.3,
          changed_at: new Date('2026-06-02T03:00:00Z'),
        },
        {
          entity_type: 'adset',
          entity_id: 's',
          old: 100,
          new: 50,
          changed_at: new Date('2026-06-03T03:00:00Z'),
        },
      ])
    })

    it('may be repeated and corrected', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      await changes(configId, 'x,c,budget,2026-06-02,1.5')
      expect(await changes(configId, 'x,c,budget,2026-06-02,1.5')).to.include({
        changes_imported: 1,
        changes_changed: 0,
      })
      expect(await changes(configId, 'x,c,budget,2026-06-02,1.6')).to.include({ changes_changed: 1 })
      expect(await stored(configId)).to.have.length(1)
    })

    it('take the last of several of one entity and day, and count none of them as unknown', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      const report = await changes(configId, 'x,c,budget,2026-06-02,1.5', 'x,c,budget,2026-06-02,2')
      expect(report).to.deep.include({ changes_imported: 1, changes_changed: 1, warnings: [] })
      expect((await stored(configId)).map((one: { new: number }) => one.new)).to.deep.equal([200])
    })

    it('tell of each row that cannot be read, and take the others', async () => {
      const configId = await services.newConfig()
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      const report = await changes(
        configId,
        'x,c,budget,2026-06-02,0',
        'x,c,budget,2026-06-02,1.5',
        'x,c,pause,2026-06-02,1',
        '',
        'x,c,budget,2026-02-30,1.5',
        'x,../c,budget,2026-06-02,1.5',
        'x,,mix_end,2026-06-02,',
      )
      expect(report).to.include({
        rows_read: 6,
        changes_imported: 1,
        changes_changed: 1,
        rows_ignored: 0,
        rows_rejected: 5,
      })
      expect(report.errors.map(({ line, column }) => [line, column])).to.deep.equal([
        [2, 'factor'],
        [4, 'kind'],
        [6, 'date'],
        [7, 'entity_id'],
        [8, 'entity_id'],
      ])
      expect(report.errors[1]?.reason).to.equal('is budget, mix_start, mix_end, not "pause"')
    })

    it('are those of the account, where the file names it', async () => {
      const configId = await services.newConfig()
      const { account_id: account } = await services.configs.get(configId)
      await services.importText(configId, own(row('a', '2026-06-01', 1)))
      const report = await changes(
        configId,
        'another,c,budget,2026-06-02,3',
        `${account},s,budget,2026-06-02,1.5`,
      )
      expect(report).to.include({ rows_read: 2, changes_imported: 1, rows_ignored: 1 })
      expect((await stored(configId)).map((one: { entity_id: string }) => one.entity_id)).to.deep.equal(['s'])
    })

    it('refuse a file without columns, or without a line', async () => {
      const configId = await services.newConfig()
      expect(
        (await rejectionOf(services.imports.importChanges(configId, bytesOf('a,b\n1,2')))).message,
      ).to.contain('entity_id, kind, date, factor')
      expect((await rejectionOf(services.imports.importChanges(configId, bytesOf('')))).message).to.contain(
        'empty',
      )
    })
  })
})
