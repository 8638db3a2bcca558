/** Pages of rows that are listed by day, the newest first, and by id within a day. */
import type { Knex } from 'knex'
import { LocalDate } from '../../shared/core/days.ts'
import { foreignCursor } from '../../shared/core/page.ts'
import type { PageRequest } from '../../shared/core/page.ts'

const CURSOR = /^(\d{4}-\d{2}-\d{2})_(\d{1,18})$/

/** What a page's cursor carries on from: its last row. */
export const dayCursor = (day: LocalDate, id: number): string => `${day}_${id}`

/**
 * Orders the query and cuts the page out of it.
 * @param day name of the column with the day, e.g. `a.anomaly_date`
 * @throws AppError INVALID_REQUEST for the cursor of another list
 */
export const cutByDay = (
  query: Knex.QueryBuilder,
  page: PageRequest,
  day: string,
  id: string,
): Knex.QueryBuilder => {
  void query
    .orderBy([
      { column: day, order: 'desc' },
      { column: id, order: 'desc' },
    ])
    .limit(page.pageSize)
  if (page.afterId === null) return query.offset((page.page - 1) * page.pageSize)
  const [, lastDay, lastId] = CURSOR.exec(page.afterId) ?? []
  if (lastDay === undefined || lastId === undefined || !LocalDate.safeParse(lastDay).success)
    throw foreignCursor()
  return query.whereRaw('(??, ??) < (?::date, ?::bigint)', [day, id, lastDay, lastId])
}
