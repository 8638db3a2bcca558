/** The catalogue of model versions: which there are, which one answers, and what becomes of old ones. */
import type { DayNumber } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Alias, ArtifactRef, ModelVersion } from './model-version.ts'

export interface VersionFilter {
  readonly configId: number
  readonly family?: string
  readonly entityType?: Level
  readonly entityId?: string
  readonly alias?: Alias
}

export interface ModelRegistry {
  /**
   * Per entity of the level the newest ready version, not newer than `stable`, whose training ended before
   * `day`. Entities without one are absent. One query.
   */
  versionsFor(
    configId: number,
    level: Level,
    day: DayNumber,
    entityIds?: readonly string[],
  ): Promise<ReadonlyMap<string, ArtifactRef>>
  list(filter: VersionFilter, page: PageRequest): Promise<Page<ModelVersion>>
}
