import { expect } from 'chai'
import { simulateAccount } from '../../../../bench/quality/simulate.ts'
import { toPanel } from '../../../../bench/quality/panel.ts'
import { MODEL_SOURCES } from '../../../../ml/detectors/signal.ts'
import type { AccountDays } from '../../../../ml/shifts/account.ts'
import { forestDay, joinForestDays, judgeByForests, trainingsOf } from '../../../../shared/replay/forests.ts'
import type { ForestDays, Training } from '../../../../shared/replay/forests.ts'

const DAYS = 70
const FIRST_DAY = 20_458
const SETTINGS = {
  useForests: true,
  historyDays: 90,
  minSamples: 50,
  forest: { trees: 10, contamination: 0.1, randomState: 42 },
}

const account = toPanel(
  simulateAccount({
    seed: 5,
    index: 1,
    days: DAYS,
    weekdayAmplitude: 0.2,
    leadsPerAd: 5,
    campaigns: 3,
    faults: 0,
    partialEnd: false,
  }),
  false,
)

const judged = (of: AccountDays, trainings: readonly Training[]): ForestDays =>
  judgeByForests({ account: of, firstDay: FIRST_DAY, trainings, settings: SETTINGS, baselineDays: 56 })

/** What was said of each entity on a day. */
const saidOn = (forests: ForestDays, day: number): unknown[] =>
  account.entities.map((_, i) => forestDay(forests, i * account.days + day))

/** The same account with other figures from a day on. */
const otherFrom = (day: number): AccountDays => ({
  ...account,
  entities: account.entities.map((entity) => {
    const changed = (column: Float64Array): Float64Array =>
      column.map((value, t) => (t < day ? value : 5 * value + 1))
    return {
      ...entity,
      spend: changed(entity.spend),
      leads: changed(entity.leads),
      clicks: changed(entity.clicks),
    }
  }),
})

describe('shared/replay/forests', () => {
  describe('trainings', () => {
    it('take place on the first day and every so many days after, wherever the days asked for begin and end', () => {
      expect(trainingsOf(0, 16, 7)).to.deep.equal([
        { day: 0, until: 6 },
        { day: 7, until: 13 },
        { day: 14, until: 16 },
      ])
      expect(trainingsOf(6, 13, 7).map(({ day }) => day)).to.deep.equal([0, 7])
      expect(trainingsOf(7, 14, 7).map(({ day }) => day)).to.deep.equal([7, 14])
      expect(trainingsOf(3, 5, 1).map(({ day }) => day)).to.deep.equal([3, 4, 5])
    })
  })

  it('judges a day by nothing that came after it, nor by the day itself', () => {
    const weekly = trainingsOf(56, 62, 7)
    const before = judged(account, weekly)
    const after = judged(otherFrom(58), weekly)
    expect([56, 57].map((day) => saidOn(after, day))).to.deep.equal(
      [56, 57].map((day) => saidOn(before, day)),
    )
    expect(saidOn(after, 58)).to.not.deep.equal(saidOn(before, 58))
  })

  it('judges until the next training by models of the days before the last one', () => {
    const weekly = judged(account, trainingsOf(56, 62, 7))
    const daily = judged(account, trainingsOf(56, 58, 1))
    expect(saidOn(weekly, 56)).to.deep.equal(saidOn(daily, 56))
    const changed = judged(otherFrom(57), [{ day: 56, until: 62 }])
    // What the models were trained on has not changed, whatever is made of the days after.
    const both = [...weekly.odd].flatMap(([cell, verdict]) => {
      const other = changed.odd.get(cell)
      return other ? [[verdict.threshold, other.threshold]] : []
    })
    expect(both.length).to.be.greaterThan(10)
    for (const [threshold, other] of both) expect(other).to.equal(threshold)
  })

  it('climbs from statistics over pooled models to an own one', () => {
    const forests = judged(account, [
      { day: 6, until: 6 },
      { day: 7, until: 7 },
      { day: 49, until: 49 },
      { day: 50, until: 50 },
    ])
    const sourcesOn = (day: number): Set<string> => {
      const found = account.entities.flatMap(({ level, start, end }, i) =>
        level === 'ad' && start === 0 && end >= 50 ? forestDay(forests, i * account.days + day).source : [],
      )
      return new Set(found)
    }
    expect([...sourcesOn(6)]).to.deep.equal(['baseline'])
    expect(sourcesOn(7).has('baseline')).to.equal(false)
    expect(sourcesOn(49).has('own')).to.equal(false)
    expect([...sourcesOn(50)]).to.deep.equal(['own'])
  })

  it('says the same whether its trainings are done together or apart', () => {
    const trainings = trainingsOf(42, 60, 7)
    const together = judged(account, trainings)
    const apart = joinForestDays(trainings.toReversed().map((training) => judged(account, [training])))
    expect(apart.sources).to.deep.equal(together.sources)
    expect(apart.scored).to.deep.equal(together.scored)
    expect(new Map([...apart.odd].sort(([a], [b]) => a - b))).to.deep.equal(
      new Map([...together.odd].sort(([a], [b]) => a - b)),
    )
  })

  it('can be handed over by a thread', () => {
    const forests = judged(account, [{ day: 56, until: 60 }])
    expect(forests.odd.size).to.be.greaterThan(0)
    expect(structuredClone(forests)).to.deep.equal(forests)
  })

  it('leaves to statistics what nobody judged', () => {
    expect(forestDay(null, 3)).to.deep.equal({ source: 'baseline', verdict: null })
    const forests = judged(account, [{ day: 56, until: 56 }])
    expect(forestDay(forests, 57)).to.deep.equal({ source: 'baseline', verdict: null })
    expect(MODEL_SOURCES).to.include(forestDay(forests, 56).source)
  })
})
