import { expect } from 'chai'
import { detectDay, type DayInput } from '../../../../ml/detectors/detect-day.ts'
import { defaultDetectionParams as params } from '../../../../ml/detectors/params.ts'
import type { DetectorName, Metric, Signal } from '../../../../ml/detectors/signal.ts'
import { buildFrame, type DayRow, repeat } from '../build-frame.ts'

/** A Sunday: 1970-01-01 was a Thursday, so days with day % 7 = 3 are Sundays. */
const SUNDAY = 19_939

/** Judges the last of `rows`, which falls on `day`. */
const judge = (rows: readonly (DayRow | null)[], extra: Partial<DayInput> = {}) => {
  const day = extra.day ?? SUNDAY
  return detectDay(
    {
      day,
      frame: buildFrame(day - rows.length + 1, rows),
      head: { activeRanges: [[0, day]], budgetChanges: [] },
      excludedDays: new Set(),
      lastFrequencyAlertDay: null,
      verdict: null,
      modelSource: 'baseline',
      modelVersion: null,
      ...extra,
    },
    params,
  )
}

const find = (signals: readonly Signal[], detector: DetectorName, metric: Metric): Signal | undefined =>
  signals.find((signal) => signal.detector === detector && signal.metric === metric)

const spend = (value: number): DayRow => ({ spend: value })
const history = (row: DayRow, days = 28): DayRow[] => repeat(days, row)

describe('z_iqr on spend', () => {
  const against = (value: number) =>
    find(judge([...history(spend(100)), spend(value)]).signals, 'z_iqr', 'spend')

  it('is silent at 112 and up to 112.5, and speaks above', () => {
    expect(against(112)).to.equal(undefined)
    expect(against(112.5)).to.equal(undefined)
    expect(against(112.51)?.type).to.equal('spend_spike')
  })

  it('calls 113 a LOW spend_spike of rarity 0.0149', () => {
    const signal = against(113)
    expect(signal).to.include({
      type: 'spend_spike',
      severity: 'LOW',
      direction: 'up',
      polarity: 'bad',
      observed: 113,
      expected: 100,
      lower: 87.5,
      upper: 112.5,
      deviation: 2.6,
    })
    expect(signal?.rarity).to.be.closeTo(0.0149, 5e-5)
    expect(signal?.score).to.be.closeTo(1 - 0.0149, 5e-5)
  })

  it('climbs from LOW to CRITICAL at z 3, 4 and 5', () => {
    const at = [114.99, 115, 119.99, 120, 124.99, 125].map((value) => against(value)?.severity)
    expect(at).to.deep.equal(['LOW', 'MEDIUM', 'MEDIUM', 'HIGH', 'HIGH', 'CRITICAL'])
    expect(against(130)).to.include({ deviation: 6, severity: 'CRITICAL' })
  })

  it('calls the mirror image a drop', () => {
    expect(against(87.5)).to.equal(undefined)
    expect(against(87)).to.include({ type: 'spend_drop', direction: 'down', polarity: 'bad' })
  })

  it('expects the Sunday of a weekly pattern', () => {
    const weeks = repeat(4, [...repeat(5, spend(100)), spend(40), spend(40)]).flat()
    const rows = weeks.slice(0, -1)
    expect(judge([...rows, spend(40)]).signals).to.deep.equal([])
    const loud = find(judge([...rows, spend(100)]).signals, 'z_iqr', 'spend')
    expect(loud).to.include({ expected: 40, deviation: 30 })
  })

  it('learns nothing from days known to be odd', () => {
    const rows = [...history(spend(100)), ...repeat(20, spend(200)), spend(200)]
    const odd = new Set(Array.from({ length: 20 }, (_, i) => SUNDAY - 1 - i))
    expect(find(judge(rows).signals, 'z_iqr', 'spend')).to.equal(undefined)
    const signal = find(judge(rows, { excludedDays: odd }).signals, 'z_iqr', 'spend')
    expect(signal).to.include({ expected: 100, deviation: 20 })
  })

  it('does not look at days after the one it judges', () => {
    const rows = [...history(spend(100)), spend(113)]
    const later = buildFrame(SUNDAY - 28, [...rows, spend(9000), spend(9000)])
    expect(judge(rows, { frame: later })).to.deep.equal(judge(rows))
  })

  it('says nothing with 6 days of history, and tests nothing', () => {
    expect(judge([...history(spend(100), 6), spend(900)])).to.deep.equal({ signals: [], hypotheses: 0 })
    expect(judge([...history(spend(100), 7), spend(900)]).signals).to.have.length(1)
  })
})

