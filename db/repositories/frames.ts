/**
 * Days of entities as columns, straight from SQL: PostgreSQL groups and orders, and answers one row per
 * entity whose cells are whole columns in wire format. Nothing here is an object per day.
 *
 * 1. `frame-pages` which entities come next, and their parents
 * 2. `frame-days`  their days
 * 3. `frame-heads` what else a detector must know of them
 * 4. here          batches are cut from a page while the next one is being read
 */
import type { Knex } from 'knex'
import type { DailyFrame, EntityHead, FrameBatch } from '../../ml/frame.ts'
import type { FrameRequest, FrameSource } from '../../shared/entities/frames.ts'
import { readDays } from './frame-days.ts'
import { loadHeadFacts, loadTotals, makeHeads } from './frame-heads.ts'
import type { AncestorTotals } from './frame-heads.ts'
import { familyOf, keep, nextPage, PAGE_ENTITIES, pageOf } from './frame-pages.ts'
import type { EntityPage } from './frame-pages.ts'

interface PageFrames {
  readonly heads: readonly EntityHead[]
  readonly offsets: Int32Array
  readonly columns: DailyFrame
}

/** Reads the page's days and heads. Entities without a row in the window are left out. */
const readPage = async (
  db: Knex,
  request: FrameRequest,
  page: EntityPage,
  totalsOf: (page: EntityPage) => Promise<AncestorTotals>,
): Promise<PageFrames> => {
  const [days, facts, totals] = await Promise.all([
    readDays(db, request, page.ids),
    loadHeadFacts(db, request, familyOf(request.level, page)),
    totalsOf(page),
  ])
  const daysOf = (i: number) => days.columns.days.subarray(days.offsets[i], days.offsets[i + 1])
  return { ...days, heads: await makeHeads(request, keep(page, days.ids), daysOf, facts, totals) }
}

/** Entities [first, end) of what was read, in memory of their own. */
const cut = ({ heads, offsets, columns }: PageFrames, first: number, end: number): FrameBatch => {
  const from = offsets[first] as number
  const to = offsets[end] as number
  return {
    heads: heads.slice(first, end),
    offsets: offsets.slice(first, end + 1).map((offset) => offset - from),
    columns: {
      days: columns.days.slice(from, to),
      spend: columns.spend.slice(from, to),
      impressions: columns.impressions.slice(from, to),
      clicks: columns.clicks.slice(from, to),
      leads: columns.leads.slice(from, to),
      reach: columns.reach.slice(from, to),
      reach7: columns.reach7.slice(from, to),
    },
  }
}

async function* pagesOf(db: Knex, request: FrameRequest): AsyncGenerator<EntityPage> {
  if (request.entityIds) {
    const ids = [...new Set(request.entityIds)]
    for (let i = 0; i < ids.length; i += PAGE_ENTITIES)
      yield pageOf(db, request, ids.slice(i, i + PAGE_ENTITIES))
    return
  }
  for (let after = ''; ;) {
    const page = await nextPage(db, request, after)
    if (page.ids.length > 0) yield page
    if (page.ids.length < PAGE_ENTITIES) return
    after = page.ids.at(-1) as string
  }
}

async function* readBatches(db: Knex, request: FrameRequest): AsyncGenerator<FrameBatch> {
  let whole: Promise<AncestorTotals> | undefined
  // Chosen entities: what their campaigns add up to. All: one scan serves every page.
  const totalsOf = (page: EntityPage): Promise<AncestorTotals> =>
    request.entityIds
      ? loadTotals(db, request, [...new Set(page.campaignIds)])
      : (whole ??= loadTotals(db, request, null))
  const pages = pagesOf(db, request)
  const readNext = async (): Promise<PageFrames | undefined> => {
    const next = await pages.next()
    return next.done ? undefined : readPage(db, request, next.value, totalsOf)
  }
  let upcoming = readNext()
  try {
    for (let page = await upcoming; page; page = await upcoming) {
      upcoming = readNext()
      // Looked at when its turn comes; until then its failure is nobody's unhandled rejection.
      upcoming.catch(() => {})
      for (let i = 0; i < page.heads.length; i += request.batchSize)
        yield cut(page, i, Math.min(i + request.batchSize, page.heads.length))
    }
  } finally {
    await upcoming.catch(() => {})
  }
}

export const frameSource = (db: Knex): FrameSource => ({
  batches: (request) => readBatches(db, request),
})
