import { expect } from 'chai'
import { chooseWeights } from '../../../../ml/forecast/choice.ts'

const contender = (name: string, wape: number, mase = 1) => ({ name, wape, mase })

describe('chooseWeights', () => {
  it('takes the best alone when no other is within 10% of it', () => {
    const weights = chooseWeights([
      contender('seasonal_naive', 0.3),
      contender('a', 0.1),
      contender('b', 0.1101),
    ])
    expect([...weights]).to.deep.equal([['a', 1]])
  })

  it('averages those within 10% by 1 / WAPE^2', () => {
    const weights = chooseWeights([
      contender('seasonal_naive', 0.3),
      contender('a', 0.1),
      contender('b', 0.11),
    ])
    const total = 1 / 0.1 ** 2 + 1 / 0.11 ** 2
    expect([...weights.keys()]).to.deep.equal(['a', 'b'])
    expect(weights.get('a')).to.be.closeTo(1 / 0.1 ** 2 / total, 1e-12)
    expect(weights.get('b')).to.be.closeTo(1 / 0.11 ** 2 / total, 1e-12)
  })

  it('takes the seasonal naive alone when none is better, equals included', () => {
    const weights = chooseWeights([
      contender('a', 0.2),
      contender('seasonal_naive', 0.2),
      contender('b', 0.21),
    ])
    expect([...weights]).to.deep.equal([['seasonal_naive', 1]])
  })

  it('breaks a tie of WAPE by MASE', () => {
    const weights = chooseWeights([contender('seasonal_naive', 0.2, 1), contender('a', 0.2, 0.9)])
    expect([...weights.keys()]).to.deep.equal(['seasonal_naive', 'a'])
    const none = chooseWeights([contender('seasonal_naive', 0.2, 0.9), contender('a', 0.2, 1)])
    expect([...none.keys()]).to.deep.equal(['seasonal_naive'])
  })

  it('takes one of those that were never wrong', () => {
    const weights = chooseWeights([contender('seasonal_naive', 0.1), contender('a', 0), contender('b', 0)])
    expect([...weights]).to.deep.equal([['a', 1]])
  })

  it('leaves out those of which nothing is known', () => {
    expect(chooseWeights([]).size).to.equal(0)
    expect(chooseWeights([contender('a', Number.POSITIVE_INFINITY)]).size).to.equal(0)
  })
})
