/**
 * Predictions: which version answers, what the body says, what it costs, and the verdicts of the members asked for.
 * What is wrong on our side (a file that is missing, late or damaged) is answered by the baseline of the version,
 * and says so.
 */
import { setImmediate } from 'node:timers/promises'
import { baselineScorer } from '../../ml/series/bundle.ts'
import { channelOf } from '../../ml/series/frame.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import type { MemberRecord, MemberScorer, MemberScores, SeriesFamily } from '../../ml/series/member.ts'
import type { ComputePool } from '../compute.ts'
import { mapBounded } from '../core/bounded.ts'
import type { Clock } from '../core/clock.ts'
import { AppError, messageOf } from '../core/errors.ts'
import type { Logger } from '../platform/logger.ts'
import type { Outcome } from '../platform/series-metrics.ts'
import type { Served } from '../platform/served-series.ts'
import { shown } from './check-points.ts'
import type { ActivityCounter } from './activity-counter.ts'
import { archivedVersion, unknownSeries, unknownVersion } from './catalogue.ts'
import type { LimitCaller, LimitState, SeriesLimits } from './limits.ts'
import type { FallbackReason, Loaded, ModelCache } from './model-cache.ts'
import type { PointReader, ReadItem } from './point-reader.ts'
import type { PointsBody, PredictionRequest, SeriesContext } from './points.ts'
import type { RawBody } from './read-body.ts'
import type { ScoreResult } from './score-task.ts'
import { SERIES_ID, VersionName } from './series.ts'
import type { ServedVersion, TimestampUnit } from './series.ts'
import type { Lookup, ServedVersions, Wanted } from './served-versions.ts'

/** More rows x members are judged on a thread. */
const MOST_HERE = 50_000
/** Requests for a thread that may wait. */
const LONGEST_QUEUE = 1024
/** Between two lines of the log about members that fail. */
const QUIET_MS = 10_000
/** Longest work across series before others have their turn. */
const TURN_MS = 10
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

export const WARNINGS = [
  'TIMESTAMP_FAR_PAST',
  'TIMESTAMP_FAR_FUTURE',
  'SHORT_CONTEXT',
  'OUT_OF_RANGE',
] as const
export type Warning = (typeof WARNINGS)[number]

export interface JudgedMember {
  readonly name: string
  readonly family: SeriesFamily
  /** Of what answered. */
  readonly threshold: number
  readonly scores: MemberScores
  /** Why the baseline answered; null: the member did. */
  readonly fallback: FallbackReason | null
}

export interface Prediction {
  readonly version: ServedVersion
  readonly frame: SeriesFrame
  /** First row that was judged. */
  readonly from: number
  readonly timestampUnit: TimestampUnit
  /** The first is primary among those asked for. */
  readonly members: readonly JudgedMember[]
  /** Rows of the frame outside their plausible range. */
  readonly outOfRange: ReadonlySet<number>
  /** Times before and after these are warned of. */
  readonly pastMs: number
  readonly futureMs: number
}

/** An item across series that has no result. */
export interface FailedItem {
  /** As it was sent, if it can be the id of a series. */
  readonly seriesId: string | null
  readonly error: AppError
}

export interface PredictionAsked {
  readonly caller: LimitCaller
}

export interface Predictions {
  /**
   * @param version null: the one `stable` names
   * @throws MODEL_NOT_FOUND, INVALID_VERSION, VERSION_ARCHIVED, UNKNOWN_MODEL, WINDOW_TOO_SHORT, OVERLOADED,
   * STORAGE_UNAVAILABLE, RATE_LIMITED, and what reading points refuses
   */
  predict(
    seriesId: string,
    version: number | null,
    body: PointsBody,
    asked: PredictionAsked,
  ): Promise<{ readonly prediction: Prediction; readonly limit: LimitState | null }>
  /** One result or error per item, in their order. @throws INVALID_REQUEST for a body that holds no items */
  predictAcross(body: PointsBody, asked: PredictionAsked): Promise<readonly (Prediction | FailedItem)[]>
  /**
   * The same points judged by several versions, in their order. Costs what one prediction of them costs, and is
   * counted neither as activity nor for drift.
   * @throws as `predict`
   */
  judgeBy(
    seriesId: string,
    versions: readonly number[],
    body: PointsBody,
    asked: PredictionAsked,
  ): Promise<{ readonly predictions: readonly Prediction[]; readonly limit: LimitState | null }>
  /** Loads what was predicted on most, so that the first requests find it. */
  warmUp(): Promise<void>
  /** The version and its opened members, as plots and comparisons need them. */
  open(
    seriesId: string,
    version: number | null,
  ): Promise<{ readonly version: ServedVersion; readonly loaded: Loaded }>
}

