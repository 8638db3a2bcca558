import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { encodeSafetensors } from '../../../../ml/artifact/safetensors.ts'
import type { Tensor } from '../../../../ml/artifact/safetensors.ts'
import { readPrediction, readTraining } from '../../../../shared/series/read-points.ts'
import type { PointsBody, Read, SeriesContext, TrainingRequest } from '../../../../shared/series/points.ts'

const START = 1_700_000_000
const N = 1000

const context: SeriesContext = {
  class: 'short',
  channels: null,
  minPoints: N,
  maxPoints: 2000,
  ranges: {},
  timestampUnit: 's',
  defaultModels: ['zscore'],
}

const times = (n = N): number[] => Array.from({ length: n }, (_, i) => START + 60 * i)
const values = (n = N): number[] => Array.from({ length: n }, (_, i) => (i * 7919) % 13)

const json = (body: unknown): PointsBody => ({
  bytes: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  contentType: 'application/json',
  query: {},
})
const columns = (more: object = {}, n = N): PointsBody =>
  json({ timestamps: times(n), values: values(n), ...more })
const tensors = (map: ReadonlyMap<string, Tensor>, options: Record<string, string> = {}): PointsBody => ({
  bytes: encodeSafetensors(map, new Map(Object.entries(options))),
  contentType: 'application/octet-stream',
  query: {},
})

const accepted = <T>(read: Read<T>): T => {
  if ('ok' in read) return read.ok
  throw new Error(`refused: ${read.refused.code} ${read.refused.message}`)
}
const refusal = (
  read: Read<unknown>,
): { code: string; message: string; details: Record<string, unknown> } => {
  if ('ok' in read) throw new Error('accepted')
  return { ...read.refused, details: { ...read.refused.details } }
}
const train = (body: PointsBody, more: Partial<SeriesContext> = {}): Read<TrainingRequest> =>
  readTraining(body, { ...context, ...more })

