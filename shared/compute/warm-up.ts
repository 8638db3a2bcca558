/**
 * Work of the usual shape and no meaning, so that the code of fits and detections is compiled before the
 * first real one.
 */
import { RUNGS } from '../../ml/detectors/ladder.ts'
import { defaultDetectionParams } from '../../ml/detectors/params.ts'
import { FRAME_COLUMNS } from '../../ml/frame.ts'
import type { FrameBatch } from '../../ml/frame.ts'
import { defaultShiftParams } from '../../ml/shifts/thresholds.ts'
import type { BatchModel, DetectTask } from '../detection/detect-batch.ts'
import type { JudgeTask } from '../detection/judge-account.ts'
import type { FitResult, FitTask } from '../training/fit-batch.ts'

const ENTITIES = 24
const DAYS = 90
/** How often an account is judged: what is compiled after the first time is still guesswork. */
export const WARM_UP_JUDGES = 2
/** Ads of an ad set, and ad sets of a campaign. */
const CHILDREN = 2

/** Any numbers that differ from day to day. */
const column = (scale: number): Float64Array =>
  Float64Array.from({ length: ENTITIES * DAYS }, (_, i) => Math.round(scale * (1.5 + Math.sin(i * 12.9898))))

const warmUpBatch = (): FrameBatch => ({
  heads: Array.from({ length: ENTITIES }, (_, i) => ({
    id: String(i),
    parentId: null,
    campaignId: String(i),
    activeRanges: [[0, DAYS - 1]],
    ancestorCpl: null,
    budgetChanges: [],
  })),
  offsets: Int32Array.from({ length: ENTITIES + 1 }, (_, i) => i * DAYS),
  columns: {
    days: Int32Array.from({ length: ENTITIES * DAYS }, (_, i) => i % DAYS),
    spend: column(100),
    impressions: column(5000),
    clicks: column(60),
    leads: column(4),
    reach: column(4000),
    reach7: column(20_000),
  },
})

/** Within these days of every thirty something happens to some of the entities, one thing to each. */
const EVENT = [20, 24] as const

/** What happens to accounts: money that leaps, leads that stop, silence, a late start, fewer clicks. */
const withEvents = (batch: FrameBatch): FrameBatch => {
  const { spend, impressions, clicks, leads, reach, days } = batch.columns
  days.forEach((day, row) => {
    const kind = Math.floor(row / DAYS) % 6
    const isEvent = day % 30 >= EVENT[0] && day % 30 <= EVENT[1]
    const isSilent = (kind === 1 && isEvent) || (kind === 2 && day < 10)
    const grown = kind === 3 && isEvent ? 3 : 1
    for (const column of [spend, impressions, clicks, leads, reach])
      column[row] = isSilent ? 0 : (column[row] as number) * grown
    if (kind === 4 && isEvent) leads[row] = 0
    if (kind === 5 && isEvent) clicks[row] = Math.floor((clicks[row] as number) / 3)
  })
  return batch
}

/** The parents of a batch, each the sum of as many neighbours. */
const parentsOf = (batch: FrameBatch, children: number): FrameBatch => {
  const n = batch.heads.length / children
  const sumOf = (column: Float64Array): Float64Array =>
    Float64Array.from({ length: n * DAYS }, (_, i) => {
      const first = Math.floor(i / DAYS) * children * DAYS + (i % DAYS)
      let sum = 0
      for (let child = 0; child < children; child++) sum += column[first + child * DAYS] as number
      return sum
    })
  const columns = { ...batch.columns, days: batch.columns.days.slice(0, n * DAYS) }
  for (const name of FRAME_COLUMNS) columns[name] = sumOf(batch.columns[name])
  return { heads: batch.heads.slice(0, n), offsets: batch.offsets.slice(0, n + 1), columns }
}

/** Names the parents of a batch of which as many neighbours have the same. */
const withParents = (batch: FrameBatch, children: number): FrameBatch => ({
  ...batch,
  heads: batch.heads.map((head, i) => ({ ...head, parentId: String(Math.floor(i / children)) })),
})

/** Judges an account of a few campaigns. */
export const warmUpJudge = (): JudgeTask => {
  const ads = withEvents(warmUpBatch())
  const adsets = parentsOf(ads, CHILDREN)
  return {
    frames: {
      batches: {
        ad: [withParents(ads, CHILDREN)],
        adset: [withParents(adsets, CHILDREN)],
        campaign: [parentsOf(adsets, CHILDREN)],
      },
      from: 0,
      to: DAYS - 1,
      holidays: [15],
      leadsArrived: DAYS - 1,
      tolerances: new Map(),
      confirmed: new Map(),
    },
    params: defaultShiftParams,
    since: 0,
  }
}

export const warmUpFit = (): FitTask => ({
  batch: warmUpBatch(),
  configId: 0,
  level: 'ad',
  from: 0,
  to: DAYS - 1,
  excludedDays: new Map(),
  known: new Map(),
  minSamples: 2,
  params: { trees: 100, contamination: 0.1, randomState: 42 },
  trainedAt: '1970-01-01T00:00:00.000Z',
})

/** Days that are judged one by one. */
const WARM_UP_DAYS = Array.from({ length: 12 }, (_, i) => DAYS - 12 + i)

/** Judges the last days with the models of `fits`. */
export const warmUpDetect = (fits: FitResult): DetectTask => {
  const models = fits.map((fit): BatchModel => {
    if (fit.status !== 'trained') return { version: 1, broken: true }
    const bytes = new SharedArrayBuffer(fit.bytes.length)
    new Uint8Array(bytes).set(fit.bytes)
    return { version: 1, bytes }
  })
  return {
    batch: withEvents(warmUpBatch()),
    days: WARM_UP_DAYS,
    params: defaultDetectionParams,
    models,
    modelOf: Int32Array.from({ length: ENTITIES * WARM_UP_DAYS.length * RUNGS.length }, (_, i) =>
      i % RUNGS.length === 0 ? Math.floor(i / (WARM_UP_DAYS.length * RUNGS.length)) : -1,
    ),
    forestsDisabled: false,
    excludedDays: new Map(),
    frequencyAlertDays: new Map(),
  }
}
