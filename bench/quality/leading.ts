/**
 * Whether the forest names what made a day odd. Of every clear fault of made-up accounts: the model in charge of the
 * faulty entity, trained on the days before it, judges the fault's days; of those it calls odd, the feature with the
 * largest contribution is to be one the fault moves.
 */
import { detectDay } from '../../ml/detectors/detect-day.ts'
import { drawEntityForestSeeds } from '../../ml/detectors/entity-forest.ts'
import type { ForestVerdict } from '../../ml/detectors/forest-signal.ts'
import { scoreLadder, trainLadder } from '../../ml/detectors/ladder.ts'
import type { LadderLevel } from '../../ml/detectors/ladder.ts'
import { frameAt, lowerBound, rowOf, sliceFrame, totalsOf } from '../../ml/frame.ts'
import type { DailyFrame } from '../../ml/frame.ts'
import { LEVELS_UP } from '../../ml/shifts/level-name.ts'
import { loadConfig } from '../../shared/config.ts'
import { judgementParams } from '../../shared/detection/params.ts'
import { batchOf, entityDays } from '../../shared/replay/frames.ts'
import { trainingSettings } from '../../shared/training/settings.ts'
import { CLEAR } from './measure.ts'
import { toPanel } from './panel.ts'
import { effectOn } from './simulate.ts'
import type { Account, Effect, FaultType, Label } from './simulate.ts'

/** Day 0 of an account, since 1970. */
const FIRST_DAY = 20_000
/** Of a fault that lasts: afterwards it is what is usual. */
const MOST_DAYS = 14
/** Below this conversion rate hardly a lead is left to tell how many there would have been. */
const NO_LEADS = 0.1

/** Faults with features they move, what comes of it included: without clicks there are no leads, and they get dear. */
const FEATURES_OF = {
  zero_spend: { moved: ['spend'], following: ['leads'] },
  spend_spike: { moved: ['spend'], following: ['leads'] },
  spend_drop: { moved: ['spend'], following: ['leads'] },
  cpm_rise: { moved: ['cpl'], following: ['leads'] },
  ctr_drop: { moved: ['ctr'], following: ['cpl', 'leads'] },
  cvr_drop: { moved: ['cpl', 'leads'], following: [] },
  leads_stop: { moved: ['cpl', 'leads'], following: [] },
  frequency_rise: { moved: ['frequency'], following: [] },
  saturation: { moved: ['frequency', 'ctr'], following: ['cpl', 'leads'] },
} as const satisfies Partial<
  Record<FaultType, { readonly moved: readonly string[]; readonly following: readonly string[] }>
>
type LeadingFault = keyof typeof FEATURES_OF
export const LEADING_FAULTS = Object.keys(FEATURES_OF) as readonly LeadingFault[]

/** One odd day of a clear fault. */
export interface LeadingCase {
  readonly type: LeadingFault
  readonly leading: string
  /** Whether the fault moves it, or what comes of the fault does. */
  readonly right: boolean
  /** Whether the fault itself moves it. */
  readonly moved: boolean
  /** Whether the day is no longer odd with the effect of the fault taken out of it. */
  readonly byFault: boolean
}

/** `frame` with what a fault did to the day of row `i` undone. */
const withoutEffect = (frame: DailyFrame, i: number, from: number, effect: Effect): DailyFrame => {
  const at = (column: Float64Array, value: number): Float64Array => {
    const copy = column.slice()
    copy[i] = value
    return copy
  }
  const before = totalsOf(frame, lowerBound(frame.days, from), i)
  const impressions = ((frame.impressions[i] as number) * effect.cpm) / effect.spend
  const clicks = ((frame.clicks[i] as number) * effect.cpm) / effect.spend / effect.ctr
  const leads =
    effect.cvr < NO_LEADS
      ? (clicks * before.leads) / before.clicks
      : ((frame.leads[i] as number) * effect.cpm) / effect.spend / effect.ctr / effect.cvr
  return {
    ...frame,
    spend: at(frame.spend, (frame.spend[i] as number) / effect.spend),
    impressions: at(frame.impressions, impressions),
    clicks: at(frame.clicks, clicks),
    leads: at(frame.leads, leads),
    reach: at(frame.reach, ((frame.reach[i] as number) * effect.frequency * effect.cpm) / effect.spend),
  }
}

const isLeadingFault = (type: FaultType): type is LeadingFault => type in FEATURES_OF

/** @param account seen whole: no unfinished day at its end */
export const leadingCases = (account: Account): LeadingCase[] => {
  const config = loadConfig({})
  const { detection } = judgementParams(config)
  const { historyDays, minSamples, forest } = trainingSettings(config)
  const seeds = drawEntityForestSeeds(forest)
  const panel = toPanel(account, false)
  const levels = LEVELS_UP.map((level): LadderLevel => {
    const own = panel.entities.flatMap((entity, i) => (entity.level === level ? [i] : []))
    return { level, batch: batchOf(own.map((i) => entityDays(panel, i, FIRST_DAY))), excludedDays: new Map() }
  })
  const excludedDays = new Set<number>()

  const casesOf = (label: Label, type: LeadingFault): LeadingCase[] => {
    const { level, entityId } = label
    const batch = levels.find((one) => one.level === level)?.batch
    const entity = batch?.heads.findIndex(({ id }) => id === entityId) ?? -1
    const head = batch?.heads[entity]
    if (!batch || !head) return []
    const frame = frameAt(batch, entity)
    const to = FIRST_DAY + label.start - 1
    const from = to - historyDays + 1
    const ladder = trainLadder(levels, { configId: 0, from, to, minSamples, forest, seeds })
    const judged = (days: DailyFrame, day: number): ForestVerdict | null =>
      scoreLadder(ladder, level, entity, days, day, detection.baselineDays).verdict
    const cases: LeadingCase[] = []
    for (let t = label.start; t <= label.end && t < label.start + MOST_DAYS; t++) {
      const day = FIRST_DAY + t
      const verdict = judged(frame, day)
      if (!verdict?.isAnomaly) continue
      const { signals } = detectDay(
        {
          day,
          frame,
          head,
          excludedDays,
          lastFrequencyAlertDay: null,
          verdict,
          modelSource: 'own',
          modelVersion: null,
        },
        detection,
      )
      const forestSays = signals.find(({ detector }) => detector === 'isolation_forest')
      const [leading] = Object.entries(forestSays?.contributions ?? {}).sort(([, a], [, b]) => b - a)
      if (!leading) continue
      const { moved, following } = FEATURES_OF[type] as Record<'moved' | 'following', readonly string[]>
      const i = rowOf(frame.days, day)
      const upTo = sliceFrame(frame, 0, i + 1)
      cases.push({
        type,
        leading: leading[0],
        right: [...moved, ...following].includes(leading[0]),
        moved: moved.includes(leading[0]),
        byFault: judged(withoutEffect(upTo, i, from, effectOn(label, t)), day)?.isAnomaly !== true,
      })
    }
    return cases
  }
  return account.labels.flatMap((label) =>
    label.evidence >= CLEAR && isLeadingFault(label.type) ? casesOf(label, label.type) : [],
  )
}
