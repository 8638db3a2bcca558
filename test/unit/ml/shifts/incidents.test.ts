import { expect } from 'chai'
import type { AccountDays, AccountEntity } from '../../../../ml/shifts/account.ts'
import { DAILY_BUDGET, openIncidentBook } from '../../../../ml/shifts/incidents.ts'
import type { AccountAnomaly, IncidentBook, ToldAnomaly } from '../../../../ml/shifts/incidents.ts'

const DAYS = 40

const entity = (id: string, level: AccountEntity['level'], parent: number): AccountEntity => ({
  id,
  level,
  parent,
  start: 0,
  end: Infinity,
  spend: new Float64Array(DAYS).fill(100),
  impressions: new Float64Array(DAYS).fill(1000),
  clicks: new Float64Array(DAYS).fill(50),
  leads: new Float64Array(DAYS).fill(10),
  reach: new Float64Array(DAYS).fill(900),
  budget: new Float64Array(DAYS),
  mixed: new Uint8Array(DAYS),
  idle: new Uint8Array(DAYS),
  tolerance: {},
  confirmed: new Set(),
})

/** Campaign 0 with ad sets 1 and 2; ads 3 and 4 of the first, 5 of the second. Then campaigns of their own. */
const accountWith = (campaigns = 0): AccountDays => ({
  days: DAYS,
  firstWeekday: 0,
  entities: [
    entity('c', 'campaign', -1),
    entity('s1', 'adset', 0),
    entity('s2', 'adset', 0),
    entity('a1', 'ad', 1),
    entity('a2', 'ad', 1),
    entity('a3', 'ad', 2),
    ...Array.from({ length: campaigns }, (_, i) => entity(`c${i}`, 'campaign', -1)),
  ],
  holiday: new Uint8Array(DAYS),
  completeUntil: DAYS,
  leadsUntil: DAYS,
})

const odd = (at: number, day: number, changes: Partial<AccountAnomaly> = {}): AccountAnomaly => ({
  entity: at,
  day,
  type: 'spend_spike',
  metric: 'spend',
  severity: 'HIGH',
  polarity: 'bad',
  direction: 'up',
  score: 0.99,
  rarity: 0.01,
  observed: 300,
  expected: 100,
  lower: 80,
  upper: 120,
  deviation: 6,
  contributions: null,
  modelSource: 'baseline',
  modelVersion: null,
  signals: [],
  shift: null,
  ...changes,
})
const DEAR = { type: 'cpl_spike', metric: 'cpl' } as const
const LESS = { type: 'spend_drop', direction: 'down' } as const

const alertedOf = (told: readonly ToldAnomaly[]): number[] =>
  told.filter(({ alerted }) => alerted).map(({ entity: at }) => at)
const incidentsOf = (book: IncidentBook): [root: number, metric: string, from: number, to: number][] =>
  book.incidents.map(({ root, metric, from, to }) => [root, metric, from, to])

