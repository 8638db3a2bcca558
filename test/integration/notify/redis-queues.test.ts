import { describeNotifications } from '../../contract/notifications.ts'
import { ownRedisAvailable, startOwnRedis } from '../../support/redis.ts'

if (ownRedisAvailable()) describeNotifications({ name: 'redis', open: () => startOwnRedis() })
else describe.skip('messages sent by workers over redis', () => {})
