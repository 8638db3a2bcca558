import { expect } from 'chai'
import type { AppError } from '../../../shared/core/errors.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Level } from '../../../shared/core/entity.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openEntityServices, rejectionOf } from '../../support/entities.ts'
import type { EntityServices } from '../../support/entities.ts'

/** Noon of 2026-06-16 in the account: D is 2026-06-15. */
const NOW = '2026-06-16T15:00:00Z'
const D = toDayNumber('2026-06-15')
const OWN =
  'date,campaign_id,campaign_name,adset_id,adset_name,ad_id,ad_name,spend,impressions,reach,clicks,leads'

describe('entities', () => {
  let database: TestDatabase
  let services: EntityServices
  before(async () => {
    database = await openTestDatabase()
    services = openEntityServices(database.knex, NOW)
  })
  after(() => database.close())

  /** A row `ago` days before D, of ad `c-s-a` in ad set `c-s` of campaign `c`. */
  const row = (ago: number, ad: string, spend: number, leads: number): string => {
    const [c = '', s = ''] = ad.split('-')
    return `${toLocalDate(D - ago)},${c},Campaign ${c},${c}-${s},Set ${s},${ad},Ad ${ad},${spend},100,,1,${leads}`
  }
  const account = async (...rows: readonly string[]): Promise<number> => {
    const configId = await services.newConfig()
    await services.importText(configId, [OWN, ...rows].join('\n'))
    return configId
  }

  it('form a tree with the figures of the last 7 days up to D', async () => {
    const configId = await account(
      row(0, 'x-1-a', 10, 1),
      row(6, 'x-1-a', 20, 2),
      row(7, 'x-1-a', 1000, 50),
      row(-1, 'x-1-a', 1000, 50),
      row(0, 'x-1-b', 5, 0),
      row(0, 'x-2-a', 100, 3),
      row(0, 'y-1-a', 1, 0),
    )
    const tree = await services.entities.tree(configId, null)
    expect(tree).to.include({ config_id: configId, date: '2026-06-15' })
    const [x, y] = tree.data
    expect(x).to.include({
      entity_type: 'campaign',
      entity_id: 'x',
      name: 'Campaign x',
      status: 'ACTIVE',
      spend_7d: 135,
      leads_7d: 6,
      cpl_7d: 22.5,
    })
    expect(x?.children.map(({ entity_id, spend_7d, cpl_7d }) => [entity_id, spend_7d, cpl_7d])).to.deep.equal(
      [
        ['x-2', 100, 33.333333],
        ['x-1', 35, 11.666667],
      ],
    )
    expect(
      x?.children[1]?.children.map(({ entity_id, spend_7d, cpl_7d }) => [entity_id, spend_7d, cpl_7d]),
    ).to.deep.equal([
      ['x-1-a', 30, 10],
      ['x-1-b', 5, null],
    ])
    expect(y).to.include({ entity_id: 'y', spend_7d: 1, cpl_7d: null })
  })

  it('of a config without data are none, and of no config an error', async () => {
    const configId = await services.newConfig()
    expect(await services.entities.tree(configId, null)).to.deep.equal({
      config_id: configId,
      date: null,
      data: [],
    })
    expect(((await rejectionOf(services.entities.tree(2_000_000_000, null))) as AppError).code).to.equal(
      'CONFIG_NOT_FOUND',
    )
  })

  it('stay active for 6 silent days and not for 7', async () => {
    const running = Array.from({ length: 20 }, (_, ago) => row(ago, 'x-1-a', 1, 0))
    const configId = await account(
      ...running,
      row(6, 'x-1-six', 1, 0),
      row(7, 'x-1-seven', 1, 0),
      row(7, 'y-1-a', 1, 0),
    )
    const status = async (entityType: Level, entityId: string) =>
      (await services.entities.detail({ configId, entityType, entityId })).status
    expect(await status('ad', 'x-1-a')).to.equal('ACTIVE')
    expect(await status('ad', 'x-1-six')).to.equal('ACTIVE')
    expect(await status('ad', 'x-1-seven')).to.equal('INACTIVE')
    expect(await status('adset', 'x-1')).to.equal('ACTIVE')
    expect(await status('campaign', 'y')).to.equal('INACTIVE')
  })

  it('do not fall silent on days their whole config has no rows', async () => {
    const days = [0, 20, 21, 22, 23, 24]
    const configId = await account(...days.map((ago) => row(ago, 'x-1-a', 1, 0)), row(25, 'x-1-b', 1, 0))
    const status = async () =>
      (await services.entities.detail({ configId, entityType: 'ad', entityId: 'x-1-b' })).status
    expect(await status()).to.equal('ACTIVE')
    await services.importText(configId, [OWN, row(19, 'x-1-a', 1, 0)].join('\n'))
    expect(await status()).to.equal('INACTIVE')
  })

  it('have the status their source tells', async () => {
    const running = Array.from({ length: 20 }, (_, ago) => row(ago, 'x-1-a', 1, 0))
    const configId = await account(...running, row(10, 'x-1-b', 1, 0))
    const b = { config_id: configId, ad_id: 'x-1-b' }
    await database.knex('ads_ads').where(b).update({ status: 'PAUSED' })
    const detail = () => services.entities.detail({ configId, entityType: 'ad', entityId: 'x-1-b' })
    expect((await detail()).status).to.equal('PAUSED')
    await database.knex('ads_ads').where(b).update({ status: 'ACTIVE' })
    await database
      .knex('ads_entity_status')
      .insert({ config_id: configId, entity_type: 'ad', entity_id: 'x-1-b', status: 'ACTIVE', from_at: NOW })
    expect((await detail()).status).to.equal('ACTIVE')
  })

  it('can be filtered by status, with those above them', async () => {
    const running = Array.from({ length: 20 }, (_, ago) => row(ago, 'x-1-a', 1, 0))
    const configId = await account(...running, row(10, 'x-1-b', 1, 0), row(10, 'y-1-a', 1, 0))
    const inactive = await services.entities.tree(configId, 'INACTIVE')
    const ids = (tree: typeof inactive) =>
      tree.data.flatMap((c) => [
        c.entity_id,
        ...c.children.flatMap((s) => [s.entity_id, ...s.children.map((a) => a.entity_id)]),
      ])
    expect(ids(inactive)).to.have.members(['x', 'x-1', 'x-1-b', 'y', 'y-1', 'y-1-a'])
    expect(ids(await services.entities.tree(configId, 'ACTIVE'))).to.deep.equal(['x', 'x-1', 'x-1-a'])
    expect(ids(await services.entities.tree(configId, 'PAUSED'))).to.deep.equal([])
  })

  it('tell about themselves one by one', async () => {
    const configId = await account(row(3, 'x-1-a', 10, 2), row(9, 'x-1-a', 1, 1), row(0, 'x-1-b', 1, 1))
    const detail = await services.entities.detail({ configId, entityType: 'ad', entityId: 'x-1-a' })
    expect(detail).to.deep.equal({
      config_id: configId,
      entity_type: 'ad',
      entity_id: 'x-1-a',
      name: 'Ad x-1-a',
      status: 'ACTIVE',
      spend_7d: 10,
      leads_7d: 2,
      cpl_7d: 5,
      parent_id: 'x-1',
      campaign_id: 'x',
      date: '2026-06-15',
      objective: null,
      daily_budget: null,
      lifetime_budget: null,
      targeting: null,
      first_delivery: '2026-06-06',
      last_delivery: '2026-06-12',
      updated_at: '2026-06-16T15:00:00.000Z',
    })
    const campaign = await services.entities.detail({ configId, entityType: 'campaign', entityId: 'x' })
    expect(campaign).to.include({ parent_id: null, campaign_id: 'x', spend_7d: 11 })
  })

  it('that do not exist are not found, in another config neither', async () => {
    const configId = await account(row(0, 'x-1-a', 1, 0))
    const other = await services.newConfig()
    for (const [config, entityType, entityId] of [
      [configId, 'ad', 'x'],
      [configId, 'campaign', 'nope'],
      [other, 'campaign', 'x'],
    ] as const) {
      const error = await rejectionOf(services.entities.detail({ configId: config, entityType, entityId }))
      expect((error as AppError).code).to.equal('ENTITY_NOT_FOUND')
    }
  })
})
