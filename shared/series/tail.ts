/** The last points a version was trained on, kept for plots and comparisons. */
import { ArtifactFormatError, decodeSafetensors, encodeSafetensors } from '../../ml/artifact/safetensors.ts'
import type { Tensor } from '../../ml/artifact/safetensors.ts'
import { sliceSeries } from '../../ml/series/frame.ts'
import type { SeriesFrame } from '../../ml/series/frame.ts'

const TIMES = 't'
/** Apart from `t`, whatever a column is called. */
const COLUMN = 'column/'

/** @param points how many to keep; 0: null */
export const encodeTail = (frame: SeriesFrame, points: number): Uint8Array | null => {
  const n = frame.timesMs.length
  if (points === 0 || n === 0) return null
  const tail = sliceSeries(frame, Math.max(0, n - points), n)
  const tensors = new Map<string, Tensor>([[TIMES, BigInt64Array.from(tail.timesMs, BigInt)]])
  tail.names.forEach((name, i) => tensors.set(COLUMN + name, tail.columns[i] as Float64Array))
  return encodeSafetensors(tensors, new Map())
}

/** @throws ArtifactFormatError when the file is not what `encodeTail` writes */
export const readTail = (bytes: Uint8Array): SeriesFrame => {
  // Views need the file at a multiple of 8; what was read may lie anywhere.
  const { tensors } = decodeSafetensors(bytes.byteOffset % 8 === 0 ? bytes : bytes.slice())
  const times = tensors.get(TIMES)
  if (!(times instanceof BigInt64Array)) throw new ArtifactFormatError('the tail has no times')
  const names: string[] = []
  for (const [name, tensor] of tensors) {
    if (name === TIMES) continue
    if (!name.startsWith(COLUMN) || !(tensor instanceof Float64Array) || tensor.length !== times.length)
      throw new ArtifactFormatError(`tensor ${name} is no column of the tail`)
    names.push(name.slice(COLUMN.length))
  }
  names.sort()
  return {
    names,
    timesMs: Float64Array.from(times, Number),
    columns: names.map((name) => tensors.get(COLUMN + name) as Float64Array),
  }
}
