import { expect } from 'chai'
import * as fc from 'fast-check'
import { toDayNumber, toLocalDate } from '../../../../../shared/core/days.ts'
import { parseDay, parseHour } from '../../../../../shared/entities/csv/dates.ts'

const day = (cell: string, language: 'en' | 'pt'): string | null => {
  const number = parseDay(cell, language)
  return number === null ? null : toLocalDate(number)
}

describe('dates of a report', () => {
  it('reads ISO dates under either language', () => {
    expect(day('2026-03-04', 'en')).to.equal('2026-03-04')
    expect(day('2026-03-04', 'pt')).to.equal('2026-03-04')
  })

  it('reads day first under Portuguese headers and month first under English ones', () => {
    expect(day('03/04/2026', 'pt')).to.equal('2026-04-03')
    expect(day('03/04/2026', 'en')).to.equal('2026-03-04')
    expect(day('3/4/2026', 'pt')).to.equal('2026-04-03')
    expect(day('31/12/2025', 'pt')).to.equal('2025-12-31')
  })

  for (const cell of [
    '31/12/2025',
    '2026-02-29',
    '2026-13-01',
    '0/1/2026',
    '2026-1-1',
    '04/03/26',
    'Total',
    '2026-03-04T00:00:00Z',
    '',
    '20260304',
  ]) {
    it(`refuses ${JSON.stringify(cell)} under English headers`, () => {
      expect(day(cell, 'en')).to.equal(null)
    })
  }

  it('knows leap days', () => {
    expect(day('2028-02-29', 'en')).to.equal('2028-02-29')
    expect(day('29/02/2028', 'pt')).to.equal('2028-02-29')
  })

  it('reads back every day in each form', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: toDayNumber('1970-01-01'), max: toDayNumber('2099-12-31') }),
        (number) => {
          const [year, month, of] = toLocalDate(number).split('-')
          expect(parseDay(`${year}-${month}-${of}`, 'en')).to.equal(number)
          expect(parseDay(`${of}/${month}/${year}`, 'pt')).to.equal(number)
          expect(parseDay(`${Number(month)}/${Number(of)}/${year}`, 'en')).to.equal(number)
        },
      ),
    )
  })

  for (const [cell, hour] of [
    ['0', 0],
    ['23', 23],
    ['07', 7],
    ['13:00', 13],
    ['13:00:00 - 13:59:59', 13],
    ['00:00:00 - 00:59:59', 0],
    ['24', null],
    ['-1', null],
    ['13:30', null],
    ['noon', null],
    ['', null],
  ] as const) {
    it(`reads the hour of ${JSON.stringify(cell)} as ${hour}`, () => {
      expect(parseHour(cell)).to.equal(hour)
    })
  }
})
