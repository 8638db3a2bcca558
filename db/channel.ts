/**
 * Short messages between the processes of one installation, e.g. "this model has a new version": over Redis
 * when there is one, else over PostgreSQL's NOTIFY. Delivery is best effort: a message sent while a
 * receiver is away is lost, so nothing may depend on it but how soon a cache is fresh.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { messageOf } from '../shared/core/errors.ts'
import type { Logger } from '../shared/platform/logger.ts'
import { ANSWER_MS, reasonOf, retryDelayMs } from './redis/open.ts'

/** PostgreSQL refuses 8000 bytes and more. */
const LONGEST_BYTES = 7900
/** The start does not wait longer for a channel; it goes on connecting behind. */
const FIRST_CONNECT_MS = 5000

export interface ChannelOptions {
  readonly databaseUrl: string
  /** Redis carries the messages when set. */
  readonly redisUrl?: string | undefined
  readonly logger: Logger
  /** Tells installations apart that share one Redis. */
  readonly name?: string
}

export type Handler = (payload: unknown) => void

export interface Channel {
  /**
   * Sends `payload` (plain JSON, under 7900 bytes with the topic) to every subscriber, this process included.
   * Never rejects for a store that is away: that is logged.
   * @throws RangeError when the message is too long
   */
  publish(topic: string, payload: unknown): Promise<void>
  /** @returns how to stop */
  subscribe(topic: string, handler: Handler): () => void
  close(): Promise<void>
}

interface Message {
  readonly topic: string
  readonly payload?: unknown
}

const parseMessage = (text: string): Message | null => {
  try {
    const message = JSON.parse(text) as Partial<Message> | null
    return typeof message?.topic === 'string' ? { topic: message.topic, payload: message.payload } : null
  } catch {
    return null
  }
}

/** What carries texts to all processes, the sender included. */
interface Carrier {
  send(text: string): Promise<void>
  close(): Promise<void>
}

type Receive = (text: string) => void

const withinFirst = async (connected: Promise<unknown>): Promise<void> => {
  await Promise.race([connected, delay(FIRST_CONNECT_MS, undefined, { ref: false })])
}

const redisCarrier = async (
  { redisUrl, logger }: { readonly redisUrl: string; readonly logger: Logger },
  name: string,
  receive: Receive,
): Promise<Carrier> => {
  const options = { lazyConnect: true, connectTimeout: 5000, retryStrategy: retryDelayMs }
  const sender = new Redis(redisUrl, {
    ...options,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: ANSWER_MS,
  })
  // Subscribing waits for the connection, and is repeated by the client after each reconnect.
  const receiver = new Redis(redisUrl, { ...options, maxRetriesPerRequest: null })
  for (const redis of [sender, receiver]) {
    redis.on('error', (error) => logger.warn('the channel has no Redis', { error: reasonOf(error) }))
  }
  receiver.on('message', (_channel, text) => receive(text))
  await withinFirst(
    Promise.all([sender.connect(), receiver.connect().then(() => receiver.subscribe(name))]).catch(() => {
      // The clients keep connecting; the subscription waits in the queue of the receiver.
      receiver.subscribe(name).catch(() => undefined)
    }),
  )
  return {
    send: async (text) => void (await sender.publish(name, text)),
    close: async () => {
      // Not QUIT: with the server away that would wait for it.
      sender.disconnect()
      receiver.disconnect()
    },
  }
}

const postgresCarrier = async (
  { databaseUrl, logger }: { readonly databaseUrl: string; readonly logger: Logger },
  name: string,
  receive: Receive,
): Promise<Carrier> => {
  const closing = new AbortController()
  let current: Client | undefined

  /** Resolves when the connection has ended. */
  const listen = async (connected: () => void): Promise<void> => {
    const client = new Client({
      connectionString: databaseUrl,
      application_name: `${name}-channel`,
      connectionTimeoutMillis: 5000,
      keepAlive: true,
    })
    const ended = new Promise<void>((resolve) => {
      client.once('end', resolve)
      client.on('error', (error) => {
        logger.warn('the channel lost PostgreSQL', { error: messageOf(error) })
        resolve()
      })
    })
    client.on('notification', ({ payload }) => receive(payload ?? ''))
    try {
      await client.connect()
      await client.query(`listen ${client.escapeIdentifier(name)}`)
      current = client
      connected()
      if (!closing.signal.aborted) await ended
    } finally {
      current = undefined
      await client.end().catch(() => undefined)
    }
  }
  const keepListening = async (connected: () => void): Promise<void> => {
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      try {
        await listen(() => {
          attempt = 0
          connected()
        })
      } catch (error) {
        logger.warn('the channel has no PostgreSQL', { error: reasonOf(error) })
      }
      await delay(retryDelayMs(attempt), undefined, { signal: closing.signal }).catch(() => undefined)
    }
  }
  let listening: Promise<void> = Promise.resolve()
  await withinFirst(
    new Promise<void>((resolve) => {
      listening = keepListening(resolve)
    }),
  )
  return {
    send: async (text) => {
      if (!current) throw new Error('not connected')
      await current.query('select pg_notify($1, $2)', [name, text])
    },
    close: async () => {
      closing.abort()
      await current?.end().catch(() => undefined)
      await listening
    },
  }
}

/** Opens the channel; a store that is away delays it by seconds at most, then it connects when it can. */
export const openChannel = async ({
  databaseUrl,
  redisUrl,
  logger,
  name = 'vigia',
}: ChannelOptions): Promise<Channel> => {
  const handlers = new Map<string, Set<Handler>>()
  const tell = (handler: Handler, topic: string, payload: unknown): void => {
    try {
      handler(payload)
    } catch (error) {
      logger.error('a message of the channel was not handled', { topic, error: messageOf(error) })
    }
  }
  const receive = (text: string): void => {
    // Whoever may write to the store may send here: what is not ours is passed over.
    const message = parseMessage(text)
    if (message)
      handlers.get(message.topic)?.forEach((handler) => tell(handler, message.topic, message.payload))
  }
  const carrier = redisUrl
    ? await redisCarrier({ redisUrl, logger }, name, receive)
    : await postgresCarrier({ databaseUrl, logger }, name, receive)
  return {
    publish: async (topic, payload) => {
      const text = JSON.stringify({ topic, payload })
      if (Buffer.byteLength(text) > LONGEST_BYTES) {
        throw new RangeError(`a message of ${Buffer.byteLength(text)} bytes is too long for the channel`)
      }
      try {
        await carrier.send(text)
      } catch (error) {
        logger.warn('a message of the channel was not sent', { topic, error: reasonOf(error) })
      }
    },
    subscribe: (topic, handler) => {
      const known = handlers.get(topic) ?? new Set<Handler>()
      handlers.set(topic, known.add(handler))
      return () => void known.delete(handler)
    },
    close: () => carrier.close(),
  }
}
