import { expect } from 'chai'
import { createStore } from '../../../db/store.ts'
import { rehearse } from '../../../workers/rehearse.ts'
import { openTestDatabase } from '../../support/database.ts'
import { queriesOf } from '../../support/queries.ts'

describe('the rehearsal of a worker', () => {
  it('leaves connections open that have seen the tables of a check, and changes nothing', async () => {
    const database = await openTestDatabase()
    try {
      const store = createStore(database.knex, '/nowhere')
      const asked = await queriesOf(() => rehearse(store))
      for (const text of asked) expect(text).to.match(/^\s*(select|with)\b/)
      const { rows } = await database.knex.raw<{ rows: { open: number }[] }>(
        'select count(*) as open from pg_stat_activity where datname = current_database()',
      )
      expect(Number(rows[0]?.open)).to.be.greaterThan(1)
    } finally {
      await database.close()
    }
  })
})
