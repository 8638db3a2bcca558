import { expect } from 'chai'
import { normal, randomOf } from '../../../../bench/random.ts'
import { detectDay } from '../../../../ml/detectors/detect-day.ts'
import {
  buildEntityMatrix,
  createJudge,
  fitEntityForest,
  judgeDay,
} from '../../../../ml/detectors/entity-forest.ts'
import { featureDeviates } from '../../../../ml/detectors/feature-deviates.ts'
import type { DeviatesInput } from '../../../../ml/detectors/feature-deviates.ts'
import { defaultDetectionParams as params } from '../../../../ml/detectors/params.ts'
import type { BudgetChange } from '../../../../ml/frame.ts'
import { buildFrame, type DayRow, repeat } from '../build-frame.ts'

const FIRST = 20_000
const DAYS = 84
/** The judged day, twelve weeks after the first. */
const TODAY = FIRST + DAYS
const WEEK = [1.2, 1.1, 1, 1, 0.95, 0.7, 0.75]
/** Of the logs, from day to day. */
const SD = { spend: 0.1, cpm: 0.05, ctr: 0.08, cpl: 0.2, frequency: 0.04 }
type Cause = keyof typeof SD

/** A day of an ad at 10 a lead, each of its causes so many standard deviations off. */
const dayOf = (t: number, off: Partial<Record<Cause, number>> = {}): DayRow => {
  const times = (cause: Cause): number => Math.exp(SD[cause] * (off[cause] ?? 0))
  const spend = 200 * (WEEK[t % 7] as number) * times('spend')
  const impressions = Math.round((50 * spend) / times('cpm'))
  return {
    spend,
    impressions,
    clicks: Math.round(0.02 * impressions * times('ctr')),
    leads: Math.round(spend / 10 / times('cpl')),
    reach: Math.round(impressions / 1.5 / times('frequency')),
  }
}

const random = randomOf(7, 1, 1)
/** Noisy days, and three that are just as usual. */
const history = Array.from({ length: DAYS }, (_, t) =>
  dayOf(
    t,
    t < DAYS - 3
      ? {
          spend: normal(random),
          cpm: normal(random),
          ctr: normal(random),
          cpl: normal(random),
          frequency: normal(random),
        }
      : {},
  ),
)

const deviates = (rows: readonly (DayRow | null)[], change: Partial<DeviatesInput> = {}) => {
  const found = featureDeviates({
    frame: buildFrame(FIRST, rows),
    day: FIRST + rows.length - 1,
    windowDays: 56,
    excludedDays: new Set(),
    budgetChanges: [],
    ...change,
  })
  return found && Object.fromEntries(found)
}

