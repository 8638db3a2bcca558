/**
 * The points of a training on their way from the request to the worker: a safetensors file, so that reading it
 * is views only. What the run's payload has no room for rides in its metadata.
 */
import { decodeSafetensors, encodeSafetensors } from '../../ml/artifact/safetensors.ts'
import type { Tensor } from '../../ml/artifact/safetensors.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'
import type { MemberSpec, SeriesClass } from '../../ml/series/member.ts'

const TIMES = 't'
/** Apart from `t`, whatever a column is called. */
const COLUMN = 'column/'

export interface Upload {
  readonly frame: SeriesFrame
  readonly class: SeriesClass
  readonly channels: readonly string[]
  readonly members: readonly MemberSpec[]
  readonly actor: string
  readonly correlationId: string | null
}

type Head = Omit<Upload, 'frame'>

export const encodeUpload = ({ frame, ...head }: Upload): Uint8Array => {
  const tensors = new Map<string, Tensor>([[TIMES, frame.timesMs]])
  frame.names.forEach((name, i) => tensors.set(COLUMN + name, frame.columns[i]!))
  return encodeSafetensors(tensors, new Map([['head', JSON.stringify(head)]]))
}

const doubles = (tensor: Tensor | undefined): Float64Array => {
  if (!(tensor instanceof Float64Array)) throw new Error('an upload lacks a column')
  return tensor
}

/**
 * @param bytes as `encodeUpload` wrote them; the frame's columns are views on them
 * @throws ArtifactFormatError when the file was cut
 */
export const decodeUpload = (bytes: Uint8Array): Upload => {
  const { tensors, metadata } = decodeSafetensors(bytes)
  const head = JSON.parse(metadata.get('head') ?? 'null') as Head
  const names = [...tensors.keys()]
    .filter((name) => name.startsWith(COLUMN))
    .map((name) => name.slice(COLUMN.length))
    .sort()
  return {
    ...head,
    frame: {
      names,
      timesMs: doubles(tensors.get(TIMES)),
      columns: names.map((name) => doubles(tensors.get(COLUMN + name))),
    },
  }
}
