/** Series and their versions as they go over the wire. Figures are as they were computed: nothing is rounded. */
import { z } from 'zod'
import { ALGORITHMS, QUANTILES, SERIES_CLASSES, SERIES_FAMILIES } from '../../../ml/series/member.ts'
import type { MemberRecord } from '../../../ml/series/member.ts'
import type { SeriesOverview, VersionSummary } from '../../../shared/series/registry-store.ts'
import { CLASS_LIMITS } from '../../../shared/series/series.ts'
import type { SeriesVersion, TimestampUnit } from '../../../shared/series/series.ts'

export const versionName = (version: number): string => `v${version}`
export const versionOrNull = (version: number | null): string | null =>
  version === null ? null : versionName(version)

const Tags = z.record(z.string(), z.string())
const State = z.enum(['ready', 'archived', 'broken'])
const Family = z.enum(SERIES_FAMILIES)

export const SeriesBody = z
  .object({
    series_id: z.string(),
    class: z.enum(SERIES_CLASSES),
    channels: z.array(z.string()).nullable().describe('Fixed by the first training; null before'),
    ranges: z
      .record(z.string(), z.object({ min: z.number(), max: z.number() }))
      .describe('Plausible values by channel; -1e12 to 1e12 where a channel has none'),
    timestamp_unit: z.enum(['s', 'ms']),
    min_points: z.int(),
    max_points: z.int(),
    tags: Tags,
    versions: z.int().describe('Of any state'),
    stable: z.string().nullable().describe('The version that answers'),
    previous: z.string().nullable(),
    last_version: z.string().nullable().describe('Newest number given so far; it survives deletion'),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Series' })

export const toSeriesWire = ({
  series,
  versions,
  stable,
  previous,
}: SeriesOverview): z.infer<typeof SeriesBody> => {
  const limits = CLASS_LIMITS[series.class]
  return {
    series_id: series.id,
    class: series.class,
    channels: series.channels && [...series.channels],
    ranges: { ...series.ranges },
    timestamp_unit: series.timestampUnit,
    min_points: series.minPoints ?? limits.min,
    max_points: series.maxPoints ?? limits.max,
    tags: { ...series.tags },
    versions,
    stable: versionOrNull(stable),
    previous: versionOrNull(previous),
    last_version: series.lastVersion === 0 ? null : versionName(series.lastVersion),
    created_at: series.createdAt.toISOString(),
    updated_at: series.updatedAt.toISOString(),
  }
}

export const VersionSummaryBody = z
  .object({
    series_id: z.string(),
    version: z.string(),
    state: State,
    class: z.enum(SERIES_CLASSES),
    families: z.array(Family),
    members: z.array(z.string()),
    aliases: z.array(z.string()),
    serving: z.boolean().describe('Whether `stable` names it'),
    points_used: z.int(),
    data_hash: z.string(),
    fingerprint: z.string(),
    parent: z.string().nullable().describe('The version that was stable when it was trained'),
    tags: Tags,
    run_id: z.string().nullable(),
    actor: z.string(),
    created_at: z.iso.datetime(),
    trained_at: z.iso.datetime(),
  })
  .meta({ id: 'SeriesVersionSummary' })

export const toVersionSummaryWire = (version: VersionSummary): z.infer<typeof VersionSummaryBody> => ({
  series_id: version.seriesId,
  version: versionName(version.version),
  state: version.state,
  class: version.class,
  families: [...version.families],
  members: [...version.members],
  aliases: [...version.aliases],
  serving: version.aliases.includes('stable'),
  points_used: version.points,
  data_hash: version.dataHash,
  fingerprint: version.fingerprint,
  parent: versionOrNull(version.parent),
  tags: { ...version.tags },
  run_id: version.runId,
  actor: version.actor,
  created_at: version.createdAt.toISOString(),
  trained_at: version.trainedAt.toISOString(),
})

export const MemberBody = z.object({
  name: z.string(),
  family: Family,
  algorithm: z.string(),
  channels: z.array(z.string()),
  params: z.record(z.string(), z.number()),
  status: z.enum(['ready', 'failed']),
  threshold: z.number().nullable().describe('A score above it is an anomaly'),
  flag_rate: z.number().nullable().describe('Share of the training rows it would have called anomalies'),
  error: z.string().nullable(),
})

export const toMemberWire = (member: MemberRecord): z.infer<typeof MemberBody> => ({
  name: member.name,
  family: member.family,
  algorithm: ALGORITHMS[member.family],
  channels: [...member.channels],
  params: { ...member.params },
  status: member.status,
  threshold: member.threshold,
  flag_rate: member.flagRate,
  error: member.error,
})

export const VersionBody = z
  .object({
    series_id: z.string(),
    version: z.string(),
    state: State,
    class: z.enum(SERIES_CLASSES),
    channels: z.array(z.string()),
    aliases: z.array(z.string()),
    serving: z.boolean().describe('Whether `stable` names it'),
    fingerprint: z.string(),
    data_hash: z.string(),
    points_used: z.int(),
    first_timestamp: z.number().describe('In the unit of the series'),
    last_timestamp: z.number(),
    stats: z
      .record(
        z.string(),
        z.object({
          mean: z.number(),
          std: z.number(),
          min: z.number(),
          max: z.number(),
          quantiles: z.array(z.number()).describe(`At ${QUANTILES.join(', ')}`),
        }),
      )
      .describe('By column: a channel, or of a waveform one of its figures'),
    members: z.array(MemberBody),
    baseline: z
      .record(z.string(), z.object({ mean: z.number(), std: z.number() }))
      .describe('Answers while the artifact cannot'),
    drift_edges: z.record(z.string(), z.array(z.number())).describe('Between the bins drift is measured in'),
    tags: Tags,
    lineage: z.object({ parent: z.string().nullable(), run_id: z.string().nullable() }),
    run_id: z.string().nullable(),
    actor: z.string(),
    correlation_id: z.string().nullable(),
    artifact: z.object({ sha256: z.string(), bytes: z.int() }),
    trained_at: z.iso.datetime(),
    duration_ms: z.int(),
  })
  .meta({ id: 'SeriesVersion' })

const inUnit = (ms: number, unit: TimestampUnit): number => (unit === 's' ? ms / 1000 : ms)

export const toVersionWire = (version: SeriesVersion): z.infer<typeof VersionBody> => ({
  series_id: version.seriesId,
  version: versionName(version.version),
  state: version.state,
  class: version.class,
  channels: [...version.channels],
  aliases: [...version.aliases],
  serving: version.aliases.includes('stable'),
  fingerprint: version.fingerprint,
  data_hash: version.dataHash,
  points_used: version.points,
  first_timestamp: inUnit(version.firstMs, version.timestampUnit),
  last_timestamp: inUnit(version.lastMs, version.timestampUnit),
  stats: Object.fromEntries(
    Object.entries(version.stats).map(([column, stats]) => [
      column,
      { ...stats, quantiles: [...stats.quantiles] },
    ]),
  ),
  members: version.members.map(toMemberWire),
  baseline: { ...version.baseline },
  drift_edges: Object.fromEntries(
    Object.entries(version.driftBins).map(([column, { edges }]) => [column, [...edges]]),
  ),
  tags: { ...version.tags },
  lineage: { parent: versionOrNull(version.parent), run_id: version.runId },
  run_id: version.runId,
  actor: version.actor,
  correlation_id: version.correlationId,
  artifact: { sha256: version.artifactSha256, bytes: version.artifactBytes },
  trained_at: version.trainedAt.toISOString(),
  duration_ms: version.durationMs,
})
