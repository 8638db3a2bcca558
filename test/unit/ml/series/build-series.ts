import { encodeBundle, openBundle } from '../../../../ml/series/bundle.ts'
import { planMember } from '../../../../ml/series/family.ts'
import type { FittedMember, MemberPlan } from '../../../../ml/series/family.ts'
import { channelOf } from '../../../../ml/series/frame.ts'
import type { SeriesFrame } from '../../../../ml/series/frame.ts'
import type { MemberScorer, MemberSpec, SeriesClass, SeriesFamily } from '../../../../ml/series/member.ts'
import { resolveParams } from '../../../../ml/series/params.ts'
import { Mt19937 } from '../../../../ml/rng/mt19937.ts'

/** A minute from row to row; columns in the order of their names. */
export const frameOf = (columns: Readonly<Record<string, ArrayLike<number>>>): SeriesFrame => {
  const names = Object.keys(columns).toSorted()
  const n = columns[names[0]!]!.length
  return {
    names,
    timesMs: Float64Array.from({ length: n }, (_, i) => 1_700_000_000_000 + 60_000 * i),
    columns: names.map((name) => Float64Array.from(columns[name]!)),
  }
}

export const values = (n: number, value: (i: number) => number): number[] =>
  Array.from({ length: n }, (_, i) => value(i))

/** Uniform noise around a wave; the same for the same seed. */
export const noisyWave = (n: number, seed = 1): number[] => {
  const random = new Mt19937(seed)
  return values(n, (i) => Math.sin(i / 20) + 0.2 * random.double())
}

export const specOf = (
  family: SeriesFamily,
  given: Readonly<Record<string, number>> = {},
  channels: readonly string[] = ['value'],
  name: string = family,
  seriesClass: SeriesClass = 'standard',
): MemberSpec => {
  const resolved = resolveParams(family, given, seriesClass)
  if ('problem' in resolved) throw new Error(resolved.problem)
  return { name, family, channels, params: resolved.params }
}

export const planOf = (spec: MemberSpec, frame: SeriesFrame, isWaveform = false): MemberPlan => {
  const plan = planMember(spec, isWaveform, frame.names)
  if (!plan) throw new Error(`no columns for ${spec.channels.join()} among ${frame.names.join()}`)
  return plan
}

/** What was fitted, written and read back. */
export const reopened = (
  spec: MemberSpec,
  fitted: FittedMember,
  names: readonly string[],
  seriesClass: SeriesClass = 'standard',
): MemberScorer => {
  const identity = { seriesId: 'pump_7', class: seriesClass, fingerprint: 'f', names }
  return openBundle(encodeBundle([{ spec, fitted }], identity)).scorers.get(spec.name)!
}

export const channelsOf = (frame: SeriesFrame): string[] => [...new Set(frame.names.map(channelOf))]
