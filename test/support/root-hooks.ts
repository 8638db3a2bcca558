/**
 * Around the whole mocha run: ends the shared servers, and makes what was skipped impossible to overlook.
 */
import type { RootHookObject } from 'mocha'
import { closeTestServer } from './database.ts'
import { closeSharedRedis, redisAvailable } from './redis.ts'

let skipped = 0

export const mochaHooks: RootHookObject = {
  beforeAll() {
    if (!redisAvailable()) {
      process.stderr.write(
        '\n*** REDIS SUITES SKIPPED: set REDIS_URL, or put redis-server or valkey-server on the PATH ***\n\n',
      )
    }
  },
  afterEach(this: Mocha.Context) {
    if (this.currentTest?.isPending()) skipped += 1
  },
  async afterAll() {
    await closeSharedRedis()
    await closeTestServer()
    if (process.env['CI'] === 'true' && (skipped > 0 || !redisAvailable())) {
      throw new Error('tests were skipped; with CI=true every suite must run')
    }
  },
}
