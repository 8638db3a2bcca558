/** Series and the versions of their models: lists, settings, tags, and which version answers. */
import { z } from 'zod'
import { SERIES_CLASSES, SERIES_FAMILIES } from '../../../ml/series/member.ts'
import { ALIASES } from '../../../shared/registry/model-version.ts'
import type { ListRequest } from '../../../shared/series/catalogue.ts'
import { REGISTRY_ORDERS } from '../../../shared/series/registry-store.ts'
import type { Author, SeriesFilter, SeriesVersionFilter } from '../../../shared/series/registry-store.ts'
import { CHANNEL, SERIES_ID, VersionName } from '../../../shared/series/series.ts'
import { TagChanges, Tags, TagText } from '../../../shared/series/tags.ts'
import { route } from '../../route.ts'
import type { Route } from '../../route.ts'
import { requireSeriesId, requireVersion, SeriesPath, VersionPath } from './params.ts'
import {
  SeriesBody,
  toSeriesWire,
  toVersionSummaryWire,
  toVersionWire,
  VersionBody,
  VersionSummaryBody,
} from './wire.ts'

const TAG = 'Series'
const MOST_TAGS_ASKED = 5

const PageOfList = z.object({
  page_size: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(800).optional().describe('next_cursor of the page before'),
})

const PageReply = <T extends z.ZodType>(row: T) =>
  z.object({
    data: z.array(row),
    page_size: z.int(),
    next_cursor: z.string().nullable().describe('Null on the last page'),
  })

const SeriesQuery = PageOfList.extend({
  prefix: z
    .string()
    .regex(SERIES_ID, 'must be 1 to 128 letters, digits or _')
    .optional()
    .describe('Of the id'),
  tag: z
    .preprocess(
      (given) => (typeof given === 'string' ? [given] : given),
      z.array(TagText).max(MOST_TAGS_ASKED, `must be at most ${MOST_TAGS_ASKED}`).optional(),
    )
    .describe('Like env=prod; may be repeated, then all must be there'),
  class: z.enum(SERIES_CLASSES).optional(),
  created_from: z.iso.datetime({ offset: true }).optional(),
  created_to: z.iso.datetime({ offset: true }).optional().describe('Exclusive'),
  sort: z
    .enum(REGISTRY_ORDERS)
    .default('created_at')
    .describe('created_at: newest first; series_id: ascending, newest versions first'),
})

const VersionsQuery = SeriesQuery.extend({
  family: z.enum(SERIES_FAMILIES).optional().describe('Of any member'),
  state: z.enum(['ready', 'archived', 'broken']).optional(),
  alias: z.enum(ALIASES).optional().describe('Only versions it names'),
  points_min: z.coerce.number().int().min(0).max(1e9).optional(),
  points_max: z.coerce.number().int().min(0).max(1e9).optional().describe('Inclusive'),
  data_hash: z
    .string()
    .regex(/^[\da-f]{64}$/, 'must be 64 hexadecimal digits')
    .optional(),
})

const toSeriesFilter = (query: z.output<typeof SeriesQuery>): SeriesFilter => ({
  ...(query.prefix === undefined ? {} : { prefix: query.prefix }),
  ...(query.tag === undefined ? {} : { tags: Object.fromEntries(query.tag) }),
  ...(query.class === undefined ? {} : { class: query.class }),
  ...(query.created_from === undefined ? {} : { createdFrom: new Date(query.created_from) }),
  ...(query.created_to === undefined ? {} : { createdTo: new Date(query.created_to) }),
})

const toVersionFilter = (query: z.output<typeof VersionsQuery>): SeriesVersionFilter => ({
  ...toSeriesFilter(query),
  ...(query.family === undefined ? {} : { family: query.family }),
  ...(query.state === undefined ? {} : { state: query.state }),
  ...(query.alias === undefined ? {} : { alias: query.alias }),
  ...(query.points_min === undefined ? {} : { pointsMin: query.points_min }),
  ...(query.points_max === undefined ? {} : { pointsMax: query.points_max }),
  ...(query.data_hash === undefined ? {} : { dataHash: query.data_hash }),
})

const toListRequest = <Filter>(
  query: z.output<typeof PageOfList>,
  order: (typeof REGISTRY_ORDERS)[number],
  filter: Filter,
): ListRequest<Filter> => ({
  filter,
  order,
  pageSize: query.page_size,
  cursor: query.cursor ?? null,
})

const authorOf = (input: {
  readonly principal: { readonly actor: string }
  readonly traceId: string
}): Author => ({
  actor: input.principal.actor,
  traceId: input.traceId,
})

