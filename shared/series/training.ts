/**
 * Training of series, in stages:
 *
 * 1. the request: points are read and checked, and hashed to a fingerprint
 * 2. a fingerprint that is known answers with its version; one under way is joined
 * 3. else a token is spent, the points are put aside under the fingerprint, and a run is started
 * 4. the run: members are fitted off the event loop, files written, and the version gets its number in one
 *    transaction. A version lives when one member does.
 *
 * However often the same is asked for, at once or later, there is one version, one run and one token.
 */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { ComputePool } from '../compute.ts'
import type { Clock } from '../core/clock.ts'
import { AppError, ERRORS, messageOf } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import { joinKey } from '../jobs/define-job.ts'
import type { Enqueue, RunTicket } from '../jobs/enqueue.ts'
import { trainSeries } from '../jobs/series.ts'
import type { SeriesTrainingWork, TrainSeriesPayload } from '../jobs/series.ts'
import type { Run, RunsRepository } from '../runs/run.ts'
import type { SeriesCatalogue } from './catalogue.ts'
import type { SeriesFiles } from './files.ts'
import type { FitSeriesResult } from './fit-task.ts'
import type { LimitCaller, LimitState, SeriesLimits } from './limits.ts'
import type { PointReader } from './point-reader.ts'
import type { PointsBody, SeriesContext } from './points.ts'
import { CLASS_LIMITS } from './series.ts'
import type { Series, SeriesRecord, SeriesSettings, SeriesVersion } from './series.ts'
import { decodeUpload, encodeUpload } from './upload.ts'

/** A rival that spent the last token has its run recorded by then, or failed to. */
const RIVAL_MS = [25, 75, 150, 300]
const FIRST_LOOK_MS = 10
const LONGEST_LOOK_MS = 250

export interface TrainingAsked {
  readonly caller: LimitCaller
  readonly actor: string
  readonly traceId: string | null
  /** How long to wait for the version; 0: answer when the run is recorded. */
  readonly waitMs: number
}

export type TrainingReply = { readonly limit: LimitState | null } & (
  | { readonly status: 'queued' | 'running'; readonly runId: string }
  | {
      readonly status: 'done'
      readonly version: SeriesVersion
      /** Whether this request, or the one it joined, made it. */
      readonly created: boolean
    }
)

export interface SeriesTraining extends SeriesTrainingWork {
  /**
   * @throws AppError of the checks of section 4; RATE_LIMITED; and, when it waits, what the run failed with
   */
  request(seriesId: string, body: PointsBody, asked: TrainingAsked): Promise<TrainingReply>
  /** What a run that has ended made. @throws AppError with what it failed of */
  ended(
    seriesId: string,
    runId: string,
  ): Promise<{ readonly version: SeriesVersion; readonly created: boolean }>
}

export interface SeriesTrainingSettings {
  readonly class: SeriesSettings['class']
  readonly models: readonly string[]
  readonly keepPoints: number
  readonly keepVersions: number
}

export interface SeriesTrainingParts {
  readonly clock: Clock
  readonly record: Pick<SeriesRecord, 'byId' | 'ensure' | 'byFingerprint' | 'append'>
  readonly files: Pick<SeriesFiles, 'save' | 'saveUpload' | 'readUpload' | 'removeUpload'>
  readonly catalogue: Pick<SeriesCatalogue, 'restore' | 'announce' | 'putAway'>
  readonly limits: Pick<SeriesLimits, 'spendTraining' | 'returnTraining'>
  readonly reader: Pick<PointReader, 'training'>
  readonly runs: Pick<RunsRepository, 'byKey' | 'get'>
  readonly enqueue: Enqueue
  readonly compute: Pick<ComputePool, 'run'>
  readonly settings: SeriesTrainingSettings
  /** For the metrics. */
  readonly onTrained?: (
    outcome: 'created' | 'existed' | 'failed',
    seriesClass: string,
    seconds: number,
  ) => void
}

/** Series may be trained on equal points: each has an upload of its own. */
const uploadName = (seriesId: string, generation: number, fingerprint: string): string =>
  createHash('sha256').update(`${seriesId}\n${generation}\n${fingerprint}`).digest('hex')

const contextOf = (series: Series | null, settings: SeriesTrainingSettings): SeriesContext => {
  const seriesClass = series?.class ?? settings.class
  const { min, max } = CLASS_LIMITS[seriesClass]
  return {
    class: seriesClass,
    channels: series?.channels ?? null,
    minPoints: series?.minPoints ?? min,
    maxPoints: series?.maxPoints ?? max,
    ranges: series?.ranges ?? {},
    timestampUnit: series?.timestampUnit ?? 's',
    defaultModels: settings.models,
  }
}

