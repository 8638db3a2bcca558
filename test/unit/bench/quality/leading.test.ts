import { expect } from 'chai'
import { leadingCases } from '../../../../bench/quality/leading.ts'
import { simulateAccount } from '../../../../bench/quality/simulate.ts'
import type { FaultType } from '../../../../bench/quality/simulate.ts'

const casesOf = (type: FaultType) =>
  leadingCases(
    simulateAccount({
      seed: 1,
      index: 400,
      days: 120,
      weekdayAmplitude: 0.25,
      leadsPerAd: 12,
      campaigns: 2,
      faults: 3,
      partialEnd: false,
      types: [type],
    }),
  )

describe('cases of leading features', () => {
  it('are odd days of the faults there are, told whether the fault moves what is named', () => {
    const cases = casesOf('spend_spike')
    expect(cases.length).to.be.above(2)
    for (const { type, leading, right, moved } of cases) {
      expect(type).to.equal('spend_spike')
      expect(right).to.equal(['spend', 'leads'].includes(leading))
      expect(moved).to.equal(leading === 'spend')
    }
  })

  it('are by the fault alone where the day without it is usual', () => {
    const byFault = casesOf('spend_spike').map((one) => one.byFault)
    expect(byFault).to.include(true)
  })

  it('are none of days without impressions, nor of faults no feature tells of', () => {
    expect(casesOf('zero_spend')).to.deep.equal([])
    expect(casesOf('junk_clicks')).to.deep.equal([])
  })
})
