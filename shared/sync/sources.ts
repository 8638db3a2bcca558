/**
 * Asks the source of a config for its newest rows. vigia fetches nothing itself: it posts to `source_url`, and
 * whoever answers there brings the rows by POST /api/v1/imports.
 */
import { lastCompleteDay, toLocalDate } from '../core/days.ts'
import { AppError, messageOf } from '../core/errors.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { zoneOf } from '../entities/configs.ts'
import type { Configs } from '../entities/configs.ts'

export interface SourceWork {
  /** @throws AppError INVALID_REQUEST when the source refuses for good; Error when it may answer later */
  ask(configId: number, asOf: Date, context: WorkContext): Promise<WorkOutcome>
}

/** Conversions arrive for some days after the click, so those days are asked for again. */
const LATE_DAYS = 7
const ANSWER_WITHIN_MS = 30_000
/** The source is busy, or took too long itself. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429])

const refusal = (what: string): AppError =>
  new AppError('INVALID_REQUEST', `source_url ${what}: correct it with PATCH /api/v1/configs/{id}`)

/** What is posted. */
export interface SourceRequest {
  readonly event: 'import.wanted'
  readonly config_id: number
  readonly account_id: string
  readonly date_from: string
  readonly date_to: string
}

export const createSources = ({ configs }: { readonly configs: Configs }): SourceWork => ({
  ask: async (configId, asOf, { signal, logger }) => {
    const config = await configs.get(configId)
    if (config.source_url === null) {
      return { status: 'skipped', counts: { done: 0, skipped: 1, failed: 0 }, reasons: { no_source: 1 } }
    }
    const newest = lastCompleteDay(asOf, zoneOf(config))
    const wanted: SourceRequest = {
      event: 'import.wanted',
      config_id: configId,
      account_id: config.account_id,
      date_from: toLocalDate(newest - LATE_DAYS + 1),
      date_to: toLocalDate(newest),
    }
    const url = new URL(config.source_url)
    let reply: Response
    try {
      reply = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'vigia' },
        body: JSON.stringify(wanted),
        // A redirect would carry the request to an address nobody entered.
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
      })
    } catch (error) {
      signal.throwIfAborted()
      const cause = error instanceof Error && error.cause ? `: ${messageOf(error.cause)}` : ''
      // The path and the query may hold a secret.
      throw new Error(`${url.origin} does not answer: ${messageOf(error)}${cause}`, { cause: error })
    }
    await reply.body?.cancel()
    const { status } = reply
    if (status >= 300 && status < 400) throw refusal(`answers with a redirect (${status})`)
    if (status >= 400 && status < 500 && !PASSING.has(status)) throw refusal(`answers ${status}`)
    if (!reply.ok) throw new Error(`${url.origin} answers ${status}`)
    logger.info('the source was asked', { origin: url.origin, answer: status })
    return {
      status: 'succeeded',
      counts: { done: 1, skipped: 0, failed: 0 },
      reasons: {},
      result: { answer: status, date_from: wanted.date_from, date_to: wanted.date_to },
    }
  },
})