describe('z_iqr fences', () => {
  it('speak for a value beyond them although z is small', () => {
    // The scale is widened for knowing little of each weekday, the fences are not: here 83.33 + 44.82.
    const rows = Array.from({ length: 28 }, (_, i) => spend(100 + 5 * (((i * i * 3 + (i >> 2)) % 13) - 6)))
    const against = (value: number) => find(judge([...rows, spend(value)]).signals, 'z_iqr', 'spend')
    expect(against(128.1)).to.equal(undefined)
    expect(against(128.2)).to.include({ severity: 'LOW' })
    expect(against(128.2)?.deviation).to.be.below(2.5)
  })
})

describe('volume guards', () => {
  const cpl20: DayRow = { spend: 60, impressions: 5000, clicks: 60, leads: 3 }
  const on = (row: DayRow, before: DayRow = cpl20) => judge([...history(before), row]).signals

  it('let no cpl signal pass on one lead where three were due', () => {
    expect(find(on({ ...cpl20, leads: 1 }), 'z_iqr', 'cpl')).to.equal(undefined)
  })

  it('let cpl pass on two leads where ten were due', () => {
    const signal = find(on({ ...cpl20, spend: 200, leads: 2 }), 'z_iqr', 'cpl')
    expect(signal).to.include({ type: 'cpl_spike', observed: 100, expected: 20, polarity: 'bad' })
    expect(signal?.rarity).to.be.closeTo(0.0055, 5e-5)
  })

  it('turn at p 0.05: with 10 leads due, 4 do not back a signal and 3 do', () => {
    expect(find(on({ ...cpl20, spend: 200, leads: 4 }), 'z_iqr', 'cpl')).to.equal(undefined)
    expect(find(on({ ...cpl20, spend: 200, leads: 3 }), 'z_iqr', 'cpl')?.severity).to.equal('CRITICAL')
  })

  it('leave a day without leads to leads_drop', () => {
    const busy: DayRow = { spend: 200, impressions: 20_000, clicks: 200, leads: 10 }
    const signals = on({ ...busy, leads: 0 }, busy)
    expect(find(signals, 'z_iqr', 'cpl')).to.equal(undefined)
    expect(find(signals, 'z_iqr', 'leads')).to.include({ type: 'leads_drop', polarity: 'bad', expected: 10 })
  })

  it('test leads against at least half a lead', () => {
    const none: DayRow = { spend: 60, impressions: 5000, clicks: 60, leads: 0 }
    expect(find(on({ ...none, leads: 2 }, none), 'z_iqr', 'leads')).to.equal(undefined)
    const three = find(on({ ...none, leads: 3 }, none), 'z_iqr', 'leads')
    expect(three).to.include({ type: 'leads_spike', polarity: 'good', severity: 'LOW' })
  })

  it('ask 1000 impressions of ctr', () => {
    const before: DayRow = { spend: 60, impressions: 5000, clicks: 50 }
    expect(find(on({ ...before, impressions: 999, clicks: 40 }, before), 'z_iqr', 'ctr')).to.equal(undefined)
    expect(find(on({ ...before, impressions: 1000, clicks: 40 }, before), 'z_iqr', 'ctr')).to.include({
      type: 'ctr_spike',
    })
  })

  it('ask unlikely clicks of ctr', () => {
    const before: DayRow = { spend: 60, impressions: 5000, clicks: 50 }
    // Expected 10 clicks of 1000: 17 have a two-sided p of 0.053, 18 of 0.027.
    expect(find(on({ ...before, impressions: 1000, clicks: 17 }, before), 'z_iqr', 'ctr')).to.equal(undefined)
    const signal = find(on({ ...before, impressions: 1000, clicks: 18 }, before), 'z_iqr', 'ctr')
    expect(signal?.rarity).to.be.closeTo(0.0274, 5e-4)
  })

  it('ask 50 clicks of conversion_rate', () => {
    const before: DayRow = { spend: 60, impressions: 5000, clicks: 100, leads: 20 }
    const with49 = on({ ...before, clicks: 49, leads: 0 }, before)
    expect(find(with49, 'z_iqr', 'conversion_rate')).to.equal(undefined)
    const with50 = on({ ...before, clicks: 50, leads: 0 }, before)
    expect(find(with50, 'z_iqr', 'conversion_rate')).to.include({
      type: 'conversion_rate_drop',
      polarity: 'bad',
    })
  })
})

