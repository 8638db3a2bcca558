import { expect } from 'chai'
import * as fc from 'fast-check'
import {
  ArtifactFormatError,
  decodeSafetensors,
  encodeSafetensors,
  tensorBytes,
  type Tensor,
} from '../../../../ml/artifact/safetensors.ts'

/** A file as the format describes it; `data` defaults to 8 zero bytes. */
const fileOf = (header: unknown, data: Uint8Array = new Uint8Array(8), pad = true): Uint8Array => {
  const json = typeof header === 'string' ? header : JSON.stringify(header)
  const text = new TextEncoder().encode(pad ? json.padEnd(Math.ceil(json.length / 8) * 8) : json)
  const file = new Uint8Array(8 + text.length + data.length)
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true)
  file.set(text, 8)
  file.set(data, 8 + text.length)
  return file
}

const entry = (dtype: string, length: number, begin: number, end: number) => ({
  dtype,
  shape: [length],
  data_offsets: [begin, end],
})

const name = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty'),
  )
  .filter((text) => text !== '__metadata__')
const tensor: fc.Arbitrary<Tensor> = fc.oneof(
  fc.float64Array({ maxLength: 9 }),
  fc.bigInt64Array({ maxLength: 9 }),
  fc.float32Array({ maxLength: 9 }),
  fc.int32Array({ maxLength: 9 }),
  fc.uint32Array({ maxLength: 9 }),
  fc.uint16Array({ maxLength: 9 }),
  fc.uint8Array({ maxLength: 9 }),
)
const tensors = fc.array(fc.tuple(name, tensor), { maxLength: 6 }).map((entries) => new Map(entries))
const metadata = fc
  .array(fc.tuple(name, fc.string({ unit: 'grapheme' })), { maxLength: 4 })
  .map((all) => new Map(all))

