/** What makes two trainings the same (series-service section 4): equal points and equal members. */
import { createHash } from 'node:crypto'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import { ALGORITHMS } from '../../ml/series/member.ts'
import type { MemberSpec } from '../../ml/series/member.ts'

const bytesOf = (array: Float64Array | BigInt64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/**
 * Over the names of the columns, the times as int64 and the columns as float64, little-endian as all of Node's
 * machines are.
 * @param channels ascending
 */
export const dataHashOf = (channels: readonly string[], frame: SeriesFrame): string => {
  const hash = createHash('sha256')
  hash.update(`vigia.points/1\n${channels.join(',')}\n${frame.timesMs.length}\n`, 'ascii')
  hash.update(bytesOf(BigInt64Array.from(frame.timesMs, BigInt)))
  for (const column of frame.columns) hash.update(bytesOf(column))
  return hash.digest('hex')
}

/** RFC 8785: keys in order, numbers as ECMAScript writes them, which JSON.stringify does. */
const canonical = (params: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1)))

/** The text params_hash is of. */
export const paramsText = (members: readonly MemberSpec[]): string =>
  JSON.stringify(
    members.map(({ name, family, channels, params }) => ({
      algorithm: ALGORITHMS[family],
      channels,
      name,
      params: canonical(params),
    })),
  )

export const paramsHashOf = (members: readonly MemberSpec[]): string => sha256(paramsText(members))

export const fingerprintOf = (dataHash: string, paramsHash: string): string =>
  sha256(`vigia.fingerprint/1\n${dataHash}\n${paramsHash}\n`)