describe('readTraining', () => {
  const hash = accepted(train(columns())).dataHash

  it('reads the same points from every form', () => {
    const rows = times().map((timestamp, i) => ({ timestamp, value: values()[i] }))
    const lines = rows.map((row) => JSON.stringify(row)).join('\n')
    const forms: PointsBody[] = [
      json({ points: rows }),
      json({ points: rows.map(({ timestamp, value }) => ({ value, timestamp })) }),
      json({ timestamps: times(), channels: { value: values() } }),
      {
        bytes: Buffer.from(`\n${lines}\r\n\n`),
        contentType: 'application/x-ndjson; charset=utf-8',
        query: {},
      },
      tensors(
        new Map<string, Tensor>([
          ['t', BigInt64Array.from(times(), BigInt)],
          ['value', Float64Array.from(values())],
        ]),
      ),
      tensors(
        new Map<string, Tensor>([
          ['t', BigInt64Array.from(times(), BigInt)],
          ['value', Float32Array.from(values())],
        ]),
      ),
      json({ timestamps: times().map((t) => t * 1000), values: values(), timestamp_unit: 'ms' }),
    ]
    for (const body of forms) expect(accepted(train(body)).dataHash).to.equal(hash)
  })

  it('tells points apart by any value, time or channel', () => {
    const other = values()
    other[500] = (other[500] as number) + 1e-12
    const later = times()
    later[N - 1] = (later[N - 1] as number) + 1
    const hashes = [
      hash,
      accepted(train(json({ timestamps: times(), values: other }))).dataHash,
      accepted(train(json({ timestamps: later, values: values() }))).dataHash,
      accepted(train(json({ timestamps: times(), channels: { other: values() } }))).dataHash,
    ]
    expect(new Set(hashes).size).to.equal(hashes.length)
  })

  it('takes -0 for 0', () => {
    const zeros = values().map((value) => (value === 0 ? -0 : value))
    const text = JSON.stringify({ timestamps: times(), values: 'HERE' }).replace(
      '"HERE"',
      `[${zeros.map((v) => (Object.is(v, -0) ? '-0' : v)).join(',')}]`,
    )
    expect(accepted(train(json(text))).dataHash).to.equal(hash)
  })

  it('gives members names, channels and every parameter', () => {
    const body = json({
      timestamps: times(),
      channels: { b: values(), a: values().toReversed() },
      models: [
        'isolation_forest',
        { family: 'zscore', channels: ['a'], params: { k: 4 } },
        { name: 'mine', family: 'zscore' },
      ],
    })
    const { members, channels } = accepted(train(body))
    expect(channels).to.deep.equal(['a', 'b'])
    expect(members.map(({ name }) => name)).to.deep.equal(['isolation_forest', 'zscore.a', 'mine'])
    expect(members[1]).to.deep.include({ channels: ['a'], params: { k: 4 } })
    expect(members[0]?.params).to.include({ n_estimators: 100, contamination: 0.01 })
  })

  it('refuses members it does not know, twice the same name, and parameters beyond their bounds', () => {
    const codes = (models: unknown): string => refusal(train(columns({ models }))).code
    expect(codes(['prophet'])).to.equal('UNKNOWN_MODEL')
    expect(codes([{ family: 'zscore', channels: ['nope'] }])).to.equal('UNKNOWN_CHANNEL')
    expect(codes(['zscore', 'zscore'])).to.equal('INVALID_REQUEST')
    // Asked for, it would be every model.
    expect(codes([{ family: 'zscore', name: 'all' }])).to.equal('INVALID_REQUEST')
    expect(codes([{ family: 'zscore', params: { k: 0 } }])).to.equal('INVALID_REQUEST')
    expect(codes([{ family: 'zscore', params: { q: 1 } }])).to.equal('INVALID_REQUEST')
    expect(codes(Array.from({ length: 65 }, (_, i) => ({ name: `m${i}`, family: 'zscore' })))).to.equal(
      'INVALID_REQUEST',
    )
    expect(
      accepted(
        train(
          columns({ models: Array.from({ length: 64 }, (_, i) => ({ name: `m${i}`, family: 'zscore' })) }),
        ),
      ).members,
    ).to.have.length(64)
  })

  it('keeps the last days, then counts', () => {
    const kept = accepted(train(columns({ history_days: 0.5 }, 2000), { minPoints: 720 }))
    expect(kept.frame.timesMs.length).to.equal(720)
    expect(kept.frame.timesMs.at(-1)).to.equal((START + 60 * 1999) * 1000)
    expect(refusal(train(columns({ history_days: 0.5 }, 2000), { minPoints: 721 })).message).to.match(
      /^needs 721 points, got 720; send more/,
    )
  })

  it('counts before it looks at times, and looks at times before it looks at values', () => {
    expect(
      refusal(train(json({ timestamps: times(N - 1).map(() => 'x'), values: values(N - 1) }))).code,
    ).to.equal('INSUFFICIENT_DATA')
    expect(
      refusal(train(json({ timestamps: times(2001).map(() => 'x'), values: values(2001) }))).code,
    ).to.equal('TOO_MANY_POINTS')
    expect(
      refusal(train(json({ timestamps: times().map(() => 'x'), values: values().map(() => null) }))).code,
    ).to.equal('INVALID_TIMESTAMP')
    expect(refusal(train(columns({}, N - 1), { channels: ['other'] })).code).to.equal('UNKNOWN_CHANNEL')
  })

  it('takes times from the first second to the last of the year 9999', () => {
    const last = 253_402_300_799
    const at = (first: number, end: number): PointsBody => {
      const given = times()
      given[0] = first
      given[N - 1] = end
      return json({ timestamps: given, values: values() })
    }
    expect('ok' in train(at(1, last))).to.equal(true)
    expect(refusal(train(at(0, last))).details).to.deep.include({ reason: 'range', rows: [0] })
    const beyond = refusal(train(at(1, last + 1)))
    expect(beyond.details).to.deep.include({ reason: 'range', rows: [N - 1] })
    expect(beyond.message).to.contain('timestamp_unit=ms')
  })

  it('names at most ten rows', () => {
    const given: unknown[] = values()
    for (let i = 100; i < 130; i++) given[i] = null
    const { code, details, message } = refusal(train(json({ timestamps: times(), values: given })))
    expect(code).to.equal('INVALID_VALUE')
    expect(details).to.deep.equal({ reason: 'type', rows: Array.from({ length: 10 }, (_, i) => 100 + i) })
    expect(message).to.contain('row 100, value: null')
  })

  it('holds values against the range of their channel, its ends included', () => {
    const ranges = { value: { min: 0, max: 12 } }
    expect('ok' in train(columns(), { ranges })).to.equal(true)
    const { details, message } = refusal(train(columns(), { ranges: { value: { min: 0, max: 11.9 } } }))
    expect(details['reason']).to.equal('range')
    expect(message).to.contain('12 is outside [0, 11.9]; fix or widen')
  })

  it('reduces windows, and refuses those of two lengths', () => {
    const windows = Array.from({ length: 60 }, (_, i) => [i % 7, 3, i % 5, 1])
    const waveform: Partial<SeriesContext> = { class: 'waveform', minPoints: 50 }
    const { frame, channels } = accepted(train(json({ timestamps: times(60), values: windows }), waveform))
    expect(channels).to.deep.equal(['value'])
    expect(frame.names).to.deep.equal(
      ['crest', 'kurtosis', 'max', 'mean', 'min', 'rms', 'skew', 'std'].map((figure) => `value.${figure}`),
    )
    const flat = new Map<string, Tensor>([['t', BigInt64Array.from(times(60), BigInt)]])
    expect(
      refusal(
        train(json({ timestamps: times(60), values: windows.map((w, i) => (i === 9 ? [1] : w)) }), waveform),
      ).code,
    ).to.equal('INVALID_REQUEST')
    expect(refusal(train(columns({}, 60), waveform)).details).to.deep.include({ reason: 'type' })
    expect(refusal(train(tensors(flat), waveform)).code).to.equal('INVALID_REQUEST')
  })

  it('refuses options it does not know by their name', () => {
    expect(refusal(train(columns({ epochs: 3 }))).message).to.contain('"epochs"')
    expect(refusal(train(columns({ rollout: 'canary' }))).message).to.contain('immediate or hold')
    expect(refusal(train({ ...columns(), query: { verbose: '1' } })).message).to.contain('"verbose"')
  })

  it('says which tag cannot be one', () => {
    expect(refusal(train(columns({ tags: ['env=prod'] }))).message).to.match(/^tags: /)
    expect(refusal(train(columns({ tags: { '1st': 'x' } }))).message).to.match(/^tags\.1st: /)
  })
})

