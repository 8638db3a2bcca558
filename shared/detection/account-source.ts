/** How the trees of a config are read for judging: which campaigns together, and whether anything has changed. */
import type { DayNumber, FrameBatch } from '../../ml/frame.ts'
import type { Level } from '../core/entity.ts'

/** Campaigns that are judged together; null: all there are. */
export type CampaignPage = readonly string[] | null

export interface AccountFramesRequest {
  readonly configId: number
  readonly campaigns: CampaignPage
  /** First and last day of the frames, both inclusive. */
  readonly from: DayNumber
  readonly to: DayNumber
  /** First day of `ancestorCpl`, whose last is `to`. */
  readonly refFrom: DayNumber
}

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
  /**
   * The days of whole campaigns at all levels, ordered by id: what `FrameSource` says of each level, in one reading. Ad
   * sets and campaigns are what the ads that were delivered in them add up to.
   */
  frames(request: AccountFramesRequest): Promise<Readonly<Record<Level, FrameBatch>>>
  /** Changes when anything but the rows does that a judgement of the days [from, to] depends on. */
  stamp(configId: number, from: DayNumber, to: DayNumber): Promise<string>
}
