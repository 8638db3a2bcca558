import { expect } from 'chai'
import { everySignalOfToday, FEWEST_HOURS, judgeToday } from '../../../../ml/detectors/intraday.ts'
import type { HourlyFrame, Tolerances } from '../../../../ml/detectors/intraday.ts'
import type { BaselineParams } from '../../../../ml/detectors/weekday-baseline.ts'
import { campaignsOf, frameOn, simulateHours } from './hourly-account.ts'

const PARAMS: BaselineParams = { baselineDays: 56, minHistoryDays: 7, zThreshold: 2.5, iqrMultiplier: 1.5 }
const account = simulateHours(1, { campaigns: 6, adsPerCampaign: 4, days: 90 })
const DAY = 80
const NOON = 12

const clone = (): HourlyFrame => frameOn(account, DAY, NOON)
const widthOf = (frame: HourlyFrame): number => frame.days.length + 1
/** Today's figure of an ad, multiplied. */
const scaleToday = (frame: HourlyFrame, column: 'spend' | 'leads', entity: number, factor: number): void => {
  const cell = (entity + 1) * widthOf(frame) - 1
  frame[column][cell] = (frame[column][cell] as number) * factor
}
const meanOf = (frame: HourlyFrame, column: 'spend' | 'leads', entity: number): number => {
  const width = widthOf(frame)
  const row = frame[column].subarray(entity * width, (entity + 1) * width - 1)
  return row.reduce((sum, value) => sum + value, 0) / row.length
}
/** The ad that spends most. */
const BIG = account.heads
  .map((_, entity) => entity)
  .toSorted((a, b) => meanOf(clone(), 'spend', b) - meanOf(clone(), 'spend', a))[0] as number

const typesOf = (frame: HourlyFrame, tolerances?: Tolerances): [number, string][] =>
  judgeToday(frame, PARAMS, tolerances).map(({ entity, anomaly }) => [entity, anomaly.type])

