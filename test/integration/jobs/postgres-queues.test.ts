import { describeQueueBackend } from '../../contract/queue-backend.ts'

describeQueueBackend({ name: 'postgres', redisUrl: () => Promise.resolve(undefined) })
