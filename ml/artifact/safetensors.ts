/**
 * safetensors (huggingface/safetensors, format 0.x): u64 LE header length, JSON header, tensors. The header
 * is padded with spaces so that the data starts at a multiple of 8 and reading is views only.
 *
 * Readers trust nothing: every length, offset, type and shape is checked before a view is made, and a
 * damaged or foreign file ends in `ArtifactFormatError`, never in a wrong number.
 */

export type Tensor =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Uint32Array
  | Uint16Array
  | Uint8Array

interface TensorType {
  readonly bytes: number
  readonly view: (buffer: ArrayBufferLike, offset: number, length: number) => Tensor
}

/** Ordered by size: written in this order every tensor is aligned without padding. */
const TYPES: ReadonlyMap<string, TensorType> = new Map([
  ['F64', { bytes: 8, view: (b: ArrayBufferLike, o: number, n: number) => new Float64Array(b, o, n) }],
  ['I64', { bytes: 8, view: (b: ArrayBufferLike, o: number, n: number) => new BigInt64Array(b, o, n) }],
  ['F32', { bytes: 4, view: (b: ArrayBufferLike, o: number, n: number) => new Float32Array(b, o, n) }],
  ['I32', { bytes: 4, view: (b: ArrayBufferLike, o: number, n: number) => new Int32Array(b, o, n) }],
  ['U32', { bytes: 4, view: (b: ArrayBufferLike, o: number, n: number) => new Uint32Array(b, o, n) }],
  ['U16', { bytes: 2, view: (b: ArrayBufferLike, o: number, n: number) => new Uint16Array(b, o, n) }],
  ['U8', { bytes: 1, view: (b: ArrayBufferLike, o: number, n: number) => new Uint8Array(b, o, n) }],
])

const typeOf = (tensor: Tensor): string => {
  if (tensor instanceof Float64Array) return 'F64'
  if (tensor instanceof BigInt64Array) return 'I64'
  if (tensor instanceof Float32Array) return 'F32'
  if (tensor instanceof Int32Array) return 'I32'
  if (tensor instanceof Uint32Array) return 'U32'
  if (tensor instanceof Uint16Array) return 'U16'
  return 'U8'
}

const LENGTH_BYTES = 8
const ALIGNMENT = 8
/** The format's own bound is 100 MB; a model header is a few hundred bytes. */
const MAX_HEADER_BYTES = 1 << 20
const MAX_TENSORS = 4096
const METADATA = '__metadata__'

/** What is wrong with the file, for an operator to read. */
export class ArtifactFormatError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ArtifactFormatError'
  }
}

export interface Container {
  readonly tensors: ReadonlyMap<string, Tensor>
  /** Lengths of the dimensions, one or two; a tensor itself is flat, row after row. */
  readonly shapes: ReadonlyMap<string, readonly number[]>
  readonly metadata: ReadonlyMap<string, string>
  /** The tensor bytes, which a checksum in the metadata can cover. */
  readonly data: Uint8Array
}

/** Names are written sorted within a type, so the same content gives the same bytes. */
const layOut = (tensors: ReadonlyMap<string, Tensor>): { name: string; type: string; tensor: Tensor }[] => {
  const order = [...TYPES.keys()]
  return [...tensors]
    .map(([name, tensor]) => ({ name, type: typeOf(tensor), tensor }))
    .sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type) || (a.name < b.name ? -1 : 1))
}

/** The bytes that `encodeSafetensors` will put behind the header, e.g. to hash them for the metadata. */
export const tensorBytes = (tensors: ReadonlyMap<string, Tensor>): Uint8Array => {
  const entries = layOut(tensors)
  const data = new Uint8Array(entries.reduce((sum, { tensor }) => sum + tensor.byteLength, 0))
  let offset = 0
  for (const { tensor } of entries) {
    data.set(new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength), offset)
    offset += tensor.byteLength
  }
  return data
}

