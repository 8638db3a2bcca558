/** The forest alone, on one core: fit, score, artifact. */
import { createHash } from 'node:crypto'
import {
  buildEntityMatrix,
  decodeEntityForest,
  drawEntityForestSeeds,
  encodeEntityForest,
  fitEntityForest,
} from '../ml/detectors/entity-forest.ts'
import { DEFAULT_FOREST, drawSeeds, fitForest } from '../ml/detectors/isolation-forest.ts'
import type { DailyFrame } from '../ml/frame.ts'
import { Mt19937 } from '../ml/rng/mt19937.ts'

const DAYS = 90
const WARM_UP = 200
const FITS = 300
const SCORES = 100_000

const sha256 = (...parts: readonly (Uint8Array | string)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** 90 days of an ad: spend with a weekday, counts, a few leads. */
const adFrame = (): DailyFrame => {
  const random = new Mt19937(11)
  const column = (make: (i: number) => number): Float64Array =>
    Float64Array.from({ length: DAYS }, (_, i) => make(i))
  const impressions = column((i) => Math.round((3000 + 900 * random.double()) * (i % 7 > 4 ? 0.7 : 1)))
  return {
    days: Int32Array.from({ length: DAYS }, (_, i) => 20_000 + i),
    impressions,
    spend: impressions.map((count) => Math.round(count * (1.6 + 0.4 * random.double())) / 100),
    clicks: impressions.map((count) => Math.round(count * (0.01 + 0.006 * random.double()))),
    leads: column(() => Math.floor(5 * random.double())),
    reach: impressions.map((count) => Math.round(count / (1.2 + 0.4 * random.double()))),
    reach7: column(() => Number.NaN),
  }
}

const medianMs = (times: number, work: () => void): number => {
  const taken = Float64Array.from({ length: times }, () => {
    const start = performance.now()
    work()
    return performance.now() - start
  }).sort()
  return taken[times >> 1] ?? Number.NaN
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

export const benchForest = (): Record<string, number> => {
  const matrix = buildEntityMatrix(adFrame(), null, new Set())
  const width = matrix.features.length
  const seeds = drawSeeds(DEFAULT_FOREST.randomState, DEFAULT_FOREST.trees)
  const fit = () => fitForest(matrix.rows, matrix.n, width, DEFAULT_FOREST, seeds)
  for (let i = 0; i < WARM_UP; i += 1) fit()
  const fitMs = medianMs(FITS, fit)

  const { scorer } = fit()
  const rows = Float32Array.from(matrix.rows)
  let sum = 0
  const scoreAll = (): void => {
    for (let i = 0; i < SCORES; i += 1) sum += scorer.scoreRow(rows, (i % matrix.n) * width)
  }
  scoreAll()
  const scoreUs = (medianMs(5, scoreAll) * 1000) / SCORES
  const single = Float64Array.from({ length: 20_000 }, (_, i) => {
    const start = performance.now()
    sum += scorer.scoreRow(rows, (i % matrix.n) * width)
    return (performance.now() - start) * 1000
  }).sort()

  const params = { trees: 100, contamination: 0.1, randomState: 42 }
  const entitySeeds = drawEntityForestSeeds(params)
  const identity = {
    configId: 1,
    entityType: 'ad',
    entityId: '1',
    trainStart: '2026-01-01',
    trainEnd: '2026-03-31',
    trainedAt: '2026-04-01T00:00:00.000Z',
  }
  const whole = () =>
    encodeEntityForest(fitEntityForest(matrix, params, entitySeeds), params, identity, sha256)
  for (let i = 0; i < WARM_UP / 4; i += 1) whole()
  const entityMs = medianMs(FITS / 3, whole)
  const bytes = whole()
  const loadMs = medianMs(FITS, () => decodeEntityForest(bytes, sha256))
  if (!Number.isFinite(sum)) throw new Error('the scores are not numbers')
  return {
    fit_ms_90x5_with_offset: round(fitMs, 3),
    fits_per_s_per_core: round(1000 / fitMs, 0),
    fit_oof_encode_ms_per_entity: round(entityMs, 3),
    score_us_per_row: round(scoreUs, 2),
    score_call_p50_us: round(single[single.length >> 1] ?? Number.NaN, 2),
    score_call_p99_us: round(single[Math.floor(single.length * 0.99)] ?? Number.NaN, 2),
    artifact_bytes_90_rows: bytes.length,
    load_ms_with_expansion: round(loadMs, 3),
  }
}