describe('polarity and what it does to severity', () => {
  const base: DayRow = { spend: 200, impressions: 20_000, clicks: 200, leads: 10 }
  const on = (row: DayRow, extra: Partial<DayInput> = {}) => judge([...history(base), row], extra).signals

  it('caps good news at LOW', () => {
    const signals = on({ ...base, leads: 40 })
    expect(find(signals, 'z_iqr', 'leads')).to.include({ polarity: 'good', severity: 'LOW' })
    expect(find(signals, 'z_iqr', 'cpl')).to.include({ type: 'cpl_drop', polarity: 'good', severity: 'LOW' })
    expect(find(signals, 'z_iqr', 'conversion_rate')).to.include({ polarity: 'good', severity: 'LOW' })
  })

  it('calls more clicks good while they convert, and bad when they do not', () => {
    const real = find(on({ ...base, clicks: 300, leads: 15 }), 'z_iqr', 'ctr')
    expect(real).to.include({ type: 'ctr_spike', polarity: 'good', severity: 'LOW' })
    const junk = find(on({ ...base, clicks: 300, leads: 14 }), 'z_iqr', 'ctr')
    expect(junk).to.include({ type: 'ctr_spike', polarity: 'bad', severity: 'CRITICAL' })
  })

  it('calls more spend neutral while leads cost no more', () => {
    const held = find(on({ ...base, spend: 400, leads: 20 }), 'z_iqr', 'spend')
    expect(held).to.include({ type: 'spend_spike', polarity: 'neutral', severity: 'CRITICAL' })
    const dearer = find(on({ ...base, spend: 400.5, leads: 20 }), 'z_iqr', 'spend')
    expect(dearer?.polarity).to.equal('bad')
    expect(find(on({ ...base, spend: 400, leads: 0 }), 'z_iqr', 'spend')?.polarity).to.equal('bad')
  })

  it('calls less spend bad even when leads got cheaper', () => {
    expect(find(on({ ...base, spend: 100 }), 'z_iqr', 'spend')?.polarity).to.equal('bad')
  })

  it('calls spend neutral after a budget change of 20% the same way within 2 days', () => {
    const polarity = (value: number, day: number, ratio: number) =>
      find(
        on(
          { ...base, spend: value },
          {
            head: { activeRanges: [[0, SUNDAY]], budgetChanges: [{ day, ratio }] },
          },
        ),
        'z_iqr',
        'spend',
      )?.polarity
    expect(polarity(400, SUNDAY, 1.2)).to.equal('neutral')
    expect(polarity(400, SUNDAY - 2, 1.2)).to.equal('neutral')
    expect(polarity(400, SUNDAY - 3, 1.2)).to.equal('bad')
    expect(polarity(400, SUNDAY + 1, 1.2)).to.equal('bad')
    expect(polarity(400, SUNDAY, 1.19)).to.equal('bad')
    expect(polarity(400, SUNDAY, 0.5)).to.equal('bad')
    expect(polarity(100, SUNDAY - 1, 0.8)).to.equal('neutral')
    expect(polarity(100, SUNDAY - 1, 0.81)).to.equal('bad')
    expect(polarity(100, SUNDAY - 1, 1.5)).to.equal('bad')
  })

  it('lifts dearer leads one step from LOW and MEDIUM only', () => {
    // cpl 20 with scale 1: z = cpl - 20; many leads, so that the guard never interferes.
    const big: DayRow = { spend: 200_000, impressions: 1e6, clicks: 1e5, leads: 10_000 }
    const at = [22.6, 23.5, 24.5, 25.5].map(
      (cpl) =>
        find(judge([...history(big), { ...big, spend: cpl * 10_000 }]).signals, 'z_iqr', 'cpl')?.severity,
    )
    expect(at).to.deep.equal(['MEDIUM', 'HIGH', 'HIGH', 'CRITICAL'])
  })

  it('lifts fewer clicks one step from LOW only', () => {
    // ctr 1 with scale 0.05.
    const big: DayRow = { spend: 1000, impressions: 1e6, clicks: 10_000 }
    const at = [0.87, 0.84, 0.79, 0.74].map(
      (ctr) =>
        find(judge([...history(big), { ...big, clicks: ctr * 10_000 }]).signals, 'z_iqr', 'ctr')?.severity,
    )
    expect(at).to.deep.equal(['MEDIUM', 'MEDIUM', 'HIGH', 'CRITICAL'])
  })
})

