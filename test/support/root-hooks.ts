/**
 * Around the whole mocha run: ends the shared servers, and makes what was skipped impossible to overlook.
 */
import type { RootHookObject } from 'mocha'
import { closeTestServer } from './database.ts'
import { closeSharedRedis, redisAvailable } from './redis.ts'

const skippedIn = (suite: Mocha.Suite): readonly string[] => [
  ...suite.tests.filter((test) => test.isPending()).map((test) => test.fullTitle()),
  ...suite.suites.flatMap(skippedIn),
]

export const mochaHooks: RootHookObject = {
  beforeAll() {
    if (!redisAvailable()) {
      process.stderr.write(
        '\n*** REDIS SUITES SKIPPED: set REDIS_URL, or put redis-server or valkey-server on the PATH ***\n\n',
      )
    }
  },
  async afterAll(this: Mocha.Context) {
    await closeSharedRedis()
    await closeTestServer()
    const root = this.test?.parent
    const skipped = root ? skippedIn(root) : []
    if (process.env['CI'] === 'true' && skipped.length > 0) {
      throw new Error(`with CI=true every test must run; skipped were:\n${skipped.join('\n')}`)
    }
  },
}
