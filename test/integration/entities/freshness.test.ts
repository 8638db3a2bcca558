import { expect } from 'chai'
import type { AppError } from '../../../shared/core/errors.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openEntityServices, rejectionOf } from '../../support/entities.ts'
import type { EntityServices } from '../../support/entities.ts'

const NOW = '2026-06-16T15:00:00Z'
const OWN = 'date,ad_id,spend,impressions'

describe('freshness of data', () => {
  let database: TestDatabase
  let services: EntityServices
  beforeEach(async () => {
    database = await openTestDatabase()
    services = openEntityServices(database.knex, NOW)
  })
  afterEach(() => database.close())

  const importDays = (configId: number, ...days: readonly string[]) =>
    services.importText(configId, [OWN, ...days.map((day) => `${day},a,1,1`)].join('\n'))

  it('finds the last complete day of each active config in its own zone', async () => {
    const saoPaulo = await services.newConfig('America/Sao_Paulo')
    const tokyo = await services.newConfig('Asia/Tokyo')
    const off = await services.newConfig()
    await services.configs.remove(off, false)
    const days = async (asOf: string) =>
      (await services.freshness.activeConfigs(new Date(asOf))).map(({ configId, day }) => [configId, day])
    expect(await days('2026-03-11T02:59:59Z')).to.deep.equal([
      [saoPaulo, '2026-03-09'],
      [tokyo, '2026-03-10'],
    ])
    expect(await days('2026-03-11T03:00:00Z')).to.deep.equal([
      [saoPaulo, '2026-03-10'],
      [tokyo, '2026-03-10'],
    ])
  })

  it('gives the newest change among rows up to that day as watermark', async () => {
    const [one, empty] = [await services.newConfig(), await services.newConfig()]
    await importDays(one, '2026-06-14', '2026-06-15')
    services.setNow('2026-06-16T16:00:00Z')
    await importDays(one, '2026-06-16')
    const watermarks = async () =>
      (await services.freshness.activeConfigs(new Date(NOW))).map(({ configId, watermark }) => [
        configId,
        watermark,
      ])
    expect(await watermarks()).to.deep.equal([
      [one, '2026-06-16T15:00:00.000Z'],
      [empty, '1970-01-01T00:00:00.000Z'],
    ])
    expect((await services.freshness.watermark(one, '2026-06-16')).toISOString()).to.equal(
      '2026-06-16T16:00:00.000Z',
    )
    services.setNow('2026-06-16T17:00:00Z')
    await services.importText(one, `${OWN}\n2026-06-14,a,2,1`)
    expect((await watermarks())[0]).to.deep.equal([one, '2026-06-16T17:00:00.000Z'])
  })

  it('goes on with the others when the zone of a config was spoilt by hand', async () => {
    const [good, bad] = [await services.newConfig(), await services.newConfig()]
    await database.knex('ads_configs').where({ id: bad }).update({ timezone: 'Mars/Olympus' })
    const found = await services.freshness.activeConfigs(new Date(NOW))
    expect(found.map(({ configId }) => configId)).to.deep.equal([good])
  })

  it('calls a day with rows fresh and one without stale', async () => {
    const configId = await services.newConfig()
    await importDays(configId, '2026-06-14')
    expect(await services.freshness.freshness(configId, '2026-06-14')).to.equal('fresh')
    expect(await services.freshness.freshness(configId, '2026-06-15')).to.equal('stale')
    expect(await services.freshness.freshness(await services.newConfig(), '2026-06-14')).to.equal('stale')
  })

  it('calls a day fresh that an import covers without rows: delivery stopped', async () => {
    const configId = await services.newConfig()
    const text = [
      'Day,Reporting starts,Reporting ends,Ad ID,spend,impressions',
      '2026-06-13,2026-06-13,2026-06-13,a,1,1',
      ',2026-06-12,2026-06-15,,1,1',
    ].join('\n')
    const report = await services.importText(configId, text)
    expect(report).to.include({ date_from: '2026-06-12', date_to: '2026-06-15' })
    const states = ['2026-06-11', '2026-06-12', '2026-06-15', '2026-06-16'].map((day) =>
      services.freshness.freshness(configId, day),
    )
    expect(await Promise.all(states)).to.deep.equal(['stale', 'fresh', 'fresh', 'stale'])
  })

  it('does not take a report made while the day ran for its end', async () => {
    const configId = await services.newConfig()
    const text = (ad: string) =>
      [
        'Day,Reporting starts,Reporting ends,Ad ID,spend,impressions',
        `2026-06-15,2026-06-15,2026-06-15,${ad},1,1`,
        ',2026-06-15,2026-06-16,,1,1',
      ].join('\n')
    await services.importText(configId, text('a'))
    expect(await services.freshness.freshness(configId, '2026-06-16')).to.equal('stale')
    services.setNow('2026-06-17T15:00:00Z')
    await services.importText(configId, text('b'))
    expect(await services.freshness.freshness(configId, '2026-06-16')).to.equal('fresh')
  })

  it('does not take the rows of a day imported while it ran for its figures', async () => {
    const configId = await services.newConfig('America/Sao_Paulo')
    const state = () => services.freshness.freshness(configId, '2026-06-16')
    const newest = () =>
      services.freshness.newestCompleteDayWithRows(configId, new Date('2026-06-17T12:00:00Z'))
    services.setNow('2026-06-17T02:59:59Z')
    await importDays(configId, '2026-06-15', '2026-06-16')
    expect([await state(), await newest()]).to.deep.equal(['stale', '2026-06-15'])
    // The same figures an instant after midnight there: now they are known to be whole.
    services.setNow('2026-06-17T03:00:00Z')
    await services.importText(configId, `${OWN}\n2026-06-15,a,1,1\n2026-06-16,a,1,1\n`)
    expect([await state(), await newest()]).to.deep.equal(['fresh', '2026-06-16'])
  })

  it('trusts rows that no import brought', async () => {
    const configId = await services.newConfig()
    const row = { config_id: configId, ad_id: 'a', adset_id: 's', campaign_id: 'c', date: '2026-06-15' }
    await database
      .knex('ads_insights_daily')
      .insert({ ...row, spend: 1, impressions: 1, clicks: 0, leads: 0, updated_at: '2026-06-15T10:00:00Z' })
    expect(await services.freshness.freshness(configId, '2026-06-15')).to.equal('fresh')
  })

  it('finds the newest complete day with rows', async () => {
    const configId = await services.newConfig()
    const newest = () => services.freshness.newestCompleteDayWithRows(configId, new Date(NOW))
    expect(await newest()).to.equal(null)
    await importDays(configId, '2026-06-16')
    expect(await newest()).to.equal(null)
    await importDays(configId, '2026-06-12', '2026-06-13')
    expect(await newest()).to.equal('2026-06-13')
    const error = await rejectionOf(
      services.freshness.newestCompleteDayWithRows(2_000_000_000, new Date(NOW)),
    )
    expect((error as AppError).code).to.equal('CONFIG_NOT_FOUND')
  })
})
