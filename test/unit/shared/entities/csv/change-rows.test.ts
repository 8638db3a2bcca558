import { expect } from 'chai'
import * as fc from 'fast-check'
import { toDayNumber, toLocalDate } from '../../../../../shared/core/days.ts'
import { CHANGE_KINDS, isProblem, parseChange } from '../../../../../shared/entities/csv/change-rows.ts'
import type { ChangeProblem, ChangeRow } from '../../../../../shared/entities/csv/change-rows.ts'

const ROW = { entity_id: 'c1', kind: 'budget', date: '2026-03-10', factor: '1.5' }

const parse = (cells: Readonly<Record<string, string>>): ChangeRow | ChangeProblem =>
  parseChange((column) => cells[column] ?? '')
const columnOf = (cells: Readonly<Record<string, string>>): string | null => {
  const change = parse({ ...ROW, ...cells })
  return isProblem(change) ? change.column : null
}

describe('a row of a file of changes', () => {
  it('is what was done to an entity on a day', () => {
    expect(parse(ROW)).to.deep.equal({
      entityId: 'c1',
      kind: 'budget',
      day: toDayNumber('2026-03-10'),
      factor: 1.5,
    })
  })

  it('names the column that is wrong', () => {
    expect(columnOf({})).to.equal(null)
    expect(columnOf({ entity_id: '' })).to.equal('entity_id')
    for (const kind of ['', 'Budget', 'pause']) expect(columnOf({ kind }), kind).to.equal('kind')
    for (const date of ['', '2026-02-30', '20260310']) expect(columnOf({ date }), date).to.equal('date')
    for (const factor of ['', '0', '-1', 'x', '0x1e', 'NaN', '1e400', '0.00009', '1000001'])
      expect(columnOf({ factor }), factor).to.equal('factor')
    for (const factor of ['0.0001', '1000000', '1.0', '5e-1', '1.5E+2'])
      expect(columnOf({ factor }), factor).to.equal(null)
  })

  it('needs a factor only where a budget changed', () => {
    for (const kind of ['mix_start', 'mix_end'])
      for (const factor of ['', '1.0', 'x']) expect(parse({ ...ROW, kind, factor })).to.include({ factor: 1 })
  })

  it('is read as it was written, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.record({
          entityId: fc.stringMatching(/^[A-Za-z0-9_-]{1,100}$/),
          kind: fc.constantFrom(...CHANGE_KINDS),
          day: fc.integer({ min: 0, max: 40_000 }),
          factor: fc.double({ min: 0.0001, max: 1_000_000, noNaN: true }),
        }),
        ({ entityId, kind, day, factor }) => {
          const read = parse({ entity_id: entityId, kind, date: toLocalDate(day), factor: String(factor) })
          expect(read).to.deep.equal({ entityId, kind, day, factor: kind === 'budget' ? factor : 1 })
        },
      ),
    )
  })

  it('of any texts is a change or the name of a column', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (entity_id, kind, date, factor) => {
        const read = parse({ entity_id, kind, date, factor })
        if (isProblem(read)) expect(Object.keys(ROW)).to.include(read.column)
        else expect(read.factor).to.be.greaterThan(0)
      }),
    )
  })
})
