/**
 * Bodies with points, read, checked and hashed (series-service sections 2 and 4). The order of the checks is that of
 * the table there: the first that fails answers.
 */
import { LEAST_STD, momentsOf } from '../../ml/series/stats.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import { checkChannels, checkTimes, checkValues, frameOf } from './check-points.ts'
import { dataHashOf, fingerprintOf, paramsHashOf } from './fingerprint.ts'
import type { PointsBody, PredictionRequest, Read, SeriesContext, TrainingRequest } from './points.ts'
import { readBody } from './read-body.ts'
import type { RawBody, RawColumns } from './read-body.ts'
import { invalid, reading, Refused } from './refusal.ts'
import { EVERY_MEMBER, resolveMembers } from './resolve-members.ts'
import { CLASS_LIMITS, SERIES_PLANS } from './series.ts'
import type { SeriesPlan, TimestampUnit } from './series.ts'
import { Tags } from './tags.ts'

const DAY_S = 86_400
const MOST_CONTEXT = 4096
export const MOST_PREDICTED = 100_000

type Options = Readonly<Record<string, unknown>>

const TRAINING_OPTIONS: readonly string[] = ['models', 'history_days', 'rollout', 'tags', 'timestamp_unit']
const PREDICTION_OPTIONS: readonly string[] = ['models', 'timestamp_unit', 'version']

/** Options of the body, and those of the query where the body has none. */
const optionsOf = (body: Options, query: PointsBody['query'], known: readonly string[]): Options => {
  const options: Options = { ...query, ...body }
  const stranger = Object.keys(options).find((name) => !known.includes(name))
  if (stranger !== undefined) {
    throw invalid(
      `${JSON.stringify(stranger.slice(0, 40))} is not known here; besides points there are ${known.join(', ')}`,
    )
  }
  return options
}

const unitOf = (given: unknown, fallback: TimestampUnit): TimestampUnit => {
  if (given === undefined) return fallback
  if (given === 's' || given === 'ms') return given
  throw invalid('timestamp_unit is s or ms')
}

const planOf = (given: unknown): SeriesPlan => {
  if (given === undefined) return 'immediate'
  const plan = SERIES_PLANS.find((name) => name === given)
  if (!plan) throw invalid(`rollout is ${SERIES_PLANS.join(' or ')}`)
  return plan
}

const tagsOf = (given: unknown): Readonly<Record<string, string>> => {
  const parsed = Tags.safeParse(given ?? {})
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw invalid(
    `${['tags', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'must be an object of texts'}`,
  )
}

const daysOf = (given: unknown): number | null => {
  if (given === undefined) return null
  const days = typeof given === 'string' ? Number(given) : given
  if (typeof days === 'number' && days > 0 && Number.isFinite(days)) return days
  throw invalid('history_days is a number above 0')
}

/** The first of the rows that lie within the last `days`; times that are no numbers are told of later. */
const firstWithin = (times: ArrayLike<unknown>, days: number, unit: TimestampUnit): number => {
  let last = -Infinity
  for (let row = 0; row < times.length; row++) {
    const time = times[row]
    if (typeof time === 'number' && time > last) last = time
  }
  const from = last - days * DAY_S * (unit === 's' ? 1 : 1000)
  let row = 0
  while (row < times.length && typeof times[row] === 'number' && (times[row] as number) <= from) row++
  return row
}

const cut = (columns: RawColumns, from: number): RawColumns => {
  if (from === 0) return columns
  const slice = <T>(list: ArrayLike<T>): T[] => Array.prototype.slice.call(list, from)
  return {
    ...columns,
    n: columns.n - from,
    times: slice(columns.times),
    values: columns.values.map(slice),
    windows: columns.windows && {
      width: columns.windows.width,
      samples: columns.windows.samples.map((samples) =>
        samples.subarray(from * (columns.windows?.width ?? 0)),
      ),
    },
  }
}

const requireCount = (n: number, { minPoints, maxPoints, class: seriesClass }: SeriesContext): void => {
  if (n < minPoints) {
    const short = CLASS_LIMITS.short.min
    const hint = seriesClass === 'standard' ? `, or set class "short" (${short})` : ''
    throw new Refused('INSUFFICIENT_DATA', `needs ${minPoints} points, got ${n}; send more${hint}`, {
      needed: minPoints,
      got: n,
    })
  }
  if (n > maxPoints)
    throw new Refused('TOO_MANY_POINTS', `at most ${maxPoints} points, got ${n}; thin the series`, {
      most: maxPoints,
      got: n,
    })
}

const requireMovement = (frame: SeriesFrame, isWaveform: boolean): void => {
  const still = frame.names.flatMap((name, i) => {
    const { std } = momentsOf(frame.columns[i] as Float64Array)
    return std < LEAST_STD ? [{ name, std }] : []
  })
  const [first] = still
  // Of a waveform some figures may well stand still; a channel has one.
  if (!first || (isWaveform && still.length < frame.names.length)) return
  const what = isWaveform ? `every column barely moves` : `channel ${first.name} barely moves`
  throw new Refused(
    'CONSTANT_SERIES',
    `${what} (std ${Number(first.std.toPrecision(3))}); nothing to learn`,
    {
      channels: still.map(({ name }) => name),
    },
  )
}