describe('the safetensors form', () => {
  it('is the file of the worked example, byte for byte', () => {
    const body = encodeSafetensors(
      new Map<string, Tensor>([
        ['t', BigInt64Array.of(1_700_000_000n, 1_700_000_060n)],
        ['value', Float64Array.of(1.5, 2.5)],
      ]),
      new Map(),
    )
    const header =
      '{"t":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"value":{"dtype":"F64","shape":[2],"data_offsets":[16,32]}}      '
    const file = Buffer.alloc(8 + header.length + 32)
    file.writeBigUInt64LE(BigInt(header.length))
    file.write(header, 8)
    file.writeBigInt64LE(1_700_000_000n, 8 + header.length)
    file.writeBigInt64LE(1_700_000_060n, 16 + header.length)
    file.writeDoubleLE(1.5, 24 + header.length)
    file.writeDoubleLE(2.5, 32 + header.length)
    expect(file.length).to.equal(160)
    expect(createHash('sha256').update(file).digest('hex')).to.equal(
      '9d5415a0792458b841a8627ce557ae2ed246954502a080d3319ab13cc1eb7333',
    )
    const read = (bytes: Uint8Array): unknown => {
      const { frame } = accepted(
        readPrediction({ bytes, contentType: 'application/octet-stream', query: {} }, context),
      )
      return [...frame.timesMs, ...(frame.columns[0] as Float64Array)]
    }
    expect(read(file)).to.deep.equal([1_700_000_000_000, 1_700_000_060_000, 1.5, 2.5])
    expect(read(body)).to.deep.equal(read(file))
  })
})

