import { expect } from 'chai'
import fc from 'fast-check'
import { AppError } from '../../../../../shared/core/errors.ts'
import { readSeries } from '../../../../../shared/forecasting/file/read-series.ts'
import type { ColumnWish, SeriesFile } from '../../../../../shared/forecasting/file/read-series.ts'

const NO_WISH: ColumnWish = { date: null, value: null, series: null }

const read = (text: string | Uint8Array, wish: Partial<ColumnWish> = {}): Promise<SeriesFile> => {
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    yield typeof text === 'string' ? new TextEncoder().encode(text) : text
  }
  return readSeries(bytes(), 'sales.csv', { ...NO_WISH, ...wish })
}
const valuesOf = async (text: string, wish: Partial<ColumnWish> = {}): Promise<number[][]> =>
  (await read(text, wish)).series.map(({ values }) => [...values])

const refusal = async (text: string | Uint8Array, wish: Partial<ColumnWish> = {}): Promise<string> => {
  try {
    await read(text, wish)
  } catch (error) {
    if (error instanceof AppError) return `${error.code}: ${error.message}`
    throw error
  }
  throw new Error('it was read')
}

describe('a CSV with series', () => {
  it('has a header in any case, with a byte order mark or without', async () => {
    for (const header of ['date,value', 'DS,Y', 'timestamp,Value', 'Time,y', '\ufeffDate,value'])
      expect(await valuesOf(`${header}\n2026-03-10,1.5\n2026-03-11,-2\n`)).to.deep.equal([[1.5, -2]])
  })

  it('has commas, semicolons or tabs, and any line ends', async () => {
    for (const [separator, end] of [
      [',', '\n'],
      ['\t', '\r\n'],
      [';', '\r'],
    ] as const)
      expect(
        await valuesOf(['ds', 'y'].join(separator) + end + ['2026-03-10', '15'].join(separator) + end + end),
      ).to.deep.equal([[15]])
  })

  it('has decimal commas with semicolons, unless its own numbers say otherwise', async () => {
    expect(await valuesOf('ds;y\n2026-03-10;1,5\n2026-03-11;1.234\n')).to.deep.equal([[1.5, 1234]])
    expect(await valuesOf('ds;y\n2026-03-10;1.5\n2026-03-11;1.234\n')).to.deep.equal([[1.5, 1.234]])
    expect(await valuesOf('ds;y\n2026-03-10;1,5e3\n2026-03-11;+2,5\n')).to.deep.equal([[1500, 2.5]])
    expect(await valuesOf('ds,y\n2026-03-10,1.234\n2026-03-11,1e-7\n')).to.deep.equal([[1.234, 1e-7]])
  })

  it('has empty cells, and words for them', async () => {
    const text = 'ds,y\n2026-03-10,1\n2026-03-11,\n2026-03-12,NA\n2026-03-13, NaN \n2026-03-14,null\n'
    expect(await valuesOf(text)).to.deep.equal([[1, Number.NaN, Number.NaN, Number.NaN, Number.NaN]])
  })

  it('has many series in any order of rows, told in the order in which they first appear', async () => {
    const file = await read('series,ds,y\nb,2026-03-11,2\na,2026-03-10,10\nb,2026-03-10,1\na,2026-03-11,11\n')
    expect(file.series.map(({ id, values, newestCell }) => [id, [...values], newestCell])).to.deep.equal([
      ['b', [1, 2], '2026-03-11'],
      ['a', [10, 11], '2026-03-11'],
    ])
  })

  it('keeps the cell of a series as its id, and without the column the name of the values', async () => {
    const ids = async (text: string, wish: Partial<ColumnWish> = {}): Promise<string[]> =>
      (await read(text, wish)).series.map(({ id }) => id)
    const rows = ['__proto__', 'constructor', ' a', '"x,\0 y"', 'toString'].map((id) => `${id},2026-03-10,1`)
    expect(await ids(`Series,ds,y\n${rows.join('\n')}`)).to.deep.equal([
      '__proto__',
      'constructor',
      ' a',
      'x,\0 y',
      'toString',
    ])
    expect(await ids('unique_id,ds,y\nA,2026-03-10,1\n')).to.deep.equal(['A'])
    expect(await ids('ds,Sales\n2026-03-10,1\n', { value: 'sales' })).to.deep.equal(['Sales'])
    expect(await ids('ds,y\n2026-03-10,1\n')).to.deep.equal(['y'])
  })

  it('is read by the columns that are named', async () => {
    const text = 'when,date,cost,value\n2026-03-10,x,5,6\n'
    expect(await valuesOf(text, { date: 'when', value: 'cost' })).to.deep.equal([[5]])
    expect(await valuesOf(text, { date: 'when' })).to.deep.equal([[6]])
    const file = await read(text, { date: 'when', series: 'cost' })
    expect(file.series.map(({ id }) => id)).to.deep.equal(['5'])
  })

  it('may end in rows without cells', async () => {
    expect(await valuesOf('ds,y,\n2026-03-10,1,\n,,\n,\n\n')).to.deep.equal([[1]])
  })

  it('of the same stamp keeps all rows in their order', async () => {
    expect(await valuesOf('ds,y\n2026-03-11,1\n2026-03-10,2\n2026-03-11,3\n')).to.deep.equal([[2, 1, 3]])
  })

  it('gives the same series whatever the order of its rows', async () => {
    const row = fc.record({ id: fc.constantFrom('a', 'b', 'c'), day: fc.integer({ min: 0, max: 3000 }) })
    const rows = fc.uniqueArray(row, {
      minLength: 1,
      maxLength: 80,
      selector: ({ id, day }) => `${id} ${day}`,
    })
    const shuffled = rows.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })),
    )
    const textOf = (all: readonly { readonly id: string; readonly day: number }[]): string =>
      `series,ds,y\n${all.map(({ id, day }) => `${id},${new Date(day * 86_400_000).toISOString().slice(0, 10)},${day}\n`).join('')}`
    const byId = ({ series }: SeriesFile) =>
      Object.fromEntries(
        series.map(({ id, stamps, values, newestCell }) => [id, [[...stamps], [...values], newestCell]]),
      )
    await fc.assert(
      fc.asyncProperty(shuffled, async ([one, other]) => {
        expect(byId(await read(textOf(other)))).to.deep.equal(byId(await read(textOf(one))))
      }),
      { numRuns: 50 },
    )
  })
})