const listSeries = route({
  method: 'get',
  path: '/api/v1/series',
  role: 'viewer',
  allConfigs: true,
  tag: TAG,
  summary: 'Series, with which versions answer',
  query: SeriesQuery,
  reply: { 200: PageReply(SeriesBody) },
  handle: async ({ query }, { series }) => {
    const found = await series.list(toListRequest(query, query.sort, toSeriesFilter(query)))
    return {
      status: 200,
      body: {
        data: found.rows.map(toSeriesWire),
        page_size: query.page_size,
        next_cursor: found.nextCursor,
      },
    }
  },
})

const searchVersions = route({
  method: 'get',
  path: '/api/v1/registry/versions',
  role: 'viewer',
  allConfigs: true,
  tag: TAG,
  summary: 'Versions of all series',
  query: VersionsQuery,
  reply: { 200: PageReply(VersionSummaryBody) },
  handle: async ({ query }, { series }) => {
    const found = await series.versions(toListRequest(query, query.sort, toVersionFilter(query)))
    return {
      status: 200,
      body: {
        data: found.rows.map(toVersionSummaryWire),
        page_size: query.page_size,
        next_cursor: found.nextCursor,
      },
    }
  },
})

const getSeries = route({
  method: 'get',
  path: '/api/v1/series/:id',
  role: 'viewer',
  allConfigs: true,
  tag: TAG,
  summary: 'One series',
  params: SeriesPath,
  reply: { 200: SeriesBody },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND'],
  handle: async ({ params }, { series }) => ({
    status: 200,
    body: toSeriesWire(await series.get(requireSeriesId(params.id))),
  }),
})

const Range = z
  .strictObject({ min: z.number(), max: z.number() })
  .refine(({ min, max }) => min < max, 'needs min below max')
const Channel = z.string().regex(CHANNEL, 'must be the name of a channel')
const Points = z.int().min(50).max(100_000)

const Setting = z.strictObject({
  class: z.enum(SERIES_CLASSES).optional(),
  min_points: Points.nullish().describe("Default: the class's"),
  max_points: Points.nullish(),
  ranges: z.record(Channel, Range).optional().describe('Plausible values by channel'),
  timestamp_unit: z.enum(['s', 'ms']).optional(),
  tags: Tags.optional(),
})

const putSeries = route({
  method: 'put',
  path: '/api/v1/series/:id',
  role: 'trainer',
  allConfigs: true,
  ownAudit: true,
  tag: TAG,
  summary: 'Makes a series or sets it anew: what is left out gets its default, the class stays',
  params: SeriesPath,
  body: Setting.default({}),
  reply: { 200: SeriesBody, 201: SeriesBody },
  codes: ['INVALID_SERIES_ID', 'UNKNOWN_CHANNEL', 'CONFLICT'],
  handle: async (input, { series }) => {
    const { params, body } = input
    const { created, ...overview } = await series.put(
      requireSeriesId(params.id),
      {
        class: body.class,
        minPoints: body.min_points,
        maxPoints: body.max_points,
        ranges: body.ranges,
        timestampUnit: body.timestamp_unit,
        tags: body.tags,
      },
      authorOf(input),
    )
    return {
      status: created ? 201 : 200,
      body: toSeriesWire(overview),
      ...(created ? { headers: { location: `/api/v1/series/${params.id}` } } : {}),
    }
  },
})

const patchSeries = route({
  method: 'patch',
  path: '/api/v1/series/:id',
  role: 'trainer',
  allConfigs: true,
  ownAudit: true,
  tag: TAG,
  summary: 'Changes what is given; null takes a tag, range or limit away',
  params: SeriesPath,
  body: Setting.extend({
    ranges: z.record(Channel, Range.nullable()).optional(),
    tags: TagChanges.optional(),
  }),
  reply: { 200: SeriesBody },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND', 'UNKNOWN_CHANNEL', 'CONFLICT'],
  handle: async (input, { series }) => {
    const { params, body } = input
    const changed = await series.patch(
      requireSeriesId(params.id),
      {
        class: body.class,
        minPoints: body.min_points,
        maxPoints: body.max_points,
        ranges: body.ranges,
        timestampUnit: body.timestamp_unit,
        tags: body.tags,
      },
      authorOf(input),
    )
    return { status: 200, body: toSeriesWire(changed) }
  },
})

