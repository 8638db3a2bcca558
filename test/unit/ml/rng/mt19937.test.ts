import { expect } from 'chai'
import fc from 'fast-check'
import { Mt19937 } from '../../../../ml/rng/mt19937.ts'

const take = <T>(count: number, draw: () => T): T[] => Array.from({ length: count }, draw)

const seed = fc.nat(0xffffffff)

describe('ml/rng/mt19937', () => {
  it('draws what the authors published for seed 5489', () => {
    const generator = new Mt19937(5489)
    expect(take(5, () => generator.u32())).to.deep.equal([
      3499211612, 581869302, 3890346734, 3586334585, 545404204,
    ])
  })

  it('draws 4123659995 as the 10,000th number of seed 5489, as the C++ standard demands', () => {
    const generator = new Mt19937(5489)
    expect(take(10_000, () => generator.u32()).at(-1)).to.equal(4123659995)
  })

  it('takes the smallest and the largest seed', () => {
    const first = (of: number): number => new Mt19937(of).u32()
    expect([first(0), first(1), first(2 ** 32 - 1)]).to.deep.equal([2357136044, 1791095845, 419326371])
  })

  it("draws numpy's doubles of seed 42", () => {
    const generator = new Mt19937(42)
    expect(take(4, () => generator.double())).to.deep.equal([
      0.3745401188473625, 0.9507143064099162, 0.7319939418114051, 0.5986584841970366,
    ])
  })

  it("draws numpy's integers of seed 42", () => {
    const generator = new Mt19937(42)
    expect(take(4, () => generator.below(2 ** 31 - 1))).to.deep.equal([
      1608637542, 1273642419, 1935803228, 787846414,
    ])
    const small = new Mt19937(42)
    expect(take(8, () => small.below(10))).to.deep.equal([6, 3, 7, 4, 6, 9, 2, 6])
  })

  it('draws nothing for the only integer below 1', () => {
    const [drawn, fresh] = [new Mt19937(7), new Mt19937(7)]
    expect(drawn.below(1)).to.equal(0)
    expect(drawn.u32()).to.equal(fresh.u32())
  })

  it('draws each number as it comes for all integers below 2^32, and its lowest bit for those below 2', () => {
    const [whole, bit, plain] = [new Mt19937(7), new Mt19937(7), new Mt19937(7)]
    for (let i = 0; i < 1000; i += 1) {
      const expected = plain.u32()
      expect([whole.below(2 ** 32), bit.below(2)]).to.deep.equal([expected, expected & 1])
    }
  })

  it('stays below its bound on either side of each power of two', () => {
    const bound = fc
      .tuple(fc.integer({ min: 1, max: 32 }), fc.constantFrom(-1, 0, 1))
      .map(([exponent, aside]) => Math.min(2 ** 32, Math.max(1, 2 ** exponent + aside)))
    fc.assert(
      fc.property(seed, bound, (of, n) => {
        const generator = new Mt19937(of)
        for (const value of take(50, () => generator.below(n)))
          expect(value)
            .to.be.at.least(0)
            .and.at.most(n - 1)
      }),
    )
  })

  it('keeps doubles in [0, 1), and gives the same numbers for the same seed', () => {
    fc.assert(
      fc.property(seed, (of) => {
        const [one, other] = [new Mt19937(of), new Mt19937(of)]
        for (const value of take(50, () => one.double())) {
          expect(value).to.be.at.least(0).and.below(1)
          expect(other.double()).to.equal(value)
        }
      }),
    )
  })
})
