/** OpenAPI 3.1 from the route table: the schemas that validate are the schemas that document. */
import { z } from 'zod'
import { ERRORS } from '../shared/core/errors.ts'
import type { ErrorCode } from '../shared/core/errors.ts'
import { COMMON_CODES } from './middleware/serve-route.ts'
import { Problem, PROBLEM_TYPE } from './middleware/problem.ts'
import type { Route } from './route.ts'

type Json = Record<string, unknown>

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
    // zod leaves it out where the value is read from another, as numbers of a query are.
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema instanceof z.ZodDefault && !('default' in jsonSchema))
        jsonSchema.default = zodSchema.def.defaultValue
    },
  }) as Json
  return rest
}

const DEFINED = '#/$defs/'

/**
 * Moves what a schema defines (those with an `id` in their meta) to the page's own schemas, where others find it.
 * @param named grows by what is found
 */
const hoisted = (value: unknown, named: Record<string, unknown>): unknown => {
  if (Array.isArray(value)) return value.map((item) => hoisted(item, named))
  if (typeof value !== 'object' || value === null) return value
  const { $defs, ...rest } = value as Json
  // zod repeats the name as `id`, which JSON Schema does not know.
  for (const [name, { id: _, ...schema }] of Object.entries(($defs ?? {}) as Record<string, Json>))
    named[name] = hoisted(schema, named)
  return Object.fromEntries(
    Object.entries(rest).map(([key, item]) => [
      key,
      key === '$ref' && typeof item === 'string' && item.startsWith(DEFINED)
        ? `#/components/schemas/${item.slice(DEFINED.length)}`
        : hoisted(item, named),
    ]),
  )
}

/** `:id` becomes `{id}`. */
const pathOf = (route: Route): string => route.path.replace(/:(\w+)/g, '{$1}')

const parametersOf = (schema: z.ZodType | undefined, place: 'path' | 'query'): Json[] => {
  if (!schema) return []
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: property,
  }))
}

const contentOf = (route: Route): Json => {
  if (route.stream) {
    return {
      'text/csv': { schema: { type: 'string' } },
      'multipart/form-data': {
        schema: {
          type: 'object',
          properties: {
            file: { type: 'string', contentMediaType: 'text/csv' },
            config_id: { type: 'integer' },
          },
          required: ['file'],
        },
      },
    }
  }
  const forms = (route.forms ?? []).map((type) => [
    type,
    { schema: { type: 'string', contentMediaType: type } },
  ])
  return {
    'application/json': { schema: schemaOf(route.body ?? z.unknown(), 'input') },
    ...Object.fromEntries(forms),
  }
}

/** What a route can answer besides its replies: what all can, what comes with a body, what with a repetition. */
const codesOf = (route: Route): ErrorCode[] => [
  ...COMMON_CODES,
  ...(route.method === 'get'
    ? []
    : (['CONFLICT', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] satisfies ErrorCode[])),
  ...(route.codes ?? []),
  ...(route.method === 'post' ? ([route.stream ? 'INVALID_CSV' : 'IDEMPOTENCY_MISMATCH'] as const) : []),
]

const statusesOf = (codes: readonly ErrorCode[]): number[] => [
  ...new Set(codes.map((code) => ERRORS[code].status)),
]

/** The codes behind a status, for the reader to branch on. */
const codesBehind = (status: number): string =>
  Object.entries(ERRORS)
    .filter(([, row]) => row.status === status)
    .map(([code, { title }]) => `\`${code}\`: ${title}`)
    .join('; ')

const operationOf = (route: Route): Json => {
  const idempotencyKey = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'The same key with the same body is answered once; kept for 24 h',
    schema: { type: 'string', maxLength: 200 },
  }
  const replies = Object.entries(route.reply).map(([status, schema]) => [
    status,
    {
      description: route.summary,
      ...(schema
        ? {
            content: {
              'application/json': { schema: schemaOf(schema, 'output') },
              ...(status === '200'
                ? Object.fromEntries(
                    (route.texts ?? []).map((type) => [type, { schema: { type: 'string' } }]),
                  )
                : {}),
            },
          }
        : {}),
    },
  ])
  const problems = statusesOf(codesOf(route)).map((status) => [
    String(status),
    { $ref: `#/components/responses/Problem${status}` },
  ])
  return {
    operationId: `${route.method}${route.path.replace(/^\/api\/v1/, '').replace(/[/:_-]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    tags: [route.tag],
    summary: route.summary,
    description: `Role: ${route.role}.`,
    parameters: [
      ...parametersOf(route.params, 'path'),
      ...parametersOf(route.query, 'query'),
      ...(route.method === 'post' && !route.stream ? [idempotencyKey] : []),
    ],
    ...(route.body || route.stream ? { requestBody: { required: true, content: contentOf(route) } } : {}),
    responses: Object.fromEntries([...replies, ...problems]),
  }
}

export const buildOpenApi = (routes: readonly Route[], version: string): Json => {
  const paths: Record<string, Json> = {}
  const schemas: Record<string, unknown> = { Problem: schemaOf(Problem, 'output') }
  for (const route of routes)
    (paths[pathOf(route)] ??= {})[route.method] = hoisted(operationOf(route), schemas)
  const statuses = statusesOf(routes.flatMap(codesOf))
  return {
    openapi: '3.1.0',
    info: {
      title: 'vigia',
      version,
      description:
        'Watches advertising accounts: what is odd, how bad it is, what was expected, and since when.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }, { bearer: [] }, { basic: [] }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        basic: { type: 'http', scheme: 'basic', description: 'Any user; an API key as password' },
      },
      schemas,
      responses: Object.fromEntries(
        statuses.map((status) => [
          `Problem${status}`,
          {
            description: codesBehind(status),
            content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
          },
        ]),
      ),
    },
  }
}
