/** Fits the members of a series model, one after the other; what fails fails alone. Runs on a thread or in a process of its own. */
import { createHash } from 'node:crypto'
import { fitSlidingForest } from '../../ml/detectors/series/sliding-forest.ts'
import { fitZscore } from '../../ml/detectors/series/zscore.ts'
import { encodeBundle } from '../../ml/series/bundle.ts'
import type { BundleMember } from '../../ml/series/bundle.ts'
import { FitError, planMember } from '../../ml/series/family.ts'
import type { FittedMember, MemberPlan } from '../../ml/series/family.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import type { MemberRecord, MemberSpec, SeriesFamily } from '../../ml/series/member.ts'
import { statsOf } from '../../ml/series/stats.ts'
import { messageOf } from '../core/errors.ts'
import type { FitSeriesResult, FitSeriesTask } from './fit-task.ts'
import { encodeTail } from './tail.ts'

type Fit = (frame: SeriesFrame, plan: MemberPlan) => FittedMember | Promise<FittedMember>

/** TensorFlow is heavy, and most trainings have no autoencoder. */
const fitAutoencoder: Fit = async (frame, plan) => {
  const [{ openTensorflow }, { trainAutoencoder }] = await Promise.all([
    import('../compute/open-tensorflow.ts'),
    import('../../ml/tensor/train-autoencoder.ts'),
  ])
  return trainAutoencoder(await openTensorflow(), frame, plan)
}

const FIT: Readonly<Record<SeriesFamily, Fit>> = {
  zscore: fitZscore,
  isolation_forest: fitSlidingForest,
  autoencoder: fitAutoencoder,
}

const fitMember = ({ class: seriesClass, frame }: FitSeriesTask, spec: MemberSpec): ReturnType<Fit> => {
  const plan = planMember(spec, seriesClass === 'waveform', frame.names)
  if (!plan) throw new FitError(`one of the channels ${spec.channels.join(', ')} is not among the points`)
  return FIT[spec.family](frame, plan)
}

export const fitSeries = async (task: FitSeriesTask): Promise<FitSeriesResult> => {
  const fitted: BundleMember[] = []
  const members: MemberRecord[] = []
  for (const spec of task.members) {
    try {
      const member = await fitMember(task, spec)
      fitted.push({ spec, fitted: member })
      const { threshold, flagRate } = member
      members.push({ ...spec, status: 'ready', threshold, flagRate, error: null })
    } catch (error) {
      members.push({ ...spec, status: 'failed', threshold: null, flagRate: null, error: messageOf(error) })
    }
  }
  const { seriesId, class: seriesClass, fingerprint, frame, tailPoints } = task
  const identity = { seriesId, class: seriesClass, fingerprint, names: frame.names }
  const artifact = fitted.length === 0 ? null : encodeBundle(fitted, identity)
  return {
    members,
    artifact,
    artifactSha256: artifact ? createHash('sha256').update(artifact).digest('hex') : '',
    tail: encodeTail(frame, tailPoints),
    ...statsOf(frame),
  }
}