describe('today against the same hours of the days before', () => {
  it('says nothing of an account as it always is, with weekdays 40% up and down, at any hour', () => {
    const found: string[] = []
    for (let day = 57; day < account.days; day++)
      for (const hours of [FEWEST_HOURS, 12, 19])
        for (const level of [account, campaignsOf(account)])
          for (const { entity, anomaly } of judgeToday(frameOn(level, day, hours), PARAMS))
            found.push(`day ${day}, hour ${hours}: ${level.heads[entity]?.id} ${anomaly.type}`)
    expect(found).to.deep.equal([])
  })

  it('says nothing before six hours', () => {
    const early = (hours: number): HourlyFrame => {
      const frame = { ...clone(), hours }
      scaleToday(frame, 'spend', BIG, 10)
      return frame
    }
    expect(typesOf(early(FEWEST_HOURS - 1))).to.deep.equal([])
    expect(typesOf(early(FEWEST_HOURS))).to.deep.equal([[BIG, 'spend_spike']])
  })

  it('tells of spend far beyond the usual, with what was expected by that hour', () => {
    const frame = clone()
    scaleToday(frame, 'spend', BIG, 10)
    const [finding, ...others] = judgeToday(frame, PARAMS)
    expect(others).to.deep.equal([])
    const { anomaly } = finding ?? {}
    expect(anomaly).to.include({ type: 'spend_spike', metric: 'spend', direction: 'up', polarity: 'bad' })
    expect(anomaly?.expected).to.be.within(0.5 * meanOf(frame, 'spend', BIG), 2 * meanOf(frame, 'spend', BIG))
    expect(anomaly?.upper).to.be.below(anomaly?.observed as number)
    expect(anomaly?.signals).to.have.length(1)
    expect(anomaly?.signals[0]).to.include({ detector: 'z_iqr', modelSource: 'baseline' })
  })

  it('tells of an ad that stopped, unless it was paused', () => {
    const frame = clone()
    scaleToday(frame, 'spend', BIG, 0)
    const [finding] = judgeToday(frame, PARAMS)
    expect(finding?.entity).to.equal(BIG)
    expect(finding?.anomaly).to.include({
      type: 'zero_spend',
      severity: 'HIGH',
      observed: 0,
      rarity: null,
      score: 0.75,
      deviation: -1,
    })
    const heads = frame.heads.map((head, entity) =>
      entity === BIG ? { ...head, activeRanges: [[0, DAY - 1]] as const } : head,
    )
    expect(typesOf({ ...frame, heads })).to.deep.equal([])
  })

  it('takes a morning that is slow or busy on the whole account for what it is', () => {
    for (const factor of [0.4, 1.5]) {
      const frame = clone()
      frame.heads.forEach((_, entity) => scaleToday(frame, 'spend', entity, factor))
      expect(typesOf(frame), `${factor}`).to.deep.equal([])
    }
  })

  it('expects more after a budget was raised, and still hears of what goes far beyond', () => {
    const raised = (factor: number, ratio: number): [number, string][] => {
      const frame = clone()
      scaleToday(frame, 'spend', BIG, factor)
      const heads = frame.heads.map((head, entity) =>
        entity === BIG ? { ...head, budgetChanges: [{ day: DAY, ratio }] } : head,
      )
      return typesOf({ ...frame, heads })
    }
    expect(raised(10, 1)).to.deep.equal([[BIG, 'spend_spike']])
    expect(raised(10, 10)).to.deep.equal([])
    expect(raised(100, 10)).to.deep.equal([[BIG, 'spend_spike']])
  })

  it('hears of many leads, and never of few: those of today are still on their way', () => {
    const heads = [0, 1, 2].map((i) => ({
      id: `a${i}`,
      parentId: null,
      campaignId: `c${i}`,
      activeRanges: [[0, 100]] as const,
      budgetChanges: [],
    }))
    const days = Int32Array.from({ length: 56 }, (_, i) => 44 + i)
    const withLeads = (leads: number): HourlyFrame => ({
      today: 100,
      hours: NOON,
      days,
      heads,
      spend: Float64Array.from({ length: 3 * 57 }, (_, i) => 100 + (i % 5)),
      leads: Float64Array.from({ length: 3 * 57 }, (_, i) => (i === 56 ? leads : 10 + (i % 3))),
    })
    expect(typesOf(withLeads(0))).to.deep.equal([])
    expect(typesOf(withLeads(15))).to.deep.equal([])
    const [finding] = judgeToday(withLeads(60), PARAMS)
    expect(finding?.anomaly).to.include({
      type: 'leads_spike',
      polarity: 'good',
      severity: 'LOW',
      observed: 60,
    })
  })

  it('takes more where people said before that it was nothing', () => {
    const frame = clone()
    scaleToday(frame, 'spend', BIG, 10)
    const of = (deviates: number): Tolerances => ({
      spend: new Map([[`a${BIG}`, deviates]]),
      leads: new Map(),
    })
    expect(typesOf(frame, of(0))).to.deep.equal([[BIG, 'spend_spike']])
    expect(typesOf(frame, of(100))).to.deep.equal([])
  })

  it('keeps every signal where nothing is held back, few leads included', () => {
    const heads = [
      { id: 'a', parentId: null, campaignId: 'c', activeRanges: [[0, 100]] as const, budgetChanges: [] },
    ]
    const days = Int32Array.from({ length: 28 }, (_, i) => 72 + i)
    const today = (spend: number, leads: number): HourlyFrame => ({
      today: 100,
      hours: FEWEST_HOURS,
      days,
      heads,
      spend: Float64Array.from([...days.map(() => 100), spend]),
      leads: Float64Array.from([...days.map(() => 10), leads]),
    })
    const types = (frame: HourlyFrame): string[] =>
      everySignalOfToday(frame, PARAMS).map(({ anomaly }) => anomaly.type)
    expect(types(today(112, 10))).to.deep.equal([])
    expect(types(today(113, 10))).to.deep.equal(['spend_spike'])
    expect(types(today(100, 2))).to.deep.equal(['leads_drop'])
    expect(types(today(0, 10))).to.deep.equal(['spend_drop', 'zero_spend'])
    expect(types({ ...today(0, 10), hours: FEWEST_HOURS - 1 })).to.deep.equal([])
    expect(
      types({ ...today(0, 10), heads: heads.map((head) => ({ ...head, activeRanges: [] })) }),
    ).to.deep.equal(['spend_drop'])
  })

  it('needs a week of days that count', () => {
    const short = (days: number): HourlyFrame => {
      const whole = clone()
      const width = widthOf(whole)
      const cut = (column: Float64Array): Float64Array =>
        Float64Array.from(
          whole.heads.flatMap((_, e) => [...column.subarray((e + 1) * width - days - 1, (e + 1) * width)]),
        )
      const frame = {
        ...whole,
        days: whole.days.slice(-days),
        spend: cut(whole.spend),
        leads: cut(whole.leads),
      }
      scaleToday(frame, 'spend', BIG, 1000)
      return frame
    }
    expect(typesOf(short(6))).to.deep.equal([])
    expect(typesOf(short(7))).to.deep.equal([[BIG, 'spend_spike']])
  })
})
