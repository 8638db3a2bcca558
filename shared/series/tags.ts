/** Tags of series and of versions: at most 20 `key=value`. */
import { z } from 'zod'
import { AppError } from '../core/errors.ts'

export const MOST_TAGS = 20
const KEY = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/
/** Anything one can read; a tag is no place for documents. */
const VALUE = /^[^\p{Cc}\p{Cs}]{0,200}$/u

export const TagKey = z.string().regex(KEY, 'must be a letter, then at most 63 letters, digits or "_.-"')
export const TagValue = z
  .string()
  .regex(VALUE, 'must be at most 200 characters, none of them a control character')

/** A whole set of tags. */
export const Tags = z
  .record(TagKey, TagValue)
  .refine((tags) => Object.keys(tags).length <= MOST_TAGS, `must be at most ${MOST_TAGS} tags`)
export type Tags = Readonly<Record<string, string>>

/** What to change of a set of tags; null takes one away. */
export const TagChanges = z.record(TagKey, TagValue.nullable())
export type TagChanges = Readonly<Record<string, string | null>>

/** `env=prod`, as queries write it. */
export const TagText = z.string().transform((text, context) => {
  const sign = text.indexOf('=')
  const key = TagKey.safeParse(text.slice(0, Math.max(sign, 0)))
  const value = TagValue.safeParse(text.slice(sign + 1))
  if (sign < 0 || !key.success || !value.success) {
    context.addIssue({ code: 'custom', message: 'must be like env=prod' })
    return z.NEVER
  }
  return [key.data, value.data] as const
})

/** @throws INVALID_REQUEST when there would be too many */
export const changeTags = (tags: Tags, changes: TagChanges): Tags => {
  const changed = new Map(Object.entries(tags))
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) changed.delete(key)
    else changed.set(key, value)
  }
  if (changed.size > MOST_TAGS) {
    throw new AppError(
      'INVALID_REQUEST',
      `tags: there can be ${MOST_TAGS}, this makes ${changed.size}; remove some`,
    )
  }
  return Object.fromEntries(changed)
}
