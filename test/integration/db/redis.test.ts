import { expect } from 'chai'
import { openRedis } from '../../../db/redis/open.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import type { Logger } from '../../../shared/platform/logger.ts'
import { eventually } from '../../support/eventually.ts'
import { ownRedisAvailable, startOwnRedis } from '../../support/redis.ts'
import type { TestRedis } from '../../support/redis.ts'

const SECRET = 'open-sesame'

const refusalOf = async (promise: Promise<unknown>): Promise<AppError> => {
  try {
    await promise
  } catch (error) {
    expect(error).to.be.instanceOf(AppError)
    expect((error as AppError).code).to.equal('STORAGE_UNAVAILABLE')
    return error as AppError
  }
  throw new Error('was not refused')
}

;(ownRedisAvailable() ? describe : describe.skip)('a Redis connection', () => {
  let server: TestRedis
  before(async () => {
    server = await startOwnRedis()
  })
  after(() => server.close())

  it('gives up on a server that never answers, in time and without telling the password', async () => {
    await server.stop()
    try {
      const heard: string[] = []
      const logger: Logger = {
        ...silentLogger,
        warn: (message, fields) => void heard.push(`${message} ${JSON.stringify(fields)}`),
      }
      const redisUrl = server.url.replace('redis://', `redis://default:${SECRET}@`)
      const refusal = await refusalOf(openRedis({ redisUrl, logger, patienceMs: 700 }))
      expect(refusal.message).to.match(/does not answer \(.*ECONNREFUSED.*\).*unset REDIS_URL/)
      expect(heard.length).to.be.greaterThan(1)
      expect(`${refusal.message}${heard.join('')}`).to.not.include(SECRET)
    } finally {
      await server.start()
    }
  })

  it('waits for one that is still starting', async () => {
    await server.stop()
    let warned = false
    const logger: Logger = { ...silentLogger, warn: () => void (warned = true) }
    const opening = openRedis({ redisUrl: server.url, logger })
    await eventually('the first failure is told', () => warned)
    await server.start()
    const connection = await opening
    expect(await connection.redis.ping()).to.equal('PONG')
    await connection.close()
  })

  it('does not wait when the password is wrong', async () => {
    const redisUrl = server.url.replace('redis://', `redis://somebody:${SECRET}@`)
    const refusal = await refusalOf(openRedis({ redisUrl, logger: silentLogger }))
    expect(refusal.message)
      .to.match(/refuses.*check the user and password in REDIS_URL/)
      .and.not.include(SECRET)
  })

  it('comes back after a restart, and fails commands meanwhile instead of holding them', async () => {
    const connection = await openRedis({ redisUrl: server.url, logger: silentLogger })
    try {
      await server.stop()
      const failure = await eventually('a command fails', () =>
        connection.redis.ping().then(
          () => null,
          (error: unknown) => error,
        ),
      )
      expect(failure).to.be.instanceOf(Error)
      await server.start()
      expect(await eventually('it answers', () => connection.redis.ping().catch(() => null))).to.equal('PONG')
    } finally {
      await connection.close()
    }
  })
})
