import { expect } from 'chai'
import * as fc from 'fast-check'
import { DEFAULT_FOREST } from '../../../../ml/detectors/isolation-forest.ts'
import { AppError } from '../../../../shared/core/errors.ts'
import { parseTable, scoreTable, type ScoreRequest } from '../../../../shared/scoring/score-file.ts'

const request = (change: Partial<ScoreRequest> = {}): ScoreRequest => ({
  columns: null,
  fill: null,
  forest: DEFAULT_FOREST,
  ...change,
})

const expectRefusal = (attempt: () => unknown, code: string, message: RegExp): void => {
  try {
    attempt()
  } catch (error) {
    expect(error).to.be.instanceOf(AppError).and.to.include({ code })
    expect((error as AppError).message).to.match(message)
    return
  }
  expect.fail('nothing was refused')
}

const score = (text: string, change: Partial<ScoreRequest> = {}, trainText?: string) => {
  const table = parseTable(text, 'data.csv')
  return scoreTable(
    table,
    trainText === undefined ? table : parseTable(trainText, 'train.csv'),
    request(change),
  )
}

describe('shared/scoring/score-file', () => {
  describe('parseTable', () => {
    it('reads quotes, any line ends, a byte order mark, and a last line without an end', () => {
      const table = parseTable('\uFEFFname,"a ""b"""\r\n"x,\ny",1\n\nz, 2 ', 'data.csv')
      expect(table.columns).to.deep.equal(['name', 'a "b"'])
      expect(table.rows).to.deep.equal([
        ['x,\ny', '1'],
        ['z', '2'],
      ])
      expect(table.lines[1]).to.equal(5)
    })

    it('reads back any cells that were quoted', () => {
      const cell = fc.string({ unit: 'grapheme' }).map((text) => text.trim())
      fc.assert(
        fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), (rows) => {
          const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
          const text = ['a,b', ...rows.map((row) => row.map(quoted).join(','))].join('\n')
          expect(parseTable(text, 'data.csv').rows).to.deep.equal(rows)
        }),
      )
    })

    it('takes blank lines within one column for empty cells, elsewhere for nothing', () => {
      expect(parseTable('a\n1\n\n2\n\n\n', 'data.csv').rows).to.deep.equal([['1'], [''], ['2']])
      expect(parseTable('\n\na,b\n\n1,2\n\n', 'data.csv').rows).to.deep.equal([['1', '2']])
    })

    for (const [what, text, message] of [
      ['an empty file', '', /data\.csv is empty/],
      ['blank lines only', '\n\n', /data\.csv is empty/],
      ['a header line and nothing else', 'a,b\n', /header line and nothing else/],
      ['a row with a cell too few', 'a,b\n1,2\n3\n', /line 3: 1 cells for 2 columns/],
      ['a row with a cell too many', 'a,b\n1,2,3\n', /line 2: 3 cells for 2 columns/],
      ['two columns of one name', 'a,b,a\n1,2,3\n', /column "a" twice/],
      ['a quote that is never closed', 'a,b\n1,"2\n', /opened and never closed/],
      ['a quote within a cell', 'a,b\n1,2"3\n', /a quote stands where none may/],
    ] as const) {
      it(`refuses ${what}`, () => {
        expectRefusal(() => parseTable(text, 'data.csv'), 'INVALID_CSV', message)
      })
    }
  })

  describe('scoreTable', () => {
    it('reads numbers as JSON writes them', () => {
      const numbers = ['1e-7', '-1E+2', '0', '-0.5', '123456.789', '5e-324']
      const text = ['x', ...numbers].join('\n')
      const same = ['x', ...numbers.map((number) => String(Number(number)))].join('\n')
      expect(score(text)).to.deep.equal(score(same))
      expect(score(text).rows).to.have.length(6)
    })

    for (const cell of ['abc', '1,5', '+1', '01', '.5', '5.', 'NaN', 'Infinity', '0x10', '1_000', '1e', '-'])
      it(`refuses ${cell} in a named column, naming the row`, () => {
        expectRefusal(
          () => score(`x,y\n1,2\n3,"${cell}"\n5,6\n`, { columns: ['x', 'y'] }),
          'INVALID_CSV',
          /^data\.csv, row 2 \(line 3\), column "y": .* is not a number/,
        )
      })

    it('takes the largest float32 and refuses what lies beyond', () => {
      expect(score('x\n3.4028234663852886e38\n1\n').rows).to.have.length(2)
      expectRefusal(
        () => score('x\n1\n3.41e38\n'),
        'INVALID_CSV',
        /row 2 \(line 3\), column "x": .*32-bit float/,
      )
      expectRefusal(
        () => score('x\n1\n1e999\n'),
        'INVALID_CSV',
        /row 2 \(line 3\), column "x": .*32-bit float/,
      )
    })

    it('looks at all columns that have numbers only, unless some are named', () => {
      const text = 'day,spend,note,leads,gap\nmon,1,,3,1\ntue,2,,4,\nwed,9,,1,3\n'
      expect(score(text).columns).to.deep.equal(['spend', 'leads'])
      expect(score(text, { fill: 0 }).columns).to.deep.equal(['spend', 'leads', 'gap'])
      expect(score(text, { columns: ['leads'] }).columns).to.deep.equal(['leads'])
    })

    it('refuses an empty cell in a named column, unless it is said what that means', () => {
      const text = 'x,y\n1,2\n3,\n'
      expectRefusal(
        () => score(text, { columns: ['y'] }),
        'INVALID_CSV',
        /row 2 \(line 3\), column "y": .*--fill/,
      )
      expect(score(text, { columns: ['y'], fill: 7 })).to.deep.equal(
        score('x,y\n1,2\n3,7\n', { columns: ['y'] }),
      )
    })

    it('names the columns there are when one is not, or is named twice', () => {
      expectRefusal(
        () => score('a,b\n1,2\n', { columns: ['c'] }),
        'INVALID_REQUEST',
        /no column "c"; it has a, b/,
      )
      expectRefusal(
        () => score('a,b\n1,2\n', { columns: ['a', 'a'] }),
        'INVALID_REQUEST',
        /"a" is named twice/,
      )
      expectRefusal(
        () => score('a,b\n1,2\n', { columns: ['c'] }, 'a,c\n1,2\n'),
        'INVALID_REQUEST',
        /data\.csv has no column "c"/,
      )
    })

    it('says what to do when no column has numbers only', () => {
      expectRefusal(() => score('a,b\nx,1\n2,y\n'), 'INVALID_CSV', /No column of data\.csv .*--columns/)
      expectRefusal(() => score('a;b\n1;2\n'), 'INVALID_CSV', /separate the cells with commas/)
    })

    it('finds the columns of the training file by name', () => {
      const train = 'a,b\n1,10\n2,20\n3,30\n4,5\n'
      expect(score('b,note,a\n10,x,1\n99,y,2\n', {}, train)).to.deep.equal(
        score('a,b\n1,10\n2,99\n', {}, train),
      )
    })

    it('scores a single row, and rows that are all alike, as nothing unusual', () => {
      for (const text of ['x,y\n1,2\n', `x,y\n${'1,2\n'.repeat(40)}`]) {
        const { offset, rows } = score(text)
        expect(offset).to.be.closeTo(-0.5, 1e-12)
        for (const row of rows) {
          expect(row.score_samples).to.be.closeTo(-0.5, 1e-12)
          expect(row).to.include({ decision_function: 0, predict: 1 })
        }
      }
    })

    it('refuses a fraction that leaves no row for a tree', () => {
      const forest = { ...DEFAULT_FOREST, maxSamples: { fraction: 0.3 } }
      expectRefusal(() => score('x\n1\n2\n3\n', { forest }), 'INVALID_REQUEST', /less than one row/)
      expect(score('x\n1\n2\n3\n4\n', { forest }).rows).to.have.length(4)
    })
  })
})
