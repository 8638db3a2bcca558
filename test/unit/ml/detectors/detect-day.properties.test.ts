import { expect } from 'chai'
import * as fc from 'fast-check'
import { toAnomalies } from '../../../../ml/detectors/anomalies.ts'
import { detectDay } from '../../../../ml/detectors/detect-day.ts'
import type { ForestVerdict } from '../../../../ml/detectors/forest-signal.ts'
import { defaultDetectionParams as params } from '../../../../ml/detectors/params.ts'
import type { DailyFrame } from '../../../../ml/frame.ts'
import { buildFrame, type DayRow } from '../build-frame.ts'

const DAY = 20_000

const count = (max: number) =>
  fc.oneof({ weight: 1, arbitrary: fc.constant(0) }, { weight: 4, arbitrary: fc.nat({ max }) })
const row: fc.Arbitrary<DayRow> = fc.record({
  spend: count(100_000).map((cents) => cents / 100),
  impressions: count(50_000),
  clicks: count(2000),
  leads: count(60),
  reach: fc.oneof(count(20_000), fc.constant(Number.NaN)),
  reach7: fc.oneof(count(20_000), fc.constant(Number.NaN)),
})
const rows = fc.array(fc.option(row, { freq: 12 }), { minLength: 1, maxLength: 70 })

const detect = (frame: DailyFrame, excluded: readonly number[] = [], verdict: ForestVerdict | null = null) =>
  detectDay(
    {
      day: DAY,
      frame,
      head: { activeRanges: [[0, DAY]], budgetChanges: [{ day: DAY - 1, ratio: 1.5 }] },
      excludedDays: new Set(excluded.map((ago) => DAY - ago)),
      lastFrequencyAlertDay: null,
      verdict,
      modelSource: 'own',
      modelVersion: 1,
    },
    params,
  )

describe('signals of any account', () => {
  it('hold numbers a reader can trust', () => {
    fc.assert(
      fc.property(rows, fc.array(fc.nat({ max: 20 })), (list, excluded) => {
        const { signals, hypotheses } = detect(buildFrame(DAY - list.length + 1, list), excluded)
        expect(hypotheses).to.be.within(0, 5)
        for (const signal of signals) {
          for (const name of ['observed', 'expected', 'deviation', 'score'] as const) {
            expect(signal[name], `${signal.type} ${name}`).to.satisfy(Number.isFinite)
          }
          expect(signal.score).to.be.within(0, 1)
          if (signal.rarity !== null) {
            expect(signal.rarity).to.be.within(0, 1)
            expect(signal.score).to.equal(1 - signal.rarity)
          }
          if (signal.lower !== null && signal.upper !== null) {
            expect(signal.lower).to.be.at.least(0)
            expect(signal.expected).to.be.within(signal.lower, signal.upper)
          }
          if (signal.polarity === 'good') expect(signal.severity).to.equal('LOW')
        }
        const keys = toAnomalies(signals).map(({ type, metric }) => `${type} ${metric}`)
        expect(new Set(keys).size).to.equal(keys.length)
      }),
      { numRuns: 300 },
    )
  })

  it('are the same in another currency where no floor in money binds', () => {
    const lively = fc.array(fc.double({ min: 200, max: 900, noNaN: true }), { minLength: 30, maxLength: 57 })
    fc.assert(
      fc.property(lively, fc.double({ min: 1, max: 1000, noNaN: true }), (spends, rate) => {
        const z = (factor: number) =>
          detect(
            buildFrame(
              DAY - spends.length + 1,
              spends.map((spend) => ({ spend: spend * factor })),
            ),
          ).signals.map(({ type, severity, deviation }) => ({ type, severity, deviation: deviation ?? 0 }))
        const [home, abroad] = [z(1), z(rate)]
        expect(abroad.length).to.equal(home.length)
        home.forEach((signal, i) => {
          expect(abroad[i]?.deviation).to.be.closeTo(signal.deviation, 1e-6)
        })
      }),
    )
  })

  it('are none on constant data', () => {
    fc.assert(
      fc.property(row, fc.integer({ min: 1, max: 70 }), (constant, length) => {
        const quiet = { ...constant, reach7: Number.NaN, reach: constant.impressions ?? 0 }
        const list = Array.from({ length }, () => quiet)
        expect(detect(buildFrame(DAY - length + 1, list)).signals).to.deep.equal([])
      }),
    )
  })
})