describe('change_point', () => {
  const lasting = (value: number, extra: Partial<DayInput> = {}) =>
    judge([...history(spend(100)), ...repeat(3, spend(value))], extra).signals

  it('calls 3 days at 131 a MEDIUM change of 0.31', () => {
    const signal = find(lasting(131), 'change_point', 'spend')
    expect(signal).to.include({ type: 'spend_spike', severity: 'MEDIUM', observed: 131, expected: 100 })
    expect(signal?.deviation).to.be.closeTo(0.31, 1e-12)
    // Noise ratio 31 / (5 sqrt(1/3 + 1/7)) = 8.98 over 30 values.
    const half = (2.5 * 31) / 8.98
    expect(signal?.upper).to.be.closeTo(100 + half, 0.01)
    expect(find(lasting(131), 'z_iqr', 'spend')).to.include({ severity: 'CRITICAL', deviation: 6.2 })
  })

  it('starts at 30% and grows louder beyond 50% and 80%', () => {
    const severity = (value: number) => find(lasting(value), 'change_point', 'spend')?.severity
    expect(severity(129)).to.equal(undefined)
    expect(severity(129.99)).to.equal(undefined)
    expect(severity(130)).to.equal('MEDIUM')
    expect(severity(150)).to.equal('MEDIUM')
    expect(severity(150.01)).to.equal('HIGH')
    expect(severity(180)).to.equal('HIGH')
    expect(severity(180.01)).to.equal('CRITICAL')
    expect(find(lasting(70), 'change_point', 'spend')?.type).to.equal('spend_drop')
    expect(severity(71)).to.equal(undefined)
  })

  it('needs all ten days, none of them known to be odd', () => {
    const missing = (daysAgo: number) => {
      const steady = history(spend(100), daysAgo - 3)
      const rows = [...history(spend(100), 20), null, ...steady, ...repeat(3, spend(140))]
      return find(judge(rows).signals, 'change_point', 'spend')
    }
    expect(missing(9)).to.equal(undefined)
    expect(missing(10)).to.not.equal(undefined)
    const odd = lasting(140, { excludedDays: new Set([SUNDAY - 9]) })
    expect(find(odd, 'change_point', 'spend')).to.equal(undefined)
    const older = lasting(140, { excludedDays: new Set([SUNDAY - 10]) })
    expect(find(older, 'change_point', 'spend')).to.not.equal(undefined)
  })

  it('has nothing to compare with after days of nothing', () => {
    const rows = [...history(spend(0)), ...repeat(3, spend(140))]
    expect(find(judge(rows).signals, 'change_point', 'spend')).to.equal(undefined)
  })

  it('stays below the noise of an unsteady entity', () => {
    const noisy = Array.from({ length: 35 }, (_, i) => spend(100 + 90 * Math.sin(i * 12.9898)))
    const rows = [...noisy, spend(140), spend(140), spend(140)]
    expect(find(judge(rows).signals, 'change_point', 'spend')).to.equal(undefined)
  })

  it('asks cpl for the leads of three days', () => {
    const before: DayRow = { spend: 60, impressions: 5000, clicks: 60, leads: 3 }
    const now = (leads: number[]) =>
      find(
        judge([...history(before), ...leads.map((n) => ({ ...before, leads: n }))]).signals,
        'change_point',
        'cpl',
      )
    // 9 leads due: 4 have a two-sided p of 0.11, 3 of 0.042.
    expect(now([2, 1, 1])).to.equal(undefined)
    expect(now([1, 1, 1])).to.include({ type: 'cpl_spike', observed: 60, expected: 20, severity: 'CRITICAL' })
    expect(now([0, 0, 0])).to.equal(undefined)
  })
})

