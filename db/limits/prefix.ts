/** How stores tell apart what is counted by different rules. */
import type { LimitName, LimitRule } from '../../shared/series/limits.ts'

/** Rules of one name with different figures are counted apart. */
export const prefixOf = (name: LimitName, { points, seconds }: LimitRule): string =>
  `${name}:${points}/${seconds}`
