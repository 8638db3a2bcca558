import { expect } from 'chai'
import type { AppError } from '../../../shared/core/errors.ts'
import { toPageRequest } from '../../../shared/core/page.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { openEntityServices, rejectionOf } from '../../support/entities.ts'
import type { EntityServices } from '../../support/entities.ts'

const DEFAULTS = { currency: 'BRL', timezone: 'America/Sao_Paulo' }

describe('configs', () => {
  let database: TestDatabase
  let services: EntityServices
  before(async () => {
    database = await openTestDatabase()
    services = openEntityServices(database.knex, '2026-06-16T15:00:00Z')
  })
  after(() => database.close())

  const codeOf = async (promise: Promise<unknown>): Promise<string> =>
    ((await rejectionOf(promise)) as AppError).code
  const draft = (account_id: string, name = account_id) => ({
    name,
    account_id,
    timezone: 'UTC',
    currency: 'USD',
  })

  it('are made once per account', async () => {
    const { configs } = services
    const made = await configs.create(draft('once'))
    expect(made).to.include({
      name: 'once',
      account_id: 'once',
      timezone: 'UTC',
      currency: 'USD',
      source_url: null,
      attribution_lag_days: 3,
      is_active: true,
    })
    expect(await configs.get(made.id)).to.deep.equal(made)
    expect(await codeOf(configs.create(draft('once', 'Other')))).to.equal('CONFLICT')
  })

  it('are found by id, name or account id', async () => {
    const { configs } = services
    const made = await configs.create(draft('act_find', 'To be found'))
    for (const key of [String(made.id), 'To be found', ' To be found ', 'act_find'])
      expect((await configs.find(key))?.id, key).to.equal(made.id)
    expect(await configs.find('to be lost')).to.equal(null)
    expect(await configs.find('99999999999')).to.equal(null)
  })

  it('are not guessed when two have one name', async () => {
    const { configs } = services
    await configs.create(draft('twin_1', 'Twin'))
    await configs.create(draft('twin_2', 'Twin'))
    expect(await codeOf(configs.find('Twin'))).to.equal('CONFLICT')
  })

  it('are made of a name nobody has, and taken when it is there', async () => {
    const { configs } = services
    const first = await configs.getOrCreateByName('Loja São João', DEFAULTS)
    expect(first.created).to.equal(true)
    expect(first.config).to.include({ name: 'Loja São João', account_id: 'loja-sao-joao', currency: 'BRL' })
    const second = await configs.getOrCreateByName('Loja São João', DEFAULTS)
    expect(second).to.deep.equal({ config: first.config, created: false })
    expect((await configs.getOrCreateByName('loja sao joao', DEFAULTS)).config.id).to.equal(first.config.id)
    expect((await configs.getOrCreateByName(String(first.config.id), DEFAULTS)).config.id).to.equal(
      first.config.id,
    )
  })

  it('of one new name at once are one', async () => {
    const results = await Promise.all(
      [1, 2, 3].map(() => services.configs.getOrCreateByName('At once', DEFAULTS)),
    )
    expect(new Set(results.map(({ config }) => config.id)).size).to.equal(1)
    expect(results.filter(({ created }) => created)).to.have.length(1)
  })

  it('are not made of numbers, unknown zones or currencies', async () => {
    const { configs } = services
    expect(await codeOf(configs.getOrCreateByName('123456', DEFAULTS))).to.equal('CONFIG_NOT_FOUND')
    expect(await codeOf(configs.getOrCreateByName('N', { ...DEFAULTS, timezone: 'x' }))).to.equal(
      'INVALID_REQUEST',
    )
    expect(await codeOf(configs.getOrCreateByName('N', { ...DEFAULTS, currency: 'x' }))).to.equal(
      'INVALID_REQUEST',
    )
    expect(await codeOf(configs.getOrCreateByName('', DEFAULTS))).to.equal('INVALID_REQUEST')
  })

  it('change only what a patch names', async () => {
    const { configs } = services
    const made = await configs.create({ ...draft('patched'), source_url: 'https://example.com/' })
    const patched = await configs.patch(made.id, { name: 'New', is_active: false })
    expect({ ...patched, updated_at: '' }).to.deep.equal({
      ...made,
      name: 'New',
      is_active: false,
      updated_at: '',
    })
    expect((await configs.patch(made.id, { source_url: null })).source_url).to.equal(null)
    const { attribution_lag_days, name } = await configs.patch(made.id, { attribution_lag_days: 7 })
    expect([attribution_lag_days, name]).to.deep.equal([7, 'New'])
    expect(await codeOf(configs.patch(2_000_000_000, { name: 'x' }))).to.equal('CONFIG_NOT_FOUND')
  })

  it('list newest first, of those one may see, active or not', async () => {
    const { configs } = services
    const ids: number[] = []
    for (const account of ['list_1', 'list_2', 'list_3']) ids.push((await configs.create(draft(account))).id)
    const [one, two, three] = ids as [number, number, number]
    await configs.patch(two, { is_active: false })
    const list = async (
      isActive: boolean | null,
      query: { page?: number; cursor?: string; page_size?: number } = {},
    ) => configs.list({ ids, isActive }, toPageRequest({ page: 1, page_size: 50, ...query }))
    expect((await list(null)).data.map(({ id }) => id)).to.deep.equal([three, two, one])
    expect((await list(true)).data.map(({ id }) => id)).to.deep.equal([three, one])
    expect((await list(false)).data.map(({ id }) => id)).to.deep.equal([two])
    const first = await list(null, { page_size: 2 })
    expect(first).to.include({ total: 3 })
    const rest = await list(null, { page_size: 2, cursor: first.next_cursor ?? '' })
    expect(rest.data.map(({ id }) => id)).to.deep.equal([one])
    expect(
      (await configs.list({ ids: [], isActive: null }, toPageRequest({ page: 1, page_size: 50 }))).total,
    ).to.equal(0)
  })

  it('are only switched off by a soft removal', async () => {
    const { configs, removed } = services
    const made = await configs.create(draft('soft'))
    await configs.remove(made.id, false)
    expect((await configs.get(made.id)).is_active).to.equal(false)
    expect(removed).not.to.include(made.id)
    expect(await codeOf(configs.remove(2_000_000_000, false))).to.equal('CONFIG_NOT_FOUND')
  })

  it('take all that is theirs along when erased', async () => {
    const { configs, removed } = services
    const made = await configs.create(draft('hard'))
    await services.importText(
      made.id,
      'date,campaign_id,adset_id,ad_id,spend,impressions\n2026-06-01,c,s,a,1,1',
    )
    await configs.remove(made.id, true)
    expect(await codeOf(configs.get(made.id))).to.equal('CONFIG_NOT_FOUND')
    for (const table of ['ads_insights_daily', 'ads_campaigns', 'ads_ads', 'ads_imports'])
      expect(await database.knex(table).where({ config_id: made.id }), table).to.have.length(0)
    expect(removed).to.include(made.id)
    expect(await codeOf(configs.remove(made.id, true))).to.equal('CONFIG_NOT_FOUND')
  })
})
