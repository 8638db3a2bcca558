/** Two versions of a series side by side. */
import { z } from 'zod'
import { QUANTILES } from '../../../ml/series/member.ts'
import type { MemberRecord } from '../../../ml/series/member.ts'
import type { Delta } from '../../../ml/compare/versions.ts'
import { deltaOf } from '../../../ml/compare/versions.ts'
import type { JudgedPair, VersionComparison } from '../../../shared/series/compare.ts'
import { limitCallerOf, limitHeaders } from '../../../shared/series/limits.ts'
import { route } from '../../route.ts'
import type { Route } from '../../route.ts'
import { requireSeriesId, requireVersion, SeriesPath } from './params.ts'
import { PredictionBody } from './points-body.ts'
import { MemberBody, toMemberWire, versionName } from './wire.ts'

const TAG = 'Series'

const Compared = z.object({
  from: z.string().meta({ description: 'Like v1' }),
  to: z.string().meta({ description: 'Like v2' }),
})

const DeltaBody = z.object({ from: z.number(), to: z.number(), delta: z.number() })

const Comparison = z
  .object({
    series_id: z.string(),
    from: z.string(),
    to: z.string(),
    same_data: z.boolean(),
    same_models: z.boolean().describe('The same members were asked for'),
    points_used: DeltaBody,
    stats: z
      .record(
        z.string(),
        z.object({
          mean: DeltaBody,
          std: DeltaBody,
          min: DeltaBody,
          max: DeltaBody,
          quantiles: z.array(DeltaBody).describe(`At ${QUANTILES.join(', ')}`),
          kl: z
            .number()
            .describe('Divergence of the training values, nats, in the bins of the first version'),
        }),
      )
      .describe('Of the training values, by column'),
    models: z.array(
      z.object({
        name: z.string(),
        change: z.enum(['same', 'changed', 'added', 'removed']),
        from: MemberBody.nullable(),
        to: MemberBody.nullable(),
        fields: z
          .array(z.object({ field: z.string(), from: z.unknown(), to: z.unknown() }))
          .describe('What was asked for differently, e.g. params.k'),
      }),
    ),
  })
  .meta({ id: 'SeriesComparison' })

const Side = z.object({
  model: z.string(),
  threshold: z.number(),
  fallback: z.boolean().describe('Its model could not be loaded: the baseline judged'),
  scores: z.array(z.number()),
  is_anomaly: z.array(z.boolean()),
})

const JudgedComparison = Comparison.extend({
  timestamps: z.array(z.number()).describe('Of the points judged, in the unit of the series'),
  agreement: z
    .number()
    .nullable()
    .describe('Share of equal verdicts of the first pair; null if one fell back'),
  judged: z
    .array(
      z.object({
        compared: z.int().nullable(),
        equal: z.int().nullable(),
        only_from: z.int().nullable().describe('Anomalies to the first version alone'),
        only_to: z.int().nullable(),
        agreement: z.number().nullable(),
        from: Side,
        to: Side,
      }),
    )
    .describe('By pair of models'),
}).meta({ id: 'SeriesJudgedComparison' })

const wireDelta = ({ from, to, delta }: Delta): z.infer<typeof DeltaBody> => ({ from, to, delta })
const memberOrNull = (member: MemberRecord | null): z.infer<typeof MemberBody> | null =>
  member && toMemberWire(member)

export const toComparisonWire = ({
  from,
  to,
  stats,
  members,
}: VersionComparison): z.infer<typeof Comparison> => ({
  series_id: from.seriesId,
  from: versionName(from.version),
  to: versionName(to.version),
  same_data: from.dataHash === to.dataHash,
  same_models: members.every(({ change }) => change === 'same'),
  points_used: wireDelta(deltaOf(from.points, to.points)),
  stats: Object.fromEntries(
    Object.entries(stats).map(([column, change]) => [
      column,
      {
        mean: wireDelta(change.mean),
        std: wireDelta(change.std),
        min: wireDelta(change.min),
        max: wireDelta(change.max),
        quantiles: change.quantiles.map(wireDelta),
        kl: change.kl,
      },
    ]),
  ),
  models: members.map((member) => ({
    name: member.name,
    change: member.change,
    from: memberOrNull(member.from),
    to: memberOrNull(member.to),
    fields: member.fields.map(({ field, from: before, to: after }) => ({ field, from: before, to: after })),
  })),
})

const sideOf = ({ name, threshold, fallback, scores }: JudgedPair['from']): z.infer<typeof Side> => ({
  model: name,
  threshold,
  fallback: fallback !== null,
  scores: [...scores.score],
  is_anomaly: Array.from(scores.anomalous, (flag) => flag === 1),
})

const both = {
  role: 'viewer',
  allConfigs: true,
  tag: TAG,
  params: SeriesPath,
  query: Compared,
} as const

const CODES = ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND', 'INVALID_VERSION'] as const

const compare = route({
  ...both,
  method: 'get',
  path: '/api/v1/series/:id/versions/compare',
  summary: 'What became different from one version to another',
  reply: { 200: Comparison },
  codes: CODES,
  handle: async ({ params, query }, { comparisons }) => {
    const id = requireSeriesId(params.id)
    const compared = await comparisons.versions(id, requireVersion(query.from), requireVersion(query.to))
    return { status: 200, body: toComparisonWire(compared) }
  },
})

const compareOnPoints = route({
  ...both,
  method: 'post',
  path: '/api/v1/series/:id/versions/compare',
  summary: 'The same, and how both judge the points sent: scores, and how often they agree',
  query: Compared.catchall(z.string()),
  body: PredictionBody,
  raw: true,
  ownLimits: true,
  // What is judged changes nothing: no audit, and repeating it is free.
  readOnly: true,
  forms: ['application/x-ndjson', 'application/octet-stream'],
  reply: { 200: JudgedComparison },
  codes: [
    ...CODES,
    'VERSION_ARCHIVED',
    'UNKNOWN_MODEL',
    'UNKNOWN_CHANNEL',
    'WINDOW_TOO_SHORT',
    'TOO_MANY_POINTS',
    'INVALID_TIMESTAMP',
    'INVALID_VALUE',
    'OVERLOADED',
  ],
  handle: async (input, { comparisons }) => {
    const id = requireSeriesId(input.params.id)
    const { from, to, ...query } = input.query
    const numbers = [requireVersion(from), requireVersion(to)] as const
    const compared = await comparisons.versions(id, ...numbers)
    const body = { bytes: input.raw, contentType: input.headers['content-type'], query }
    const { timesMs, pairs, limit } = await comparisons.points(id, ...numbers, body, {
      caller: limitCallerOf(input.principal, input.address),
    })
    const perUnit = compared.to.timestampUnit === 's' ? 1000 : 1
    return {
      status: 200,
      headers: limitHeaders(limit),
      body: {
        ...toComparisonWire(compared),
        timestamps: Array.from(timesMs, (ms) => ms / perUnit),
        agreement: pairs[0]?.agreement?.agreement ?? null,
        judged: pairs.map(({ agreement, from: first, to: second }) => ({
          compared: agreement?.compared ?? null,
          equal: agreement?.equal ?? null,
          only_from: agreement?.onlyFirst ?? null,
          only_to: agreement?.onlySecond ?? null,
          agreement: agreement?.agreement ?? null,
          from: sideOf(first),
          to: sideOf(second),
        })),
      },
    }
  },
})

export const seriesCompareRoutes: readonly Route[] = [compare, compareOnPoints]
