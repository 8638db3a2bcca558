import { expect } from 'chai'
import { agreementOf } from '../../../../ml/compare/agreement.ts'

describe('ml/compare/agreement', () => {
  it('counts equal verdicts, and those of one alone', () => {
    expect(agreementOf(Uint8Array.of(0, 1, 1, 0, 0), Uint8Array.of(0, 1, 0, 1, 1))).to.deep.equal({
      compared: 5,
      equal: 2,
      onlyFirst: 1,
      onlySecond: 2,
      agreement: 0.4,
    })
  })

  it('is null where nothing was compared', () => {
    expect(agreementOf(new Uint8Array(), new Uint8Array()).agreement).to.equal(null)
  })

  it('is of the same rows only', () => {
    expect(() => agreementOf(new Uint8Array(1), new Uint8Array(2))).to.throw(RangeError)
  })
})
