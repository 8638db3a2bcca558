/** Reads bodies where it costs least: small ones here, large ones on a thread. */
import type { ComputePool } from '../compute.ts'
import { AppError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { PointsBody, PredictionRequest, Read, SeriesContext, TrainingRequest } from './points.ts'
import { readPrediction, readTraining } from './read-points.ts'

export type ReadTask =
  | { readonly kind: 'training'; readonly body: PointsBody; readonly context: SeriesContext }
  | { readonly kind: 'prediction'; readonly body: PointsBody; readonly context: SeriesContext }
export type ReadResult = Read<TrainingRequest> | Read<PredictionRequest>

export const readPoints = (task: ReadTask): ReadResult =>
  task.kind === 'training' ? readTraining(task.body, task.context) : readPrediction(task.body, task.context)

export interface PointReader {
  /** @throws AppError of the checks of section 4 */
  training(body: PointsBody, context: SeriesContext): Promise<TrainingRequest>
  /** @throws AppError likewise */
  prediction(body: PointsBody, context: SeriesContext): Promise<PredictionRequest>
}

export interface PointReaderParts {
  readonly compute: Pick<ComputePool, 'run'>
  /** Larger bodies go to a thread. */
  readonly offloadBytes: number
  /** For the metrics. */
  readonly onRefused?: (code: ErrorCode) => void
}

export const createPointReader = ({ compute, offloadBytes, onRefused }: PointReaderParts): PointReader => {
  const accept = <T>(read: Read<T>): T => {
    if ('ok' in read) return read.ok
    const { code, message, details } = read.refused
    onRefused?.(code)
    throw new AppError(code, message, details ? { details } : {})
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
  }
}
