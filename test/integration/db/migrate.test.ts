import { expect } from 'chai'
import { migrateDown, migrateToLatest, pendingMigrations } from '../../../db/migrate.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'

describe('migrations', () => {
  let database: TestDatabase
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())

  it('go all the way down and up again', async () => {
    while ((await migrateDown(database.knex)).length > 0);
    expect(await database.knex('information_schema.tables').where({ table_name: 'runs' })).to.have.length(0)
    expect(await migrateToLatest(database.knex)).to.include('0001-accounts-runs-models')
    expect(await pendingMigrations(database.knex)).to.deep.equal([])
  })

  it('let many processes try at once', async () => {
    while ((await migrateDown(database.knex)).length > 0);
    const results = await Promise.all([1, 2, 3].map(() => migrateToLatest(database.knex)))
    expect(results.flat().filter((name) => name === '0001-accounts-runs-models')).to.have.length(1)
  })
})
