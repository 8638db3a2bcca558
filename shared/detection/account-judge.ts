/**
 * Judges the account behind a detection: all levels of a campaign together, since a parent's promise is made of its
 * children's. The three levels of an hour ask one after the other for the same; unless something has changed, the
 * later ones get what the first was told.
 */
import { figuresOf } from '../../ml/shifts/anomalies.ts'
import type { AccountEntity } from '../../ml/shifts/account.ts'
import { entityKey, restingDays } from '../../ml/shifts/from-frames.ts'
import type { ShiftParams } from '../../ml/shifts/thresholds.ts'
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import type { ComputePool } from '../compute.ts'
import { toDayNumber, toLocalDate } from '../core/days.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import type { HolidaysService } from '../entities/holidays.ts'
import type { AccountSource, CampaignPage } from './account-source.ts'
import type { DetectionStore } from './detection-store.ts'
import type { JudgedAccount } from './judge-account.ts'
import { readTolerances } from './tolerance.ts'

/** Entities of whole campaigns that are judged at once: 120 days of them are 15 MB. */
const PAGE_ENTITIES = 2000
/** Days a level is learnt from before it is relied on. */
const HISTORY_DAYS = 90
/**
 * The first day of the columns stands still for so long: a verdict must not change because the past it is held
 * against lost a day.
 */
const ANCHOR_DAYS = 28
/** Days whose signals are kept: those that late figures are looked at again for, and their leads. */
const SIGNAL_DAYS = 45
/** Pages that are read and judged while one is looked at: as many as keep two threads busy. */
const PAGES_AHEAD = 2
/** Pages that are remembered: levels may be a page apart. */
const REMEMBERED = 4

export interface AccountPage {
  /** The days as frames, for who looks at single entities meanwhile. */
  readonly batches: Readonly<Record<Level, readonly FrameBatch[]>>
  /** Days on which a parent is not missed because all its children rest, by `level id`. */
  readonly resting: ReadonlyMap<string, readonly DayNumber[]>
  /** What the judge says; may be left alone, also where it fails. */
  readonly judged: Promise<JudgedAccount>
}

export interface AccountQuestion {
  readonly configId: number
  readonly level: Level
  /** Null: all of the level. */
  readonly entityIds: readonly string[] | null
  /** The newest day that is judged. */
  readonly day: DayNumber
}

/** Which campaigns are asked about, and what tells whether anything but the rows has changed. */
export interface AccountLook {
  readonly pages: readonly CampaignPage[]
  /** Null: not all of the level are asked about. */
  readonly stamp: string | null
}

export interface AccountRequest extends AccountQuestion {
  /** Leads of days up to and including this one have arrived. */
  readonly leadsArrived: DayNumber
  /** Changes when a row does that the judgement depends on; null: unknown. Read before this is asked for. */
  readonly rows: string | null
  /** First day of the window that what a lead costs an ancestor is taken from; it ends with `day`. */
  readonly refFrom: DayNumber
}

export interface AccountJudge {
  look(question: AccountQuestion): Promise<AccountLook>
  /** The campaigns of a look, page by page. */
  judge(look: AccountLook, request: AccountRequest, signal: AbortSignal): AsyncIterable<AccountPage>
}

export interface AccountJudgeParts {
  readonly source: AccountSource
  readonly store: Pick<DetectionStore, 'falsePositives' | 'labelledDays'>
  readonly holidays: Pick<HolidaysService, 'between'>
  readonly compute: ComputePool
  readonly params: ShiftParams
}

interface PageUnderWay extends AccountPage {
  /** Judges it for somebody else. */
  readonly judgeAgain: (signal: AbortSignal) => Promise<JudgedAccount>
}

/** First day of the columns when `day` is judged. */
export const anchorOf = (day: DayNumber): DayNumber =>
  Math.floor((day - HISTORY_DAYS) / ANCHOR_DAYS) * ANCHOR_DAYS