/** One-dimensional tensors and text metadata as one file. Little-endian machines only, as all of Node's. */
export const encodeSafetensors = (
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string>,
  data: Uint8Array = tensorBytes(tensors),
): Uint8Array => {
  let offset = 0
  // Entries, not assignments: a tensor may be called `__proto__`.
  const header: [string, unknown][] = [[METADATA, Object.fromEntries(metadata)]]
  for (const { name, type, tensor } of layOut(tensors)) {
    const end = offset + tensor.byteLength
    header.push([name, { dtype: type, shape: [tensor.length], data_offsets: [offset, end] }])
    offset = end
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
  const padded = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT
  const file = new Uint8Array(LENGTH_BYTES + padded + data.length)
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true)
  file.set(text, LENGTH_BYTES)
  file.fill(0x20, LENGTH_BYTES + text.length, LENGTH_BYTES + padded)
  file.set(data, LENGTH_BYTES + padded)
  return file
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const readHeader = (file: Uint8Array): { header: Record<string, unknown>; dataStart: number } => {
  if (file.length < LENGTH_BYTES)
    throw new ArtifactFormatError(`${file.length} bytes are too few for a header`)
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true)
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new ArtifactFormatError(`a header of ${length} bytes is over the limit of ${MAX_HEADER_BYTES}`)
  }
  const dataStart = LENGTH_BYTES + Number(length)
  if (dataStart > file.length) {
    throw new ArtifactFormatError(`the header ends at byte ${dataStart}, the file at ${file.length}`)
  }
  if (dataStart % ALIGNMENT !== 0)
    throw new ArtifactFormatError(`the data starts at byte ${dataStart}, not at a multiple of 8`)
  let header: unknown
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(LENGTH_BYTES, dataStart))
    header = JSON.parse(text)
  } catch {
    throw new ArtifactFormatError('the header is not JSON')
  }
  if (!isRecord(header)) throw new ArtifactFormatError('the header is not a JSON object')
  return { header, dataStart }
}

const readMetadata = (value: unknown): Map<string, string> => {
  if (value === undefined) return new Map()
  if (!isRecord(value)) throw new ArtifactFormatError('__metadata__ is not an object')
  return new Map(
    Object.entries(value).map(([key, text]) => {
      if (typeof text !== 'string') throw new ArtifactFormatError(`metadata ${key} is not a text`)
      return [key, text]
    }),
  )
}

interface Entry {
  readonly name: string
  readonly type: TensorType
  readonly shape: readonly number[]
  readonly length: number
  readonly begin: number
  readonly end: number
}

const readEntry = (name: string, value: unknown, dataLength: number): Entry => {
  if (!isRecord(value)) throw new ArtifactFormatError(`tensor ${name} is not an object`)
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
  const type = typeof dtype === 'string' ? TYPES.get(dtype) : undefined
  if (!type)
    throw new ArtifactFormatError(`tensor ${name} has the unknown type ${String(dtype).slice(0, 20)}`)
  if (!Array.isArray(shape) || shape.length < 1 || shape.length > 2 || !shape.every(isCount)) {
    throw new ArtifactFormatError(`tensor ${name} has neither one dimension nor two`)
  }
  const length = shape.reduce((product: number, size: number) => product * size, 1)
  if (!isCount(length)) throw new ArtifactFormatError(`tensor ${name} has no usable shape`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !isCount(offsets[0]) || !isCount(offsets[1])) {
    throw new ArtifactFormatError(`tensor ${name} has no usable data_offsets`)
  }
  const [begin, end] = offsets as [number, number]
  if (end > dataLength || begin > end) {
    throw new ArtifactFormatError(`tensor ${name} spans bytes ${begin} to ${end} of ${dataLength}`)
  }
  if (end - begin !== length * type.bytes) {
    throw new ArtifactFormatError(
      `tensor ${name} has ${end - begin} bytes for ${length} values of ${type.bytes}`,
    )
  }
  if (begin % type.bytes !== 0) throw new ArtifactFormatError(`tensor ${name} is not aligned`)
  return { name, type, shape, length, begin, end }
}

/**
 * Views on the tensors of `file`, which must start at a multiple of 8 in its buffer.
 * @throws ArtifactFormatError naming what is wrong
 */
export const decodeSafetensors = (file: Uint8Array): Container => {
  if (file.byteOffset % ALIGNMENT !== 0) throw new ArtifactFormatError('the file is not aligned in memory')
  const { header, dataStart } = readHeader(file)
  const dataLength = file.length - dataStart
  const { [METADATA]: metadata, ...named } = header
  const entries = Object.entries(named).map(([name, value]) => readEntry(name, value, dataLength))
  if (entries.length > MAX_TENSORS)
    throw new ArtifactFormatError(`${entries.length} tensors are over the limit of ${MAX_TENSORS}`)
  // Every byte belongs to one tensor. A name given twice cannot hide bytes either: JSON keeps the last of
  // the two, and what only the first one spans is then nobody's.
  let covered = 0
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      throw new ArtifactFormatError(`tensor ${name} starts at byte ${begin}, expected ${covered}`)
    covered = end
  }
  if (covered !== dataLength)
    throw new ArtifactFormatError(`${dataLength - covered} bytes belong to no tensor`)
  return {
    tensors: new Map(
      entries.map((entry) => [
        entry.name,
        entry.type.view(file.buffer, file.byteOffset + dataStart + entry.begin, entry.length),
      ]),
    ),
    shapes: new Map(entries.map(({ name, shape }) => [name, shape])),
    metadata: readMetadata(metadata),
    data: file.subarray(dataStart),
  }
}
