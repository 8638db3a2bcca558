/** Puts the app behind a port, and takes it away again without cutting anybody off. */
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { AppError, messageOf } from '../shared/core/errors.ts'
import type { Logger } from '../shared/platform/logger.ts'
import type { Authenticator } from './middleware/authenticate.ts'
import type { Readiness } from './probes.ts'

const DRAIN_MS = 20_000
const SWEEP_MS = 50
/** Slow clients are let go: headers within 10 s, a whole request within 2 minutes. */
const HEADERS_MS = 10_000
const REQUEST_MS = 120_000
/** Node looks every 30 s only, which would be the least time a slow client holds its connection. */
const LOOK_MS = 2000
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

export interface ListenOptions {
  readonly listener: RequestListener
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly authenticator: Authenticator
  readonly readiness: Readiness
  readonly logger: Logger
}

export interface Listening {
  readonly url: string
  /** Not ready, takes nothing new, lets answers under way end. */
  close(): Promise<void>
}

const bind = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const advice =
        error.code === 'EADDRINUSE'
          ? `port ${port} on ${host} is taken; stop what uses it, or set PORT to another (0 picks a free one)`
          : `${host}:${port} cannot be bound (${messageOf(error)}); check HOST and PORT`
      reject(new AppError('CONFLICT', advice, {}, { cause: error }))
    })
    server.listen(port, host, resolve)
  })

/**
 * @throws CONFLICT when the port is taken, or when an address beyond this machine would be open to everybody
 */
export const listen = async (options: ListenOptions): Promise<Listening> => {
  const { host, logger, readiness } = options
  const open = await options.authenticator.isOpen()
  if (open && !LOOPBACK.has(host)) {
    throw new AppError(
      'CONFLICT',
      `HOST=${host} would let everybody in, since there is no API key; make one with ` +
        `"vigia keys create NAME --role admin" (or set JWT_SECRET or JWT_JWKS_URL), or use HOST=127.0.0.1`,
    )
  }
  const server = createServer(
    { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: LOOK_MS },
    options.listener,
  )
  // Node counts connections that have not asked anything yet as busy; browsers open such ahead of need.
  const silent = new Set<Socket>()
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  server.on('request', (request) => silent.delete(request.socket))
  await bind(server, host, options.port)
  const { port } = server.address() as AddressInfo
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  logger.info('api listens', { url, open_to: open ? 'this machine only, without keys' : 'holders of keys' })
  return {
    url,
    close: async () => {
      readiness.drain()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of silent) socket.destroy()
      // A kept connection falls idle when its answer has ended.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
      await closed
      clearInterval(sweep)
      clearTimeout(cut)
    },
  }
}
