import { expect } from 'chai'
import type { AppError } from '../../../shared/core/errors.ts'
import type { Level } from '../../../shared/core/entity.ts'
import { toPageRequest } from '../../../shared/core/page.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openEntityServices, rejectionOf } from '../../support/entities.ts'
import type { EntityServices } from '../../support/entities.ts'

const OWN = 'date,campaign_id,adset_id,ad_id,spend,impressions,reach,clicks,leads'

describe('daily insights', () => {
  let database: TestDatabase
  let services: EntityServices
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  beforeEach(() => {
    services = openEntityServices(database.knex, '2026-06-16T15:00:00Z')
  })

  const account = async (...rows: readonly string[]): Promise<number> => {
    const configId = await services.newConfig()
    await services.importText(configId, [OWN, ...rows].join('\n'))
    return configId
  }
  interface Asked {
    readonly level?: Level
    readonly entityId?: string
    readonly from?: string
    readonly to?: string
    readonly page?: number
    readonly size?: number
    readonly cursor?: string
  }
  const daily = (
    configId: number,
    { level = 'campaign', entityId, from, to, page = 1, size = 50, cursor }: Asked = {},
  ) =>
    services.insights.daily(
      { configId, level, entityId: entityId ?? null, dateFrom: from ?? null, dateTo: to ?? null },
      toPageRequest({ page, page_size: size, ...(cursor === undefined ? {} : { cursor }) }),
    )
  const codeOf = async (promise: Promise<unknown>): Promise<string> =>
    ((await rejectionOf(promise)) as AppError).code

  it('take every ratio from sums: spend 40, ctr 1, cpc 1, cpl 10, cpm 10, conversion 10', async () => {
    const configId = await account('2026-06-10,c,s,a,30,1000,500,20,3', '2026-06-10,c,s,b,10,3000,1500,20,1')
    const { data, total } = await daily(configId)
    expect(total).to.equal(1)
    expect(data).to.deep.equal([
      {
        entity_type: 'campaign',
        entity_id: 'c',
        date: '2026-06-10',
        spend: 40,
        impressions: 4000,
        clicks: 40,
        leads: 4,
        reach: 2000,
        reach_estimated: true,
        ctr: 1,
        cpm: 10,
        cpc: 1,
        conversion_rate: 10,
        cpl: 10,
        frequency: 2,
        complete: true,
      },
    ])
  })

  it('have no ratio where nothing was delivered but spend', async () => {
    const configId = await account('2026-06-10,c,s,a,12,0,,0,0')
    expect((await daily(configId)).data[0]).to.deep.include({
      spend: 12,
      impressions: 0,
      reach: null,
      reach_estimated: false,
      ctr: null,
      cpm: null,
      cpc: null,
      conversion_rate: null,
      cpl: null,
      frequency: null,
    })
  })

  it('are complete from local midnight on: 02:59:59Z is not yet, 03:00:00Z is', async () => {
    services.setNow('2026-03-11T12:00:00Z')
    const configId = await account('2026-03-10,c,s,a,1,1,,0,0', '2026-03-09,c,s,a,1,1,,0,0')
    const complete = async () =>
      (await daily(configId, { to: '2026-03-11' })).data.map((row) => [row.date, row.complete])
    services.setNow('2026-03-11T02:59:59Z')
    expect(await complete()).to.deep.equal([
      ['2026-03-10', false],
      ['2026-03-09', true],
    ])
    services.setNow('2026-03-11T03:00:00Z')
    expect(await complete()).to.deep.equal([
      ['2026-03-10', true],
      ['2026-03-09', true],
    ])
  })

  it('prefer the reach delivered for the entity itself', async () => {
    const configId = await account('2026-06-10,c,s,a,30,1000,500,20,3', '2026-06-10,c,s,b,10,3000,1500,20,1')
    await database.knex('ads_reach').insert([
      {
        config_id: configId,
        entity_type: 'campaign',
        entity_id: 'c',
        date: '2026-06-10',
        window_days: 1,
        reach: 1600,
      },
      {
        config_id: configId,
        entity_type: 'campaign',
        entity_id: 'c',
        date: '2026-06-10',
        window_days: 7,
        reach: 9,
      },
    ])
    expect((await daily(configId)).data[0]).to.include({
      reach: 1600,
      reach_estimated: false,
      frequency: 2.5,
    })
    expect((await daily(configId, { level: 'adset' })).data[0]).to.include({
      reach: 2000,
      reach_estimated: true,
    })
    expect((await daily(configId, { level: 'ad', entityId: 'a' })).data[0]).to.include({
      reach: 500,
      reach_estimated: false,
    })
  })

  it('group by the parents an ad had on the day', async () => {
    const configId = await account('2026-06-10,c,s,a,1,1,,0,0', '2026-06-11,c2,s2,a,2,1,,0,0')
    const spends = async (level: Level, entityId: string) =>
      (await daily(configId, { level, entityId })).data.map(({ date, spend }) => [date, spend])
    expect(await spends('campaign', 'c')).to.deep.equal([['2026-06-10', 1]])
    expect(await spends('adset', 's2')).to.deep.equal([['2026-06-11', 2]])
    expect(await spends('ad', 'a')).to.have.length(2)
  })

  it('are of the last 30 days up to today unless asked otherwise', async () => {
    const days = ['2026-06-16', '2026-05-18', '2026-05-17']
    const configId = await account(...days.map((day) => `${day},c,s,a,1,1,,0,0`))
    const dates = async (asked: Asked) => (await daily(configId, asked)).data.map(({ date }) => date)
    expect(await dates({})).to.deep.equal(['2026-06-16', '2026-05-18'])
    expect(await dates({ from: '2026-05-17' })).to.deep.equal(days)
    expect(await dates({ to: '2026-06-15' })).to.deep.equal(['2026-05-18', '2026-05-17'])
    expect(await dates({ from: '2026-05-17', to: '2026-05-17' })).to.deep.equal(['2026-05-17'])
  })

  it('span at most 400 days, from first to last', async () => {
    const configId = await account('2026-06-10,c,s,a,1,1,,0,0')
    expect((await daily(configId, { from: '2025-05-13', to: '2026-06-16' })).total).to.equal(1)
    expect(await codeOf(daily(configId, { from: '2025-05-12', to: '2026-06-16' }))).to.equal(
      'INVALID_REQUEST',
    )
    expect(await codeOf(daily(configId, { from: '2026-06-02', to: '2026-06-01' }))).to.equal(
      'INVALID_REQUEST',
    )
  })

  it('come newest first, by page or by cursor, each once', async () => {
    const rows: string[] = []
    for (const day of ['10', '11', '12'])
      for (const ad of ['a', 'b', 'c']) rows.push(`2026-06-${day},c,s,${ad},1,1,,0,0`)
    const configId = await account(...rows)
    const keys = (page: Awaited<ReturnType<typeof daily>>) =>
      page.data.map(({ date, entity_id }) => `${date} ${entity_id}`)
    const all = keys(await daily(configId, { level: 'ad' }))
    expect(all).to.have.length(9)
    expect(all).to.deep.equal([...all].sort().reverse())
    const byPage: string[] = []
    for (const page of [1, 2, 3]) byPage.push(...keys(await daily(configId, { level: 'ad', page, size: 4 })))
    expect(byPage).to.deep.equal(all)
    const byCursor: string[] = []
    let cursor: string | null = null
    do {
      const asked: Asked = { level: 'ad', size: 4, ...(cursor === null ? {} : { cursor }) }
      const page: Awaited<ReturnType<typeof daily>> = await daily(configId, asked)
      expect(page.total).to.equal(9)
      byCursor.push(...keys(page))
      cursor = page.next_cursor
    } while (cursor !== null)
    expect(byCursor).to.deep.equal(all)
  })

  it('refuse a cursor of another list, an unknown entity and an unknown config', async () => {
    const configId = await account('2026-06-10,c,s,a,1,1,,0,0')
    expect(await codeOf(daily(configId, { cursor: Buffer.from('17').toString('base64url') }))).to.equal(
      'INVALID_REQUEST',
    )
    expect(await codeOf(daily(configId, { cursor: '%%%' }))).to.equal('INVALID_REQUEST')
    expect(await codeOf(daily(configId, { entityId: 'a' }))).to.equal('ENTITY_NOT_FOUND')
    expect(await codeOf(daily(2_000_000_000))).to.equal('CONFIG_NOT_FOUND')
  })
})
