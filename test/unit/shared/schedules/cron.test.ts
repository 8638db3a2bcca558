import { expect } from 'chai'
import { countsHours, cronProblem } from '../../../../shared/schedules/cron.ts'

describe('cron lines', () => {
  for (const cron of [
    '0 4 * * *',
    '*/15 * * * *',
    '0 */2 * * 1-5',
    '@daily',
    ' 30 1 1 JAN,jul MON ',
    '0 0 L * *',
  ]) {
    it(`takes "${cron}"`, () => expect(cronProblem(cron)).to.equal(null))
  }
  for (const [cron, problem] of [
    ['', 'needs five fields'],
    ['0 4 * *', 'needs five fields'],
    ['0 0 4 * * *', 'needs five fields'],
    ['@reboot', 'needs five fields'],
    ['60 4 * * *', 'is not a cron line'],
    ['0 24 * * *', 'is not a cron line'],
    ['a b c d e', 'is not a cron line'],
    ['0 0 31 2 *', 'never comes due'],
    [`0 4 ${'1,'.repeat(60)}1 * *`, 'is longer than 100'],
  ] as const) {
    it(`refuses "${cron.slice(0, 30)}": ${problem}`, () => expect(cronProblem(cron)).to.contain(problem))
  }
  it('tells rows that count hours from times of day', () => {
    expect(['0 * * * *', '5 */2 * * *', '@hourly'].map(countsHours)).to.deep.equal([true, true, true])
    expect(['0 4 * * *', '0 0,12 * * *', '0 8-18 * * *', '@daily'].map(countsHours)).to.deep.equal([
      false,
      false,
      false,
      false,
    ])
  })
})
