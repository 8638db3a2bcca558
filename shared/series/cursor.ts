/**
 * Cursors of keyset lists: where a page ended, signed, so that nobody can make one up, and bound to what was
 * asked for, so that it goes on with the same list only.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { foreignCursor } from '../core/page.ts'

/** Values of the columns a list is ordered by, and what tells rows apart that are equal in them. */
export type ListKey = readonly (string | number)[]

const SIGNATURE_BYTES = 16
const SHAPE = /^[A-Za-z0-9_-]{1,600}$/

const digestOf = (asked: unknown): string =>
  createHash('sha256').update(JSON.stringify(asked)).digest('base64url').slice(0, 16)

const sign = (secret: string, text: string): Buffer =>
  createHmac('sha256', secret).update(text).digest().subarray(0, SIGNATURE_BYTES)

/** @param asked plain data: filters and order, the same for the same list */
export const writeCursor = (secret: string, asked: unknown, key: ListKey): string => {
  const text = JSON.stringify([digestOf(asked), ...key])
  return Buffer.concat([sign(secret, text), Buffer.from(text)]).toString('base64url')
}

/** @throws INVALID_REQUEST for one that is not ours, or is of another list */
export const readCursor = (secret: string, asked: unknown, cursor: string): ListKey => {
  const bytes = SHAPE.test(cursor) ? Buffer.from(cursor, 'base64url') : Buffer.alloc(0)
  const text = bytes.subarray(SIGNATURE_BYTES).toString('utf8')
  const signature = bytes.subarray(0, SIGNATURE_BYTES)
  if (signature.length !== SIGNATURE_BYTES || !timingSafeEqual(signature, sign(secret, text)))
    throw foreignCursor()
  const [digest, ...key] = JSON.parse(text) as [string, ...(string | number)[]]
  if (digest !== digestOf(asked)) throw foreignCursor()
  return key
}