describe('ml/artifact/safetensors', () => {
  it('gives back what was written, whatever it was', () => {
    fc.assert(
      fc.property(tensors, metadata, (written, texts) => {
        const read = decodeSafetensors(encodeSafetensors(written, texts))
        expect([...read.tensors.keys()]).to.have.members([...written.keys()])
        for (const [key, values] of written) expect(read.tensors.get(key), key).to.deep.equal(values)
        expect(new Map(read.metadata)).to.deep.equal(texts)
        expect(read.data).to.deep.equal(tensorBytes(written))
      }),
    )
  })

  it('gives the same bytes for the same content in any order', () => {
    const one: [string, Tensor] = ['one', Float32Array.of(1)]
    const two: [string, Tensor] = ['two', Float32Array.of(2)]
    const small: [string, Tensor] = ['a', Uint8Array.of(3)]
    const expected = encodeSafetensors(new Map([one, two, small]), new Map())
    expect(encodeSafetensors(new Map([small, two, one]), new Map())).to.deep.equal(expected)
  })

  it('writes these very bytes', () => {
    const header =
      '{"__metadata__":{"made_by":"hand"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' +
      '"y":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}'
    // 1.5 is 3fc00000 and -2 is c0000000, least byte first.
    const data = Uint8Array.of(0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0, 7, 8, 9)
    const contents = new Map<string, Tensor>([
      ['y', Uint8Array.of(7, 8, 9)],
      ['x', Float32Array.of(1.5, -2)],
    ])
    expect(encodeSafetensors(contents, new Map([['made_by', 'hand']]))).to.deep.equal(fileOf(header, data))
  })

  it('reads a file written by others: fields in any order, no metadata', () => {
    const header = '{"n":{"data_offsets":[0,8],"shape":[1],"dtype":"I64"}}'
    const read = decodeSafetensors(fileOf(header, Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0)))
    expect(read.tensors.get('n')).to.deep.equal(BigInt64Array.of(257n))
    expect(read.metadata.size).to.equal(0)
  })

  const refused: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['an empty file', new Uint8Array(0), /too few/],
    ['seven bytes', new Uint8Array(7), /too few/],
    ['a header over 1 MiB', fileOf(' '.repeat((1 << 20) + 8)), /over the limit/],
    ['a header of 2^64 - 1 bytes', new Uint8Array(16).fill(0xff), /over the limit/],
    ['a header beyond the end', fileOf({}).subarray(0, 12), /the header ends at/],
    ['data that is not aligned', fileOf('{}', new Uint8Array(8), false), /multiple of 8/],
    ['a header that is not JSON', fileOf('{"x":'), /not JSON/],
    ['a header that is a list', fileOf([]), /not a JSON object/],
    ['a header that is null', fileOf('null'), /not a JSON object/],
    ['metadata that is a list', fileOf({ __metadata__: [], x: entry('F64', 1, 0, 8) }), /not an object/],
    ['metadata with a number', fileOf({ __metadata__: { n: 1 }, x: entry('F64', 1, 0, 8) }), /not a text/],
    ['a tensor that is no object', fileOf({ x: 1 }), /not an object/],
    ['an unknown type', fileOf({ x: entry('F16', 4, 0, 8) }), /unknown type F16/],
    ['a type named like a method', fileOf({ x: entry('constructor', 1, 0, 8) }), /unknown type/],
    [
      'three dimensions',
      fileOf({ x: { ...entry('F64', 1, 0, 8), shape: [1, 1, 1] } }),
      /one dimension nor two/,
    ],
    ['no dimension', fileOf({ x: { ...entry('F64', 1, 0, 8), shape: [] } }), /one dimension nor two/],
    [
      'two dimensions whose product is beyond 2^53',
      fileOf({ x: { ...entry('F64', 1, 0, 8), shape: [2 ** 30, 2 ** 30] } }),
      /no usable shape/,
    ],
    ['a negative length', fileOf({ x: entry('F64', -1, 0, 8) }), /one dimension nor two/],
    ['half a value', fileOf({ x: entry('F64', 0.5, 0, 4) }), /one dimension nor two/],
    ['a length beyond 2^53', fileOf({ x: entry('F64', 2 ** 60, 0, 8) }), /one dimension nor two/],
    [
      'offsets that are texts',
      fileOf({ x: { ...entry('F64', 1, 0, 8), data_offsets: ['0', '8'] } }),
      /data_offsets/,
    ],
    ['an end beyond the file', fileOf({ x: entry('F64', 2, 0, 16) }), /spans bytes 0 to 16 of 8/],
    ['an end before the beginning', fileOf({ x: entry('F64', 0, 8, 0) }), /spans bytes/],
    ['fewer bytes than values', fileOf({ x: entry('F64', 2, 0, 8) }), /8 bytes for 2 values/],
    [
      'a tensor that is not aligned',
      fileOf({ a: entry('U8', 1, 0, 1), b: entry('F32', 1, 1, 5), c: entry('U8', 3, 5, 8) }),
      /not aligned/,
    ],
    ['a gap between tensors', fileOf({ a: entry('U8', 1, 0, 1), b: entry('U8', 6, 2, 8) }), /expected 1/],
    ['tensors that overlap', fileOf({ a: entry('U8', 5, 0, 5), b: entry('U8', 4, 4, 8) }), /expected 5/],
    [
      'a name given twice for different bytes',
      fileOf(
        '{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}',
      ),
      /expected 0/,
    ],
    ['bytes of no tensor', fileOf({ x: entry('U8', 7, 0, 7) }), /1 bytes belong to no tensor/],
    [
      'more than 4,096 tensors',
      fileOf(Object.fromEntries(Array.from({ length: 4097 }, (_, i) => [`t${i}`, entry('U8', 0, 0, 0)]))),
      /over the limit of 4096/,
    ],
    ['bytes that are not aligned in memory', new Uint8Array(33).subarray(1), /aligned in memory/],
  ]
  it('reads two dimensions as one row after the other', () => {
    const data = new Uint8Array(Float64Array.of(1, 2, 3, 4, 5, 6).buffer)
    const { tensors, shapes } = decodeSafetensors(
      fileOf({ x: { ...entry('F64', 6, 0, 48), shape: [3, 2] } }, data),
    )
    expect(tensors.get('x')).to.deep.equal(Float64Array.of(1, 2, 3, 4, 5, 6))
    expect(shapes.get('x')).to.deep.equal([3, 2])
  })

  for (const [what, file, why] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => decodeSafetensors(file)).to.throw(ArtifactFormatError, why)
    })
  }

  describe('given a damaged file', () => {
    const sound = encodeSafetensors(
      new Map<string, Tensor>([
        ['scores', Float64Array.of(1, 2, 3)],
        ['threshold', Float32Array.of(4, 5)],
        ['feature', Uint8Array.of(6, 7, 8)],
      ]),
      new Map([['format', 'a test']]),
    )
    const readOrRefuse = (file: Uint8Array): void => {
      try {
        decodeSafetensors(file)
      } catch (error) {
        expect(error).to.be.instanceOf(ArtifactFormatError)
      }
    }

    it('refuses every truncation', () => {
      for (let length = 0; length < sound.length; length += 1)
        expect(() => decodeSafetensors(sound.slice(0, length)), `${length} bytes`).to.throw(
          ArtifactFormatError,
        )
    })

    it('refuses every byte too many', () => {
      for (const extra of [1, 7, 8]) {
        const longer = new Uint8Array(sound.length + extra)
        longer.set(sound)
        expect(() => decodeSafetensors(longer)).to.throw(ArtifactFormatError, 'no tensor')
      }
    })

    it('reads or refuses with an ArtifactFormatError whichever bytes are other', () => {
      const changes = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), {
        minLength: 1,
        maxLength: 5,
      })
      fc.assert(
        fc.property(changes, (all) => {
          const file = sound.slice()
          for (const [at, value] of all) file[at] = value
          readOrRefuse(file)
        }),
        { numRuns: 5000 },
      )
    })

    it('reads or refuses with an ArtifactFormatError whatever JSON the header is', () => {
      fc.assert(
        fc.property(fc.json(), (json) => {
          readOrRefuse(fileOf(json))
          readOrRefuse(fileOf(`{"x":${json}}`))
        }),
        { numRuns: 1000 },
      )
    })

    it('reads or refuses with an ArtifactFormatError any bytes at all', () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => readOrRefuse(bytes.slice())))
    })
  })
})