describe('zero delivery', () => {
  const delivered = (row: DayRow) => repeat(7, row)
  const types = (rows: readonly (DayRow | null)[], extra: Partial<DayInput> = {}) =>
    judge(rows, extra).signals.map(({ type, severity }) => `${type} ${severity}`)
  const stop = (row: DayRow, last: DayRow = {}, extra: Partial<DayInput> = {}) =>
    types([...delivered(row), last], extra).filter((text) => text.startsWith('zero'))

  it('reports an active entity that spent 50 a day and then nothing', () => {
    const signal = judge([...delivered(spend(50)), spend(0)]).signals.find(
      ({ detector }) => detector === 'zero_spend',
    )
    expect(signal).to.include({
      type: 'zero_spend',
      metric: 'spend',
      severity: 'HIGH',
      polarity: 'bad',
      direction: 'down',
      observed: 0,
      expected: 50,
      deviation: -1,
      rarity: null,
      score: 0.75,
    })
  })

  it('is CRITICAL on the second such day', () => {
    expect(types([...delivered(spend(50)), {}, {}]).filter((text) => text.startsWith('zero'))).to.deep.equal([
      'zero_spend CRITICAL',
    ])
  })

  it('says nothing of a paused entity', () => {
    const paused = { head: { activeRanges: [[0, SUNDAY - 1]] as const, budgetChanges: [] } }
    expect(types([...delivered(spend(50)), null], paused)).to.deep.equal([])
    expect(stop(spend(50), {}, paused)).to.deep.equal([])
  })

  it('wants a mean above 10 spent, or above 100 shown', () => {
    expect(stop(spend(10))).to.deep.equal([])
    expect(stop(spend(10.01))).to.deep.equal(['zero_spend HIGH'])
    expect(stop({ impressions: 100 })).to.deep.equal([])
    expect(stop({ impressions: 101 })).to.deep.equal(['zero_impressions MEDIUM'])
  })

  it('lets zero_spend speak for both', () => {
    expect(stop({ spend: 50, impressions: 5000 })).to.deep.equal(['zero_spend HIGH'])
    expect(stop({ spend: 50, impressions: 5000 }, { spend: 1 })).to.deep.equal(['zero_impressions MEDIUM'])
  })

  it('averages the days there were', () => {
    expect(types([spend(50), spend(50), {}])).to.deep.equal(['zero_spend HIGH'])
    expect(types([{}])).to.deep.equal([])
  })
})

describe('frequency', () => {
  /** A steady week whose 7-day frequency is `frequency`. */
  const week = (frequency: number): DayRow => ({ impressions: 1000, reach: 500, reach7: 7000 / frequency })
  const alert = (before: number, now: number, lastFrequencyAlertDay: number | null = null) =>
    find(
      judge([...repeat(10, week(before)), week(now)], { lastFrequencyAlertDay }).signals,
      'frequency',
      'frequency',
    )

  it('has bands above 3, 5, 7 and 10', () => {
    const at = [3, 3.01, 5, 5.01, 7, 7.01, 10, 10.01].map((value) => alert(1, value)?.severity ?? null)
    expect(at).to.deep.equal([null, 'LOW', 'LOW', 'MEDIUM', 'MEDIUM', 'HIGH', 'HIGH', 'CRITICAL'])
  })

  it('measures against the ideal of 2.5', () => {
    const signal = alert(1, 5)
    expect(signal).to.include({ type: 'frequency_alert', polarity: 'bad', direction: 'up', score: 0.25 })
    expect(signal?.observed).to.be.closeTo(5, 1e-9)
    expect(signal?.expected).to.equal(2.5)
    expect(signal?.deviation).to.be.closeTo(2, 1e-9)
    expect(signal?.rarity).to.equal(null)
  })

  it('repeats a lasting band after 7 days, not after 6', () => {
    expect(alert(4, 4, SUNDAY - 6)).to.equal(undefined)
    expect(alert(4, 4, SUNDAY - 7)).to.not.equal(undefined)
    expect(alert(4, 4, null)).to.not.equal(undefined)
  })

  it('speaks at once when the band rises, and keeps what it said today', () => {
    expect(alert(4, 6, SUNDAY - 1)?.severity).to.equal('MEDIUM')
    expect(alert(6, 4, SUNDAY - 1)).to.equal(undefined)
    expect(alert(4, 4, SUNDAY)).to.not.equal(undefined)
  })

  it('adds up daily reach where the source gives no window, and stays silent where that is unknown', () => {
    const daily = (reach: number): DayRow => ({ impressions: 1000, reach })
    const on = (rows: DayRow[]) => find(judge(rows).signals, 'frequency', 'frequency')
    expect(on(repeat(8, daily(250)))?.observed).to.equal(4)
    expect(on([...repeat(7, daily(250)), { impressions: 1000 }])).to.equal(undefined)
    // A day without views reached nobody, whatever its cell says.
    expect(on([...repeat(7, daily(250)), {}])?.observed).to.equal(4)
  })
})

