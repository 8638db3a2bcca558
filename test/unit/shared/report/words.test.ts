import { expect } from 'chai'
import {
  about,
  called,
  change,
  effectOf,
  instant,
  longDay,
  many,
  money,
  shortDay,
} from '../../../../shared/report/words.ts'

describe('words of the report', () => {
  it('tell money with cents below a thousand', () => {
    expect(money(12.5, 'BRL')).to.equal('BRL 12.50')
    expect(money(999.99, 'BRL')).to.equal('BRL 999.99')
    expect(money(1000, 'BRL')).to.equal('BRL 1,000')
    expect(money(1_234_567.89, 'USD')).to.equal('USD 1,234,568')
    expect(money(12.5, 'JPY')).to.equal('JPY 13')
  })

  it('tell a change only where there is one', () => {
    expect(change(null)).to.equal(null)
    expect(change(0.4)).to.equal('no change')
    expect(change(-0.5)).to.equal('no change')
    expect(change(0.5)).to.equal('+1%')
    expect(change(-0.6)).to.equal('-1%')
    expect(change(12_345)).to.equal('+12,345%')
  })

  it('tell a tenth of a lead below ten', () => {
    expect([0, 0.44, 9.94, 9.96, 10, 10.4].map(about)).to.deep.equal(['0', '0.4', '9.9', '10', '10', '10'])
  })

  it('count one and many', () => {
    expect([0, 1, 2, 1000].map((value) => many(value, 'lead'))).to.deep.equal([
      '0 leads',
      '1 lead',
      '2 leads',
      '1,000 leads',
    ])
  })

  it('tell days, and instants in the zone of the account', () => {
    expect(longDay('2026-03-10')).to.equal('Tuesday, 10 March 2026')
    expect(shortDay('2026-03-01')).to.equal('1 Mar')
    expect(instant('2026-03-11T02:30:00.000Z', 'America/Sao_Paulo')).to.equal('10 March 2026, 23:30')
  })

  it('call things by their names, as far as those say something and go on', () => {
    expect(called('Summer')).to.equal('Summer')
    expect(called(' \t\u202E ')).to.equal('(no name)')
    expect(called('x'.repeat(120))).to.equal('x'.repeat(120))
    expect(called('x'.repeat(121))).to.equal(`${'x'.repeat(119)}…`)
  })

  it('tell what advice brings, and nothing where that is next to nothing', () => {
    const effect = (expected_leads: number | null, expected_saving: number | null): string | null =>
      effectOf({ expected_leads, expected_saving }, 'BRL')
    expect(effect(12.3, null)).to.equal('+12 leads a week')
    expect(effect(0.4, null)).to.equal('+0.4 leads a week')
    expect(effect(1, null)).to.equal('+1 lead a week')
    expect(effect(0.04, null)).to.equal(null)
    expect(effect(0.04, 5)).to.equal('saves BRL 5.00 a week')
    expect(effect(-3, 20)).to.equal('saves BRL 20.00 a week')
    expect(effect(null, 0)).to.equal(null)
    expect(effect(null, null)).to.equal(null)
  })
})
