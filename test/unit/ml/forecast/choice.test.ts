import { expect } from 'chai'
import { chooseWeights as choose, type Contender } from '../../../../ml/forecast/choice.ts'

const chooseWeights = (contenders: readonly Contender[]) => choose(contenders, 'seasonal_naive')

const contender = (name: string, wape: number, mase = 1, trust = 1) => ({ name, trust, wape, mase })

describe('chooseWeights', () => {
  it('leaves out what is more than twice as wrong as the best', () => {
    const weights = chooseWeights([
      contender('seasonal_naive', 0.3),
      contender('a', 0.1),
      contender('b', 0.21),
    ])
    expect([...weights]).to.deep.equal([['a', 1]])
    const both = chooseWeights([contender('seasonal_naive', 0.3), contender('a', 0.1), contender('b', 0.2)])
    expect([...both.keys()]).to.deep.equal(['a', 'b'])
  })

  it('averages the others by trust / WAPE^6', () => {
    const weights = chooseWeights([
      contender('seasonal_naive', 0.3),
      contender('a', 0.1),
      contender('b', 0.11, 1, 0.25),
    ])
    const total = 1 / 0.1 ** 6 + 0.25 / 0.11 ** 6
    expect([...weights.keys()]).to.deep.equal(['a', 'b'])
    expect(weights.get('a')).to.be.closeTo(1 / 0.1 ** 6 / total, 1e-12)
    expect(weights.get('b')).to.be.closeTo(0.25 / 0.11 ** 6 / total, 1e-12)
  })

  it('takes the seasonal naive alone when none is better, equals included', () => {
    const weights = chooseWeights([
      contender('a', 0.2),
      contender('seasonal_naive', 0.2),
      contender('b', 0.21),
    ])
    expect([...weights]).to.deep.equal([['seasonal_naive', 1]])
  })

  it('averages the seasonal naive with the others where there is no season to beat', () => {
    const contenders = [contender('a', 0.2), contender('seasonal_naive', 0.2)]
    expect([...choose(contenders, null)]).to.deep.equal([
      ['a', 0.5],
      ['seasonal_naive', 0.5],
    ])
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
