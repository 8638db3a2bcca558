import { expect } from 'chai'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeImport, exitCodeOf, importFile } from '../../../cli/commands/import.ts'
import type { ImportOptions } from '../../../cli/commands/import.ts'
import type { AppError } from '../../../shared/core/errors.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openEntityServices, rejectionOf } from '../../support/entities.ts'
import type { EntityServices } from '../../support/entities.ts'

const EN = 'Day,Ad set ID,Campaign ID,Ad ID,Amount spent (USD),Impressions,Clicks (all),Leads'

describe('vigia import', () => {
  let database: TestDatabase
  let services: EntityServices
  let folder: string
  before(async () => {
    database = await openTestDatabase()
    services = openEntityServices(database.knex, '2026-06-16T15:00:00Z')
    folder = await mkdtemp(join(tmpdir(), 'vigia-test-import-'))
  })
  after(async () => {
    await rm(folder, { recursive: true, force: true })
    await database.close()
  })

  const fileOf = async (text: string | Buffer): Promise<string> => {
    const file = join(folder, 'file.csv')
    await writeFile(file, text)
    return file
  }
  const run = async (text: string, options: ImportOptions) =>
    importFile(await fileOf(text), options, services)
  const refused = async (text: string, options: ImportOptions): Promise<string> =>
    ((await rejectionOf(run(text, options))) as AppError).code

  it('makes the config it is told to, in the currency of the header', async () => {
    const { config, created, report } = await run(`${EN}\n2026-06-01,s,c,a,1,1,1,1`, { config: 'Loja Nova' })
    expect(created).to.equal(true)
    expect(config).to.include({ account_id: 'loja-nova', currency: 'USD', timezone: 'America/Sao_Paulo' })
    expect(report).to.include({ rows_upserted: 1 })
    const again = await run(`${EN}\n2026-06-02,s,c,a,1,1,1,1`, { config: String(config.id) })
    expect(again.created).to.equal(false)
    expect(again.config.id).to.equal(config.id)
  })

  it('takes currency and zone of a new config from its options', async () => {
    const own = 'date,campaign_id,adset_id,ad_id,spend,impressions\n2026-06-01,c,s,a,1,1'
    const options = { config: 'Options', currency: 'eur', timezone: 'Europe/Lisbon', lagDays: '7' }
    expect((await run(own, options)).config).to.include({
      currency: 'EUR',
      timezone: 'Europe/Lisbon',
      attribution_lag_days: 7,
    })
    expect((await run(own, { config: 'No options' })).config).to.include({
      currency: 'BRL',
      attribution_lag_days: 3,
    })
  })

  it('makes no config for a file it cannot read, or under options it cannot keep', async () => {
    const good = `${EN}\n2026-06-01,s,c,a,1,1,1,1`
    expect(await refused('Day,Ad ID\n2026-06-01,a', { config: 'Never' })).to.equal('INVALID_CSV')
    expect(await refused(good, { config: 'Never', currency: 'BRL' })).to.equal('CONFLICT')
    expect(await refused(good, { config: 'Never', timezone: 'Mars' })).to.equal('INVALID_REQUEST')
    expect(await refused(good, { config: 'Never', lagDays: '29' })).to.equal('INVALID_REQUEST')
    expect(await refused(good, { config: 'Never', lagDays: '' })).to.equal('INVALID_REQUEST')
    expect(await refused(good, { config: '4711' })).to.equal('CONFIG_NOT_FOUND')
    expect(await services.configs.find('Never')).to.equal(null)
  })

  it('refuses options that contradict the config', async () => {
    const good = `${EN}\n2026-06-01,s,c,a,1,1,1,1`
    await run(good, { config: 'Settled' })
    expect(await refused(good, { config: 'Settled', currency: 'EUR' })).to.equal('CONFLICT')
    expect(await refused(good, { config: 'Settled', timezone: 'UTC' })).to.equal('CONFLICT')
    expect(await refused(good, { config: 'Settled', lagDays: '4' })).to.equal('CONFLICT')
    expect((await run(good, { config: 'Settled', lagDays: '3' })).report.duplicate).to.equal(true)
    expect((await run(good, { config: 'Settled', currency: 'usd' })).report.duplicate).to.equal(true)
  })

  it('says which file cannot be read', async () => {
    const error = await rejectionOf(importFile(join(folder, 'none.csv'), { config: 'X' }, services))
    expect((error as AppError).code).to.equal('INVALID_REQUEST')
    expect(error.message).to.contain('none.csv')
    expect(((await rejectionOf(importFile(folder, { config: 'X' }, services))) as AppError).code).to.equal(
      'INVALID_REQUEST',
    )
  })

  it('reports progress up to the whole file', async () => {
    const file = fileURLToPath(new URL('../../../../test/fixtures/meta/meta_export_en.csv', import.meta.url))
    const seen: [number, number][] = []
    await importFile(file, { config: 'Progress' }, services, (fraction, rows) => seen.push([fraction, rows]))
    expect(seen.at(-1)).to.deep.equal([1, 2480])
  })

  it('tells people what became of each line', async () => {
    const text = [
      EN,
      '2026-06-01,s,c,a,1,1,1,1',
      '2026-06-02,s,c,a,-1,1,1,1',
      '2026-06-03,s,c,../a,1,1,1,1',
      ',,,,9,9,9,9',
    ]
    const result = await run(text.join('\n'), { config: 'Told' })
    const { id } = result.config
    expect(describeImport(result).split('\n')).to.deep.equal([
      `Made config ${id} (Told, USD, America/Sao_Paulo).`,
      `1 row imported into config ${id} (Told, USD, America/Sao_Paulo), 2026-06-01 to 2026-06-01.`,
      '1 was new or different; 3 entities are new.',
      '! 1 row without ad or date (totals) ignored.',
      '',
      '2 rows were rejected:',
      'line  column              reason',
      '   3  Amount spent (USD)  "-1" is negative',
      '   4  Ad ID               "../a" is not an id: it must be 1 to 100 letters, digits, "_" or "-" (a spreadsheet may have rounded it)',
    ])
    expect(exitCodeOf(result.report)).to.equal(0)
    const repeated = await run(text.join('\n'), { config: 'Told' })
    expect(describeImport(repeated)).to.contain('had this very file already')
  })

  it('fails when no row of a file could be used', async () => {
    const { report } = await run(`${EN}\n2026-06-01,s,c,a,-1,1,1,1`, { config: 'Nothing' })
    expect(exitCodeOf(report)).to.equal(1)
  })
})
