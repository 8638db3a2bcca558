/** Lists over HTTP: page or cursor, newest first (ads-domain section 9). */
import { z } from 'zod'
import { AppError } from './errors.ts'

const CURSOR = /^[A-Za-z0-9_-]{1,120}$/
const decode = (cursor: string): string => Buffer.from(cursor, 'base64url').toString('utf8')

export const PageQuery = z.object({
  page: z.coerce.number().int().min(1).max(100_000).default(1),
  page_size: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z
    .string()
    .max(200)
    .refine((text) => CURSOR.test(decode(text)), 'is not one of ours; take next_cursor of the page before')
    .optional(),
})
export type PageQuery = z.infer<typeof PageQuery>

/** What a repository needs to cut a page. `afterId` (from the cursor) wins over the page number. */
export interface PageRequest {
  readonly page: number
  readonly pageSize: number
  /** Only rows with a smaller id: the last id of the page before. */
  readonly afterId: string | null
}

export interface Page<T> {
  readonly data: readonly T[]
  readonly page: number
  readonly page_size: number
  readonly total: number
  readonly next_cursor: string | null
}

export const toPageRequest = (query: PageQuery): PageRequest => {
  let afterId: string | null = null
  if (query.cursor !== undefined) {
    const decoded = decode(query.cursor)
    afterId = CURSOR.test(decoded) ? decoded : ''
  }
  return { page: query.page, pageSize: query.page_size, afterId }
}

/** What a list answers to the cursor of another. */
export const foreignCursor = (): AppError =>
  new AppError('INVALID_REQUEST', 'cursor: is not one of ours; take next_cursor of the page before')

/**
 * The number a cursor of a list by numeric id stands for.
 * @throws AppError INVALID_REQUEST
 */
export const numericId = (afterId: string): number => {
  if (!/^\d{1,15}$/.test(afterId)) throw foreignCursor()
  return Number(afterId)
}

/** Wraps `rows` (at most pageSize of them, newest first). `idOf` gives the id the cursor carries on from. */
export const toPage = <T>(
  request: PageRequest,
  total: number,
  rows: readonly T[],
  idOf: (row: T) => string | number,
): Page<T> => {
  const last = rows.at(-1)
  const full = rows.length === request.pageSize && last !== undefined
  return {
    data: rows,
    page: request.page,
    page_size: request.pageSize,
    total,
    next_cursor: full ? Buffer.from(String(idOf(last))).toString('base64url') : null,
  }
}

export const PageReply = <T extends z.ZodType>(row: T) =>
  z.object({
    data: z.array(row),
    page: z.int(),
    page_size: z.int(),
    total: z.int(),
    next_cursor: z.string().nullable(),
  })