const isOpen = ({ status }: Pick<RunTicket, 'status'>): boolean => status === 'queued' || status === 'running'

/** What a failed run tells a caller who waited for it. */
const failureOf = (run: Run): AppError => {
  const { code, details } = run.result ?? {}
  const known = typeof code === 'string' && code in ERRORS ? (code as ErrorCode) : 'TRAINING_FAILED'
  const text = run.error ?? `the training ended ${run.status}; see run ${run.id}`
  return new AppError(known, text, { details: { ...(details as object | undefined), run_id: run.id } })
}

const failed = (
  code: ErrorCode,
  message: string,
  details?: Readonly<Record<string, unknown>>,
): WorkOutcome => ({
  status: 'failed',
  counts: { done: 0, skipped: 0, failed: 1 },
  reasons: { [code.toLowerCase()]: 1 },
  result: { code, ...(details ? { details } : {}) },
  error: message,
})

const succeeded = (version: number, created: boolean, serving: boolean): WorkOutcome => ({
  status: 'succeeded',
  counts: { done: 1, skipped: 0, failed: 0 },
  reasons: {},
  result: { version: `v${version}`, created, serving },
})

/** Why no member could be fitted. */
const complaintsOf = ({ members }: FitSeriesResult): string =>
  members.map(({ name, error }) => `${name}: ${error ?? 'failed'}`).join('; ')

