import { expect } from 'chai'
import * as fc from 'fast-check'
import { evidenceOf, markOf, parseNumber } from '../../../../../shared/entities/csv/numbers.ts'

const OTHER = { '.': ',', ',': '.' } as const

/** 1234567.89 -> 1,234,567.89 or 1.234.567,89 */
const grouped = (cents: number, mark: '.' | ','): string => {
  const whole = String(Math.floor(cents / 100)).replace(/\B(?=(\d{3})+$)/g, OTHER[mark])
  return `${whole}${mark}${String(cents % 100).padStart(2, '0')}`
}

describe('numbers of a report', () => {
  for (const [cell, value] of [
    ['0', 0],
    ['12', 12],
    ['1234567', 1234567],
    ['1,234.56', 1234.56],
    ['1.234,56', 1234.56],
    ['1,234,567', 1234567],
    ['1.234.567', 1234567],
    ['1,234,567.8', 1234567.8],
    ['11,49', 11.49],
    ['11.49', 11.49],
    ['0,123', 0.123],
    ['0.123', 0.123],
    ['1234,567', 1234.567],
    ['144.', 144],
    [',5', 0.5],
    ['.5', 0.5],
    ['-3,5', -3.5],
    ['-0', 0],
  ] as const) {
    it(`reads ${cell} as ${value}, whatever the mark of its column`, () => {
      expect(parseNumber(cell, '.')).to.equal(value)
      expect(parseNumber(cell, ',')).to.equal(value)
    })
  }

  it('reads 1.234 and 1,234 by the mark of the column', () => {
    expect(parseNumber('1.234', '.')).to.equal(1.234)
    expect(parseNumber('1.234', ',')).to.equal(1234)
    expect(parseNumber('1,234', ',')).to.equal(1.234)
    expect(parseNumber('1,234', '.')).to.equal(1234)
    expect(evidenceOf('1.234')).to.equal(null)
    expect(evidenceOf('123,456')).to.equal(null)
  })

  for (const cell of [
    '',
    ' ',
    'abc',
    '1e5',
    '1.2.3',
    '1,23,4',
    '12.34,56',
    '1,234,56',
    '--1',
    '+1',
    'R$ 5',
    '1 234',
    '.',
    ',',
    'NaN',
    '1,2345,678',
    '٣',
  ]) {
    it(`refuses ${JSON.stringify(cell)}`, () => {
      expect(parseNumber(cell, '.')).to.be.NaN
      expect(parseNumber(cell, ',')).to.be.NaN
    })
  }

  it('lets the unambiguous cells of a column decide, and the language when they are even', () => {
    expect(markOf(['1.234', '2,5', '1.000'], '.')).to.equal(',')
    expect(markOf(['1.234', '2.50', ''], ',')).to.equal('.')
    expect(markOf(['1.234', '7', 'x'], ',')).to.equal(',')
    expect(markOf(['1,5', '1.5'], '.')).to.equal('.')
    expect(markOf(['1,5', '1.5', '2,5'], '.')).to.equal(',')
  })

  it('reads back every amount written in either style', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 14 }), fc.constantFrom('.', ','), (cents, mark) => {
        expect(parseNumber(grouped(cents, mark), OTHER[mark])).to.equal(
          Number(`${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`),
        )
      }),
    )
  })

  it('answers a finite number or NaN, and never throws', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[-0-9.,]{0,20}$/), fc.constantFrom('.', ','), (cell, mark) => {
        const value = parseNumber(cell, mark)
        expect(Number.isNaN(value) || Number.isFinite(value)).to.equal(true)
      }),
    )
  })
})
