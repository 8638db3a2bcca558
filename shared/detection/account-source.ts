/** How the trees of a config are read for judging: which campaigns together, and whether anything has changed. */
import type { DayNumber } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'

/** Campaigns that are judged together; null: all there are. */
export type CampaignPage = readonly string[] | null

export interface AccountSource {
  /**
   * The campaigns of those entities (null: of all) in pages of whole trees, ascending: a page has at most `most`
   * entities unless a single campaign has more.
   */
  pages(
    configId: number,
    level: Level,
    entityIds: readonly string[] | null,
    most: number,
  ): Promise<readonly CampaignPage[]>
  /** Changes when anything does that a judgement of the days [from, to] depends on. */
  stamp(configId: number, from: DayNumber, to: DayNumber): Promise<string>
}
