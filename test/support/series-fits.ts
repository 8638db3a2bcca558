/** Fits of series for whoever runs them. */
import type { MemberSpec } from '../../ml/series/member.ts'
import { resolveParams } from '../../ml/series/params.ts'
import type { FitSeriesTask } from '../../shared/series/fit-task.ts'

const memberOf = (family: 'zscore' | 'autoencoder', given: Record<string, number> = {}): MemberSpec => {
  const resolved = resolveParams(family, given, 'standard')
  if ('problem' in resolved) throw new Error(resolved.problem)
  return { name: family, family, channels: ['value'], params: resolved.params }
}

export const fitTask = (
  rows: number,
  members: readonly MemberSpec[] = [memberOf('zscore')],
): FitSeriesTask => ({
  seriesId: 'pump_7',
  class: 'standard',
  channels: ['value'],
  frame: {
    names: ['value'],
    timesMs: Float64Array.from({ length: rows }, (_, i) => 1_700_000_000_000 + 60_000 * i),
    columns: [Float64Array.from({ length: rows }, (_, i) => Math.sin(i / 5))],
  },
  members,
  fingerprint: 'f00d',
  tailPoints: 100,
})

export const autoencoderFit = (): FitSeriesTask =>
  fitTask(500, [memberOf('autoencoder', { epochs: 1, max_windows: 64 })])

/** Works for half a minute or more. */
export const longFit = (): FitSeriesTask =>
  fitTask(20_000, [memberOf('autoencoder', { epochs: 200, max_windows: 16_384, window: 32 })])