describe('reach_saturation', () => {
  interface Week {
    readonly impressions: number
    readonly reach: number
  }
  const saturation = (before: Week, now: Week) => {
    const days = ({ impressions, reach }: Week): DayRow[] =>
      repeat(7, { impressions: impressions / 7, reach: reach / 7, reach7: reach })
    return find(judge([...days(before), ...days(now)]).signals, 'reach_saturation', 'reach')
  }

  it('reports 10% more views that reach hardly anyone new', () => {
    const signal = saturation({ impressions: 7000, reach: 2100 }, { impressions: 8400, reach: 2100 })
    expect(signal).to.include({ severity: 'MEDIUM', polarity: 'bad', direction: 'down', observed: 2100 })
    expect(signal?.expected).to.be.closeTo(2520, 1e-9)
    expect(signal?.deviation).to.be.closeTo(2100 / 2520 - 1, 1e-12)
  })

  it('has a boundary in views, growth, reach and frequency', () => {
    const before = { impressions: 70_000, reach: 21_000 }
    const speaks = (now: Week, than: Week = before) => saturation(than, now) !== undefined
    expect(speaks({ impressions: 77_000, reach: 21_000 })).to.equal(true)
    expect(speaks({ impressions: 76_993, reach: 21_000 })).to.equal(false)
    expect(speaks({ impressions: 84_000, reach: 21_420 })).to.equal(true)
    expect(speaks({ impressions: 84_000, reach: 21_421 })).to.equal(false)
    const wide = { impressions: 70_000, reach: 33_600 }
    expect(speaks({ impressions: 84_000, reach: 33_600 }, wide)).to.equal(true)
    expect(speaks({ impressions: 83_993, reach: 33_600 }, wide)).to.equal(false)
    const small = { impressions: 700, reach: 210 }
    expect(speaks({ impressions: 1001, reach: 210 }, small)).to.equal(true)
    expect(speaks({ impressions: 994, reach: 210 }, small)).to.equal(false)
  })

  it('is HIGH when everyone saw it more than 5 times', () => {
    const before = { impressions: 7000, reach: 1680 }
    expect(saturation(before, { impressions: 8400, reach: 1680 })?.severity).to.equal('MEDIUM')
    expect(saturation(before, { impressions: 8407, reach: 1680 })?.severity).to.equal('HIGH')
  })

  it('compares sums with sums when one week lacks the window of the source', () => {
    const rows = [
      ...repeat(7, { impressions: 1000, reach: 300 }),
      ...repeat(7, { impressions: 1200, reach: 300, reach7: 1500 }),
    ]
    expect(find(judge(rows).signals, 'reach_saturation', 'reach')?.observed).to.equal(2100)
  })
})

describe('a whole day', () => {
  const steady: DayRow = { spend: 200, impressions: 20_000, clicks: 200, leads: 10, reach: 15_000 }

  it('finds nothing in constant data, having tested five metrics', () => {
    expect(judge(history(steady, 57))).to.deep.equal({ signals: [], hypotheses: 5 })
  })

  it('counts only what could be tested', () => {
    expect(judge(history(spend(200), 30)).hypotheses).to.equal(2)
    expect(judge(history({ spend: 200, impressions: 9, clicks: 0 }, 30)).hypotheses).to.equal(3)
  })

  it('is over at once for an entity without a row', () => {
    const nothing = { signals: [], hypotheses: 0 }
    expect(judge([...history(steady), null])).to.deep.equal(nothing)
    expect(judge([])).to.deep.equal(nothing)
  })

  it('names the model on every signal', () => {
    const { signals } = judge([...history(steady), {}], { modelSource: 'own', modelVersion: 3 })
    expect(signals.length).to.be.above(1)
    for (const signal of signals) expect(signal).to.include({ modelSource: 'own', modelVersion: 3 })
  })
})
