/** Reads bodies where it costs least: small ones here, large ones on a thread. */
import type { ComputePool } from '../compute.ts'
import { AppError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type {
  PointsBody,
  PredictionRequest,
  Read,
  Refusal,
  SeriesContext,
  TrainingRequest,
} from './points.ts'
import { packedItem, readItems } from './read-body.ts'
import type { RawBody, RawItem } from './read-body.ts'
import { readPrediction, readTraining, toPrediction } from './read-points.ts'
import { reading } from './refusal.ts'

export type ReadTask =
  | { readonly kind: 'training'; readonly body: PointsBody; readonly context: SeriesContext }
  | { readonly kind: 'prediction'; readonly body: PointsBody; readonly context: SeriesContext }
  | { readonly kind: 'items'; readonly body: PointsBody }
export type ReadResult = Read<TrainingRequest> | Read<PredictionRequest> | Read<readonly RawItem[]>

export const readPoints = (task: ReadTask): ReadResult => {
  if (task.kind === 'items') return reading(() => readItems(task.body).map(packedItem))
  return task.kind === 'training'
    ? readTraining(task.body, task.context)
    : readPrediction(task.body, task.context)
}

/** Of a body across series, as far as it can be read without knowing the series. */
export interface ReadItem extends Pick<RawItem, 'seriesId' | 'version'> {
  readonly body: RawBody | AppError
}

export interface PointReader {
  /** @throws AppError of the checks of section 4 */
  training(body: PointsBody, context: SeriesContext): Promise<TrainingRequest>
  /** @throws AppError likewise */
  prediction(body: PointsBody, context: SeriesContext): Promise<PredictionRequest>
  /** Of a body across series, each its own matter. @throws AppError for a body that holds no items */
  items(body: PointsBody): Promise<readonly ReadItem[]>
  /** The points of an item. @throws AppError as `prediction` */
  item(body: RawBody, context: SeriesContext): PredictionRequest
}

export interface PointReaderParts {
  readonly compute: Pick<ComputePool, 'run'>
  /** Larger bodies go to a thread. */
  readonly offloadBytes: number
  /** For the metrics. */
  readonly onRefused?: (code: ErrorCode) => void
}

export const createPointReader = ({ compute, offloadBytes, onRefused }: PointReaderParts): PointReader => {
  const refusal = ({ code, message, details }: Refusal): AppError => {
    onRefused?.(code)
    return new AppError(code, message, details ? { details } : {})
  }
  const accept = <T>(read: Read<T>): T => {
    if ('ok' in read) return read.ok
    throw refusal(read.refused)
  }
  const away = async <T>(task: ReadTask): Promise<Read<T>> =>
    (await compute.run('readPoints', task)) as Read<T>
  return {
    training: async (body, context) =>
      accept(
        body.bytes.length > offloadBytes
          ? await away<TrainingRequest>({ kind: 'training', body, context })
          : readTraining(body, context),
      ),
    prediction: async (body, context) =>
      accept(
        body.bytes.length > offloadBytes
          ? await away<PredictionRequest>({ kind: 'prediction', body, context })
          : readPrediction(body, context),
      ),
    items: async (body) => {
      const items = accept(
        body.bytes.length > offloadBytes
          ? await away<readonly RawItem[]>({ kind: 'items', body })
          : reading(() => readItems(body)),
      )
      return items.map((item) => ({
        ...item,
        body: 'ok' in item.body ? item.body.ok : refusal(item.body.refused),
      }))
    },
    item: (body, context) => accept(reading(() => toPrediction(body, {}, context))),
  }
}