describe('readPrediction', () => {
  const point = { timestamp: START, value: 1 }

  it('takes a point, a list of rows or columns, with what came before', () => {
    for (const body of [point, { points: [point] }, { timestamps: [START], values: [1] }]) {
      const { frame, from } = accepted(readPrediction(json(body), context))
      expect([...frame.timesMs]).to.deep.equal([START * 1000])
      expect(from).to.equal(0)
    }
    const before = [{ timestamp: START - 60, value: 7 }]
    for (const given of [before, { points: before }, { timestamps: [START - 60], values: [7] }]) {
      const { frame, from } = accepted(readPrediction(json({ ...point, context: given }), context))
      expect([...(frame.columns[0] as Float64Array)]).to.deep.equal([7, 1])
      expect(from).to.equal(1)
    }
  })

  it('refuses context that is not before the points, or more than 4,096 rows of it', () => {
    const same = readPrediction(json({ ...point, context: [point] }), context)
    expect(refusal(same).details).to.deep.include({ reason: 'order' })
    const rows = (n: number): unknown[] =>
      Array.from({ length: n }, (_, i) => ({ timestamp: START - 5000 + i, value: 1 }))
    expect('ok' in readPrediction(json({ ...point, context: rows(4096) }), context)).to.equal(true)
    expect(refusal(readPrediction(json({ ...point, context: rows(4097) }), context)).code).to.equal(
      'INVALID_REQUEST',
    )
  })

  it('notes values out of range and refuses those that are none', () => {
    const ranges = { value: { min: 0, max: 1 } }
    const { outOfRange } = accepted(
      readPrediction(json({ timestamps: [1, 2, 3], values: [0, 5, 1] }), { ...context, ranges }),
    )
    expect([...outOfRange]).to.deep.equal([1])
    for (const [text, reason] of [
      ['1e400', 'inf'],
      ['null', 'type'],
      ['"1"', 'type'],
      ['[1]', 'type'],
    ] as const)
      expect(
        refusal(readPrediction(json(`{"timestamp":${START},"value":${text}}`), context)).details['reason'],
      ).to.equal(reason)
  })

  it('answers whatever comes with a request or a refusal', () => {
    const pieces = fc.oneof(
      fc.json({ maxDepth: 4 }),
      fc.string(),
      fc.constantFrom(
        '{"points":',
        '[',
        '{',
        '"timestamp":',
        '1e400',
        'null',
        '__proto__',
        '{"__proto__":1}',
        '\u0000',
        '[[[[',
        '"models":["all"]',
      ),
    )
    const soup = fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join(','))
    const types = fc.constantFrom(
      'application/json',
      'application/x-ndjson',
      'application/octet-stream',
      undefined,
    )
    fc.assert(
      fc.property(soup, types, (text, contentType) => {
        const body = { bytes: Buffer.from(text), contentType, query: {} }
        for (const read of [readPrediction(body, context), readTraining(body, context)])
          expect('ok' in read || read.refused.message.length > 0).to.equal(true)
      }),
      { numRuns: 500 },
    )
  })

  it('answers tensors with any byte changed with a request or a refusal', () => {
    const { bytes } = tensors(
      new Map<string, Tensor>([
        ['t', BigInt64Array.from(times(20), BigInt)],
        ['value', Float64Array.from(values(20))],
      ]),
    )
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        const changed = bytes.slice()
        changed[at] = byte
        const read = readPrediction(
          { bytes: changed, contentType: 'application/octet-stream', query: {} },
          context,
        )
        expect('ok' in read || read.refused.message.length > 0).to.equal(true)
      }),
      { numRuns: 1000 },
    )
  })

  it('is not brought down by depth', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    for (const text of [
      deep,
      `{"points":${deep}}`,
      `{"points":[{"timestamp":1,"value":${deep}}]}`,
      `{"timestamp":1,"value":1,"models":${deep}}`,
    ])
      expect(refusal(readPrediction(json(text), context)).code).to.be.oneOf([
        'INVALID_REQUEST',
        'INVALID_VALUE',
      ])
  })
})
