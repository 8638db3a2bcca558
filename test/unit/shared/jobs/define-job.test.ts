import { expect } from 'chai'
import * as fc from 'fast-check'
import { instantKey, joinKey } from '../../../../shared/jobs/define-job.ts'

const part = fc.oneof(
  fc.integer(),
  fc.string({ unit: fc.constantFrom('a', '1', '|', ':', '%', '7', 'C', '3', 'A'), maxLength: 6 }),
)

describe('keys of runs', () => {
  it('join their parts', () => {
    expect(joinKey([12, '2026-03-10', instantKey('2026-03-11T02:59:59.000Z'), 'all'])).to.equal(
      '12|2026-03-10|20260311T025959Z|all',
    )
  })

  it('are free of what BullMQ refuses, and differ when a part differs', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), fc.array(part, { minLength: 1 }), (one, other) => {
        expect(joinKey(one)).not.to.contain(':')
        const same =
          one.length === other.length && one.every((value, i) => String(value) === String(other[i]))
        expect(joinKey(one) === joinKey(other)).to.equal(same)
      }),
      { numRuns: 1000 },
    )
  })

  it('keep the milliseconds of an instant that has some', () => {
    expect(instantKey('2026-03-11T02:59:59Z')).to.equal('20260311T025959Z')
    expect(instantKey('2026-03-11T02:59:59.123Z')).to.equal('20260311T025959.123Z')
    expect(instantKey('2026-03-11T02:59:59.120Z')).to.equal('20260311T025959.120Z')
  })
})
