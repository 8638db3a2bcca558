/** A receiver of webhooks on the loopback address: keeps what it gets and answers as it is told. */
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Receiver {
  readonly url: string
  readonly port: number
  /** Whole requests, in the order they were read. */
  readonly received: Received[]
  /** Called instead of answering 200 once the request was read. */
  answer: RequestListener
  /** Connections are refused from now on. */
  down(): Promise<void>
  /** Back on the same port. */
  up(): Promise<void>
  close(): Promise<void>
}

const ok: RequestListener = (_, response) => void response.writeHead(200).end('ok')

export const startReceiver = async (): Promise<Receiver> => {
  let server: Server | null = null
  let port = 0
  const received: Received[] = []
  const up = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const opened = createServer((request, response) => {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('error', () => {})
        request.on('end', () => {
          const body = Buffer.concat(chunks).toString('utf8')
          received.push({ path: request.url ?? '', headers: request.headers, body })
          receiver.answer(request, response)
        })
      })
      opened.once('error', reject)
      opened.listen(port, '127.0.0.1', () => {
        server = opened
        port = (opened.address() as AddressInfo).port
        resolve()
      })
    })
  const down = (): Promise<void> =>
    new Promise((resolve) => {
      const running = server
      server = null
      if (!running) return resolve()
      running.close(() => resolve())
      running.closeAllConnections()
    })
  const receiver = {
    received,
    answer: ok,
    up,
    down,
    close: down,
    get port() {
      return port
    },
    get url() {
      return `http://127.0.0.1:${port}/hook`
    },
  }
  await up()
  return receiver
}