export const createSeriesTraining = (parts: SeriesTrainingParts): SeriesTraining => {
  const { record, files, catalogue, limits, runs, settings, clock } = parts
  /** Requests of this process that are starting a run, by the run's key. */
  const starting = new Map<string, Promise<{ ticket: RunTicket; limit: LimitState | null }>>()

  const inFlight = async (key: string): Promise<RunTicket | null> => {
    const run = await runs.byKey(trainSeries.name, key)
    return run && isOpen(run) ? { id: run.id, status: run.status, created: false } : null
  }

  const start = async (
    payload: TrainSeriesPayload,
    key: string,
    upload: () => Uint8Array,
    asked: TrainingAsked,
  ): Promise<{ ticket: RunTicket; limit: LimitState | null }> => {
    const joined = await inFlight(key)
    if (joined) return { ticket: joined, limit: null }
    const { seriesId } = payload
    let limit: LimitState | null
    try {
      limit = await limits.spendTraining(seriesId, asked.caller)
    } catch (error) {
      // Another process may have spent it on the very same training a moment ago.
      for (const waitMs of RIVAL_MS) {
        await delay(waitMs)
        const rival = await inFlight(key)
        if (rival) return { ticket: rival, limit: null }
      }
      throw error
    }
    try {
      await files.saveUpload(payload.upload, upload())
      const ticket = await parts.enqueue(trainSeries, payload, {
        actor: asked.actor,
        ...(asked.traceId === null ? {} : { traceId: asked.traceId }),
      })
      if (!ticket.created) await limits.returnTraining(seriesId, asked.caller)
      return { ticket, limit }
    } catch (error) {
      await limits.returnTraining(seriesId, asked.caller)
      throw error
    }
  }

  /** Null when time is up. */
  const endOf = async (runId: string, deadlineMs: number): Promise<Run | null> => {
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(LONGEST_LOOK_MS, pauseMs * 1.5)) {
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) return null
      await delay(Math.min(pauseMs, leftMs))
      const run = await runs.get(runId)
      if (run && !isOpen(run)) return run
    }
  }

  const outcomeOf = async (
    seriesId: string,
    run: Run,
  ): Promise<{ readonly version: SeriesVersion; readonly created: boolean }> => {
    const { fingerprint } = run.payload as TrainSeriesPayload
    const version = run.status === 'succeeded' ? await record.byFingerprint(seriesId, fingerprint) : null
    if (!version) throw failureOf(run)
    return { version, created: run.result?.['created'] === true }
  }

  const request: SeriesTraining['request'] = async (seriesId, body, asked) => {
    const deadlineMs = performance.now() + asked.waitMs
    const series = await record.byId(seriesId)
    const context = contextOf(series, settings)
    const wanted = await parts.reader.training(body, context)
    const { fingerprint } = wanted

    const known = series ? await record.byFingerprint(seriesId, fingerprint) : null
    if (known && known.state !== 'broken') {
      const version =
        known.state === 'archived' ? await catalogue.restore(seriesId, known.version, asked) : known
      parts.onTrained?.('existed', context.class, 0)
      return { status: 'done', version, created: false, limit: null }
    }
    const { generation, class: seriesClass } =
      series ??
      (await record.ensure(seriesId, {
        class: context.class,
        ranges: {},
        timestampUnit: wanted.timestampUnit,
        minPoints: null,
        maxPoints: null,
        tags: {},
      }))
    const payload: TrainSeriesPayload = {
      seriesId,
      generation,
      fingerprint,
      dataHash: wanted.dataHash,
      upload: uploadName(seriesId, generation, fingerprint),
      plan: wanted.plan,
      tags: { ...wanted.tags },
      repairs: known ? (known.runId ?? `v${known.version}`) : null,
    }
    const upload = (): Uint8Array =>
      encodeUpload({
        frame: wanted.frame,
        class: seriesClass,
        channels: wanted.channels,
        members: wanted.members,
        actor: asked.actor,
        correlationId: asked.traceId,
      })
    const key = joinKey(trainSeries.key(payload))
    let turn = starting.get(key)
    if (!turn) {
      turn = start(payload, key, upload, asked).finally(() => starting.delete(key))
      starting.set(key, turn)
    }
    const { ticket, limit } = await turn
    const status = ticket.status === 'running' ? 'running' : 'queued'
    if (asked.waitMs <= 0) return { status, runId: ticket.id, limit }
    const ended = await endOf(ticket.id, deadlineMs)
    if (!ended) return { status, runId: ticket.id, limit }
    return { status: 'done', ...(await outcomeOf(seriesId, ended)), limit }
  }

  const train = async (payload: TrainSeriesPayload, context: WorkContext): Promise<WorkOutcome> => {
    const { seriesId, fingerprint } = payload
    const startMs = performance.now()
    const series = await record.byId(seriesId)
    if (!series || series.generation !== payload.generation)
      return failed('MODEL_NOT_FOUND', `series ${seriesId} was deleted meanwhile`)
    // An execution before this one may have come to its end without being able to say so.
    const twin = await record.byFingerprint(seriesId, fingerprint)
    if (twin && twin.state !== 'broken') {
      await catalogue.announce([seriesId])
      return succeeded(twin.version, twin.runId === context.fence.runId, twin.aliases.includes('stable'))
    }
    const bytes = await files.readUpload(payload.upload)
    if (!bytes) return failed('TRAINING_FAILED', 'the points of this training are gone; send them again')
    const upload = decodeUpload(bytes)
    const fit = await parts.compute.run(
      'fitSeries',
      {
        seriesId,
        class: upload.class,
        channels: upload.channels,
        frame: upload.frame,
        members: upload.members,
        fingerprint,
        tailPoints: settings.keepPoints,
      },
      { signal: context.signal },
    )
    context.progress(0.9)
    if (!fit.artifact) {
      parts.onTrained?.('failed', upload.class, (performance.now() - startMs) / 1000)
      return failed('TRAINING_FAILED', `no member could be trained: ${complaintsOf(fit)}`)
    }
    const artifactUri = await files.save(seriesId, fit.artifactSha256, 'safetensors', fit.artifact)
    const tailUri = fit.tail ? await files.save(seriesId, fit.artifactSha256, 'tail', fit.tail) : null
    context.signal.throwIfAborted()
    const { timesMs } = upload.frame
    const durationMs = Math.round(performance.now() - startMs)
    const appended = await record.append(
      {
        seriesId,
        generation: payload.generation,
        fingerprint,
        dataHash: payload.dataHash,
        channels: upload.channels,
        members: fit.members,
        baseline: fit.baseline,
        driftBins: fit.driftBins,
        stats: fit.stats,
        points: timesMs.length,
        firstMs: timesMs[0] ?? 0,
        lastMs: timesMs.at(-1) ?? 0,
        artifactUri,
        artifactSha256: fit.artifactSha256,
        artifactBytes: fit.artifact.length,
        tailUri,
        tags: payload.tags,
        actor: upload.actor,
        correlationId: upload.correlationId,
        trainedAt: clock.now(),
        durationMs,
        plan: payload.plan,
      },
      context.fence,
      settings.keepVersions,
    )
    await catalogue.announce([seriesId])
    await catalogue.putAway(appended.archived)
    await files.removeUpload(payload.upload).catch((error: unknown) => {
      context.logger.warn('the points of a training remain until the next clean-up', {
        error: messageOf(error),
      })
    })
    parts.onTrained?.(appended.created ? 'created' : 'existed', upload.class, durationMs / 1000)
    return succeeded(appended.version, appended.created, appended.serving)
  }

  return {
    request,
    ended: async (seriesId, runId) => {
      const run = await runs.get(runId)
      if (!run) throw new AppError('NOT_FOUND', `there is no run ${runId}`)
      return outcomeOf(seriesId, run)
    },
    train: async (payload, context) => {
      try {
        return await train(payload, context)
      } catch (error) {
        // What no repetition can help with is told to whoever waits by its own code.
        if (error instanceof AppError && !ERRORS[error.code].retry)
          return failed(error.code, error.message, error.extra.details)
        throw error
      }
    },
  }
}