describe('ml/detectors/feature-deviates', () => {
  it('is near 0 for a usual day of any weekday', () => {
    for (let t = 0; t < 7; t++) {
      const rows = [...history, ...Array.from({ length: t + 1 }, (_, k) => dayOf(DAYS + k))]
      for (const deviate of Object.values(deviates(rows) ?? {})) expect(Math.abs(deviate)).to.be.below(2)
    }
  })

  it('counts standard deviations, up and down', () => {
    const off = (change: Partial<Record<Cause, number>>) => deviates([...history, dayOf(DAYS, change)]) ?? {}
    for (const by of [6, -6]) {
      const sign = Math.sign(by)
      expect(sign * (off({ spend: by })['spend'] ?? 0)).to.be.within(4, 9)
      expect(sign * (off({ ctr: by })['ctr'] ?? 0)).to.be.within(4, 9)
      expect(sign * (off({ cpl: by })['cpl'] ?? 0)).to.be.within(4, 9)
      expect(sign * (off({ cpl: by })['leads'] ?? 0)).to.be.within(-9, -3)
    }
    // Steadier than 5%, which is the least a figure is taken to scatter.
    expect(off({ frequency: 6 })['frequency']).to.be.within(3.5, 6)
    expect(Math.abs(off({ spend: 6 })['ctr'] ?? 9)).to.be.below(1)
  })

  it('looks at up to three days together', () => {
    const ended = (...offs: number[]) =>
      deviates([...history, ...offs.map((off, k) => dayOf(DAYS + k, { ctr: off }))]) ?? {}
    const one = ended(0, 0, 0, 3)['ctr'] ?? 0
    expect(one).to.be.above(2)
    // By the square root of the days.
    expect((ended(0, 0, 3, 3)['ctr'] ?? 0) / one).to.be.within(1.2, 1.7)
    const three = ended(0, 3, 3, 3)['ctr'] ?? 0
    expect(three / one).to.be.within(1.5, 2)
    // The fourth is one of those it is measured by.
    expect((ended(3, 3, 3, 3)['ctr'] ?? 0) / three).to.be.within(0.9, 1.1)
    expect(ended(0, 0, 3, 0)['ctr'])
      .to.be.above(0)
      .and.below(one)
  })

  it('takes money and leads after a known budget change for what they should be', () => {
    const doubled = { spend: Math.log(2) / SD.spend }
    const rows = [...history, dayOf(DAYS, doubled)]
    const known = (change: BudgetChange) => deviates(rows, { budgetChanges: [change] }) ?? {}
    expect(deviates(rows)?.['spend']).to.be.above(4)
    for (const feature of ['spend', 'leads'])
      expect(Math.abs(known({ day: TODAY, ratio: 2 })[feature] ?? 9)).to.be.below(1)
    expect(known({ day: TODAY + 1, ratio: 2 })).to.deep.equal(deviates(rows))
    // A change before the first day of the window is in all of its days.
    expect(known({ day: TODAY - 56, ratio: 2 })).to.deep.equal(deviates(rows))
    expect(known({ day: TODAY - 55, ratio: 2 })).to.not.deep.equal(deviates(rows))
  })

  it('measures by seven days with impressions, not by six', () => {
    const some = (n: number) => deviates([...history.slice(0, n), dayOf(n)])
    expect(some(6)).to.equal(null)
    expect(some(7)).to.not.equal(null)
    expect(deviates([...history.slice(0, 7), { spend: 3 }, dayOf(8)], { windowDays: 7 })).to.equal(null)
    expect(deviates([...history.slice(0, 7), dayOf(7)], { excludedDays: new Set([FIRST + 2]) })).to.equal(
      null,
    )
  })

  it('knows nothing of a day without impressions or without a row', () => {
    expect(deviates([...history, { spend: 5 }])).to.equal(null)
    expect(deviates([...history, null])).to.equal(null)
  })

  it('is finite where nothing ever varies, and where there was never a lead or a click', () => {
    const still = repeat(20, { spend: 10, impressions: 100 })
    expect(Object.values(deviates(still) ?? {})).to.deep.equal([0, 0, 0, 0, 0])
    const woken = deviates([...still, { spend: 10, impressions: 100, clicks: 5, leads: 2, reach: 50 }]) ?? {}
    for (const deviate of Object.values(woken)) expect(Number.isFinite(deviate)).to.equal(true)
    expect(woken['leads']).to.be.above(4)
  })

  describe('what a forest names first', () => {
    const frame = buildFrame(FIRST, history)
    const judge = createJudge(
      fitEntityForest(buildEntityMatrix(frame, null, new Set()), {
        trees: 100,
        contamination: 0.1,
        randomState: 42,
      }),
    )
    /** Features by their shares on a day after the history. */
    const named = (last: DayRow, budgetChanges: readonly BudgetChange[] = []): string[] => {
      const withLast = buildFrame(FIRST, [...history, last])
      const verdict = judgeDay(judge, withLast, TODAY)
      const { signals } = detectDay(
        {
          day: TODAY,
          frame: withLast,
          head: { activeRanges: [], budgetChanges },
          excludedDays: new Set(),
          lastFrequencyAlertDay: null,
          // Whether the forest calls it odd is another question.
          verdict: verdict && { ...verdict, isAnomaly: true },
          modelSource: 'own',
          modelVersion: 1,
        },
        params,
      )
      const found = signals.find(({ detector }) => detector === 'isolation_forest')
      const shares = Object.entries(found?.contributions ?? {}).sort(([, a], [, b]) => b - a)
      if (shares.length > 0) expect(shares.reduce((sum, [, share]) => sum + share, 0)).to.be.closeTo(1, 1e-12)
      return shares.map(([feature]) => feature)
    }

    it('is the feature that moved by six standard deviations, whichever it is', () => {
      for (const by of [6, -6]) {
        expect(named(dayOf(DAYS, { spend: by }))[0]).to.equal('spend')
        expect(named(dayOf(DAYS, { ctr: by }))[0]).to.equal('ctr')
        expect(named(dayOf(DAYS, { frequency: by }))[0]).to.equal('frequency')
        expect(named(dayOf(DAYS, { cpl: by }))[0]).to.be.oneOf(['cpl', 'leads'])
      }
    })

    it('are both when two moved, and both of a pair that moves together', () => {
      expect(named(dayOf(DAYS, { ctr: -6, frequency: 6 })).slice(0, 2)).to.have.members(['ctr', 'frequency'])
      expect(named(dayOf(DAYS, { spend: 6, ctr: -6 })).slice(0, 2)).to.have.members(['spend', 'ctr'])
      // Cost per lead and leads are one figure at the same money.
      expect(named(dayOf(DAYS, { cpl: 6 })).slice(0, 2)).to.have.members(['cpl', 'leads'])
      expect(named(dayOf(DAYS, { cpl: -6 })).slice(0, 2)).to.have.members(['cpl', 'leads'])
    })

    it('is what is far out, not what is barely beyond the days it was trained on', () => {
      expect(named(dayOf(DAYS, { spend: 3, ctr: -8 }))[0]).to.equal('ctr')
      expect(named(dayOf(DAYS, { spend: 3, frequency: 12 }))[0]).to.equal('frequency')
    })

    it('is not the money of a known budget change', () => {
      const day = dayOf(DAYS, { spend: 8, ctr: -5 })
      expect(named(day)[0]).to.equal('spend')
      expect(named(day, [{ day: TODAY, ratio: Math.exp(8 * SD.spend) }])[0]).to.equal('ctr')
    })
  })
})
