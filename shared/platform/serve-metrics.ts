/** /metrics and /livez of a process that serves nothing else (workers, scheduler). */
import { createServer } from 'node:http'
import { AppError, messageOf } from '../core/errors.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** Port 0 means off. */
export const serveMetrics = async (
  metrics: Metrics,
  address: { readonly host: string; readonly port: number },
  logger: Logger,
  lifecycle: Lifecycle,
): Promise<void> => {
  if (address.port === 0) return
  const server = createServer((request, response) => {
    if (request.url === '/livez') {
      response.end('ok\n')
      return
    }
    if (request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    metrics.registry.metrics().then(
      (text) => response.setHeader('content-type', metrics.registry.contentType).end(text),
      (error: unknown) => {
        logger.error('metrics cannot be written', { error: messageOf(error) })
        response.writeHead(500).end()
      },
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new AppError(
          'STORAGE_UNAVAILABLE',
          `METRICS_PORT ${address.port} cannot be bound (${messageOf(error)}); choose another, or 0 for none`,
        ),
      )
    })
    server.listen(address.port, address.host, resolve)
  })
  lifecycle.onClose('metrics', () => new Promise((resolve) => server.close(() => resolve())))
}