const deleteSeries = route({
  method: 'delete',
  path: '/api/v1/series/:id',
  role: 'admin',
  allConfigs: true,
  ownAudit: true,
  tag: TAG,
  summary: 'Deletes a series with its versions; numbers go on where they were if it is trained again',
  params: SeriesPath,
  reply: { 202: z.object({ series_id: z.string(), status: z.literal('deleted'), versions: z.int() }) },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND'],
  handle: async (input, { series }) => {
    const id = requireSeriesId(input.params.id)
    const versions = await series.remove(id, authorOf(input))
    return { status: 202, body: { series_id: id, status: 'deleted', versions } }
  },
})

const listVersions = route({
  method: 'get',
  path: '/api/v1/series/:id/versions',
  role: 'viewer',
  allConfigs: true,
  tag: TAG,
  summary: 'Versions of a series, newest first',
  params: SeriesPath,
  query: PageOfList.extend({ state: z.enum(['ready', 'archived', 'broken']).optional() }),
  reply: { 200: PageReply(VersionSummaryBody) },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND'],
  handle: async ({ params, query }, { series }) => {
    const seriesId = requireSeriesId(params.id)
    const filter = { seriesId, ...(query.state === undefined ? {} : { state: query.state }) }
    const found = await series.versions(toListRequest(query, 'series_id', filter))
    // An empty page may be that of a series nobody knows.
    if (found.rows.length === 0) await series.get(seriesId)
    return {
      status: 200,
      body: {
        data: found.rows.map(toVersionSummaryWire),
        page_size: query.page_size,
        next_cursor: found.nextCursor,
      },
    }
  },
})

const getVersion = route({
  method: 'get',
  path: '/api/v1/series/:id/versions/:version',
  role: 'viewer',
  allConfigs: true,
  tag: TAG,
  summary: 'One version: what it was trained on, its members, where it comes from',
  params: VersionPath,
  reply: { 200: VersionBody },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND', 'INVALID_VERSION'],
  handle: async ({ params }, { series }) => ({
    status: 200,
    body: toVersionWire(await series.version(requireSeriesId(params.id), requireVersion(params.version))),
  }),
})

const patchVersion = route({
  method: 'patch',
  path: '/api/v1/series/:id/versions/:version',
  role: 'trainer',
  allConfigs: true,
  ownAudit: true,
  tag: TAG,
  summary: 'Changes the tags of a version; null takes one away',
  params: VersionPath,
  body: z.strictObject({ tags: TagChanges }),
  reply: { 200: VersionBody },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND', 'INVALID_VERSION'],
  handle: async (input, { series }) => {
    const { params, body } = input
    const id = requireSeriesId(params.id)
    const tagged = await series.tag(id, requireVersion(params.version), body.tags, authorOf(input))
    return { status: 200, body: toVersionWire(tagged) }
  },
})

const restoreVersion = route({
  method: 'post',
  path: '/api/v1/series/:id/versions/:version/restore',
  role: 'trainer',
  allConfigs: true,
  ownAudit: true,
  tag: TAG,
  summary: 'Makes an archived version usable again, for 30 days at least; repeating is harmless',
  params: VersionPath,
  reply: { 200: VersionBody },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND', 'INVALID_VERSION', 'CONFLICT'],
  handle: async (input, { series }) => {
    const id = requireSeriesId(input.params.id)
    const restored = await series.restore(id, requireVersion(input.params.version), authorOf(input))
    return { status: 200, body: toVersionWire(restored) }
  },
})

const rollback = route({
  method: 'post',
  path: '/api/v1/series/:id/rollback',
  role: 'trainer',
  allConfigs: true,
  ownAudit: true,
  tag: TAG,
  summary: 'Makes another version answer, the previous one by default; repeating is harmless',
  params: SeriesPath,
  body: z.strictObject({ to: VersionName.optional().describe('Like v2') }).default({}),
  reply: {
    200: z.object({
      series_id: z.string(),
      version: z.string().describe('The one that answers now'),
      from: z.string().nullable().describe('The one that answered before'),
    }),
  },
  codes: ['INVALID_SERIES_ID', 'MODEL_NOT_FOUND', 'INVALID_VERSION', 'VERSION_ARCHIVED', 'CONFLICT'],
  handle: async (input, { series }) => {
    const id = requireSeriesId(input.params.id)
    const { from, to } = await series.rollback(id, input.body.to ?? 'previous', authorOf(input))
    return {
      status: 200,
      body: { series_id: id, version: `v${to}`, from: from === null ? null : `v${from}` },
    }
  },
})

export const seriesCatalogueRoutes: readonly Route[] = [
  listSeries,
  searchVersions,
  getSeries,
  putSeries,
  patchSeries,
  deleteSeries,
  listVersions,
  getVersion,
  patchVersion,
  restoreVersion,
  rollback,
]
