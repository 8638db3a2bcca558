import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { knowsHolidaysOf, nationalHolidays } from '../../../../shared/entities/national-holidays.ts'

describe('national holidays', () => {
  const dates = async (country: string, region: string | null, from: string, to: string): Promise<string[]> =>
    (await nationalHolidays(country, region, from, to)).map(({ date }) => date)

  it('are those of Brazil, Carnival too, and not what is only observed', async () => {
    expect(await dates('BR', null, '2025-01-01', '2025-12-31')).to.deep.equal([
      '2025-01-01',
      '2025-03-03',
      '2025-03-04',
      '2025-04-18',
      '2025-04-21',
      '2025-05-01',
      '2025-06-19',
      '2025-09-07',
      '2025-10-12',
      '2025-11-02',
      '2025-11-15',
      '2025-11-20',
      '2025-12-25',
    ])
  })

  it('are those of a state besides', async () => {
    expect(await dates('BR', 'SP', '2025-07-01', '2025-07-31')).to.deep.equal(['2025-07-09'])
    expect(await dates('BR', null, '2025-07-01', '2025-07-31')).to.deep.equal([])
  })

  it('lie within the days asked for, both included', async () => {
    expect(await dates('BR', null, '2025-12-25', '2026-01-01')).to.deep.equal(['2025-12-25', '2026-01-01'])
    expect(await dates('BR', null, '2025-12-26', '2025-12-31')).to.deep.equal([])
  })

  it('count as long as one of their days does', async () => {
    const [feast] = await nationalHolidays('SA', null, '2026-03-19', '2026-03-19')
    expect(feast?.days).to.equal(4)
    expect(await dates('SA', null, '2026-03-22', '2026-03-22')).to.deep.equal(['2026-03-19'])
    expect(await dates('SA', null, '2026-03-23', '2026-03-23')).to.deep.equal([])
  })

  it('are known of countries and of their regions', async () => {
    expect(await knowsHolidaysOf('BR', null)).to.equal(true)
    expect(await knowsHolidaysOf('BR', 'SP')).to.equal(true)
    expect(await knowsHolidaysOf('BR', 'XX')).to.equal(false)
    expect(await knowsHolidaysOf('XX', null)).to.equal(false)
    expect(await knowsHolidaysOf('SG', 'XX')).to.equal(false)
  })

  it('cost memory only where somebody asks', async () => {
    const entry = new URL('../../../../cli/program.js', import.meta.url).href
    const script = `
      import { createRequire } from 'node:module'
      await import(${JSON.stringify(entry)})
      const modules = () => Object.keys(createRequire(import.meta.url).cache).filter((path) => path.includes('moment'))
      const before = modules().length
      await import('date-holidays')
      console.log(before, modules().length > 0)`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    expect(stdout.trim()).to.equal('0 true')
  })
})
