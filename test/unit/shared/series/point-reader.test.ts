import { expect } from 'chai'
import { createComputePool } from '../../../../shared/compute/pool.ts'
import type { ComputePool } from '../../../../shared/compute.ts'
import { AppError } from '../../../../shared/core/errors.ts'
import { createPointReader } from '../../../../shared/series/point-reader.ts'
import type { PointReader, ReadItem } from '../../../../shared/series/point-reader.ts'
import type { SeriesContext } from '../../../../shared/series/points.ts'

const CONTEXT: SeriesContext = {
  class: 'short',
  channels: ['value'],
  minPoints: 1,
  maxPoints: Infinity,
  ranges: {},
  timestampUnit: 's',
  defaultModels: [],
}
const ITEMS = [
  { series_id: 'pump', version: 'v2', models: 'all', points: [{ timestamp: 3, value: -0.5 }] },
  { series_id: 'pump', timestamps: [1, 2], values: [1.5, 2], context: [{ timestamp: 0.5, value: 1 }] },
  { series_id: 'pump', points: [{ timestamp: 3, value: null }] },
  { series_id: 'fan', points: 5 },
  5,
]

describe('points of many series', () => {
  let pool: ComputePool & { close(): Promise<void> }
  before(() => {
    pool = createComputePool({ threads: 1 })
  })
  after(() => pool.close())

  const outcomes = (reader: PointReader, items: readonly ReadItem[]): unknown[] =>
    items.map(({ seriesId, version, body }) => {
      try {
        if (body instanceof AppError) throw body
        return [seriesId, version, reader.item(body, CONTEXT)]
      } catch (error) {
        return [seriesId, (error as AppError).code, (error as AppError).message]
      }
    })

  it('are read on a thread when the body is large, with the same outcome', async () => {
    const body = {
      bytes: Buffer.from(JSON.stringify({ items: ITEMS })),
      contentType: 'application/json',
      query: {},
    }
    const codes: string[] = []
    const onRefused = (code: string): unknown => codes.push(code)
    const nowhere: Pick<ComputePool, 'run'> = { run: () => Promise.reject(new Error('no thread is asked')) }
    const here = createPointReader({ compute: nowhere, offloadBytes: body.bytes.length, onRefused })
    const away = createPointReader({ compute: pool, offloadBytes: body.bytes.length - 1, onRefused })
    const expected = outcomes(here, await here.items(body))
    expect(codes).to.deep.equal(['INVALID_REQUEST', 'INVALID_REQUEST', 'INVALID_TIMESTAMP', 'INVALID_VALUE'])
    expect(outcomes(away, await away.items(body))).to.deep.equal(expected)
    expect(codes).to.have.length(8)
  })
})
