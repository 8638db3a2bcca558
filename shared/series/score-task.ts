/** Judging many rows at once: what goes to a thread, and what comes back. */
import { openBundle } from '../../ml/series/bundle.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import type { MemberScores } from '../../ml/series/member.ts'
import { messageOf } from '../core/errors.ts'

export interface ScoreTask {
  /** The artifact. */
  readonly bytes: SharedArrayBuffer
  readonly frame: SeriesFrame
  readonly from: number
  readonly members: readonly string[]
}

/** Where a member could not judge, why not. */
export type ScoreResult = readonly (MemberScores | { readonly failed: string })[]

export const scoreSeries = ({ bytes, frame, from, members }: ScoreTask): ScoreResult => {
  const { scorers } = openBundle(new Uint8Array(bytes))
  return members.map((name) => {
    try {
      return scorers.get(name)?.score(frame, from) ?? { failed: 'the artifact does not hold it' }
    } catch (error) {
      return { failed: messageOf(error) }
    }
  })
}
