import { describeQueueBackend } from '../../contract/queue-backend.ts'
import { redisAvailable, sharedRedisUrl } from '../../support/redis.ts'

if (redisAvailable()) describeQueueBackend({ name: 'redis', redisUrl: sharedRedisUrl })
else describe.skip('jobs on redis', () => {})
