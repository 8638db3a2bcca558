/**
 * Imports over HTTP. The body goes to a temporary file first and from there into the database: a slow
 * client holds no transaction open, and memory stays flat.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import busboy from 'busboy'
import { z } from 'zod'
import { ConfigId } from '../../shared/core/entity.ts'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import { PageQuery, PageReply, toPageRequest } from '../../shared/core/page.ts'
import { ImportRecord, ImportReport } from '../../shared/entities/imports.ts'
import { route } from '../route.ts'
import type { Route, RouteInput } from '../route.ts'

const TAG = 'Imports'
/** Larger files are for the command line. */
const MOST_BYTES = 10 * 1024 * 1024
const LONGEST_FIELD = 100
/** What a form may add to its file. */
const FORM_BYTES = 64 * 1024

type Body = RouteInput<unknown, unknown, unknown>['stream']

const invalid = (field: string, message: string): AppError =>
  new AppError('INVALID_REQUEST', `${field}: ${message}`, { errors: [{ field, message }] })

const tooLarge = (): AppError =>
  new AppError(
    'PAYLOAD_TOO_LARGE',
    `A file may have ${MOST_BYTES} bytes; import larger ones with "vigia import"`,
  )

/**
 * The bytes of `body`, up to a limit. A body given up on is not destroyed, since the answer leaves by the
 * same socket.
 */
const bounded = async function* (body: Readable, mostBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > mostBytes) throw tooLarge()
    yield chunk
  }
}

const save = (source: Readable, file: string): Promise<void> =>
  pipeline(bounded(source, MOST_BYTES), createWriteStream(file, { mode: 0o600 }))

const openForm = (body: Body): busboy.Busboy => {
  try {
    return busboy({
      headers: { ...body.headers },
      // One byte more than allowed, so that a file of exactly the limit is not taken for a cut one.
      limits: { fields: 10, fieldSize: LONGEST_FIELD, files: 1, parts: 12, fileSize: MOST_BYTES + 1 },
    })
  } catch (error) {
    throw invalid('body', `is no multipart form: ${messageOf(error)}`)
  }
}

/** Saves the form's file and answers its `config_id` field, in whichever order they come. */
const saveForm = async (body: Body, file: string): Promise<string | undefined> => {
  const form = openForm(body)
  let configId: string | undefined
  let saving: Promise<void> | undefined
  form.on('field', (name, value) => {
    if (name === 'config_id') configId = value
  })
  form.on('file', (_name, part) => {
    saving = save(part, file)
    // The form waits for the part: when saving fails, the rest need not be read.
    saving.catch((error: unknown) => form.destroy(error as Error))
  })
  try {
    await pipeline(bounded(body, MOST_BYTES + FORM_BYTES), form)
  } catch (error) {
    // Errors of files and sockets have a code, those of the form have none.
    if (error instanceof AppError || (error instanceof Error && 'code' in error)) throw error
    throw invalid('body', `is no complete multipart form: ${messageOf(error)}`)
  }
  if (!saving) throw invalid('file', 'is missing: send the CSV file as a part of the form')
  await saving
  return configId
}

/** @returns the config the upload names in its form, if it is one */
const saveBody = async (body: Body, file: string): Promise<string | undefined> => {
  const encoding = body.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity')
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the file as it is, without Content-Encoding')
  const [type = ''] = String(body.headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
  if (type.trim() === 'multipart/form-data') return saveForm(body, file)
  if (type.trim() !== 'text/csv')
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the file as multipart/form-data or as text/csv')
  await save(body, file)
  return undefined
}

const receive = async (body: Body, file: string): Promise<string | undefined> => {
  // Told in advance, a body that is too large need not be sent at all.
  if (Number(body.headers['content-length'] ?? 0) > MOST_BYTES + FORM_BYTES) throw tooLarge()
  try {
    return await saveBody(body, file)
  } catch (error) {
    if (body.errored) throw invalid('body', 'did not arrive whole')
    // Whoever still sends reads our answer only afterwards.
    body.resume()
    throw error
  }
}

const listImports = route({
  method: 'get',
  path: '/api/v1/imports',
  role: 'viewer',
  summary: 'The imports of a config with their reports, newest first',
  tag: TAG,
  query: PageQuery.extend({ config_id: ConfigId }),
  reply: { 200: PageReply(ImportRecord) },
  handle: async ({ query, seesConfig }, { imports }) => {
    seesConfig(query.config_id)
    return { status: 200, body: await imports.list(query.config_id, toPageRequest(query)) }
  },
})

const createImport = route({
  method: 'post',
  path: '/api/v1/imports',
  role: 'trainer',
  summary: 'Import a Meta Ads Manager report: text/csv with ?config_id=, or a form with config_id and file',
  tag: TAG,
  query: z.object({ config_id: ConfigId.optional() }),
  stream: true,
  reply: { 200: ImportReport, 201: ImportReport },
  handle: async ({ query, stream, principal, seesConfig }, { imports }) => {
    if (query.config_id !== undefined) seesConfig(query.config_id)
    const folder = await mkdtemp(join(tmpdir(), 'vigia-import-'))
    try {
      const file = join(folder, 'body')
      const inForm = await receive(stream, file)
      const configId = ConfigId.safeParse(inForm ?? query.config_id)
      if (!configId.success) throw invalid('config_id', 'must be the id of a config')
      seesConfig(configId.data)
      const report = await imports.importInsights({
        configId: configId.data,
        source: createReadStream(file),
        actor: principal.actor,
      })
      const { import_id, duplicate, rows_upserted, rows_rejected } = report
      return {
        status: duplicate ? 200 : 201,
        body: report,
        audit: {
          target: `/api/v1/imports/${import_id}`,
          after: { config_id: configId.data, duplicate, rows_upserted, rows_rejected },
        },
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
})

export const importRoutes: readonly Route[] = [listImports, createImport]
