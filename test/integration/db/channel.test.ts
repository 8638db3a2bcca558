import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { openChannel } from '../../../db/channel.ts'
import type { Channel } from '../../../db/channel.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import type { Logger } from '../../../shared/platform/logger.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { ownRedisAvailable, startOwnRedis } from '../../support/redis.ts'
import type { TestRedis } from '../../support/redis.ts'

interface Store {
  readonly urls: { readonly databaseUrl: string; readonly redisUrl?: string }
  /** Cuts every connection, as an outage does. */
  cut(): Promise<void>
  /** Ends what `cut` began. */
  mend(): Promise<void>
  close(): Promise<void>
}

const postgresStore = async (): Promise<Store> => {
  const database: TestDatabase = await openTestDatabase()
  return {
    urls: { databaseUrl: database.url },
    cut: async () => {
      await database.knex.raw(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name like '%-channel'",
      )
    },
    mend: () => Promise.resolve(),
    close: () => database.close(),
  }
}

const redisStore = async (): Promise<Store> => {
  const redis: TestRedis = await startOwnRedis()
  return {
    urls: { databaseUrl: 'postgres://nobody@127.0.0.1:1/none', redisUrl: redis.url },
    cut: () => redis.stop(),
    mend: () => redis.start(),
    close: () => redis.close(),
  }
}

const describeChannel = (title: string, available: boolean, openStore: () => Promise<Store>): void => {
  ;(available ? describe : describe.skip)(title, () => {
    let store: Store
    let first: Channel
    let second: Channel
    const warnings: string[] = []
    const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) }
    const name = `vigia-test-${randomUUID()}`
    before(async () => {
      store = await openStore()
      first = await openChannel({ ...store.urls, logger, name })
      second = await openChannel({ ...store.urls, logger, name })
    })
    after(async () => {
      await first.close()
      await second.close()
      await store.close()
    })

    it('brings a message to every process, also to the sender, and to its topic alone', async () => {
      const heard: unknown[] = []
      const others: unknown[] = []
      const stops = [
        first.subscribe('model', (payload) => void heard.push(['first', payload])),
        second.subscribe('model', (payload) => void heard.push(['second', payload])),
        second.subscribe('other', (payload) => void others.push(payload)),
      ]
      await first.publish('model', { model: 'a/ç', version: 3 })
      await eventually('both have it', () => heard.length === 2)
      expect(heard).to.have.deep.members([
        ['first', { model: 'a/ç', version: 3 }],
        ['second', { model: 'a/ç', version: 3 }],
      ])
      expect(others).to.deep.equal([])
      stops.forEach((stop) => stop())
    })

    it('brings nothing to who stopped listening', async () => {
      const heard: unknown[] = []
      const stop = second.subscribe('model', () => void heard.push('stopped'))
      stop()
      second.subscribe('model', () => void heard.push('listening'))
      await first.publish('model', 1)
      await eventually('it arrives', () => heard.length > 0)
      expect(heard).to.deep.equal(['listening'])
    })

    it('survives a handler that throws', async () => {
      const heard: unknown[] = []
      const stop = second.subscribe('bad', () => {
        throw new Error('handler')
      })
      second.subscribe('bad', (payload) => void heard.push(payload))
      second.subscribe('good', (payload) => void heard.push(payload))
      await first.publish('bad', 1)
      await first.publish('good', 2)
      await eventually('the other handler and the next message', () => heard.length === 2)
      expect(heard).to.deep.equal([1, 2])
      stop()
    })

    it('refuses a message that PostgreSQL could not carry', async () => {
      let refusal: unknown
      await first.publish('long', 'x'.repeat(7900)).catch((error: unknown) => (refusal = error))
      expect(refusal).to.be.instanceOf(RangeError)
    })

    it('connects again after an outage', async () => {
      const heard: unknown[] = []
      second.subscribe('after', (payload) => void heard.push(payload))
      await store.cut()
      await first.publish('after', 'lost or late, but never an error')
      await store.mend()
      await eventually('messages arrive again', async () => {
        await first.publish('after', 'again')
        return heard.length > 0
      })
      expect(warnings).to.not.have.length(0)
    })

    it('closes while its store is away', async () => {
      const lonely = await openChannel({ ...store.urls, logger, name })
      await store.cut()
      await lonely.close()
      await store.mend()
    })
  })
}

describeChannel('the channel over PostgreSQL', true, postgresStore)
describeChannel('the channel over Redis', ownRedisAvailable(), redisStore)
