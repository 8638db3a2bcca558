/** Processes that are told to end while what they use is away. */
import { expect } from 'chai'
import { startProcess } from '../../support/processes.ts'
import type { TestProcess } from '../../support/processes.ts'
import { ownRedisAvailable, startOwnRedis } from '../../support/redis.ts'
import type { TestRedis } from '../../support/redis.ts'

const USER = new URL('../../support/redis-user.js', import.meta.url)
const ENDED = { code: 0, signal: null }

;(ownRedisAvailable() ? describe : describe.skip)('a process that is told to end', () => {
  let redis: TestRedis
  let user: TestProcess | undefined
  before(async () => {
    redis = await startOwnRedis()
  })
  afterEach(() => user?.end())
  after(() => redis.close())

  const startUser = (...args: string[]): TestProcess =>
    (user = startProcess(USER, { args, env: { REDIS_URL: redis.url, LOG_LEVEL: 'info' } }))

  it('ends in order when Redis is gone', async () => {
    const process = startUser('--worker')
    await process.line(/"started"/)
    await redis.stop()
    await process.line(/the connection to Redis broke/)
    expect(await process.end('SIGTERM')).to.deep.equal(ENDED)
    await redis.start()
    expect(process.lines.join('\n'))
      .to.match(/"closed"/)
      .and.not.match(/left behind|closing failed/)
  })

  it('ends while it still waits for Redis', async () => {
    await redis.stop()
    const process = startUser()
    await process.line(/Redis does not answer yet/)
    expect(await process.end('SIGTERM')).to.deep.equal(ENDED)
    expect(process.lines.join('\n')).to.not.match(/"started"|cannot start/)
    await redis.start()
  })

  it('ends when Redis hangs', async () => {
    const process = startUser()
    await process.line(/"started"/)
    redis.freeze()
    expect(await process.end('SIGTERM')).to.deep.equal(ENDED)
    redis.thaw()
    expect(process.lines.join('\n')).to.match(/"closed"/)
  })
})
