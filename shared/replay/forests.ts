/**
 * What forests would have said of each day of an account: every some days all models are trained on the days before,
 * and judge until the next training. Pure, so that it can run on a thread; trainings are independent of each other.
 */
import type { ForestVerdict } from '../../ml/detectors/forest-signal.ts'
import { drawEntityForestSeeds } from '../../ml/detectors/entity-forest.ts'
import { scoreLadder, trainLadder } from '../../ml/detectors/ladder.ts'
import type { LadderLevel } from '../../ml/detectors/ladder.ts'
import { MODEL_SOURCES } from '../../ml/detectors/signal.ts'
import type { ModelSource } from '../../ml/detectors/signal.ts'
import { frameAt, rowOf } from '../../ml/frame.ts'
import type { AccountDays, AccountEntity } from '../../ml/shifts/account.ts'
import { LEVELS_UP } from '../../ml/shifts/level-name.ts'
import type { TrainingSettings } from '../training/training.ts'
import { batchOf, entityDays } from './frames.ts'

export interface ForestTask {
  readonly account: AccountDays
  /** Day 0 of the account, since 1970. */
  readonly firstDay: number
  /** The trainings of this task; the others are of other tasks. Days count from the first of the account. */
  readonly trainings: readonly Training[]
  readonly settings: TrainingSettings
  /** How far back an entity's usual day is looked for. */
  readonly baselineDays: number
}

/** Models trained on the days before `day` judge the days [day, until]. */
export interface Training {
  readonly day: number
  readonly until: number
}

export interface ForestDays {
  /** entities x days: 0 where nobody judged, else the place among MODEL_SOURCES of who did, from 1 on. */
  readonly sources: Uint8Array
  /** Likewise: 1 where a forest gave a score. */
  readonly scored: Uint8Array
  /** What was said of odd days, by entity * days + day. */
  readonly odd: ReadonlyMap<number, ForestVerdict>
}

/**
 * The trainings of the days [since, until] when every `everyDays` days is trained, from the account's first day on:
 * where a replay begins or ends does not change what a day was judged by.
 */
export const trainingsOf = (since: number, until: number, everyDays: number): Training[] => {
  const trainings: Training[] = []
  for (let day = 0; day <= until; day += everyDays)
    if (day + everyDays > since) trainings.push({ day, until: Math.min(until, day + everyDays - 1) })
  return trainings
}

/** The entities of each level, those of one parent together: they share models. */
const levelsOf = (
  account: AccountDays,
  firstDay: number,
): { readonly ladder: LadderLevel; readonly entities: readonly number[] }[] => {
  const pathOf = (i: number): number[] => {
    const { parent } = account.entities[i] as AccountEntity
    return parent < 0 ? [i] : [...pathOf(parent), i]
  }
  const paths = account.entities.map((_, i) => pathOf(i).join(' '))
  return LEVELS_UP.map((level) => {
    const entities = account.entities
      .flatMap((entity, i) => (entity.level === level ? [i] : []))
      .sort((a, b) => ((paths[a] as string) < (paths[b] as string) ? -1 : 1))
    const batch = batchOf(entities.map((i) => entityDays(account, i, firstDay)))
    return { ladder: { level, batch, excludedDays: new Map() }, entities }
  })
}

/** A verdict that can leave the thread. */
const settled = (verdict: ForestVerdict): ForestVerdict => ({ ...verdict })

export const judgeByForests = ({
  account,
  firstDay,
  trainings,
  settings,
  baselineDays,
}: ForestTask): ForestDays => {
  const { historyDays, minSamples, forest } = settings
  const cells = account.entities.length * account.days
  const sources = new Uint8Array(cells)
  const scored = new Uint8Array(cells)
  const odd = new Map<number, ForestVerdict>()
  const levels = levelsOf(account, firstDay)
  const seeds = drawEntityForestSeeds(forest)
  for (const { day: trained, until } of trainings) {
    const to = firstDay + trained - 1
    const ladder = trainLadder(
      levels.map((level) => level.ladder),
      { configId: 0, from: to - historyDays + 1, to, minSamples, forest, seeds },
    )
    for (const {
      ladder: { level, batch },
      entities,
    } of levels) {
      entities.forEach((entity, place) => {
        const frame = frameAt(batch, place)
        for (let t = trained; t <= until; t++) {
          if (rowOf(frame.days, firstDay + t) < 0) continue
          const { source, verdict } = scoreLadder(ladder, level, place, frame, firstDay + t, baselineDays)
          const cell = entity * account.days + t
          sources[cell] = MODEL_SOURCES.indexOf(source) + 1
          if (!verdict) continue
          scored[cell] = 1
          if (verdict.isAnomaly) odd.set(cell, settled(verdict))
        }
      })
    }
  }
  return { sources, scored, odd }
}

/** The parts of one account, put together. */
export const joinForestDays = (parts: readonly ForestDays[]): ForestDays => {
  const [first, ...others] = parts
  if (!first) return { sources: new Uint8Array(0), scored: new Uint8Array(0), odd: new Map() }
  const sources = first.sources.slice()
  const scored = first.scored.slice()
  const odd = new Map(first.odd)
  for (const part of others) {
    part.sources.forEach((source, cell) => {
      if (source > 0) sources[cell] = source
    })
    part.scored.forEach((value, cell) => {
      if (value > 0) scored[cell] = value
    })
    for (const [cell, verdict] of part.odd) odd.set(cell, verdict)
  }
  return { sources, scored, odd }
}

/** Of a day a forest found nothing odd in. */
const USUAL: ForestVerdict = {
  score: 0,
  threshold: 0,
  isAnomaly: false,
  rarity: 1,
  features: [],
  contributions: [],
  values: [],
  medians: [],
  q05: [],
  q95: [],
}

export interface ForestDay {
  readonly source: ModelSource
  readonly verdict: ForestVerdict | null
}

/** What is known of one day of an entity; statistics judge where no forest did. */
export const forestDay = (forests: ForestDays | null, cell: number): ForestDay => {
  const source = MODEL_SOURCES[(forests?.sources[cell] ?? 0) - 1] ?? 'baseline'
  if (forests?.scored[cell] !== 1) return { source, verdict: null }
  return { source, verdict: forests.odd.get(cell) ?? USUAL }
}
