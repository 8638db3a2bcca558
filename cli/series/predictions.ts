/** Verdicts as a person reads them: the odd ones, most unusual first. */
import { leadingChannel, warningsOf } from '../../shared/series/predictions.ts'
import type { Prediction } from '../../shared/series/predictions.ts'

export interface OddRow {
  /** ISO 8601 without zone, UTC. */
  readonly time: string
  readonly model: string
  readonly channel: string
  readonly score: number
  readonly value: number | null
  readonly low: number | null
  readonly high: number | null
  readonly note: string
}

const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null

export const predictionTable = (
  prediction: Prediction,
): { readonly odd: readonly OddRow[]; readonly judged: number } => {
  const { frame, from, members } = prediction
  const odd: OddRow[] = []
  let judged = 0
  for (const member of members) {
    const { scores } = member
    judged += scores.anomalous.length
    scores.anomalous.forEach((flag, row) => {
      if (flag === 0) return
      const column = scores.leading[row] as number
      const band = scores.expected.find((one) => one.column === frame.names[column])
      odd.push({
        time: new Date(frame.timesMs[from + row] as number).toISOString().slice(0, 19).replace('T', ' '),
        model: member.name,
        channel: leadingChannel(prediction, member, row),
        score: scores.score[row] as number,
        value: finite(frame.columns[column]?.[from + row]),
        low: finite(band?.low[row]),
        high: finite(band?.high[row]),
        note: [
          member.fallback === null ? '' : `baseline: ${member.fallback}`,
          ...warningsOf(prediction, member, row).filter((text) => text !== 'TIMESTAMP_FAR_PAST'),
        ]
          .filter((text) => text !== '')
          .join(', '),
      })
    })
  }
  return { odd: odd.sort((a, b) => b.score - a.score || (a.time < b.time ? -1 : 1)), judged }
}
