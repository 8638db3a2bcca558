import { expect } from 'chai'
import { checkClock, checkNode, checkSpace } from '../../../../cli/doctor/examine.ts'

const MEBIBYTE = 1024 * 1024

describe('doctor', () => {
  for (const [version, status] of [
    ['20.18.3', 'problem'],
    ['20.19.0', 'ok'],
    ['22.0.0', 'ok'],
    ['18.20.8', 'problem'],
  ] as const) {
    it(`calls Node ${version} ${status}`, () => {
      expect(checkNode(version).status).to.equal(status)
    })
  }

  it('warns when the clock is more than two seconds from the database, and says which way', () => {
    expect(checkClock(2000)).to.include({ status: 'ok', advice: null })
    expect(checkClock(2001).status).to.equal('warning')
    expect(checkClock(2001).message).to.contain('ahead of')
    expect(checkClock(-2001).message).to.contain('behind')
  })

  it('asks for room below 1 GiB and calls it a problem below 100 MiB', () => {
    const at = (mebibytes: number) => checkSpace('storage', 'models', mebibytes * MEBIBYTE).status
    expect([at(1024), at(1023), at(100), at(99)]).to.deep.equal(['ok', 'warning', 'warning', 'problem'])
    expect(checkSpace('storage', 'models', Number.NaN).status).to.equal('ok')
  })
})