export const createAccountJudge = (parts: AccountJudgeParts): AccountJudge => {
  const remembered = new Map<string, Promise<PageUnderWay>>()

  const holidaysOf = async (configId: number, from: DayNumber, to: DayNumber): Promise<DayNumber[]> => {
    const days: DayNumber[] = []
    for (const { date, days: length } of await parts.holidays.between(
      configId,
      toLocalDate(from),
      toLocalDate(to),
    )) {
      const first = toDayNumber(date)
      for (let day = first; day < first + length; day++) days.push(day)
    }
    return days
  }

  const tolerancesOf = async (
    configId: number,
    day: DayNumber,
  ): Promise<Map<string, AccountEntity['tolerance']>> => {
    const tolerances = new Map<string, AccountEntity['tolerance']>()
    for (const { entityType, entityId, metric, deviates } of await readTolerances(
      parts.store,
      configId,
      day,
    )) {
      const key = entityKey(entityType, entityId)
      const named = Object.fromEntries(figuresOf(metric).map((figure) => [figure, deviates]))
      tolerances.set(key, { ...tolerances.get(key), ...named })
    }
    return tolerances
  }

  const confirmedOf = async (
    configId: number,
    from: DayNumber,
  ): Promise<Map<string, readonly DayNumber[]>> => {
    const confirmed = new Map<string, readonly DayNumber[]>()
    for (const level of LEVELS)
      for (const [id, days] of await parts.store.labelledDays(configId, level, from))
        confirmed.set(entityKey(level, id), days)
    return confirmed
  }

  /** What people told of the account; one question after the other, since the frames are being read meanwhile. */
  const toldOf = async (configId: number, from: DayNumber, day: DayNumber) => ({
    holidays: await holidaysOf(configId, from, day),
    tolerances: await tolerancesOf(configId, day),
    confirmed: await confirmedOf(configId, from),
  })

  const judgePage = async (
    request: AccountRequest,
    page: CampaignPage,
    signal: AbortSignal,
  ): Promise<PageUnderWay> => {
    const { configId, day, leadsArrived, refFrom } = request
    const from = anchorOf(day)
    const [read, told] = await Promise.all([
      parts.source.frames({ configId, campaigns: page, from, to: day, refFrom }),
      toldOf(configId, from, day),
    ])
    signal.throwIfAborted()
    const batches = { campaign: [read.campaign], adset: [read.adset], ad: [read.ad] }
    const frames = { batches, from, to: day, leadsArrived, ...told }
    const judgeAgain = (by: AbortSignal): Promise<JudgedAccount> =>
      parts.compute.run('judge', { frames, params: parts.params, since: day - SIGNAL_DAYS }, { signal: by })
    const judged = judgeAgain(signal)
    judged.catch(() => {})
    return { batches, resting: restingDays(frames), judged, judgeAgain }
  }

  /** Of a whole account: what the last one was told, while nothing has changed. */
  const judgeOnce = async (
    request: AccountRequest,
    campaigns: CampaignPage,
    stamp: string,
    signal: AbortSignal,
  ): Promise<AccountPage> => {
    const { configId, day, leadsArrived, rows, refFrom } = request
    const key = JSON.stringify([configId, day, leadsArrived, rows, refFrom, stamp, campaigns])
    const known = remembered.get(key)
    if (known) {
      try {
        const page = await known
        // Whoever asked first may have been cancelled.
        const judged = page.judged.catch(() => {
          signal.throwIfAborted()
          return page.judgeAgain(signal)
        })
        judged.catch(() => {})
        return { ...page, judged }
      } catch {
        signal.throwIfAborted()
      }
    }
    const page = judgePage(request, campaigns, signal)
    remembered.set(key, page)
    // What failed, or was given up by the one who asked first, is no answer for the next.
    page.then(({ judged }) => judged).catch(() => remembered.delete(key))
    for (const oldest of remembered.keys()) {
      if (remembered.size <= REMEMBERED) break
      remembered.delete(oldest)
    }
    return page
  }

  return {
    look: async ({ configId, level, entityIds, day }) => ({
      pages: await parts.source.pages(configId, level, entityIds, PAGE_ENTITIES),
      // The pages of all campaigns are the same at every level.
      stamp: entityIds === null ? await parts.source.stamp(configId, anchorOf(day), day) : null,
    }),

    async *judge({ pages, stamp }, request, signal) {
      const ask = (page: CampaignPage): Promise<AccountPage> => {
        signal.throwIfAborted()
        return stamp === null || request.rows === null
          ? judgePage(request, page, signal)
          : judgeOnce(request, page, stamp, signal)
      }
      const asked: Promise<AccountPage>[] = []
      let next = 0
      /** One page is read after the other; those that are read are judged at once. */
      const askAhead = (): void => {
        while (next < pages.length && asked.length <= PAGES_AHEAD) {
          const page = pages[next++] as CampaignPage
          const before = asked.at(-1) ?? Promise.resolve()
          const one = before.then(() => ask(page))
          // Whoever takes it sees the failure then.
          one.catch(() => {})
          asked.push(one)
        }
      }
      for (askAhead(); asked.length > 0; askAhead()) {
        signal.throwIfAborted()
        yield await (asked[0] as Promise<AccountPage>)
        void asked.shift()
      }
    },
  }
}
