/**
 * Posts a message to an address somebody entered, and nowhere else: http and https only, the name resolved once and
 * the connection bound to what was checked (a name that answers differently the second time changes nothing), no
 * redirects, no proxy of the environment, certificates verified, little of the answer read, and an end after ten
 * seconds. Checked when a webhook is entered and again each time.
 */
import { lookup } from 'node:dns/promises'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import { addressPolicy } from './addresses.ts'
import type { AllowedRanges } from './addresses.ts'

const WITHIN_MS = 10_000
const REPLY_BYTES = 4096
const URL_LENGTH = 2000
const FIRST_FREE_PORT = 1024
const WEB_PORTS: ReadonlySet<number> = new Set([80, 443])
/** Above 1023: what is no web server although it may be taken for one (WHATWG Fetch, "bad port"). */
const BAD_PORTS: ReadonlySet<number> = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
  10_080,
])

/** All addresses of a name. */
export type Resolve = (name: string) => Promise<readonly string[]>

export interface Message {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type Sent =
  /** `reply` is the start of the body; `retryAfterMs` what the receiver asks for. */
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly reply: string
      readonly retryAfterMs: number | null
    }
  /** Nothing was sent. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Whether it arrived is not known. */
  | { readonly kind: 'no answer'; readonly why: string }

export interface Sender {
  /** Why messages cannot go to `url`; null when they can. */
  problemOf(url: string): Promise<string | null>
  /** Never rejects. */
  send(message: Message): Promise<Sent>
}

export interface SenderOptions {
  readonly clock: Clock
  /** Ranges (CIDR) that messages may go to although they are not public. */
  readonly allowed: AllowedRanges
  /** Default: the resolver of the system. */
  readonly resolve?: Resolve
  /** From asking for the name to the last byte read. Default 10 s. */
  readonly withinMs?: number
}

interface Target {
  readonly url: URL
  readonly addresses: readonly string[]
}

const systemResolve: Resolve = async (name) =>
  (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address)

/** What can be told from the text alone. */
const textProblem = (text: string): string | null => {
  if (text.length > URL_LENGTH) return `is longer than ${URL_LENGTH} characters`
  if (!URL.canParse(text)) return 'is not a URL'
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must start with https:// or http://'
  if (url.username !== '' || url.password !== '') return 'must not carry a user or password'
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  if (!WEB_PORTS.has(port) && (port < FIRST_FREE_PORT || BAD_PORTS.has(port))) {
    return `names port ${port}, which is not one of the web (80, 443 or above 1023)`
  }
  return null
}

/** Seconds or a date (RFC 9110 section 10.2.3). */
const retryAfterMs = (header: string | undefined, nowMs: number): number | null => {
  if (header === undefined) return null
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isFinite(ms) && ms > 0 ? ms : null
}

/** Rejects with the reason of `signal` once it aborts. */
const unlessAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })

/** Answers every question for a name with the addresses that were checked. */
const pinned =
  (addresses: readonly string[]): LookupFunction =>
  (_, options, done) => {
    const all = addresses.map((address) => ({ address, family: isIP(address) }))
    const [first] = all
    if (options.all) done(null, all)
    else if (first) done(null, first.address, first.family)
    else done(new Error('no address'), '', 0)
  }

/** The first bytes of an answer; what the receiver goes on to say is not waited for. */
const startOf = async (answer: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= REPLY_BYTES) break
    }
  } catch {
    // Broken off, or the time was over: the status had been said.
  }
  return Buffer.concat(chunks).subarray(0, REPLY_BYTES).toString('utf8')
}

export const createSender = (options: SenderOptions): Sender => {
  const { resolve = systemResolve, withinMs = WITHIN_MS } = options
  const policy = addressPolicy(options.allowed)

  /** @returns where to connect to, or what is wrong with the URL @throws when the name cannot be resolved */
  const targetOf = async (text: string, signal: AbortSignal): Promise<Target | string> => {
    const wrong = textProblem(text)
    if (wrong !== null) return wrong
    const url = new URL(text)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const addresses = isIP(host) === 0 ? await unlessAborted(resolve(host), signal) : [host]
    if (addresses.length === 0) return `leads nowhere: ${host} has no address`
    for (const address of addresses) {
      const problem = policy.problemOf(address)
      if (problem !== null) return `leads to where nothing is sent: ${problem}; WEBHOOK_ALLOW can allow it`
    }
    return { url, addresses }
  }

  const answered = async (answer: IncomingMessage): Promise<Sent> => ({
    kind: 'answered',
    status: answer.statusCode ?? 0,
    reply: await startOf(answer),
    retryAfterMs: retryAfterMs(answer.headers['retry-after'], options.clock.now().getTime()),
  })

  const post = ({ url, addresses }: Target, { headers, body }: Message, signal: AbortSignal): Promise<Sent> =>
    new Promise((resolvePost, reject) => {
      const bytes = Buffer.from(body)
      const secure = url.protocol === 'https:'
      // An agent of its own: the global one may be told by the environment to use a proxy.
      const common = {
        method: 'POST',
        headers: { ...headers, 'content-length': bytes.length, connection: 'close' },
        lookup: pinned(addresses),
        signal,
      }
      const request = secure
        ? // Said here, the environment cannot switch it off.
          httpsRequest(url, {
            ...common,
            agent: new HttpsAgent({ keepAlive: false }),
            rejectUnauthorized: true,
          })
        : httpRequest(url, { ...common, agent: new HttpAgent({ keepAlive: false }) })
      request.on('error', reject)
      request.once('response', (answer) => {
        // From here on the status is known: what breaks off afterwards changes nothing.
        request.off('error', reject).on('error', () => {})
        resolvePost(answered(answer).finally(() => request.destroy()))
      })
      // An answer of 101 comes as no response, and nothing would ever end the waiting for one.
      request.once('upgrade', (answer, socket) => {
        socket.destroy()
        resolvePost({ kind: 'answered', status: answer.statusCode ?? 0, reply: '', retryAfterMs: null })
      })
      // Whatever else ends it, it ends.
      request.once('close', () => reject(new Error('closed without an answer')))
      request.end(bytes)
    })

  const whyNot = (error: unknown, deadline: AbortSignal): string => {
    if (deadline.aborted) return `no answer within ${withinMs / 1000} s`
    const { code } = error as { readonly code?: unknown }
    return messageOf(error) || (typeof code === 'string' ? code : 'no answer')
  }

  return {
    problemOf: async (url) => {
      const deadline = AbortSignal.timeout(withinMs)
      try {
        const target = await targetOf(url, deadline)
        return typeof target === 'string' ? target : null
      } catch (error) {
        return `cannot be resolved: ${whyNot(error, deadline)}`
      }
    },
    send: async (message) => {
      const deadline = AbortSignal.timeout(withinMs)
      try {
        const target = await targetOf(message.url, deadline)
        if (typeof target === 'string') return { kind: 'refused', why: `the URL ${target}` }
        return await post(target, message, deadline)
      } catch (error) {
        return { kind: 'no answer', why: whyNot(error, deadline) }
      }
    },
  }
}