export interface PredictionMetrics {
  predictionsCounted(family: string, outcome: Outcome, count: number): void
  predictionServed(served: Served): void
  inferenceTook(family: string, seconds: number): void
  warmedUp(seconds: number): void
}

export interface PredictionsParts {
  readonly clock: Clock
  readonly served: ServedVersions
  readonly mostPredicted: (since: Date, limit: number) => Promise<readonly ServedVersion[]>
  readonly models: ModelCache
  readonly reader: Pick<PointReader, 'prediction' | 'items' | 'item'>
  readonly limits: Pick<SeriesLimits, 'spendPrediction'>
  readonly activity: ActivityCounter
  readonly compute: Pick<ComputePool, 'run'>
  readonly metrics: PredictionMetrics
  readonly logger: Logger
  readonly warnPastDays: number
  readonly warnFutureHours: number
  readonly warmupModels: number
  readonly span: <T>(version: ServedVersion, work: () => Promise<T>) => Promise<T>
}

/** Models loaded at a time. */
const LOADS_AT_ONCE = 8
const WARM_HOURS = 24

const contextOf = (version: ServedVersion): SeriesContext => ({
  class: version.class,
  channels: version.channels,
  minPoints: 1,
  maxPoints: Infinity,
  ranges: version.ranges,
  timestampUnit: version.timestampUnit,
  defaultModels: [],
})

const requireFound = (wanted: Wanted, lookup: Lookup): ServedVersion => {
  if ('away' in lookup) throw lookup.away
  if ('found' in lookup) {
    if (lookup.found.state === 'archived') throw archivedVersion(wanted.seriesId, lookup.found.version)
    return lookup.found
  }
  if (lookup.missing === 'version' && wanted.version !== null)
    throw unknownVersion(wanted.seriesId, wanted.version)
  throw unknownSeries(wanted.seriesId)
}

/** The members asked for; the first of the version where none is named. */
const membersOf = (version: ServedVersion, models: PredictionRequest['models']): readonly MemberRecord[] => {
  const ready = version.members.filter(({ status }) => status === 'ready')
  if (models === 'all') return ready
  if (models === null) return ready.slice(0, 1)
  return models.map((name) => {
    const member = ready.find((one) => one.name === name)
    if (member) return member
    const known = ready.map((one) => one.name)
    throw new AppError(
      'UNKNOWN_MODEL',
      `version v${version.version} of series ${version.seriesId} has no model ${JSON.stringify(name.slice(0, 40))}; it has ${known.join(', ')}`,
      { details: { known } },
    )
  })
}

const countOf = (flags: Uint8Array): number => {
  let sum = 0
  for (const flag of flags) sum += flag
  return sum
}

/** What an item asks for. */
interface Item {
  readonly body: RawBody
  readonly wanted: Wanted
}

/** An item that was read and paid for. */
interface Admitted {
  readonly version: ServedVersion
  readonly request: PredictionRequest
}

const requireAppError = (error: unknown): AppError => {
  if (error instanceof AppError) return error
  throw error
}

