import { expect } from 'chai'
import { clip, widthOf } from '../../../shared/core/columns.ts'
import { renderTable } from '../../../cli/output.ts'

describe('tables of commands', () => {
  it('counts an emoji, however it is put together, and a CJK sign as two columns', () => {
    expect(['Anúncio', '🔥', '👩‍👩‍👧‍👦', '広告', ''].map(widthOf)).to.deep.equal([7, 2, 2, 4, 0])
  })

  it('cuts only what is too wide, and never through a sign', () => {
    expect(clip('abcd', 4)).to.equal('abcd')
    expect(clip('abcde', 4)).to.equal('abc…')
    expect(clip('🔥🔥🔥', 5)).to.equal('🔥🔥…')
    expect(clip('🔥🔥🔥', 4)).to.equal('🔥…')
  })

  it('pads columns to their widest cell as it looks', () => {
    const columns = [
      { title: 'Name', cell: (row: readonly [string, string]) => row[0] },
      { title: 'N', align: 'right' as const, cell: (row: readonly [string, string]) => row[1] },
    ]
    expect(
      renderTable(columns, [
        ['🔥 Promo', '1'],
        ['Ad', '12'],
      ]),
    ).to.equal(['Name       N', '🔥 Promo   1', 'Ad        12'].join('\n'))
  })
})