/** Without rows there is no telling which channels; the count is what is wrong then. */
const requireSame = (columns: RawColumns, context: SeriesContext): void => {
  if (columns.n > 0) checkChannels(columns.channels, context.channels)
}

export const readTraining = (body: PointsBody, context: SeriesContext): Read<TrainingRequest> =>
  reading(() => {
    const raw = readBody(body)
    if (raw.context) throw invalid('a training has no context; send all its points')
    const options = optionsOf(raw.options, body.query, TRAINING_OPTIONS)
    const timestampUnit = unitOf(options['timestamp_unit'], context.timestampUnit)
    const days = daysOf(options['history_days'])
    const plan = planOf(options['rollout'])
    const tags = tagsOf(options['tags'])
    requireSame(raw.columns, context)
    const columns =
      days === null ? raw.columns : cut(raw.columns, firstWithin(raw.columns.times, days, timestampUnit))
    requireCount(columns.n, context)
    const members = resolveMembers(options['models'], columns.channels, context.defaultModels, context.class)
    const timesMs = checkTimes(columns.times, timestampUnit)
    const values = checkValues(columns, { class: context.class, ranges: context.ranges, refuseOutside: true })
    const frame = frameOf(timesMs, values)
    requireMovement(frame, context.class === 'waveform')
    const dataHash = dataHashOf(columns.channels, frame)
    const paramsHash = paramsHashOf(members)
    return {
      channels: columns.channels,
      frame,
      members,
      timestampUnit,
      plan,
      tags,
      dataHash,
      paramsHash,
      fingerprint: fingerprintOf(dataHash, paramsHash),
    }
  })

const modelsOf = (given: unknown): PredictionRequest['models'] => {
  if (given === undefined) return null
  if (given === EVERY_MEMBER) return EVERY_MEMBER
  const names = typeof given === 'string' ? given.split(',').map((name) => name.trim()) : given
  if (
    !Array.isArray(names) ||
    names.length === 0 ||
    !names.every((name): name is string => typeof name === 'string')
  )
    throw invalid('models is "all" or a list of names')
  return names.length === 1 && names[0] === EVERY_MEMBER ? EVERY_MEMBER : [...new Set(names)]
}

const join = (before: SeriesFrame, after: SeriesFrame): SeriesFrame => {
  const both = (a: Float64Array, b: Float64Array): Float64Array => {
    const joined = new Float64Array(a.length + b.length)
    joined.set(a)
    joined.set(b, a.length)
    return joined
  }
  return {
    names: after.names,
    timesMs: both(before.timesMs, after.timesMs),
    columns: after.columns.map((column, i) => both(before.columns[i] as Float64Array, column)),
  }
}

/** @throws Refused */
export const toPrediction = (
  raw: RawBody,
  query: PointsBody['query'],
  context: SeriesContext,
): PredictionRequest => {
  const options = optionsOf(raw.options, query, PREDICTION_OPTIONS)
  const unit = unitOf(options['timestamp_unit'], context.timestampUnit)
  const models = modelsOf(options['models'])
  const { columns } = raw
  if (columns.n === 0) throw invalid('points: at least one is needed')
  if (columns.n > MOST_PREDICTED)
    throw new Refused('TOO_MANY_POINTS', `at most ${MOST_PREDICTED} points, got ${columns.n}; split them`, {
      most: MOST_PREDICTED,
      got: columns.n,
    })
  requireSame(columns, context)
  const rules = { class: context.class, ranges: context.ranges, refuseOutside: false }
  const timesMs = checkTimes(columns.times, unit)
  const values = checkValues(columns, rules)
  const frame = frameOf(timesMs, values)
  if (!raw.context || raw.context.n === 0)
    return { frame, from: 0, timestampUnit: unit, models, outOfRange: values.outOfRange }
  const before = raw.context
  if (before.n > MOST_CONTEXT) throw invalid(`context has at most ${MOST_CONTEXT} rows, got ${before.n}`)
  requireSame(before, context)
  const beforeMs = checkTimes(before.times, unit)
  if ((beforeMs.at(-1) as number) >= (timesMs[0] as number))
    throw new Refused(
      'INVALID_TIMESTAMP',
      'row 0 is not after the last row of context; context comes before the points',
      { reason: 'order', rows: [0] },
    )
  return {
    frame: join(frameOf(beforeMs, checkValues(before, rules)), frame),
    from: before.n,
    timestampUnit: unit,
    models,
    outOfRange: values.outOfRange.map((row) => row + before.n),
  }
}

export const readPrediction = (body: PointsBody, context: SeriesContext): Read<PredictionRequest> =>
  reading(() => toPrediction(readBody(body), body.query, context))
