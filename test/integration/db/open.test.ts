import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { Knex } from 'knex'
import { isUnreachable, openDatabase, serializable } from '../../../db/open.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import type { Logger } from '../../../shared/platform/logger.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'

const SECRET = 'open-sesame'

const refusalOf = async (promise: Promise<unknown>): Promise<AppError> => {
  try {
    await promise
  } catch (error) {
    expect(error).to.be.instanceOf(AppError)
    return error as AppError
  }
  throw new Error('was not refused')
}

describe('a database connection', () => {
  let database: TestDatabase
  let knex: Knex
  before(async () => {
    database = await openTestDatabase()
    ;({ knex } = database)
    await knex.raw('create table counters (id int primary key, n int not null)')
  })
  after(() => database.close())

  const valueOf = async (sql: string): Promise<unknown> => {
    const { rows } = (await knex.raw(`select ${sql} as value`)) as { rows: { value: unknown }[] }
    return rows[0]?.value
  }

  it('reads days as text, instants as Date, counts and money as numbers', async () => {
    expect(await valueOf("date '2026-03-09'")).to.equal('2026-03-09')
    expect(await valueOf("timestamptz '2026-03-09T03:00:00Z'")).to.deep.equal(
      new Date('2026-03-09T03:00:00Z'),
    )
    expect(await valueOf('count(*)')).to.equal(1)
    expect(await valueOf('9007199254740991::bigint')).to.equal(Number.MAX_SAFE_INTEGER)
    expect(await valueOf('9999999999999.99::numeric(15,2)')).to.equal(9_999_999_999_999.99)
    expect(await valueOf('null::bigint')).to.equal(null)
  })

  it('reads arrays of them likewise', async () => {
    expect(await valueOf("array[date '2026-03-09', null]")).to.deep.equal(['2026-03-09', null])
    expect(await valueOf('array[1, null]::bigint[]')).to.deep.equal([1, null])
    expect(await valueOf('array[1.50, null]::numeric[]')).to.deep.equal([1.5, null])
    expect(await valueOf('array[0.1]::float8[]')).to.deep.equal([0.1])
  })

  it('refuses a count a number cannot hold instead of reading another one', async () => {
    let refusal: unknown
    await valueOf('9007199254740992::bigint').catch((error: unknown) => (refusal = error))
    expect(String(refusal)).to.match(/9007199254740992 does not fit/)
    expect(await valueOf('1')).to.equal(1)
  })

  it('waits for a server that is not there yet, saying so without the password', async () => {
    const heard: string[] = []
    const logger: Logger = {
      ...silentLogger,
      warn: (message, fields) => void heard.push(`${message} ${JSON.stringify(fields)}`),
    }
    // A port that was free a moment ago.
    const dead = createServer()
    await once(dead.listen(0, '127.0.0.1'), 'listening')
    const deadPort = (dead.address() as AddressInfo).port
    dead.close()
    const url = `postgres://vigia:${SECRET}@127.0.0.1:${deadPort}/vigia`
    const refusal = await refusalOf(
      openDatabase({ url, poolMax: 2, logger, applicationName: 'test', patienceMs: 600 }),
    )
    expect(refusal.code).to.equal('STORAGE_UNAVAILABLE')
    expect(refusal.message)
      .to.include(`127.0.0.1:${deadPort}`)
      .and.to.match(/ECONNREFUSED/)
    expect(heard.some((line) => /trying again/.test(line))).to.equal(true)
    expect(`${refusal.message}${heard.join('')}`).to.not.include(SECRET)
  })

  it('does not wait when the password or the database is wrong', async () => {
    const wrong = new URL(database.url)
    wrong.password = SECRET
    const missing = new URL(database.url)
    missing.pathname = '/no_such_database'
    for (const [url, words] of [
      [wrong.href, /password authentication failed.*check the user and password/],
      [missing.href, /no_such_database.*create that database/],
    ] as const) {
      const heard: string[] = []
      const logger: Logger = { ...silentLogger, warn: (message) => void heard.push(message) }
      const refusal = await refusalOf(openDatabase({ url, poolMax: 2, logger, applicationName: 'test' }))
      expect(refusal.message).to.match(words).and.not.include(SECRET)
      expect(heard.filter((line) => /trying again/.test(line))).to.have.length(0)
      expect(heard.join()).to.not.include(SECRET)
    }
  })

  it('outlives a connection that is cut while idle or at work', async () => {
    const heard: string[] = []
    const logger: Logger = { ...silentLogger, warn: (message) => void heard.push(message) }
    const other = await openDatabase({ url: database.url, poolMax: 1, logger, applicationName: 'cut-me' })
    const cut = (): Knex.Raw =>
      knex.raw(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'cut-me'",
      )
    try {
      await cut()
      await other.knex.raw('select 1').catch(() => undefined)
      expect((await other.knex.raw('select 1')).rowCount).to.equal(1)
      const working = other.knex.raw('select pg_sleep(30)').then(
        () => null,
        (error: unknown) => error,
      )
      const sleeping =
        "select 1 from pg_stat_activity where application_name = 'cut-me' and query like '%pg_sleep%'"
      await eventually('it sleeps', async () => (await knex.raw(sleeping)).rowCount === 1)
      await cut()
      expect(isUnreachable(await working)).to.equal(true)
      expect((await other.knex.raw('select 1')).rowCount).to.equal(1)
    } finally {
      await other.close()
    }
  })

  it('runs rivals again until every one of them is counted', async () => {
    await knex('counters').insert({ id: 1, n: 0 })
    let runs = 0
    const increment = (): Promise<void> =>
      serializable(knex, async (trx) => {
        runs += 1
        const row = (await trx('counters').where({ id: 1 }).first()) as { n: number }
        await trx('counters')
          .where({ id: 1 })
          .update({ n: row.n + 1 })
      })
    await Promise.all([increment(), increment(), increment()])
    expect(await knex('counters').where({ id: 1 }).first()).to.deep.equal({ id: 1, n: 3 })
    expect(runs).to.be.greaterThan(2)
  })

  it('gives up after five tries, and at once on any other error', async () => {
    for (const [code, tries] of [
      ['40001', 5],
      ['40P01', 5],
      ['23505', 1],
    ] as const) {
      let runs = 0
      let refusal: unknown
      await serializable(knex, async (trx) => {
        runs += 1
        await trx.raw(`do $$ begin raise exception 'rival' using errcode = '${code}'; end $$`)
      }).catch((error: unknown) => (refusal = error))
      expect((refusal as { code: string }).code).to.equal(code)
      expect(runs).to.equal(tries)
    }
  })

  it('tells what is unreachable from what is wrong', () => {
    const withCode = (code: string): Error => Object.assign(new Error('x'), { code })
    for (const code of ['ECONNREFUSED', '57P01', '57P03', '08006', '53300']) {
      expect(isUnreachable(withCode(code)), code).to.equal(true)
    }
    expect(isUnreachable(new Error('Connection terminated unexpectedly'))).to.equal(true)
    for (const code of ['23505', '42P01', '57014'])
      expect(isUnreachable(withCode(code)), code).to.equal(false)
    expect(isUnreachable(null)).to.equal(false)
  })
})