describe('a CSV that is refused', () => {
  it('says which columns it has', async () => {
    expect(await refusal('when,y\n2026-03-10,1\n')).to.equal(
      'INVALID_CSV: sales.csv has no column date or ds; it has "when", "y"; say with --date which one has the dates',
    )
    expect(await refusal('ds,cost\n2026-03-10,1\n')).to.contain('no column value or y')
    expect(await refusal('ds,y\n2026-03-10,1\n', { value: 'cost' })).to.equal(
      'INVALID_REQUEST: --metric: sales.csv has no column "cost"; it has "ds", "y"',
    )
    expect(await refusal('ds,y\n2026-03-10,1\n', { value: 'ds' })).to.contain('both name the column "ds"')
    expect(await refusal('ds,y,y\n2026-03-10,1,2\n')).to.contain('names the column "y" twice')
  })

  it('says line and column of what is no date', async () => {
    expect(await refusal('ds,y\n2026-03-10,1\n10/03/2026,1\n')).to.contain(
      'sales.csv, line 3, column "ds": "10/03/2026" is no date like 2026-03-10',
    )
    expect(await refusal('ds,y\n\n\n2026-02-30,1\n')).to.contain(
      'line 4, column "ds": "2026-02-30" is no date',
    )
    expect(await refusal('ds,y\n2026-03-10,1\n,1\n')).to.contain('line 3, column "ds": the date is missing')
  })

  it('says which line has another kind of date', async () => {
    expect(await refusal('ds,y\n2026-03-10T00:00:00Z,1\n2026-03-10T01:00:00,1\n')).to.contain(
      'line 3, column "ds": "2026-03-10T01:00:00" is a date without a zone, while line 2 has a date with a zone',
    )
    expect(await refusal('ds,y\n1773144000,1\n2026-03-10,1\n')).to.contain('line 2 has Unix seconds')
  })

  it('says line and column of what is no number', async () => {
    expect(await refusal('ds,y\n2026-03-10,1\n2026-03-11,many\n')).to.contain(
      'sales.csv, line 3, column "y": "many" is no number like 1234.5; correct it, or leave the cell empty',
    )
    for (const cell of ['inf', '-Infinity', '0x10', '1_000', '--1', '1 000', '\0', 'true', '1,2,3'])
      expect(await refusal(`ds,y\n2026-03-10,"${cell}"\n`), cell).to.contain('line 2, column "y"')
  })

  it('says which number is too large', async () => {
    const long = '9'.repeat(400)
    for (const cell of ['1e400', '-1e400', long]) {
      const message = await refusal(`ds,y\n2026-03-10,${cell}\n`)
      expect(message, cell).to.contain('line 2, column "y"').and.to.contain('beyond the largest number')
      expect(message.length).to.be.below(200)
    }
  })

  it('says which row has other cells than columns, or no series', async () => {
    expect(await refusal('ds,y\n2026-03-10,1,5\n')).to.contain('line 2: 3 cells for 2 columns')
    expect(await refusal('series,ds,y\n ,2026-03-10,1\n')).to.contain(
      'line 2, column "series": the row names no series',
    )
  })

  it('says what is missing of an empty file and one of a header', async () => {
    expect(await refusal('')).to.contain('is empty')
    expect(await refusal('\n\n')).to.contain('is empty')
    expect(await refusal('ds,y\n')).to.contain('has a header line and nothing else')
    expect(await refusal('ds,y\n,\n')).to.contain('has a header line and nothing else')
  })

  it('is no text, or one line without an end', async () => {
    expect(await refusal(Uint8Array.of(0x64, 0x73, 0x2c, 0x79, 0x0a, 0xff, 0xfe))).to.contain('is not UTF-8')
    expect(await refusal(`ds,y\n"${'x'.repeat(3 << 20)}`)).to.contain('INVALID_CSV')
    expect((await refusal(`${'x'.repeat(3 << 20)}\n`)).length).to.be.below(400)
  })
})
