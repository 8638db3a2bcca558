/** What a plot of a version shows: the last points it was trained on, where they were expected, and what is odd. */
import { ArtifactFormatError } from '../../ml/artifact/safetensors.ts'
import { channelOf } from '../../ml/series/frame.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import { baselineScorer } from '../../ml/series/bundle.ts'
import type { MemberRecord, MemberScorer, MemberScores } from '../../ml/series/member.ts'
import type { ComputePool } from '../compute.ts'
import { AppError } from '../core/errors.ts'
import type { SeriesCatalogue } from './catalogue.ts'
import type { SeriesFiles } from './files.ts'
import type { Loaded } from './model-cache.ts'
import type { Predictions } from './predictions.ts'
import type { VersionSummary } from './registry-store.ts'
import type { SeriesVersion } from './series.ts'
import { readTail } from './tail.ts'

export interface PlotColumn {
  readonly name: string
  readonly values: Float64Array
  /** NaN where a row has too little history to be judged; null: the model does not look at this column. */
  readonly low: Float64Array | null
  readonly high: Float64Array | null
}

export interface OddPoint {
  readonly row: number
  readonly score: number
  /** Furthest from what was expected. */
  readonly column: string
}

export interface PlotData {
  readonly version: SeriesVersion
  /** Versions of the series, newest first, for a choice. */
  readonly versions: readonly Pick<VersionSummary, 'version' | 'state' | 'aliases'>[]
  /** The member whose verdicts are shown. */
  readonly member: string
  /** Those that can be chosen. */
  readonly members: readonly string[]
  /** A score above it is odd. */
  readonly threshold: number
  readonly timesMs: Float64Array
  readonly columns: readonly PlotColumn[]
  /** Ascending by row. */
  readonly anomalies: readonly OddPoint[]
  /** What the reader has to know of the picture. */
  readonly notice: string | null
}

export interface Plots {
  /**
   * @param version null: the one `stable` names
   * @param member null: the primary
   * @throws MODEL_NOT_FOUND, INVALID_VERSION, VERSION_ARCHIVED, UNKNOWN_MODEL
   */
  of(seriesId: string, version: number | null, member: string | null): Promise<PlotData>
}

export interface PlotsParts {
  readonly catalogue: Pick<SeriesCatalogue, 'version' | 'versions'>
  readonly files: Pick<SeriesFiles, 'readWhole'>
  readonly predictions: Pick<Predictions, 'open'>
  readonly compute: Pick<ComputePool, 'run'>
}

const MOST_VERSIONS = 100
/** More rows are judged on a thread. */
const MOST_HERE = 10_000
const LATEST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
const EMPTY: SeriesFrame = { names: [], timesMs: new Float64Array(0), columns: [] }

const NO_POINTS =
  'No points are kept with this version (SERIES_KEEP_POINTS was 0 when it was trained), so there is nothing to draw.'
const UNREADABLE =
  'The points kept with this version are damaged or gone, so there is nothing to draw; train it again.'
const BY_BASELINE =
  'The file of the model cannot be read: the band and the odd points are those of the baseline, mean ± 3 std.'

/** Whether these may be points that were taken in; no hash is kept of a tail. */
const isPlausible = ({ timesMs, columns }: SeriesFrame): boolean =>
  timesMs.every((ms, row) => ms > 0 && ms <= LATEST_MS && (row === 0 || ms > (timesMs[row - 1] as number))) &&
  columns.every((column) => column.every(Number.isFinite))

/** A damaged file is as good as none: what it held can be trained again. */
const pointsOf = (bytes: Uint8Array | null): SeriesFrame => {
  if (!bytes) return EMPTY
  try {
    const frame = readTail(bytes)
    return isPlausible(frame) ? frame : EMPTY
  } catch (error) {
    if (error instanceof ArtifactFormatError) return EMPTY
    throw error
  }
}

interface Judged {
  /** Row of the first verdict. */
  readonly from: number
  readonly scores: MemberScores
}

