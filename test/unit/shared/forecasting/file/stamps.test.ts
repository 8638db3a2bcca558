import { expect } from 'chai'
import fc from 'fast-check'
import { continueStamps, formOf, parseStamp } from '../../../../../shared/forecasting/file/stamps.ts'
import type { StampForm } from '../../../../../shared/forecasting/file/stamps.ts'

const HOUR = 3600
const DAY = 86_400
const at = (iso: string): number => Date.parse(iso) / 1000
const read = (cell: string): number => parseStamp(cell, formOf(cell) ?? 'local')
const next = (cell: string, stepS: number, count = 2): readonly string[] =>
  continueStamps(cell, formOf(cell) as StampForm, stepS, count)

describe('dates of a file', () => {
  it('are ISO dates and date-times, with a zone or without, and Unix seconds', () => {
    const same = [
      '2026-03-10T13:00:00Z',
      '2026-03-10 13:00:00+00:00',
      '2026-03-10T14:00:00.000+01:00',
      '2026-03-10 14:00:00 +0100',
      '2026-03-10T10:00-03',
      '2026-03-10 13:00:00 UTC',
      '1773147600',
    ]
    for (const cell of same) expect(read(cell), cell).to.equal(at('2026-03-10T13:00:00Z'))
    expect(read('2026-03-10')).to.equal(at('2026-03-10T00:00:00Z'))
    expect(read('2026-03-10T13:00')).to.equal(at('2026-03-10T13:00:00Z'))
    expect(read('2026-03-10 13:00:01,5')).to.equal(at('2026-03-10T13:00:01Z'))
  })

  it('have a form, by which all others of the file are read', () => {
    expect(['2026-03-10', '2026-03-10 01:00', '2026-03-10T01:00Z', '0'].map(formOf)).to.deep.equal([
      'local',
      'local',
      'zoned',
      'epoch',
    ])
    expect(parseStamp('2026-03-10T01:00:00Z', 'local')).to.be.NaN
    expect(parseStamp('2026-03-10', 'zoned')).to.be.NaN
    expect(parseStamp('2026-03-10', 'epoch')).to.be.NaN
    expect(parseStamp('1773147600', 'local')).to.be.NaN
  })

  it('are of the calendar and the clock', () => {
    expect(read('2024-02-29')).to.equal(at('2024-02-29T00:00:00Z'))
    for (const cell of [
      '2026-02-29',
      '2026-13-01',
      '2026-00-10',
      '2026-03-00',
      '0099-01-01',
      '9901-01-01',
      '2026-03-10T24:00',
      '2026-03-10T23:60',
      '2026-03-10T23:59:60',
      '2026-03-10T10:00+19:00',
      '2026-03-10Z',
      '10/03/2026',
      '2026-3-10',
      '1773147600000000',
      '999999999999',
      '',
      '\0',
      'constructor',
    ])
      expect(read(cell), cell).to.be.NaN
  })

  it('go on as they are written', () => {
    expect(next('2026-02-28', DAY)).to.deep.equal(['2026-03-01', '2026-03-02'])
    expect(next('2026-02-28', 7 * DAY)).to.deep.equal(['2026-03-07', '2026-03-14'])
    expect(next('2026-02-28 22:15:01', HOUR)).to.deep.equal(['2026-02-28 23:15:01', '2026-03-01 00:15:01'])
    expect(next('2026-02-28T22:15', HOUR)).to.deep.equal(['2026-02-28T23:15', '2026-03-01T00:15'])
    expect(next('2026-02-28T22:00:00.000Z', HOUR, 1)).to.deep.equal(['2026-02-28T23:00:00.000Z'])
    expect(next('1773147600', HOUR)).to.deep.equal(['1773151200', '1773154800'])
  })

  it('stay on the clock of their own zone', () => {
    expect(next('2026-02-28 23:00:00-03:00', HOUR, 1)).to.deep.equal(['2026-03-01 00:00:00-03:00'])
    expect(next('2026-02-28T23:00:00+05:30', DAY, 1)).to.deep.equal(['2026-03-01'])
  })

  it('are dates for steps of a day and more, and have a time for hours', () => {
    expect(next('2026-02-28 00:00:00', DAY, 1)).to.deep.equal(['2026-03-01'])
    expect(next('2026-02-28', HOUR, 1)).to.deep.equal(['2026-02-28T01:00:00'])
  })

  it('read back as what they say, a step apart', () => {
    const seconds = fc.integer({ min: at('0101-01-01T00:00:00Z'), max: at('9800-01-01T00:00:00Z') })
    const form = fc.constantFrom(
      (iso: string) => iso.slice(0, 19),
      (iso: string) => `${iso.slice(0, 10)} ${iso.slice(11, 19)}`,
      (iso: string) => `${iso.slice(0, 19)}Z`,
      (iso: string) => `${iso.slice(0, 19)}-09:30`,
    )
    fc.assert(
      fc.property(seconds, form, (second, write) => {
        const cell = write(new Date(second * 1000).toISOString())
        const [first = '', later = ''] = next(cell, HOUR)
        expect(read(first) - read(cell)).to.equal(HOUR)
        expect(read(later) - read(cell)).to.equal(2 * HOUR)
        expect(first.length).to.equal(cell.length)
      }),
    )
  })
})
