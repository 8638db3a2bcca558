/** A plot in tests, of points that need no training. */
import type { PlotData } from '../../shared/series/plot.ts'
import type { SeriesVersion } from '../../shared/series/series.ts'

export const plotVersion = (more: Partial<SeriesVersion> = {}): SeriesVersion => ({
  seriesId: 'pump_7',
  version: 2,
  state: 'ready',
  class: 'short',
  timestampUnit: 's',
  ranges: {},
  channels: ['value'],
  members: [
    {
      name: 'zscore',
      family: 'zscore',
      channels: ['value'],
      params: { k: 3 },
      status: 'ready',
      threshold: 0.5,
      flagRate: 0.0125,
      error: null,
    },
  ],
  baseline: { value: { mean: 0, std: 1 } },
  driftBins: {},
  artifactUri: 'file:a',
  artifactSha256: 'aa',
  artifactBytes: 1,
  fingerprint: 'ff',
  dataHash: 'dd',
  points: 1000,
  firstMs: Date.UTC(2026, 2, 10),
  lastMs: Date.UTC(2026, 2, 12),
  stats: { value: { mean: 0, std: 1, min: -2, max: 5, quantiles: [-2, -2, -1, -0.5, 0, 0.5, 1, 2, 5] } },
  tailUri: 'file:t',
  parent: 1,
  tags: {},
  aliases: ['stable'],
  runId: null,
  actor: 'test',
  correlationId: null,
  trainedAt: new Date('2026-03-12T08:00:00.123Z'),
  durationMs: 5,
  ...more,
})

/** `n` points a minute apart, the one in the middle odd. */
export const plotData = (n: number, more: Partial<PlotData> = {}): PlotData => {
  const version = more.version ?? plotVersion()
  const middle = Math.floor(n / 2)
  return {
    version,
    versions: [
      { version: 2, state: 'ready', aliases: ['stable'] },
      { version: 1, state: 'archived', aliases: [] },
    ],
    member: 'zscore',
    members: ['zscore'],
    threshold: 0.5,
    timesMs: Float64Array.from({ length: n }, (_, i) => version.firstMs + i * 60_000),
    columns: [
      {
        name: 'value',
        values: Float64Array.from({ length: n }, (_, i) => (i === middle ? 5 : Math.sin(i / 7))),
        low: new Float64Array(n).fill(-3),
        high: new Float64Array(n).fill(3),
      },
    ],
    anomalies: n > 0 ? [{ row: middle, score: 0.625, column: 'value' }] : [],
    notice: null,
    ...more,
  }
}
