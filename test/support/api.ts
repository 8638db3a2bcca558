/** The whole API over a real database, real queues and real HTTP. */
import { request as httpRequest } from 'node:http'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Knex } from 'knex'
import { serveApi } from '../../api/serve.ts'
import { openChannel } from '../../db/channel.ts'
import { openLimitCounters } from '../../db/limits/open.ts'
import { isUnreachable, openDatabase } from '../../db/open.ts'
import { recordChecks } from '../../db/record.ts'
import { openRedis } from '../../db/redis/open.ts'
import { sharedSlots } from '../../db/redis/shared-slots.ts'
import { createStore } from '../../db/store.ts'
import { computeInPlace } from '../../shared/compute-in-place.ts'
import { loadConfig } from '../../shared/config.ts'
import type { Role } from '../../shared/access/principal.ts'
import { systemClock } from '../../shared/core/clock.ts'
import type { Clock } from '../../shared/core/clock.ts'
import { openServices } from '../../shared/open-services.ts'
import { createLifecycle } from '../../shared/platform/lifecycle.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { createMetrics } from '../../shared/platform/metrics.ts'
import type { Metrics } from '../../shared/platform/metrics.ts'
import type { Services } from '../../shared/services.ts'
import type { Store } from '../../shared/store.ts'
import { startWorkers } from '../../workers/start.ts'
import { openTestDatabase } from './database.ts'
import { temporaryFolder } from './folders.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** Parsed when it is JSON, else empty. */
  readonly body: Record<string, unknown>
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as `X-API-Key`. */
  readonly key?: string | undefined
  /** An object is sent as JSON, text and bytes as they are. */
  readonly body?: unknown
}

/** One request with exactly these headers, `Host` included. */
export const ask = (base: string, path: string, options: Ask = {}): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const { body, key } = options
    const raw = typeof body === 'string' || body instanceof Uint8Array
    const bytes = body === undefined ? undefined : Buffer.from(raw ? body : JSON.stringify(body))
    const url = new URL(base)
    const request = httpRequest(
      {
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port,
        path,
        method: options.method ?? (body === undefined ? 'GET' : 'POST'),
        agent: false,
        headers: {
          ...(bytes ? { 'Content-Length': bytes.length } : {}),
          ...(body !== undefined && !raw ? { 'Content-Type': 'application/json' } : {}),
          ...(key === undefined ? {} : { 'X-API-Key': key }),
          ...options.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          const isJson = /json/.test(response.headers['content-type'] ?? '')
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
          })
        })
      },
    )
    request.once('error', reject)
    request.end(bytes)
  })

export interface TestApi {
  readonly url: string
  readonly knex: Knex
  readonly services: Services
  readonly store: Store
  /** Root of the artifacts. */
  readonly folder: string
  readonly metrics: Metrics
  ask(path: string, options?: Ask): Promise<Reply>
  /** Makes a key; answers it. */
  key(name: string, role: Role, configIds?: readonly number[]): Promise<string>
  /** Makes a config of an account of its own. */
  newConfig(): Promise<number>
  close(): Promise<void>
}

export interface TestApiOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly clock?: Clock
  /** Workers besides, in the same process. */
  readonly workers?: true
  /** Where the API finds the database; default: the test database itself. */
  readonly through?: (databaseUrl: string) => Promise<string>
}

let accounts = 0

export const openTestApi = async (options: TestApiOptions = {}): Promise<TestApi> => {
  const logger = silentLogger
  const lifecycle = createLifecycle(logger)
  try {
    const database = await openTestDatabase()
    lifecycle.onClose('test database', () => database.close())
    const folder = await temporaryFolder()
    lifecycle.onClose('folder', () => rm(folder, { recursive: true, force: true }))
    const config = loadConfig({ PORT: '0', MODELS_STORAGE_PATH: folder, ...options.environment })
    const databaseUrl = (await options.through?.(database.url)) ?? database.url
    const used = await openDatabase({
      url: databaseUrl,
      poolMax: 8,
      logger,
      applicationName: 'vigia-test-api',
    })
    lifecycle.onClose('database', () => used.close())
    const store = createStore(used.knex, folder)
    const channel = await openChannel({ databaseUrl, redisUrl: config.REDIS_URL, logger })
    lifecycle.onClose('channel', () => channel.close())
    const redis =
      config.REDIS_URL === undefined ? null : await openRedis({ redisUrl: config.REDIS_URL, logger })
    if (redis) lifecycle.onClose('redis', () => redis.close())
    const metrics = createMetrics('api')
    const open = await openServices({
      config,
      store,
      databaseUrl,
      announcements: channel,
      compute: computeInPlace,
      clock: options.clock ?? systemClock,
      logger,
      lifecycle,
      metrics,
      limitCounters: await openLimitCounters({ config, knex: used.knex, logger, lifecycle, metrics }),
    })
    const { url } = await serveApi({
      config,
      open,
      idempotency: store.idempotency,
      redis: redis?.redis ?? null,
      sharedSlots: redis && sharedSlots(redis.redis),
      checks: recordChecks(used),
      isUnreachable,
      logger,
      lifecycle,
      metrics,
      version: '0.0.0-test',
    })
    const { services } = open
    if (options.workers) {
      const workers = startWorkers({
        queues: open.queues,
        runs: store.runs,
        carrier: open.carrier,
        spawn: open.enqueuer.spawn,
        services,
        jobs: open.jobs,
        logger,
        metrics,
        concurrency: 2,
      })
      lifecycle.onClose('workers', () => workers.close())
    }
    return {
      url,
      knex: database.knex,
      services,
      store,
      folder,
      metrics,
      ask: (path, asked) => ask(url, path, asked),
      key: async (name, role, configIds) =>
        (await services.keys.create({ name, role, configIds: configIds ?? null }, 'test')).key,
      newConfig: async () => {
        const account_id = `act_api_${(accounts += 1)}`
        const draft = { name: account_id, account_id, timezone: 'America/Sao_Paulo', currency: 'BRL' }
        return (await services.configs.create(draft)).id
      },
      close: () => lifecycle.close(),
    }
  } catch (error) {
    await lifecycle.close()
    throw error
  }
}

export interface Wire {
  /** The URL with this wire in between. */
  readonly url: string
  /** Breaks all connections and lets no new one through. */
  cut(): Promise<void>
  mend(): Promise<void>
  close(): Promise<void>
}

/** A stretch of network between a client and a server that can be cut. */
export const openWire = async (target: string): Promise<Wire> => {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  const listen = (at: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(at, '127.0.0.1', resolve)
    })
  await listen(0)
  const own = (server.address() as AddressInfo).port
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(own)
  const cut = async (): Promise<void> => {
    if (!server.listening) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return { url: url.toString(), cut, mend: () => listen(own), close: cut }
}