describe('incidents of an account', () => {
  it('are one of what lies above and below each other, rooted at what all have in common', () => {
    const book = openIncidentBook(accountWith())
    const told = book.take(20, [odd(3, 20), odd(1, 20), odd(0, 20)])
    expect(incidentsOf(book)).to.deep.equal([[0, 'spend', 20, 20]])
    expect(told.map(({ incident }) => incident)).to.deep.equal([0, 0, 0])
  })

  it('are one of branches of a campaign on one day, at what they have in common, and two of two campaigns', () => {
    const book = openIncidentBook(accountWith(1))
    const told = book.take(20, [odd(3, 20), odd(4, 20), odd(6, 20)])
    expect(incidentsOf(book).map(([root]) => root)).to.have.members([1, 6])
    expect(told.map(({ incident }) => book.incidents[incident ?? 0]?.root)).to.deep.equal([1, 1, 6])
    const siblings = book.incidents.find(({ root }) => root === 1)
    expect(siblings?.causes.map(({ entity: of, share }) => [of, share])).to.deep.equal([
      [3, 0.5],
      [4, 0.5],
    ])
    // Twice what the one of the other campaign cost.
    const alone = book.incidents.find(({ root }) => root === 6)
    expect(siblings?.money).to.equal(2 * (alone?.money ?? 0))
  })

  it('are two of clicks that are too many and clicks that are too few, and one with what moves along', () => {
    const book = openIncidentBook(accountWith())
    book.take(20, [
      odd(3, 20, { type: 'ctr_drop', metric: 'ctr', direction: 'down' }),
      odd(3, 20, { type: 'cpl_spike', metric: 'cpl', direction: 'up' }),
    ])
    book.take(21, [
      odd(5, 21, { type: 'ctr_spike', metric: 'ctr', direction: 'up' }),
      odd(0, 21, { type: 'ctr_spike', metric: 'ctr', direction: 'up' }),
    ])
    expect(book.incidents.map(({ metric, direction, from }) => [metric, direction, from])).to.deep.equal([
      [book.incidents[0]?.metric, book.incidents[0]?.direction, 20],
      ['ctr', 'up', 21],
    ])
  })

  it('are two of siblings whose parent is calm on two days', () => {
    const book = openIncidentBook(accountWith())
    book.take(20, [odd(3, 20)])
    book.take(21, [odd(4, 21)])
    expect(incidentsOf(book).map(([root, , from]) => [root, from])).to.deep.equal([
      [3, 20],
      [4, 21],
    ])
  })

  it('are the same whether their day is looked at once or again', () => {
    const today = [odd(3, 20), odd(4, 20, { deviation: 9 }), odd(5, 20, DEAR)]
    const first = openIncidentBook(accountWith())
    first.take(20, today)
    const again = openIncidentBook(accountWith(), { known: first.incidents })
    again.take(20, today)
    expect(again.incidents).to.deep.equal(first.incidents)
  })

  it('grow up to the lowest common ancestor when a sibling joins through the parent', () => {
    const book = openIncidentBook(accountWith())
    book.take(20, [odd(3, 20)])
    book.take(21, [odd(3, 21), odd(4, 21), odd(1, 21)])
    expect(incidentsOf(book)).to.deep.equal([[1, 'spend', 20, 21]])
  })

  it('are others when something else is the matter: money and what it brings are apart', () => {
    const book = openIncidentBook(accountWith())
    book.take(20, [odd(3, 20), odd(3, 20, DEAR)])
    expect(incidentsOf(book).map(([, metric]) => metric)).to.have.members(['spend', 'cpl'])
  })

  it('are others when money goes the other way, on the same day and the day after', () => {
    const book = openIncidentBook(accountWith())
    book.take(20, [odd(3, 20), odd(0, 20, LESS)])
    book.take(21, [odd(3, 21, LESS)])
    expect(book.incidents.map(({ root, direction, to }) => [root, direction, to])).to.have.deep.members([
      [3, 'up', 20],
      [0, 'down', 21],
    ])
  })

  describe('of several figures together and of how often people see an ad', () => {
    const joint = (at: number, day: number): AccountAnomaly =>
      odd(at, day, { type: 'performance_drop', metric: 'multivariate', observed: null, expected: null })
    const often = (at: number, day: number): AccountAnomaly =>
      odd(at, day, { type: 'frequency_alert', metric: 'frequency', severity: 'MEDIUM' })
    const metricsOf = (...days: readonly (readonly AccountAnomaly[])[]): string[] => {
      const book = openIncidentBook(accountWith())
      for (const anomalies of days) book.take(anomalies[0]?.day ?? 0, anomalies)
      return book.incidents.map(({ metric }) => metric)
    }

    it('are one, whichever is seen first, of who is above or below the other', () => {
      expect(metricsOf([often(3, 20), joint(3, 20)])).to.deep.equal(['multivariate'])
      expect(metricsOf([often(3, 20)], [joint(3, 21)])).to.deep.equal(['frequency'])
      expect(metricsOf([joint(3, 20)], [often(3, 21)])).to.deep.equal(['multivariate'])
      expect(metricsOf([often(1, 20)], [joint(3, 20), joint(0, 20)])).to.deep.equal(['frequency'])
      expect(metricsOf([often(3, 21)], [joint(3, 20)])).to.deep.equal(['frequency'])
    })

    it('are two when they are two days apart, or of siblings', () => {
      expect(metricsOf([often(3, 20)], [joint(3, 22)])).to.have.length(2)
      expect(metricsOf([joint(3, 20)], [often(3, 22)])).to.have.length(2)
      expect(metricsOf([joint(3, 22)], [often(3, 20)])).to.have.length(2)
      expect(metricsOf([often(3, 20)], [joint(4, 20)])).to.have.length(2)
    })

    it('are apart from money, and figures that have a name of their own from how often people see it', () => {
      expect(metricsOf([odd(3, 20)], [joint(3, 20)])).to.have.length(2)
      expect(metricsOf([joint(3, 20)], [odd(3, 20)])).to.have.length(2)
      expect(metricsOf([often(3, 20)], [odd(3, 20, DEAR)])).to.have.length(2)
      expect(metricsOf([odd(3, 20, DEAR)], [often(3, 20)])).to.have.length(2)
      // What is told of together with what a lead costs is one matter with that.
      expect(metricsOf([often(3, 20)], [odd(3, 20, DEAR), joint(3, 20)])).to.have.length(2)
      expect(metricsOf([odd(3, 20, DEAR)], [often(3, 20)], [joint(3, 21)])).to.have.length(2)
    })
  })

  it('take fewer leads as part of less money, and alone as a matter of their own', () => {
    const fewer = { type: 'leads_drop', metric: 'leads', direction: 'down' } as const
    const book = openIncidentBook(accountWith())
    book.take(20, [odd(3, 20, LESS), odd(3, 20, fewer), odd(5, 20, fewer)])
    expect(book.incidents.map(({ family, members }) => [family, [...members]])).to.deep.equal([
      ['volume', [3]],
      ['yield', [5]],
    ])
  })

  it('go on over four quiet days between, not over one more; frequency, told weekly, over eight', () => {
    const tired = { type: 'frequency_alert', metric: 'frequency' } as const
    for (const [change, days] of [
      [{}, 4],
      [DEAR, 4],
      [tired, 8],
    ] as const) {
      for (const [gap, count] of [
        [days, 1],
        [days + 1, 2],
      ] as const) {
        const book = openIncidentBook(accountWith())
        book.take(20, [odd(3, 20, change)])
        book.take(20 + gap, [odd(3, 20 + gap, change)])
        expect(book.incidents, `${days} ${gap}`).to.have.length(count)
      }
    }
  })

  it('are told anew when they come back after three days, not after two: by then they were over', () => {
    for (const [gap, alerted] of [
      [2, true],
      [3, false],
    ] as const) {
      const book = openIncidentBook(accountWith(), { budgetOf: (day) => (day === 20 ? 1 : 0) })
      book.take(20, [odd(3, 20)])
      expect(alertedOf(book.take(20 + gap, [odd(3, 20 + gap)])), `${gap}`).to.deep.equal(alerted ? [3] : [])
      expect(book.incidents).to.have.length(1)
    }
    const roomy = openIncidentBook(accountWith())
    roomy.take(20, [odd(3, 20)])
    expect(alertedOf(roomy.take(23, [odd(3, 23)]))).to.deep.equal([3])
  })

  it('are never made of good or neutral news', () => {
    const book = openIncidentBook(accountWith())
    const told = book.take(20, [odd(3, 20, { polarity: 'good' }), odd(4, 20, { polarity: 'neutral' })])
    expect(book.incidents).to.deep.equal([])
    expect(told.map(({ alerted, incident }) => [alerted, incident])).to.deep.equal([
      [false, null],
      [false, null],
    ])
  })

  it('are as severe as their loudest anomaly so far', () => {
    const book = openIncidentBook(accountWith())
    book.take(20, [odd(3, 20, { severity: 'MEDIUM' }), odd(1, 20, { severity: 'LOW' })])
    expect(book.incidents[0]?.severity).to.equal('MEDIUM')
    book.take(21, [odd(3, 21, { severity: 'CRITICAL' })])
    book.take(22, [odd(3, 22, { severity: 'LOW' })])
    expect(book.incidents[0]).to.include({ severity: 'CRITICAL', to: 22 })
  })

  it('keep the metric they began with, and bear no figures of another', () => {
    const fewer = {
      type: 'leads_drop',
      metric: 'leads',
      direction: 'down',
      severity: 'CRITICAL',
      observed: 2,
      expected: 30,
    } as const
    const book = openIncidentBook(accountWith())
    // What a lead cost in all: 10.
    book.take(20, [odd(1, 20, { ...DEAR, observed: 10, expected: 5 })])
    book.take(21, [odd(1, 21, fewer), odd(3, 21, fewer)])
    const [incident] = book.incidents
    const began = { metric: 'cpl', direction: 'up', observed: 10, expected: 5 }
    expect(incident).to.include({ ...began, severity: 'CRITICAL' })
    expect(incident?.causes.map((cause) => [cause.entity, cause.observed, cause.expected])).to.deep.equal([
      [3, null, null],
      [4, null, null],
    ])
    book.take(22, [odd(1, 22, fewer), odd(1, 22, { ...DEAR, observed: 10, expected: 5 })])
    expect(book.incidents).to.have.length(1)
    expect(incident).to.include(began)
  })

  it('cost no money where their days say the contrary: clicks without leads saved none', () => {
    const moneyOf = (changes: Partial<AccountAnomaly>): number | null | undefined => {
      const book = openIncidentBook(accountWith())
      book.take(20, [odd(3, 20, { metric: 'ctr', ...changes })])
      return book.incidents[0]?.money
    }
    // 100 spent on clicks of 5% of the impressions, on 10 leads.
    expect(moneyOf({ direction: 'up', expected: 2.5 })).to.equal(null)
    expect(moneyOf({ direction: 'down', expected: 10 })).to.equal(50)
    expect(moneyOf({ ...DEAR, expected: 5 })).to.equal(50)
    expect(moneyOf({ ...DEAR, observed: 25, expected: 20 })).to.equal(null)
    expect(moneyOf({ ...LESS, metric: 'spend', expected: 200 })).to.equal(-100)
    expect(moneyOf({ ...LESS, metric: 'spend', observed: 10, expected: 50 })).to.equal(null)
  })

  it('bear the figures of who is odd where those of their days are on the other side of what was expected', () => {
    const seenOf = (observed: number, expected: number): number | null | undefined => {
      const book = openIncidentBook(accountWith())
      book.take(20, [odd(3, 20, { ...DEAR, observed, expected })])
      return book.incidents[0]?.observed
    }
    // Leads of the day cost 10.
    expect(seenOf(25, 20)).to.equal(25)
    expect(seenOf(25, 10)).to.equal(10)
    expect(seenOf(25, 9)).to.equal(10)
  })

  it('expect of who stopped what it spent before, though the mean of a week that a rule goes by sinks', () => {
    const stopped = (day: number, expected: number, judged: number | null): AccountAnomaly => {
      const { modelSource, modelVersion, signals: _signals, shift: _shift, ...said } = odd(3, day)
      const signal = { ...said, modelSource, modelVersion, detector: 'shift' as const, expected: judged }
      const type = { type: 'zero_spend', direction: 'down', severity: 'CRITICAL', observed: 0 } as const
      return odd(3, day, { ...type, expected, signals: judged === null ? [] : [signal] })
    }
    const account = accountWith()
    account.entities[3]?.spend.fill(0, 20)
    const book = openIncidentBook(account)
    const expectations = [stopped(20, 100, 98), stopped(21, 85, 97), stopped(22, 71, null)].map((one) => {
      book.take(one.day, [one])
      return [book.incidents[0]?.expected, book.incidents[0]?.money]
    })
    expect(expectations).to.deep.equal([
      [98, -98],
      [97, -194],
      [97, -291],
    ])
    const alone = openIncidentBook(account)
    alone.take(20, [stopped(20, 90, null)])
    expect(alone.incidents[0]).to.include({ expected: 90, money: -90 })
  })

  it('name no shares where nothing is known of them', () => {
    const book = openIncidentBook(accountWith())
    book.take(20, [odd(1, 20, { metric: 'multivariate', observed: null, expected: null, deviation: null })])
    expect(book.incidents[0]).to.deep.include({ root: 1, culprit: 1, causes: [] })
  })

  it('keep what their newest day made of them when an older one alone is looked at again', () => {
    const account = accountWith()
    const first = openIncidentBook(account)
    const older = odd(1, 20, { expected: 10 })
    first.take(20, [older])
    first.take(21, [odd(1, 21), odd(3, 21)])
    const [left] = first.incidents
    expect(left).to.include({ expected: 100, culprit: 3 })
    const again = openIncidentBook(account, { known: first.incidents, days: new Set([20]) })
    again.take(20, [older])
    expect(again.incidents).to.deep.equal(first.incidents)
    // Unless the newest day is looked at as well, and shows nothing of it any more.
    const both = openIncidentBook(account, { known: first.incidents, days: new Set([20, 21]) })
    both.take(20, [older])
    expect(both.incidents[0]).to.include({ expected: 10 })
  })

  describe('blame who explains their days best', () => {
    /** What a day's shift of `entity` says of the campaign: gains of entities 0 to 5. */
    const traced = (
      at: number,
      day: number,
      gains: readonly number[],
      changes: Partial<AccountAnomaly> = {},
    ): AccountAnomaly =>
      odd(at, day, {
        shift: {
          day,
          entity: at,
          figure: 'spend',
          deviate: 6,
          window: 1,
          size: Math.log(2),
          bad: true,
          shares: null,
          parts: [],
          origins: {
            entities: Int32Array.of(0, 1, 2, 3, 4, 5),
            gains: Float64Array.from(gains),
            sizes: new Float64Array(6).fill(Math.log(2)),
            window: 1,
          },
        },
        ...changes,
      })

    it('though it is calm by itself: its siblings moved along', () => {
      const book = openIncidentBook(accountWith())
      book.take(20, [traced(3, 20, [2, 9, 0, 7, 3, 0])])
      // 100 a day, where half of it was to be had.
      expect(book.incidents[0]).to.include({ root: 1, culprit: 1, figuresOf: 1, observed: 100, expected: 50 })
      expect(book.incidents[0]?.causes.map(({ entity: of, share }) => [of, share])).to.deep.equal([
        [3, 0.7],
        [4, 0.3],
      ])
    })

    it('among who is above or below one that is odd, of those that explain as much the lowest', () => {
      const book = openIncidentBook(accountWith())
      book.take(20, [traced(3, 20, [2, 7, 8, 7, 0, 8])])
      expect(book.incidents[0]).to.include({ root: 3, culprit: 3 })
    })

    it('over all of their days, each counted once however often it is looked at', () => {
      const book = openIncidentBook(accountWith())
      book.take(20, [traced(1, 20, [0, 9, 0, 2, 2, 0])])
      book.take(21, [traced(1, 21, [0, 2, 0, 8, 0, 0])])
      expect(book.incidents[0]).to.include({ root: 1, culprit: 1 })
      book.take(21, [traced(1, 21, [0, 2, 0, 8, 0, 0])])
      expect(book.incidents[0]?.culprit).to.equal(1)
      book.take(22, [traced(1, 22, [0, 2, 0, 4, 0, 0], { severity: 'MEDIUM' })])
      // 13 against 14.
      expect(book.incidents[0]).to.include({ culprit: 3, figuresOf: 3 })
    })

    it('and know those of their days before the book was opened from what the judge said of them', () => {
      const first = openIncidentBook(accountWith())
      first.take(20, [traced(1, 20, [0, 9, 0, 2, 2, 0])])
      const today = traced(1, 21, [0, 2, 0, 8, 0, 0])
      const { shift } = traced(1, 20, [0, 9, 0, 2, 2, 0])
      const { modelSource: _source, modelVersion: _version, signals: _signals, ...said } = odd(1, 20)
      const signal = { ...said, detector: 'shift' as const, shift: shift! }
      for (const [polarity, culprit] of [
        ['bad', 1],
        ['good', 3],
      ] as const) {
        const book = openIncidentBook(accountWith(), {
          known: first.incidents,
          days: new Set([21]),
          signalsOf: (at, day) => (at === 1 && day === 20 ? [{ ...signal, polarity }] : []),
        })
        book.take(21, [today])
        expect(book.incidents[0]?.culprit, polarity).to.equal(culprit)
      }
    })
  })

  describe('within the alarm budget', () => {
    const many = (count: number): AccountAnomaly[] => Array.from({ length: count }, (_, i) => odd(6 + i, 20))

    it('are all told when there are ten, and all but one when there are eleven', () => {
      expect(DAILY_BUDGET).to.equal(10)
      for (const count of [10, 11]) {
        const told = openIncidentBook(accountWith(count)).take(20, many(count))
        expect(alertedOf(told)).to.have.length(10)
        expect(told.filter(({ incident }) => incident !== null)).to.have.length(count)
      }
    })

    it('are told by severity, then by how odd they are, whatever their order', () => {
      const [faint, loud, odder] = [
        odd(6, 20, { severity: 'MEDIUM', deviation: 9 }),
        odd(7, 20, { severity: 'CRITICAL', deviation: 7 }),
        odd(8, 20, { severity: 'MEDIUM', deviation: -10 }),
      ]
      for (const anomalies of [
        [faint, loud, odder],
        [odder, faint, loud],
      ]) {
        const book = openIncidentBook(accountWith(3), { budgetOf: () => 2 })
        expect(alertedOf(book.take(20, anomalies))).to.have.members([7, 8])
      }
    })

    it('count once however many anomalies they have and however often the day is looked at', () => {
      const account = accountWith(1)
      const first = openIncidentBook(account, { budgetOf: () => 1 })
      expect(alertedOf(first.take(20, [odd(3, 20), odd(1, 20), odd(0, 20)]))).to.have.length(3)
      const again = openIncidentBook(account, { budgetOf: () => 0, known: first.incidents })
      expect(alertedOf(again.take(20, [odd(0, 20), odd(6, 20, { severity: 'CRITICAL' })]))).to.deep.equal([0])
    })

    it('are told the day after when there was no room, and are new on that day to the budget', () => {
      const book = openIncidentBook(accountWith(2), { budgetOf: () => 1 })
      expect(alertedOf(book.take(20, [odd(6, 20, { severity: 'CRITICAL' }), odd(7, 20)]))).to.deep.equal([6])
      expect(alertedOf(book.take(21, [odd(7, 21)]))).to.deep.equal([7])
    })
  })

  it('are told of nobody who muted all of it, and are told once something unmuted joins', () => {
    const book = openIncidentBook(accountWith(), { isMuted: (at, metric) => at === 1 && metric === 'spend' })
    // What is below is muted along.
    expect(alertedOf(book.take(20, [odd(3, 20)]))).to.deep.equal([])
    expect(alertedOf(book.take(21, [odd(3, 21), odd(0, 21)]))).to.deep.equal([0])
  })
})