const bandOf = (
  { from, scores }: Judged,
  name: string,
  side: 'low' | 'high',
  rows: number,
): Float64Array | null => {
  const band = scores.expected.find(({ column }) => column === name)
  if (!band) return null
  const whole = new Float64Array(rows).fill(Number.NaN)
  whole.set(band[side], from)
  return whole
}

const oddPoints = ({ from, scores }: Judged, names: readonly string[]): OddPoint[] => {
  const odd: OddPoint[] = []
  scores.anomalous.forEach((flag, i) => {
    if (flag === 0) return
    const column = names[scores.leading[i] as number] ?? ''
    odd.push({ row: from + i, score: scores.score[i] as number, column })
  })
  return odd
}

export const createPlots = ({ catalogue, files, predictions, compute }: PlotsParts): Plots => {
  /** Null: this member cannot judge. */
  const judgeBy = async (
    frame: SeriesFrame,
    loaded: Loaded,
    member: string,
    scorer: MemberScorer,
  ): Promise<Judged | null> => {
    const from = Math.min(scorer.neededHistory, frame.timesMs.length)
    try {
      if (!('model' in loaded) || frame.timesMs.length <= MOST_HERE)
        return { from, scores: scorer.score(frame, from) }
      const task = { bytes: loaded.model.bytes, frame, from, members: [member] }
      const [scores] = await compute.run('scoreSeries', task)
      return !scores || 'failed' in scores ? null : { from, scores }
    } catch {
      return null
    }
  }

  const judge = async (
    frame: SeriesFrame,
    version: SeriesVersion,
    loaded: Loaded,
    member: MemberRecord,
  ): Promise<Judged & { readonly byBaseline: boolean }> => {
    const scorer = 'model' in loaded ? loaded.model.bundle.scorers.get(member.name) : undefined
    const judged = scorer && (await judgeBy(frame, loaded, member.name, scorer))
    if (judged) return { ...judged, byBaseline: false }
    const baseline = baselineScorer(version.baseline, frame.names, member.channels)
    return { from: 0, scores: baseline.score(frame, 0), byBaseline: true }
  }

  return {
    of: async (seriesId, number, wanted) => {
      const { version: served, loaded } = await predictions.open(seriesId, number)
      const version = await catalogue.version(seriesId, served.version)
      const { rows: versions } = await catalogue.versions({
        filter: { seriesId },
        order: 'series_id',
        pageSize: MOST_VERSIONS,
        cursor: null,
      })
      const ready = version.members.filter(({ status }) => status === 'ready')
      const member = wanted === null ? ready[0] : ready.find(({ name }) => name === wanted)
      if (!member) {
        const known = ready.map(({ name }) => name)
        throw new AppError(
          'UNKNOWN_MODEL',
          `version v${version.version} of series ${seriesId} has no model ${JSON.stringify((wanted ?? '').slice(0, 40))}; it has ${known.join(', ')}`,
          { details: { known } },
        )
      }
      const bytes = version.tailUri === null ? null : await files.readWhole(version.tailUri)
      const frame = pointsOf(bytes)
      const rows = frame.timesMs.length
      const judged = await judge(frame, version, loaded, member)
      return {
        version,
        versions,
        member: member.name,
        members: ready.map(({ name }) => name),
        threshold: judged.byBaseline ? 0.5 : (member.threshold ?? 0.5),
        timesMs: frame.timesMs,
        columns: frame.names.map((name, i) => ({
          name,
          values: frame.columns[i] as Float64Array,
          low: bandOf(judged, name, 'low', rows),
          high: bandOf(judged, name, 'high', rows),
        })),
        anomalies: oddPoints(judged, frame.names),
        notice:
          version.tailUri === null
            ? NO_POINTS
            : rows === 0
              ? UNREADABLE
              : judged.byBaseline
                ? BY_BASELINE
                : null,
      }
    },
  }
}

/** How a column is called where people read it: `radial, rms` for `radial.rms`. */
export const headingOf = (column: string): string => {
  const channel = channelOf(column)
  return column === channel ? channel : `${channel}, ${column.slice(channel.length + 1)}`
}
