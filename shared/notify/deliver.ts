/**
 * Sends what is due. A message is tried at once, then after about 10 s, and each time after twice as long, at most an
 * hour, for three days; then it is given up and stays to be looked at. So a receiver that was down for an hour or for
 * a day gets everything. It is sent at least once: who is killed between sending and noting it sends it again, with
 * the same id, and nobody else does.
 *
 * What an answer means is as Standard Webhooks has it: 2xx is success, 410 that nobody wants messages there any more,
 * everything else a failure, and Retry-After is minded.
 */
import { randomUUID } from 'node:crypto'
import { printable } from '../core/columns.ts'
import type { Clock } from '../core/clock.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { EventBody } from './events.ts'
import type { Sender, Sent } from './send.ts'
import { slackBody } from './slack.ts'
import { messageIdOf, standardHeaders } from './standard.ts'
import type { Attempted, Outgoing, Turn, WebhookStore } from './webhooks.ts'

const FIRST_WAIT_MS = 10_000
const LONGEST_WAIT_MS = 3_600_000
const TRIES_FOR_MS = 3 * 24 * LONGEST_WAIT_MS
/** However long a receiver asks to be left alone. */
const PATIENCE_MS = 24 * LONGEST_WAIT_MS
/** A send takes 10 s at most; a worker that is silent for so long is taken for dead. */
const TURN_MS = 60_000
/** Webhooks sent to at once. */
const LANES = 8
/** Messages to one webhook before others get their turn. */
const TURN_MESSAGES = 20
/** Before a webhook that did not answer, or is asked too much, is tried with its next message. */
const REST_MS = 10_000
/** It is asked too much: not only this message has to wait. */
const OVERLOADED: ReadonlySet<number> = new Set([429, 502, 503, 504])
const GONE = 410
const ERROR_LENGTH = 500

/** Doubles with every failed try, +/- 20% so that what failed together does not return together. */
export const retryDelayMs = (failedTries: number, random: number): number =>
  Math.round(Math.min(FIRST_WAIT_MS * 2 ** (failedTries - 1), LONGEST_WAIT_MS) * (0.8 + 0.4 * random))

const USER_AGENT = 'vigia'

/** What is posted. */
const messageOf = (outgoing: Outgoing, at: Date): Parameters<Sender['send']>[0] => {
  const { kind, url, body, messageId, secrets } = outgoing
  const plain = { 'content-type': 'application/json', 'user-agent': USER_AGENT }
  if (kind === 'slack') return { url, headers: plain, body: slackBody(JSON.parse(body) as EventBody) }
  return { url, headers: { ...plain, ...standardHeaders(messageIdOf(messageId), at, body, secrets) }, body }
}

/** In words, with what the receiver said if it said something. */
const failureOf = (sent: Sent): string => {
  if (sent.kind !== 'answered') return sent.why
  const said = printable(sent.reply)
  return `answered ${sent.status}${said ? `: ${said}` : ''}`
}

/** What a try comes to. */
const judge = (outgoing: Pick<Outgoing, 'attempt' | 'ageMs'>, sent: Sent, random: number): Attempted => {
  const status = sent.kind === 'answered' ? sent.status : null
  if (status !== null && status >= 200 && status < 300) return { kind: 'delivered', status }
  const error = failureOf(sent).replaceAll('\0', '').slice(0, ERROR_LENGTH)
  if (status === GONE) return { kind: 'gone', status, error }
  const asked = sent.kind === 'answered' ? Math.min(sent.retryAfterMs ?? 0, PATIENCE_MS) : 0
  const delayMs = Math.max(retryDelayMs(outgoing.attempt, random), asked)
  return outgoing.ageMs + delayMs > TRIES_FOR_MS
    ? { kind: 'dead', status, error }
    : { kind: 'again', status, error, delayMs }
}

export interface Deliverer {
  /** Sends what is due, until nothing is or `signal` aborts. */
  deliverDue(context: Pick<WorkContext, 'signal' | 'logger'>): Promise<WorkOutcome>
  /** One try, nothing noted. */
  once(outgoing: Outgoing): Promise<Attempted>
}

export interface DelivererParts {
  readonly store: WebhookStore
  readonly sender: Sender
  readonly clock: Clock
  /** How each try ended. */
  readonly onAttempt: (outcome: Attempted['kind']) => void
}

export const createDeliverer = ({ store, sender, clock, onAttempt }: DelivererParts): Deliverer => {
  const attempt = async (outgoing: Outgoing): Promise<{ sent: Sent; attempted: Attempted }> => {
    const sent = await sender.send(messageOf(outgoing, clock.now()))
    const attempted = judge(outgoing, sent, Math.random())
    onAttempt(attempted.kind)
    return { sent, attempted }
  }

  const deliverDue: Deliverer['deliverDue'] = async ({ signal, logger }) => {
    const counts = { done: 0, skipped: 0, failed: 0 }
    const reasons: Record<string, number> = {}
    const count = ({ kind }: Attempted): void => {
      if (kind === 'delivered') counts.done += 1
      else {
        counts[kind === 'again' ? 'skipped' : 'failed'] += 1
        const reason = kind === 'again' ? 'tried_later' : kind
        reasons[reason] = (reasons[reason] ?? 0) + 1
      }
    }

    /** @returns how long the webhook is left alone afterwards */
    const send = async (turn: Turn, outgoing: Outgoing): Promise<number> => {
      const { sent, attempted } = await attempt(outgoing)
      if (!(await store.note(turn, outgoing, attempted))) return 0
      count(attempted)
      if (attempted.kind !== 'delivered') {
        logger.warn('a message was not delivered', {
          webhook_id: turn.webhookId,
          delivery_id: outgoing.deliveryId,
          attempt: outgoing.attempt,
          outcome: attempted.kind,
          error: attempted.error,
        })
      }
      return sent.kind === 'no answer' || (sent.kind === 'answered' && OVERLOADED.has(sent.status))
        ? REST_MS
        : 0
    }

    const takeTurn = async (turn: Turn): Promise<void> => {
      let restMs = 0
      try {
        for (let n = 0; n < TURN_MESSAGES && restMs === 0 && !signal.aborted; n += 1) {
          const outgoing = await store.next(turn, TURN_MS)
          if (!outgoing) return
          restMs = await send(turn, outgoing)
        }
      } finally {
        await store.endTurn(turn, restMs)
      }
    }

    const lane = async (): Promise<void> => {
      while (!signal.aborted) {
        const turn = await store.takeTurn(randomUUID(), TURN_MS)
        if (!turn) return
        await takeTurn(turn)
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    signal.throwIfAborted()
    return { status: 'succeeded', counts, reasons }
  }

  return { deliverDue, once: async (outgoing) => (await attempt(outgoing)).attempted }
}
