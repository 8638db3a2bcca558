import { expect } from 'chai'
import { readHolidayRows } from '../../../../../shared/entities/csv/holiday-rows.ts'
import type { HolidayRow } from '../../../../../shared/entities/csv/holiday-rows.ts'

async function* encoded(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text)
}

const rowsOf = async (text: string): Promise<readonly HolidayRow[]> =>
  (await readHolidayRows(encoded(text), 'act_1')).rows

const refusal = async (text: string): Promise<string> => {
  try {
    await rowsOf(text)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('was read')
}

describe('files of holidays', () => {
  it('need a date only', async () => {
    expect(await rowsOf('date\n2026-02-17\n\n2026-06-04\n')).to.deep.equal([
      { date: '2026-02-17', days: 1, name: '' },
      { date: '2026-06-04', days: 1, name: '' },
    ])
  })

  it('may say how long, and what', async () => {
    expect(await rowsOf('name;days;date\nFérias\u0007;14;2026-07-01\nFeira;;2026-08-01')).to.deep.equal([
      { date: '2026-07-01', days: 14, name: 'Férias ' },
      { date: '2026-08-01', days: 1, name: 'Feira' },
    ])
  })

  it('of several accounts give those of one', async () => {
    const text = 'account_id,date,days\nact_1,2026-01-02,1\nact_2,2026-01-03,1\n,2026-01-04,1'
    const { rows, rowsRead } = await readHolidayRows(encoded(text), 'act_1')
    expect(rows.map(({ date }) => date)).to.deep.equal(['2026-01-02'])
    expect(rowsRead).to.equal(3)
  })

  it('of one account are the account’s whatever it is called there; of several others they are nobody’s', async () => {
    const [one] = await rowsOf('account_id,date\nact_9,2026-01-02\n')
    expect(one?.date).to.equal('2026-01-02')
    expect(await refusal('account_id,date\nact_8,2026-01-02\nact_9,2026-01-02\n')).to.contain(
      'accounts act_8, act_9, but not act_1',
    )
    expect(await rowsOf('account_id,date\n')).to.deep.equal([])
    expect(await rowsOf('account_id,date\nact_9,soon\nact_1,2026-01-02\n')).to.have.length(1)
    expect(await refusal('account_id,date\nact_9,soon\n')).to.contain('Line 2')
  })

  it('count the last row of a date', async () => {
    expect(await rowsOf('date,days\n2026-01-02,1\n2026-01-02,3')).to.deep.equal([
      { date: '2026-01-02', days: 3, name: '' },
    ])
  })

  it('are refused by line', async () => {
    expect(await refusal('')).to.contain('empty')
    expect(await refusal('day\n2026-01-02')).to.contain('lacks date')
    for (const row of [
      '2026-02-30,1',
      'soon,1',
      '2026-01-01,0',
      '2026-01-01,367',
      '2026-01-01,1.5',
      '2026-01-01,x',
    ])
      expect(await refusal(`date,days\n2026-01-02,366\n${row}`), row).to.contain('Line 3')
  })
})
