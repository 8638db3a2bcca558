/** What a plot of a version shows: the last points it was trained on, where they were expected, and what is odd. */
import { ArtifactFormatError } from '../../ml/artifact/safetensors.ts'
import { channelOf } from '../../ml/series/frame.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import { baselineScorer } from '../../ml/series/bundle.ts'
import { AppError } from '../core/errors.ts'
import type { SeriesCatalogue } from './catalogue.ts'
import type { SeriesFiles } from './files.ts'
import type { Predictions } from './predictions.ts'
import type { SeriesVersion } from './series.ts'
import { readTail } from './tail.ts'

export interface PlotColumn {
  readonly name: string
  readonly values: Float64Array
  readonly low: Float64Array | null
  readonly high: Float64Array | null
}

export interface PlotData {
  readonly version: SeriesVersion
  /** All versions of the series, newest first, for a choice. */
  readonly versions: readonly number[]
  /** The member whose verdicts are shown. */
  readonly member: string
  readonly members: readonly string[]
  readonly timesMs: Float64Array
  readonly columns: readonly PlotColumn[]
  /** Rows that are odd, ascending. */
  readonly anomalies: readonly { readonly row: number; readonly score: number; readonly column: string }[]
  /** What the reader has to know of the picture. */
  readonly notice: string | null
}

export interface Plots {
  /** @throws MODEL_NOT_FOUND, INVALID_VERSION, VERSION_ARCHIVED, UNKNOWN_MODEL */
  of(seriesId: string, version: number | null, member: string | null): Promise<PlotData>
}

export interface PlotsParts {
  readonly catalogue: Pick<SeriesCatalogue, 'version' | 'versions'>
  readonly files: Pick<SeriesFiles, 'readWhole'>
  readonly predictions: Pick<Predictions, 'open'>
}

const MOST_VERSIONS = 100
const EMPTY: SeriesFrame = { names: [], timesMs: new Float64Array(0), columns: [] }

/** A damaged file is as good as none: what it held can be trained again. */
const pointsOf = (bytes: Uint8Array | null): SeriesFrame => {
  if (!bytes) return EMPTY
  try {
    return readTail(bytes)
  } catch (error) {
    if (error instanceof ArtifactFormatError) return EMPTY
    throw error
  }
}

export const createPlots = ({ catalogue, files, predictions }: PlotsParts): Plots => ({
  of: async (seriesId, number, wanted) => {
    const { version: served, loaded } = await predictions.open(seriesId, number)
    const version = await catalogue.version(seriesId, served.version)
    const { rows: versions } = await catalogue.versions({
      filter: { seriesId },
      order: 'created_at',
      pageSize: MOST_VERSIONS,
      cursor: null,
    })
    const members = version.members.filter(({ status }) => status === 'ready').map(({ name }) => name)
    const member = wanted ?? members[0] ?? ''
    if (!members.includes(member)) {
      throw new AppError(
        'UNKNOWN_MODEL',
        `version v${version.version} of series ${seriesId} has no model ${JSON.stringify(member.slice(0, 40))}; it has ${members.join(', ')}`,
        { details: { known: members } },
      )
    }
    const bytes = version.tailUri === null ? null : await files.readWhole(version.tailUri)
    const frame = pointsOf(bytes)
    const scorer = 'model' in loaded ? loaded.model.bundle.scorers.get(member) : undefined
    const judge = scorer ?? baselineScorer(version.baseline, frame.names, version.channels)
    const from = Math.min(judge.neededHistory, frame.timesMs.length)
    const scores = judge.score(frame, from)
    const bandOf = (name: string, side: 'low' | 'high'): Float64Array | null => {
      const band = scores.expected.find(({ column }) => column === name)
      if (!band) return null
      const whole = new Float64Array(frame.timesMs.length).fill(Number.NaN)
      whole.set(band[side], from)
      return whole
    }
    return {
      version,
      versions: versions.map((one) => one.version),
      member,
      members,
      timesMs: frame.timesMs,
      columns: frame.names.map((name, i) => ({
        name,
        values: frame.columns[i] as Float64Array,
        low: bandOf(name, 'low'),
        high: bandOf(name, 'high'),
      })),
      anomalies: [...scores.anomalous].flatMap((odd, row) =>
        odd === 1
          ? [
              {
                row: row + from,
                score: scores.score[row] as number,
                column: frame.names[scores.leading[row] as number] ?? '',
              },
            ]
          : [],
      ),
      notice: !bytes
        ? 'No points are kept with this version (SERIES_KEEP_POINTS), so there is nothing to draw.'
        : frame === EMPTY
          ? 'The points kept with this version cannot be read, so there is nothing to draw.'
          : scorer
            ? null
            : 'The model file cannot be read; the band is that of the baseline.',
    }
  },
})

/** The channel a column belongs to, for headings. */
export const headingOf = (column: string): string => {
  const channel = channelOf(column)
  return column === channel ? channel : `${channel}, ${column.slice(channel.length + 1)}`
}
