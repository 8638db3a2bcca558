/** The entities a run was asked for, as a key part. */
import { createHash } from 'node:crypto'
import type { Level } from '../core/entity.ts'

/** `all`, the level alone, or the level and a hash of the ids in any order. */
export const askedFor = (level: Level | null, entityIds: readonly string[] | null): string => {
  if (!entityIds) return level ?? 'all'
  const sorted = [...new Set(entityIds)].sort()
  const hash = createHash('sha256').update(sorted.join('|')).digest('hex').slice(0, 16)
  return `${level ?? 'all'}-${hash}`
}
