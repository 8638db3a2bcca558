/** What addresses of series hold, with the errors they have of their own. */
import { z } from 'zod'
import { AppError } from '../../../shared/core/errors.ts'
import { SERIES_ID, VersionName } from '../../../shared/series/series.ts'

/** `requireSeriesId` checks it: an id that cannot be one has its own code. */
export const SeriesPath = z.object({
  id: z.string().meta({ pattern: SERIES_ID.source, description: 'Letters, digits and _, at most 128' }),
})
export const VersionPath = SeriesPath.extend({ version: z.string().meta({ description: 'Like v3' }) })

/** @throws INVALID_SERIES_ID */
export const requireSeriesId = (id: string): string => {
  if (SERIES_ID.test(id)) return id
  throw new AppError(
    'INVALID_SERIES_ID',
    `${JSON.stringify(id.slice(0, 140))} cannot be the id of a series; use 1 to 128 letters, digits or _`,
  )
}

/** @throws INVALID_VERSION: whatever is no name of a version names none */
export const requireVersion = (name: string): number => {
  const parsed = VersionName.safeParse(name)
  if (parsed.success) return parsed.data
  throw new AppError(
    'INVALID_VERSION',
    `${JSON.stringify(name.slice(0, 40))} is not the name of a version; they are like v3`,
  )
}
