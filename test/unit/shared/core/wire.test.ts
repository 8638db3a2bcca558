import { expect } from 'chai'
import { wireShares } from '../../../../shared/core/wire.ts'

describe('shares on the wire', () => {
  it('come with the largest first, those alike as they were', () => {
    const shares = wireShares({ cpl: 0.1, ctr: 0.2, leads: 0.1, spend: 0.6 })
    expect(Object.entries(shares ?? {})).to.deep.equal([
      ['spend', 0.6],
      ['ctr', 0.2],
      ['cpl', 0.1],
      ['leads', 0.1],
    ])
  })

  it('are null where there are none', () => {
    expect(wireShares(null)).to.equal(null)
  })
})