export const createPredictions = (parts: PredictionsParts): Predictions => {
  const { clock, served, models, limits, activity, metrics } = parts
  let queued = 0
  let quietUntilMs = 0

  /** What fails fails at every request; a line in a while tells it. */
  const complain = (version: ServedVersion, model: string, error: string): void => {
    const nowMs = clock.now().getTime()
    if (nowMs < quietUntilMs) return
    quietUntilMs = nowMs + QUIET_MS
    parts.logger.error('a model could not judge; the baseline of its version answers', {
      series_id: version.seriesId,
      version: version.version,
      model,
      error,
    })
  }

  const scorerOf = (loaded: Loaded, name: string): MemberScorer | undefined =>
    'model' in loaded ? loaded.model.bundle.scorers.get(name) : undefined

  /** @throws WINDOW_TOO_SHORT */
  const requireHistory = (loaded: Loaded, from: number, wanted: readonly MemberRecord[]): void => {
    for (const { name } of wanted) {
      const needed = scorerOf(loaded, name)?.neededHistory ?? 0
      if (from >= needed) continue
      throw new AppError(
        'WINDOW_TOO_SHORT',
        `${name} judges by windows of ${needed + 1} rows; send ${needed} rows of context before the first point`,
        { details: { needed, got: from } },
      )
    }
  }

  /**
   * What a thread says of a request that is too large for this one; null: it is not.
   * @throws OVERLOADED
   */
  const judgeAway = async (
    loaded: Loaded,
    { frame, from }: PredictionRequest,
    wanted: readonly MemberRecord[],
  ): Promise<ScoreResult | null> => {
    const rows = frame.timesMs.length - from
    if (!('model' in loaded) || rows * wanted.length <= MOST_HERE) return null
    if (queued >= LONGEST_QUEUE)
      throw new AppError('OVERLOADED', 'too many large predictions wait; try again shortly', {
        retryAfterS: 2,
      })
    queued++
    const members = wanted.map(({ name }) => name)
    try {
      return await parts.compute.run('scoreSeries', { bytes: loaded.model.bytes, frame, from, members })
    } catch (error) {
      // A thread that died is our fault, as a member that throws is.
      return members.map(() => ({ failed: messageOf(error) }))
    } finally {
      queued--
    }
  }

  /** Null: it could not. */
  const scoresOf = (
    version: ServedVersion,
    { name }: MemberRecord,
    judged: () => ScoreResult[number] | undefined,
  ): MemberScores | null => {
    let failed: string
    try {
      const said = judged() ?? { failed: 'the artifact does not hold it' }
      if (!('failed' in said)) return said
      ;({ failed } = said)
    } catch (error) {
      failed = messageOf(error)
    }
    complain(version, name, failed)
    return null
  }

  /** Judges and counts nothing; `onMember` hears how long each took. */
  const judgeOnly = async (
    version: ServedVersion,
    request: PredictionRequest,
    loaded: Loaded,
    onMember: (member: JudgedMember, seconds: number) => void = () => undefined,
  ): Promise<Prediction> => {
    const wanted = membersOf(version, request.models)
    const { frame, from } = request
    // Before anything is judged: what is refused counts as nothing.
    requireHistory(loaded, from, wanted)
    const elsewhere = await judgeAway(loaded, request, wanted)
    const members = wanted.map((member, i): JudgedMember => {
      const began = performance.now()
      const scores =
        'failed' in loaded
          ? null
          : scoresOf(version, member, () =>
              elsewhere ? elsewhere[i] : scorerOf(loaded, member.name)?.score(frame, from),
            )
      const judged: JudgedMember = {
        name: member.name,
        family: member.family,
        threshold: scores ? (member.threshold ?? 0) : 0.5,
        scores: scores ?? baselineScorer(version.baseline, frame.names, member.channels).score(frame, from),
        fallback: scores ? null : 'failed' in loaded ? loaded.failed : 'error',
      }
      onMember(judged, (performance.now() - began) / 1000)
      return judged
    })
    const nowMs = clock.now().getTime()
    return {
      version,
      frame,
      from,
      timestampUnit: request.timestampUnit,
      members,
      outOfRange: new Set(request.outOfRange),
      pastMs: nowMs - parts.warnPastDays * DAY_MS,
      futureMs: nowMs + parts.warnFutureHours * HOUR_MS,
    }
  }

  const judge = async (
    version: ServedVersion,
    request: PredictionRequest,
    loaded: Loaded,
  ): Promise<Prediction> => {
    const { frame, from } = request
    const rows = frame.timesMs.length - from
    let failed = false
    let seconds = 0
    const prediction = await judgeOnly(version, request, loaded, ({ family, fallback, scores }, took) => {
      seconds += took
      if (fallback !== null) {
        failed = true
        metrics.predictionsCounted(family, 'fallback', rows)
      } else {
        const odd = countOf(scores.anomalous)
        if (odd > 0) metrics.predictionsCounted(family, 'anomaly', odd)
        if (rows > odd) metrics.predictionsCounted(family, 'normal', rows - odd)
      }
      metrics.inferenceTook(family, took)
    })
    const [primary] = prediction.members
    const anomalies = primary ? countOf(primary.scores.anomalous) : 0
    activity.add({ version, frame, from, anomalies, fallback: primary?.fallback !== null })
    metrics.predictionServed({
      seriesId: version.seriesId,
      version: version.version,
      points: rows,
      anomalies,
      failed,
      seconds,
    })
    return prediction
  }

  const resolve = async (wanted: Wanted): Promise<ServedVersion> => {
    const known = served.known(wanted)
    if (known) return requireFound(wanted, known)
    const [lookup] = await served.find([wanted])
    return requireFound(wanted, lookup as Lookup)
  }

  /** Judges, and counts what is judged as well as what fails. */
  const counted = async (
    version: ServedVersion,
    request: PredictionRequest,
    loaded?: Loaded,
  ): Promise<Prediction> => {
    try {
      return await parts.span(version, async () =>
        judge(version, request, loaded ?? (await models.load(version))),
      )
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) {
        activity.failed(version.seriesId)
        const rows = request.frame.timesMs.length - request.from
        for (const { family } of membersOf(version, request.models))
          metrics.predictionsCounted(family, 'error', rows)
      }
      throw error
    }
  }

  const predict: Predictions['predict'] = async (seriesId, number, body, { caller }) => {
    const version = await resolve({ seriesId, version: number })
    const request = await parts.reader.prediction(body, contextOf(version))
    const limit = await limits.spendPrediction(seriesId, caller, request.frame.timesMs.length - request.from)
    return { prediction: await counted(version, request), limit }
  }

  const judgeBy: Predictions['judgeBy'] = async (seriesId, numbers, body, { caller }) => {
    const versions: ServedVersion[] = []
    for (const version of numbers) versions.push(await resolve({ seriesId, version }))
    const [first] = versions
    if (!first) return { predictions: [], limit: null }
    // What points must be is a matter of the series, alike for all its versions.
    const request = await parts.reader.prediction(body, contextOf(first))
    const limit = await limits.spendPrediction(seriesId, caller, request.frame.timesMs.length - request.from)
    const predictions: Prediction[] = []
    for (const version of versions)
      predictions.push(
        await parts.span(version, async () => judgeOnly(version, request, await models.load(version))),
      )
    return { predictions, limit }
  }

  const wantedOf = ({ seriesId, version }: ReadItem): Wanted => {
    if (typeof seriesId !== 'string' || !SERIES_ID.test(seriesId)) {
      throw new AppError(
        'INVALID_SERIES_ID',
        seriesId === undefined
          ? 'series_id is missing'
          : `${shown(seriesId)} cannot be the id of a series; use 1 to 128 letters, digits or _`,
      )
    }
    if (version === undefined || version === null) return { seriesId, version: null }
    const parsed = VersionName.safeParse(version)
    if (!parsed.success)
      throw new AppError(
        'INVALID_VERSION',
        `${shown(version)} is not the name of a version; they are like v3`,
      )
    return { seriesId, version: parsed.data }
  }

  /** An item and the version it asks for, or why there is no telling. */
  const asItem = (read: ReadItem): Item | FailedItem => {
    const { seriesId, body } = read
    const id = typeof seriesId === 'string' && SERIES_ID.test(seriesId) ? seriesId : null
    if (body instanceof AppError) return { seriesId: id, error: body }
    try {
      return { body, wanted: wantedOf(read) }
    } catch (error) {
      return { seriesId: id, error: requireAppError(error) }
    }
  }

  /** Reads an item and pays for it. */
  const admit = async (
    { body, wanted }: Item,
    lookup: Lookup,
    caller: LimitCaller,
  ): Promise<Admitted | FailedItem> => {
    const { seriesId } = wanted
    try {
      const version = requireFound(wanted, lookup)
      const request = parts.reader.item(body, contextOf(version))
      await limits.spendPrediction(seriesId, caller, request.frame.timesMs.length - request.from)
      return { version, request }
    } catch (error) {
      return { seriesId, error: requireAppError(error) }
    }
  }

  const judgeItem = async (
    { version, request }: Admitted,
    loaded: Loaded,
  ): Promise<Prediction | FailedItem> => {
    try {
      return await counted(version, request, loaded)
    } catch (error) {
      return { seriesId: version.seriesId, error: requireAppError(error) }
    }
  }

  const predictAcross: Predictions['predictAcross'] = async (body, { caller }) => {
    const items = (await parts.reader.items(body)).map(asItem)
    const asking = items.filter((item) => 'wanted' in item)
    const lookups = new Map<Item, Lookup>()
    const found = asking.length > 0 ? await served.find(asking.map(({ wanted }) => wanted)) : []
    for (const [i, item] of asking.entries()) lookups.set(item, found[i] as Lookup)
    const results: (Prediction | FailedItem)[] = []
    let turnMs = performance.now()
    const giveWay = async (): Promise<void> => {
      if (performance.now() - turnMs < TURN_MS) return
      await setImmediate()
      turnMs = performance.now()
    }
    for (let start = 0; start < items.length; start += LOADS_AT_ONCE) {
      const admitted: (Admitted | FailedItem)[] = []
      for (const item of items.slice(start, start + LOADS_AT_ONCE)) {
        admitted.push('error' in item ? item : await admit(item, lookups.get(item) as Lookup, caller))
        await giveWay()
      }
      // What is slow to load is waited for together.
      const loads = await Promise.all(
        admitted.map(async (one) => ('error' in one ? null : models.load(one.version))),
      )
      for (const [i, one] of admitted.entries()) {
        results.push('error' in one ? one : await judgeItem(one, loads[i] as Loaded))
        await giveWay()
      }
    }
    return results
  }

  return {
    predict,
    predictAcross,
    judgeBy,
    warmUp: async () => {
      if (parts.warmupModels === 0) return
      const start = performance.now()
      const since = new Date(clock.now().getTime() - WARM_HOURS * HOUR_MS)
      const versions = await served.learn(() => parts.mostPredicted(since, parts.warmupModels))
      await mapBounded(versions, LOADS_AT_ONCE, (version) => models.load(version))
      metrics.warmedUp((performance.now() - start) / 1000)
    },
    open: async (seriesId, number) => {
      const version = await resolve({ seriesId, version: number })
      return { version, loaded: await models.load(version) }
    },
  }
}

/** The channel whose column leads, of row `row` of what a member judged. */
export const leadingChannel = (prediction: Prediction, member: JudgedMember, row: number): string =>
  channelOf(prediction.frame.names[member.scores.leading[row] as number] ?? '')

export const warningsOf = (prediction: Prediction, member: JudgedMember, row: number): readonly Warning[] => {
  const at = prediction.from + row
  const timeMs = prediction.frame.timesMs[at] as number
  const warnings: Warning[] = []
  if (timeMs < prediction.pastMs) warnings.push('TIMESTAMP_FAR_PAST')
  if (timeMs > prediction.futureMs) warnings.push('TIMESTAMP_FAR_FUTURE')
  if (member.scores.short[row] === 1) warnings.push('SHORT_CONTEXT')
  if (prediction.outOfRange.has(at)) warnings.push('OUT_OF_RANGE')
  return warnings
}
