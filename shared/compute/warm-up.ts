/**
 * Work of the usual shape and no meaning, so that the code of fits and detections is compiled before the
 * first real one.
 */
import { RUNGS } from '../../ml/detectors/ladder.ts'
import { defaultDetectionParams } from '../../ml/detectors/params.ts'
import type { FrameBatch } from '../../ml/frame.ts'
import type { BatchModel, DetectTask } from '../detection/detect-batch.ts'
import type { FitResult, FitTask } from '../training/fit-batch.ts'

const ENTITIES = 24
const DAYS = 90

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

/** Judges the last days with the models of `fits`. */
export const warmUpDetect = (fits: FitResult): DetectTask => {
  const models = fits.map((fit): BatchModel => {
    if (fit.status !== 'trained') return { version: 1, broken: true }
    const bytes = new SharedArrayBuffer(fit.bytes.length)
    new Uint8Array(bytes).set(fit.bytes)
    return { version: 1, bytes }
  })
  return {
    batch: warmUpBatch(),
    days: [DAYS - 2, DAYS - 1],
    params: defaultDetectionParams,
    models,
    modelOf: Int32Array.from({ length: ENTITIES * 2 * RUNGS.length }, (_, i) =>
      i % RUNGS.length === 0 ? Math.floor(i / (2 * RUNGS.length)) : -1,
    ),
    forestsDisabled: false,
    excludedDays: new Map(),
    frequencyAlertDays: new Map(),
    gate: null,
  }
}
