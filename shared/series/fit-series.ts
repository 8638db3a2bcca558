/** Fits the members of a series model, one after the other; what fails fails alone. */
import { createHash } from 'node:crypto'
import { fitSlidingForest } from '../../ml/detectors/series/sliding-forest.ts'
import { zscoreScorer, ZSCORE_THRESHOLD } from '../../ml/detectors/series/zscore.ts'
import { encodeBundle, placesOf } from '../../ml/series/bundle.ts'
import type { FittedMember, MemberState } from '../../ml/series/bundle.ts'
import type { MemberRecord, MemberSpec } from '../../ml/series/member.ts'
import { momentsOf, statsOf } from '../../ml/series/stats.ts'
import { messageOf } from '../core/errors.ts'
import type { FitSeriesResult, FitSeriesTask } from './fit-task.ts'
import { encodeTail } from './tail.ts'

interface Fit {
  readonly fitted: MemberState
  readonly threshold: number
  readonly flagRate: number
}

const fitZscore = ({ frame }: FitSeriesTask, spec: MemberSpec, places: readonly number[]): Fit => {
  const moments = places.map((place) => momentsOf(frame.columns[place] as Float64Array))
  const state = {
    k: spec.params['k'] as number,
    mean: Float64Array.from(moments, ({ mean }) => mean),
    std: Float64Array.from(moments, ({ std }) => std),
  }
  const names = places.map((place) => frame.names[place] as string)
  const { anomalous } = zscoreScorer(state, spec, names, places).score(frame, 0)
  const flagged = anomalous.reduce((sum, one) => sum + one, 0)
  return {
    fitted: { family: 'zscore', state },
    threshold: ZSCORE_THRESHOLD,
    flagRate: flagged / anomalous.length,
  }
}

const fitForestMember = (task: FitSeriesTask, spec: MemberSpec, places: readonly number[]): Fit => {
  const { state, flagged, judged } = fitSlidingForest(
    task.frame,
    places,
    spec.params,
    task.class === 'waveform',
  )
  return {
    fitted: { family: 'isolation_forest', state },
    threshold: -state.forest.offset,
    flagRate: flagged / judged,
  }
}

const fitMember = (task: FitSeriesTask, spec: MemberSpec): Fit => {
  const places = placesOf(task.frame.names, spec.channels)
  switch (spec.family) {
    case 'zscore':
      return fitZscore(task, spec, places)
    case 'isolation_forest':
      return fitForestMember(task, spec, places)
    case 'autoencoder':
      throw new Error('autoencoders cannot be trained here')
  }
}

export const fitSeries = async (task: FitSeriesTask): Promise<FitSeriesResult> => {
  const fitted: FittedMember[] = []
  const members: MemberRecord[] = []
  for (const spec of task.members) {
    try {
      const fit = fitMember(task, spec)
      fitted.push({ spec, fitted: fit.fitted })
      members.push({
        ...spec,
        status: 'ready',
        threshold: fit.threshold,
        flagRate: fit.flagRate,
        error: null,
      })
    } catch (error) {
      members.push({ ...spec, status: 'failed', threshold: null, flagRate: null, error: messageOf(error) })
    }
  }
  const artifact =
    fitted.length === 0
      ? null
      : encodeBundle(fitted, {
          seriesId: task.seriesId,
          class: task.class,
          fingerprint: task.fingerprint,
          names: task.frame.names,
        })
  return {
    members,
    artifact,
    artifactSha256: artifact ? createHash('sha256').update(artifact).digest('hex') : '',
    tail: encodeTail(task.frame, task.tailPoints),
    ...statsOf(task.frame),
  }
}
