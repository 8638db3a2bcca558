import { expect } from 'chai'
import {
  ACCOUNT_SHAPES,
  type AccountOptions,
  accountToCsv,
  type AdDayRow,
  makeAccount,
} from '../../../bench/accounts.ts'

const options = (change: Partial<AccountOptions> = {}): AccountOptions => ({
  ...ACCOUNT_SHAPES[185],
  days: 90,
  endDate: '2026-03-10',
  seed: 1,
  ...change,
})

const rowsOf = (account: AccountOptions): AdDayRow[] => Array.from(makeAccount(account)).flat()
const distinct = (rows: readonly AdDayRow[], column: keyof AdDayRow) =>
  new Set(rows.map((row) => row[column]))

describe('made-up accounts', () => {
  it('have exactly as many entities as their size says', () => {
    for (const [size, { campaigns, adsets, ads }] of Object.entries(ACCOUNT_SHAPES)) {
      expect(campaigns + adsets + ads).to.equal(Number(size))
    }
    for (const size of [44, 185, 387] as const) {
      const rows = rowsOf(options(ACCOUNT_SHAPES[size]))
      const found = ['campaign_id', 'adset_id', 'ad_id'].map(
        (name) => distinct(rows, name as keyof AdDayRow).size,
      )
      expect(found).to.deep.equal(Object.values(ACCOUNT_SHAPES[size]))
    }
  })

  it('give each adset one campaign and each ad one adset', () => {
    const rows = rowsOf(options())
    const pairs = (child: keyof AdDayRow, parent: keyof AdDayRow) =>
      new Set(rows.map((row) => `${row[child]} ${row[parent]}`)).size
    expect(pairs('ad_id', 'adset_id')).to.equal(distinct(rows, 'ad_id').size)
    expect(pairs('adset_id', 'campaign_id')).to.equal(distinct(rows, 'adset_id').size)
  })

  it('are the same for the same seed and different for another', () => {
    const small = options(ACCOUNT_SHAPES[44])
    expect(rowsOf(small)).to.deep.equal(rowsOf(small))
    expect(rowsOf(small)).to.not.deep.equal(rowsOf({ ...small, seed: 2 }))
  })

  it('cover the days asked for, each ad and day once, with possible numbers', () => {
    const rows = rowsOf(options())
    const dates = distinct(rows, 'date')
    expect(dates.size).to.equal(90)
    expect(dates.has('2025-12-11') && dates.has('2026-03-10')).to.equal(true)
    expect(new Set(rows.map(({ ad_id, date }) => `${ad_id} ${date}`)).size).to.equal(rows.length)
    for (const { spend, impressions, reach, clicks, leads } of rows) {
      expect(spend).to.be.above(0)
      expect(Math.round(spend * 100) / 100).to.equal(spend)
      expect([impressions, reach, clicks, leads].every(Number.isInteger)).to.equal(true)
      expect(impressions >= reach && reach >= 1 && impressions >= clicks && clicks >= leads).to.equal(true)
    }
  })

  it('spend less on weekends', () => {
    const mean = (weekend: boolean) => {
      const rows = rowsOf(options()).filter(
        ({ date }) => [0, 6].includes(new Date(`${date}T00:00:00Z`).getUTCDay()) === weekend,
      )
      return rows.reduce((sum, { spend }) => sum + spend, 0) / rows.length
    }
    expect(mean(true)).to.be.below(0.9 * mean(false))
  })

  it('read the same as CSV', () => {
    const small = options(ACCOUNT_SHAPES[44])
    const [header, ...lines] = Array.from(accountToCsv(small)).join('').trimEnd().split('\n')
    const rows = rowsOf(small)
    expect(header).to.equal(Object.keys(rows[0] ?? {}).join(','))
    expect(lines).to.deep.equal(rows.map((row) => Object.values(row).join(',')))
  })

  it('come in chunks that do not grow with the account', () => {
    for (const chunk of makeAccount(options(ACCOUNT_SHAPES[387]))) {
      expect(chunk.length).to.be.below(5000 + 90)
    }
  })
})
