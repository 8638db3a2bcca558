/** What the Isolation Forest of an entity costs: fitting, scoring, and reading its file. One core, in-process. */
import { createHash } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import {
  buildEntityMatrix,
  decodeEntityForest,
  encodeEntityForest,
  fitEntityForest,
  type Sha256,
} from '../ml/detectors/entity-forest.ts'
import { DEFAULT_FOREST, drawSeeds, fitForest } from '../ml/detectors/isolation-forest.ts'
import type { DailyFrame } from '../ml/frame.ts'
import { toDayNumber, type LocalDate } from '../shared/core/days.ts'
import { makeAccount } from './accounts.ts'

export interface ForestFigures {
  /** Median of one fit of 90 rows x 5 columns, 100 trees, offset included. */
  readonly fit_ms_90x5: number
  readonly fits_per_s_per_core: number
  /** Mean over many distinct rows, one after the other. */
  readonly score_us_per_row: number
  /** Of single calls, each on another row; includes reading the clock. */
  readonly score_call_p50_us: number
  readonly score_call_p99_us: number
  readonly artifact_bytes_90_rows: number
  /** Median of checking and decoding an artifact and laying it out for scoring. */
  readonly load_ms: number
}

const DAYS = 90
const COLUMNS = 5
const WARM_UP_FITS = 60
const FITS = 200
const SCORED_ROWS = 20_000
const LOADS = 200
const END_DATE = '2025-06-30' as LocalDate
const PARAMS = { trees: 100, contamination: 0.1, randomState: 42 }

const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Frames of ads that delivered on every one of the days. */
const wholeAds = (): DailyFrame[] => {
  const rows = new Map<
    string,
    Record<'day' | 'spend' | 'impressions' | 'clicks' | 'leads' | 'reach', number>[]
  >()
  const options = { campaigns: 8, adsets: 42, ads: 135, days: DAYS, endDate: END_DATE, seed: 7 }
  for (const chunk of makeAccount(options)) {
    for (const row of chunk) {
      const days = rows.get(row.ad_id) ?? []
      days.push({ ...row, day: toDayNumber(row.date) })
      rows.set(row.ad_id, days)
    }
  }
  return [...rows.values()]
    .filter((days) => days.length === DAYS && days.some((day) => day.leads > 0))
    .map((days) => ({
      days: Int32Array.from(days, (row) => row.day),
      spend: Float64Array.from(days, (row) => row.spend),
      impressions: Float64Array.from(days, (row) => row.impressions),
      clicks: Float64Array.from(days, (row) => row.clicks),
      leads: Float64Array.from(days, (row) => row.leads),
      reach: Float64Array.from(days, (row) => row.reach),
      reach7: new Float64Array(days.length).fill(Number.NaN),
    }))
}

const at = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** Milliseconds of each of `times` calls, ascending. */
const time = (times: number, call: (i: number) => void): Float64Array => {
  const taken = new Float64Array(times)
  for (let i = 0; i < times; i += 1) {
    const start = performance.now()
    call(i)
    taken[i] = performance.now() - start
  }
  return taken.sort()
}

/** Takes about a second. */
export const benchForest = (): ForestFigures => {
  const matrices = wholeAds().map((frame) => buildEntityMatrix(frame, null, new Set()))
  const matrixOf = (i: number) => {
    const matrix = matrices[i % matrices.length]
    if (!matrix) throw new Error('no ad delivered on every day')
    return matrix
  }
  // Drawn once per training, as there.
  const seeds = drawSeeds(PARAMS.randomState, PARAMS.trees)
  const fit = (i: number) => fitForest(matrixOf(i).rows, DAYS, COLUMNS, DEFAULT_FOREST, seeds)
  for (let i = 0; i < WARM_UP_FITS; i += 1) fit(i)
  const fits = time(FITS, fit)
  const fitsMs = fits.reduce((sum, ms) => sum + ms, 0)

  const { scorer } = fit(0)
  // Days of all the ads, in turn: a row scored twice in turn is cheaper than real ones.
  const rows = new Float32Array(SCORED_ROWS * COLUMNS)
  for (let i = 0; i < SCORED_ROWS; i += 1) {
    const source = (Math.floor(i / matrices.length) % DAYS) * COLUMNS
    for (let c = 0; c < COLUMNS; c += 1)
      rows[i * COLUMNS + c] = (matrixOf(i).rows[source + c] ?? 0) * (1 + i / SCORED_ROWS / 10)
  }
  let sum = 0
  const scoreAll = (): void => {
    for (let i = 0; i < SCORED_ROWS; i += 1) sum += scorer.scoreRow(rows, i * COLUMNS)
  }
  scoreAll()
  const [scoringMs = Number.NaN] = time(1, scoreAll)
  const calls = time(SCORED_ROWS, (i) => {
    sum += scorer.scoreRow(rows, i * COLUMNS)
  })
  if (!(sum < 0)) throw new Error('scores are negative by definition')

  const identity = {
    configId: 1,
    entityType: 'ad',
    entityId: '300000000001',
    trainStart: '2025-04-02',
    trainEnd: END_DATE,
    trainedAt: '2025-07-01T07:00:00.000Z',
  }
  const artifact = encodeEntityForest(fitEntityForest(matrixOf(0), PARAMS), PARAMS, identity, sha256)
  const load = () => decodeEntityForest(artifact, sha256)
  time(LOADS, load)
  const loads = time(LOADS, load)

  return {
    fit_ms_90x5: at(fits, 0.5),
    fits_per_s_per_core: (1000 * FITS) / fitsMs,
    score_us_per_row: (1000 * scoringMs) / SCORED_ROWS,
    score_call_p50_us: 1000 * at(calls, 0.5),
    score_call_p99_us: 1000 * at(calls, 0.99),
    artifact_bytes_90_rows: artifact.length,
    load_ms: at(loads, 0.5),
  }
}
