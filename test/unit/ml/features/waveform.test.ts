import { expect } from 'chai'
import * as fc from 'fast-check'
import { reduceWindow, WAVEFORM_FIGURES } from '../../../../ml/features/waveform.ts'

type Figures = Record<(typeof WAVEFORM_FIGURES)[number], number>

const reduce = (samples: ArrayLike<number>): Figures => {
  const out = WAVEFORM_FIGURES.map(() => new Float64Array(1))
  reduceWindow(samples, 0, samples.length, out, 0)
  return Object.fromEntries(WAVEFORM_FIGURES.map((figure, i) => [figure, out[i]?.[0]])) as Figures
}

const expectFigures = (actual: Figures, expected: Partial<Figures>, relative = 1e-12): void => {
  for (const [figure, value] of Object.entries(expected)) {
    expect(actual[figure as keyof Figures], figure).to.be.closeTo(value, Math.abs(value) * relative + 1e-300)
  }
}

describe('ml/features/waveform', () => {
  it('reduces 0, 3, 0, 1 to these figures', () => {
    expectFigures(reduce([0, 3, 0, 1]), {
      mean: 1,
      std: 1.224_744_871_391_589,
      rms: 1.581_138_830_084_189_8,
      min: 0,
      max: 3,
      crest: 1.897_366_596_101_027_5,
      skew: 0.816_496_580_927_726_3,
      kurtosis: 2,
    })
  })

  it('takes 0/0 for 0 in a window of zeros', () => {
    const zeros = { crest: 0, kurtosis: 0, max: 0, mean: 0, min: 0, rms: 0, skew: 0, std: 0 }
    expect(reduce([0, 0, 0])).to.deep.equal(zeros)
    expect(reduce([-0])).to.deep.equal(zeros)
  })

  it('finds no shape in equal samples, whatever rounding makes of their sum', () => {
    for (const value of [0.1, -7.3, 1e12, 1e-9, 1.7e308, -5e-324]) {
      const peak = Math.abs(value)
      expect(reduce(Array.from({ length: 65_536 }, () => value))).to.deep.equal({
        crest: 1,
        kurtosis: 0,
        max: value,
        mean: value,
        min: value,
        rms: peak,
        skew: 0,
        std: 0,
      })
    }
  })

  it('keeps its digits with the largest and the smallest samples', () => {
    for (const scale of [2 ** 900, 2 ** 201, 2 ** 199, 2 ** -199, 2 ** -201, 2 ** -900]) {
      const figures = reduce([0, 3 * scale, 0, scale])
      expectFigures(figures, {
        mean: scale,
        std: 1.224_744_871_391_589 * scale,
        rms: 1.581_138_830_084_189_8 * scale,
        crest: 1.897_366_596_101_027_5,
        skew: 0.816_496_580_927_726_3,
        kurtosis: 2,
      })
    }
  })

  it('scales as its samples do, and turns round with them', () => {
    const samples = fc.array(fc.double({ noNaN: true, min: -100, max: 100 }), { minLength: 2, maxLength: 20 })
    fc.assert(
      fc.property(samples, (window) => {
        const one = reduce(window)
        fc.pre(one.std > 1e-3)
        const turned = reduce(window.map((sample) => -2 * sample))
        const close = (a: number, b: number) => expect(a).to.be.closeTo(b, 1e-8 * (1 + Math.abs(b)))
        close(turned.mean, -2 * one.mean)
        close(turned.std, 2 * one.std)
        close(turned.rms, 2 * one.rms)
        close(turned.max, -2 * one.min)
        close(turned.crest, one.crest)
        close(turned.skew, -one.skew)
        close(turned.kurtosis, one.kurtosis)
        expect(one.crest).to.be.at.least(1 - 1e-12)
        expect(one.kurtosis).to.be.at.least(1 - 1e-9)
      }),
    )
  })

  it('reads the samples it is told and writes the row it is told', () => {
    const out = WAVEFORM_FIGURES.map(() => new Float64Array(2))
    const samples = Float32Array.of(9, 9, 0, 3, 0, 1, 9)
    reduceWindow(samples, 2, 6, out, 1)
    expect([...out[WAVEFORM_FIGURES.indexOf('max')]!]).to.deep.equal([0, 3])
    expect(out[WAVEFORM_FIGURES.indexOf('kurtosis')]![1]).to.equal(2)
  })
})
