/**
 * Around the mocha run: ends the servers its processes shared, and makes what was skipped impossible to
 * overlook. With `--parallel` each worker has servers of its own, for all files it is given.
 */
import type { RootHookObject } from 'mocha'
import { closeTestServer } from './database.ts'
import { clearLeftovers } from './folders.ts'
import { closeSharedRedis, redisAvailable } from './redis.ts'

const skippedIn = (suite: Mocha.Suite): readonly string[] => [
  ...suite.tests.filter((test) => test.isPending()).map((test) => test.fullTitle()),
  ...suite.suites.flatMap(skippedIn),
]

/** Once, in the process that was started. */
export const mochaGlobalSetup = (): void => {
  if (!redisAvailable()) {
    process.stderr.write(
      '\n*** REDIS SUITES SKIPPED: set REDIS_URL, or put redis-server or valkey-server on the PATH ***\n\n',
    )
  }
}

/** Once, in the process that was started, when its workers are gone: they cannot end their servers themselves. */
export const mochaGlobalTeardown = async (): Promise<void> => {
  await closeSharedRedis()
  await closeTestServer()
  await clearLeftovers()
}

/** Around all files, or around each with `--parallel`. */
export const mochaHooks: RootHookObject = {
  afterAll(this: Mocha.Context) {
    const root = this.test?.parent
    const skipped = root ? skippedIn(root) : []
    if (process.env['CI'] === 'true' && skipped.length > 0) {
      throw new Error(`with CI=true every test must run; skipped were:\n${skipped.join('\n')}`)
    }
  },
}
