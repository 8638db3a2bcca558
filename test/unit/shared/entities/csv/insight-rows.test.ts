import { expect } from 'chai'
import { readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import { AppError } from '../../../../../shared/core/errors.ts'
import { toDayNumber, toLocalDate } from '../../../../../shared/core/days.ts'
import { idOfName, openInsightsFile } from '../../../../../shared/entities/csv/insight-rows.ts'
import type { ReadTally } from '../../../../../shared/entities/csv/insight-rows.ts'
import { SLICE_LENGTH } from '../../../../../shared/entities/csv/text.ts'
import { bytesOf, rejectionOf } from '../../../../support/entities.ts'

const TODAY = toDayNumber('2026-06-16')

interface Row {
  line: number
  date: string
  hour: number | null
  campaign: string
  adset: string
  ad: string
  spend: number
  impressions: number
  reach: number | null
  clicks: number
  leads: number
}

interface Read {
  rows: Row[]
  /** `level id` -> name, as the last batch that knows it says. */
  names: Map<string, string | null>
  tally: ReadTally
  currency: string | null
  warnings: readonly string[]
}

const read = async (...chunks: readonly (string | Uint8Array)[]): Promise<Read> => {
  const file = await openInsightsFile(bytesOf(...chunks))
  const rows: Row[] = []
  const names = new Map<string, string | null>()
  for await (const { rows: columns, entities } of file.batches(TODAY)) {
    for (const [i, line] of columns.lines.entries()) {
      rows.push({
        line,
        date: toLocalDate(columns.days[i] as number),
        hour: columns.hours[i] as number | null,
        campaign: columns.campaignIds[i] as string,
        adset: columns.adsetIds[i] as string,
        ad: columns.adIds[i] as string,
        spend: columns.spend[i] as number,
        impressions: columns.impressions[i] as number,
        reach: columns.reach[i] as number | null,
        clicks: columns.clicks[i] as number,
        leads: columns.leads[i] as number,
      })
    }
    for (const [i, id] of entities.ids.entries())
      names.set(`${entities.levels[i]} ${id}`, entities.names[i] ?? null)
  }
  return { rows, names, tally: file.tally, currency: file.currency, warnings: file.warnings }
}

const OWN =
  'date,campaign_id,campaign_name,adset_id,adset_name,ad_id,ad_name,spend,impressions,reach,clicks,leads'
const own = (...lines: readonly string[]): string => [OWN, ...lines].join('\n')
const ROW = '2026-06-01,c1,Camp,s1,Set,a1,Ad,12.50,1000,800,20,3'

/** The one error of a file whose only row is rejected. */
const errorOf = async (text: string): Promise<{ line: number; column: string | null; reason: string }> => {
  const { rows, tally } = await read(text)
  expect(rows).to.deep.equal([])
  expect(tally.rowsRejected).to.equal(1)
  return tally.errors[0] as { line: number; column: string | null; reason: string }
}

const utf16 = (text: string, bigEndian: boolean): Uint8Array => {
  const bytes = Buffer.from(`\uFEFF${text}`, 'utf16le')
  return bigEndian ? bytes.swap16() : bytes
}

const bundled = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../../../../../test/fixtures/meta/${name}`, import.meta.url))

describe('rows of a report', () => {
  it("reads vigia's own columns", async () => {
    const { rows, names, tally } = await read(own(ROW))
    expect(rows).to.deep.equal([
      {
        line: 2,
        date: '2026-06-01',
        hour: null,
        campaign: 'c1',
        adset: 's1',
        ad: 'a1',
        spend: 12.5,
        impressions: 1000,
        reach: 800,
        clicks: 20,
        leads: 3,
      },
    ])
    expect(Object.fromEntries(names)).to.deep.equal({
      'campaign c1': 'Camp',
      'adset s1': 'Set',
      'ad a1': 'Ad',
    })
    expect(tally).to.include({ rowsRead: 1, rowsRejected: 0, rowsIgnored: 0 })
  })

  it('reads the English and the Portuguese export alike', async () => {
    const [en, pt] = await Promise.all([
      read(await bundled('meta_export_en.csv')),
      read(await bundled('meta_export_pt.csv')),
    ])
    expect(en.rows).to.have.length(2480)
    expect(pt).to.deep.equal(en)
    expect(en.currency).to.equal('BRL')
    expect(en.rows.reduce((sum, row) => sum + row.leads, 0)).to.be.greaterThan(0)
  })

  describe('in whatever form it comes', () => {
    const accented = own(ROW, '2026-06-02,c1,Campanha São João 🎈,s1,Set,a1,"Ad ""2"", big\nand tall",1,1,,,')

    for (const [form, bytes] of [
      ['UTF-8 with byte order mark', Buffer.from(`\uFEFF${accented}`)],
      ['UTF-16 little endian', utf16(accented, false)],
      ['UTF-16 big endian', utf16(accented, true)],
      ['Windows line ends', Buffer.from(accented.replaceAll('\n2026', '\r\n2026'))],
      ['old Macintosh line ends', Buffer.from(accented.replaceAll('\n2026', '\r2026'))],
      ['a line end behind the last row', Buffer.from(`${accented}\r\n`)],
      ['semicolons', Buffer.from(accented.replaceAll(',', ';').replace('"";', '"",'))],
      ['tabs', Buffer.from(accented.replaceAll(',', '\t').replace('""\t', '"",'))],
    ] as const) {
      it(`reads ${form}`, async () => {
        const { rows, names } = await read(bytes)
        const expected = await read(accented)
        expect(rows).to.deep.equal(expected.rows)
        expect(rows).to.have.length(2)
        expect(names.get('campaign c1')).to.equal('Campanha São João 🎈')
        expect(names.get('ad a1')).to.equal('Ad "2", big\nand tall')
      })
    }

    it('gives the same rows whatever the chunks', async () => {
      const text = accented.replace('São', 'S\u00e3o')
      const whole = await read(text)
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('utf8', 'utf16le'),
          fc.array(fc.integer({ min: 0, max: 800 }), { maxLength: 12 }),
          async (encoding, cuts) => {
            const bytes = encoding === 'utf8' ? Buffer.from(text) : Buffer.from(utf16(text, false))
            const ends = [
              0,
              ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
              bytes.length,
            ]
            const chunks = ends.slice(1).map((end, i) => bytes.subarray(ends[i], end))
            expect((await read(...chunks)).rows).to.deep.equal(whole.rows)
          },
        ),
        { numRuns: 60 },
      )
    })

    it('reads back any names under any delimiter', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(',', ';', '\t'),
          fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), {
            minLength: 1,
            maxLength: 5,
          }),
          async (delimiter, names) => {
            const usable = names.filter((name) => name.trim() !== '' && !name.includes('\0'))
            const quoted = usable.map((name) => `"${name.replaceAll('"', '""')}"`)
            const header = ['date', 'ad_id', 'ad_name', 'spend', 'impressions'].join(delimiter)
            const lines = quoted.map((name, i) => ['2026-06-01', `a${i}`, name, '1', '1'].join(delimiter))
            const result = await read([header, ...lines].join('\n'))
            expect(usable.map((_, i) => result.names.get(`ad a${i}`))).to.deep.equal(
              usable.map((name) => name.trim()),
            )
          },
        ),
        { numRuns: 60 },
      )
    })

    it('keeps characters whole where slices of the text meet', async () => {
      const filler = `"${'x'.repeat(900)}"`
      const lines: string[] = []
      for (let i = 0; i < 200; i++)
        lines.push(`2026-06-01,c1,${filler},s1,Set,a${i},🎈${'🎈'.repeat(i % 7)},1,1,,,`)
      const text = own(...lines)
      expect(text.length).to.be.greaterThan(2 * SLICE_LENGTH)
      const { rows, names } = await read(text)
      expect(rows).to.have.length(200)
      for (let i = 0; i < 200; i++) expect(names.get(`ad a${i}`)).to.equal(`🎈${'🎈'.repeat(i % 7)}`)
    })

    it('takes an unquoted quote for a letter', async () => {
      const { names } = await read(own('2026-06-01,c1,Camp,s1,Set,a1,15" screen,1,1,,,'))
      expect(names.get('ad a1')).to.equal('15" screen')
    })
  })

  describe('refused as a whole', () => {
    const refused = async (...chunks: readonly (string | Uint8Array)[]): Promise<string> => {
      const error = await rejectionOf(read(...chunks))
      expect(error).to.be.instanceOf(AppError)
      expect((error as AppError).code).to.equal('INVALID_CSV')
      return error.message
    }

    it('Latin-1, with the encoding to use', async () => {
      const text = own(ROW, ROW.replace('Camp', 'Promoção'))
      const message = await refused(Buffer.from(text, 'latin1'))
      expect(message).to.contain('UTF-8')
      expect(message).to.contain('Latin-1')
    })

    it('Latin-1 far behind the header, with the line it is near', async () => {
      const good = Buffer.from(`${own(...Array.from({ length: 3000 }, () => ROW))}\n`)
      const message = await refused(good, Buffer.from('2026-06-02,c1,Promoção,', 'latin1'))
      expect(message).to.match(/near line 300[12]/)
    })

    it('UTF-8 that ends within a character', async () => {
      expect(await refused(Buffer.from(own(`${ROW}ã`)).subarray(0, -1))).to.contain('UTF-8')
    })

    it('UTF-16 that ends within a character, or without its mark', async () => {
      expect(await refused(utf16(own(ROW), false).subarray(0, -1))).to.contain('UTF-16LE')
      expect(await refused(utf16(own(ROW), false).subarray(2))).to.contain('byte order mark')
    })

    it('a file without anything in it', async () => {
      expect(await refused('')).to.contain('empty')
      expect(await refused('\n\r\n  \n')).to.contain('empty')
      expect(await refused('\uFEFF')).to.contain('empty')
    })

    it('a file without a required column', async () => {
      expect(await refused('date,ad_id,impressions\n2026-06-01,a1,5')).to.contain('spend')
      expect(await refused('PK not a csv')).to.contain('lacks')
      expect(await refused('PK\u0003\u0004 not a csv')).to.contain('Excel workbook')
    })

    it('a quote that is never closed, with its line', async () => {
      expect(await refused(own(ROW, '', '2026-06-02,c1,"Camp,s1,Set,a1,Ad,1,1,,,', ROW))).to.contain('line 4')
    })

    it('a quote that swallows the file, before memory does', async () => {
      const tail = `${ROW}\n`.repeat(25_000)
      expect(await refused(own(ROW, `2026-06-02,c1,"Camp,s1\n${tail}`))).to.contain('line 3')
    })
  })

  describe('dates', () => {
    const header = (...titles: readonly string[]): string =>
      [...titles, 'Ad ID', 'spend', 'impressions'].join(',')

    it('come from the reporting period only when it is one day', async () => {
      const text = [
        header('Reporting starts', 'Reporting ends'),
        '2026-06-01,2026-06-01,a1,1,1',
        '2026-06-01,2026-06-02,a1,1,1',
        ',,a1,1,1',
      ].join('\n')
      const { rows, tally } = await read(text)
      expect(rows.map((row) => row.date)).to.deep.equal(['2026-06-01'])
      expect(tally).to.include({ rowsRead: 3, rowsIgnored: 2, rowsOfSeveralDays: 1 })
    })

    it('are accepted up to today and rejected from tomorrow on', async () => {
      const { rows, tally } = await read(own(ROW.replace('06-01', '06-16'), ROW.replace('06-01', '06-17')))
      expect(rows.map((row) => row.date)).to.deep.equal(['2026-06-16'])
      expect(tally.errors).to.deep.equal([
        {
          line: 3,
          column: 'date',
          reason: '2026-06-17 is in the future: today is 2026-06-16 in the account',
        },
      ])
    })

    it('are day first under a Portuguese header, month first under an English one', async () => {
      const values = ',Ad name,Impressions,spend\n03/04/2026,x,1,1'
      expect((await read(`Dia${values}`)).rows[0]?.date).to.equal('2026-04-03')
      expect((await read(`Day${values}`)).rows[0]?.date).to.equal('2026-03-04')
    })

    it('that are none reject the row', async () => {
      const error = await errorOf(own(ROW.replace('2026-06-01', '2026-06-31')))
      expect(error).to.include({ line: 2, column: 'date' })
      expect(error.reason).to.contain('"2026-06-31" is not a date')
    })

    it('declare what the file covers, totals rows included, but never days to come', async () => {
      const text = [
        header('Day', 'Reporting starts', 'Reporting ends'),
        '2026-06-03,2026-06-03,2026-06-03,a1,1,1',
        ',2026-06-01,2026-06-20,,1,1',
      ].join('\n')
      const { tally } = await read(text)
      expect(tally.firstDay).to.equal(toDayNumber('2026-06-01'))
      expect(tally.lastDay).to.equal(TODAY)
    })
  })

  describe('cells', () => {
    for (const [what, row, column, reason] of [
      ['negative spend', ROW.replace('12.50', '-12.50'), 'spend', '"-12.50" is negative'],
      ['spend that is no number', ROW.replace('12.50', 'n/a'), 'spend', '"n/a" is not a number'],
      ['empty spend', ROW.replace('12.50', ''), 'spend', 'the cell is empty'],
      ['spend beyond the column', ROW.replace('12.50', '10000000000000'), 'spend', 'too large'],
      ['empty impressions', ROW.replace('1000', ''), 'impressions', 'the cell is empty'],
      ['half an impression', ROW.replace('1000', '10.5'), 'impressions', 'not a whole number'],
      ['negative reach', ROW.replace('800', '-1'), 'reach', 'negative'],
      ['clicks in words', ROW.replace('20,3', 'many,3'), 'clicks', 'not a number'],
      ['negative leads', ROW.replace(/3$/, '-3'), 'leads', 'negative'],
      ['an id with ../', ROW.replace('a1', '../../etc/passwd'), 'ad_id', 'is not an id'],
      ['an id of 4 KB', ROW.replace('s1', 'x'.repeat(4096)), 'adset_id', 'is not an id'],
      ['an id a spreadsheet rounded', ROW.replace('c1', '1.2E+17'), 'campaign_id', 'rounded'],
      ['an id with NUL', ROW.replace('a1', 'a\0'), 'ad_id', 'is not an id'],
      ['a name with NUL', ROW.replace('Camp', 'Ca\0mp'), 'campaign_name', 'NUL'],
      ['a name of 1001 characters', ROW.replace('Camp', 'x'.repeat(1001)), 'campaign_name', '1000'],
    ] as const) {
      it(`${what} reject the row`, async () => {
        const error = await errorOf(own(row))
        expect(error).to.include({ line: 2, column })
        expect(error.reason).to.contain(reason)
        expect(error.reason.length).to.be.lessThan(200)
      })
    }

    it('may be empty where nothing was delivered: leads and clicks 0, reach unknown', async () => {
      const { rows } = await read(own('2026-06-01,c1,Camp,s1,Set,a1,Ad,0,0,,,'))
      expect(rows[0]).to.include({ spend: 0, impressions: 0, reach: null, clicks: 0, leads: 0 })
    })

    it('name an ad of 1000 characters', async () => {
      expect((await read(own(ROW.replace('Camp', 'x'.repeat(1000))))).rows).to.have.length(1)
    })

    it('that have moved reject the line, and a line cut off too', async () => {
      expect((await errorOf(own(ROW.replace('12.50', '12,50')))).reason).to.contain('13 cells, the header 12')
      expect((await errorOf(own('2026-06-01,c1,Camp,s1,Set,a1,Ad,12.50'))).reason).to.contain('cut off')
      expect((await read(own(`${ROW},,`))).rows).to.have.length(1)
    })

    it('read 1.234 by the other cells of their column, else by the language of the header', async () => {
      const values = (header: string, ...spends: readonly string[]): string =>
        [header, ...spends.map((spend) => `2026-06-01;a;${spend};1`)].join('\n')
      const spendsOf = async (text: string): Promise<number[]> =>
        (await read(text)).rows.map((row) => row.spend)
      const pt = 'Dia;Nome do anúncio;Valor usado (BRL);Impressões'
      const en = 'Day;Ad name;Amount spent (BRL);Impressions'
      expect(await spendsOf(values(pt, '1.234'))).to.deep.equal([1234])
      expect(await spendsOf(values(en, '1.234'))).to.deep.equal([1.234])
      expect(await spendsOf(values(pt, '1.234', '1.25'))).to.deep.equal([1.234, 1.25])
      expect(await spendsOf(values(en, '1.234', '1,25'))).to.deep.equal([1234, 1.25])
    })

    it('decide about their column in the first 64 KB, and not behind', async () => {
      const header = 'Day;Ad name;Amount spent (BRL);Impressions\n2026-06-01;a;1.234;1\n'
      const filler = (length: number): string => `2026-06-01;${'x'.repeat(length - 16)};1;1\n`
      const last = '2026-06-01;a;2,5;1\n'
      const bulk = filler(1000).repeat(64)
      const room = SLICE_LENGTH - header.length - bulk.length - last.length
      const firstSpend = async (text: string): Promise<number | undefined> =>
        (await read(text)).rows[0]?.spend
      // The end of a line shows only with the first characters of the next one.
      expect(await firstSpend(`${header}${bulk}${filler(room - 8)}${last}2026-06-01;a;1;1\n`)).to.equal(1234)
      expect(await firstSpend(`${header}${bulk}${filler(room + 1)}${last}2026-06-01;a;1;1\n`)).to.equal(1.234)
    })
  })

  describe('leads and clicks', () => {
    const base = 'Day,Ad name,Amount spent (BRL),Impressions'
    const leadsOf = async (titles: string, cells: string): Promise<number | undefined> =>
      (await read(`${base},${titles}\n2026-06-01,a,1,1,${cells}`)).rows[0]?.leads

    it('take results for leads only when the indicator says so', async () => {
      expect(await leadsOf('Results,Result indicator', '3,actions:lead')).to.equal(3)
      expect(await leadsOf('Results,Result indicator', '3,actions:onsite_conversion.Lead_grouped')).to.equal(
        3,
      )
      expect(await leadsOf('Results,Result indicator', '3,actions:link_click')).to.equal(0)
      expect(await leadsOf('Results,Result indicator', '3,')).to.equal(0)
      expect(await leadsOf('Results', '3')).to.equal(0)
      expect(await leadsOf('Leads,Results,Result indicator', '2,3,actions:lead')).to.equal(2)
      expect(await leadsOf('Leads,Results,Result indicator', ',3,actions:link_click')).to.equal(0)
    })

    it('take all clicks, else link clicks', async () => {
      const text = (titles: string, cells: string): string => `${base},${titles}\n2026-06-01,a,1,1,${cells}`
      expect((await read(text('Link clicks,Clicks (all)', '1,2'))).rows[0]?.clicks).to.equal(2)
      expect((await read(text('Link clicks', '1'))).rows[0]?.clicks).to.equal(1)
    })
  })

  it('ignores totals: rows without ad or date', async () => {
    const total = ',,,,,,,500.00,99999,,,'
    const noAd = '2026-06-01,c1,Camp,s1,Set,,,500.00,99999,,,'
    const noDate = ',c1,Camp,s1,Set,a1,Ad,500.00,99999,,,'
    const { rows, tally } = await read(own(total, ROW, noAd, noDate, ',,,'))
    expect(rows).to.have.length(1)
    expect(tally).to.include({ rowsRead: 5, rowsIgnored: 4, rowsRejected: 0 })
  })

  it('skips blank lines without counting them, and numbers lines as an editor does', async () => {
    const text = `\n${OWN}\n\n${ROW}\n\n"2026-06-02",c1,"two\nlines",s1,Set,a1,Ad,x,1,,,\n${ROW.replace('12.50', '-1')}\n`
    const { tally } = await read(text)
    expect(tally).to.include({ rowsRead: 3, rowsRejected: 2 })
    expect(tally.errors.map(({ line }) => line)).to.deep.equal([6, 8])
  })

  it('numbers lines by the same rule whatever ends them, in quotes too', async () => {
    const text = own(
      '2026-06-01,c1,"a\nb\n\nc",s1,Set,a1,Ad,x,1,,,',
      '',
      ROW.replace('12.50', 'y'),
      '  ',
      ROW.replace('12.50', 'z'),
    )
    for (const end of ['\n', '\r\n', '\r']) {
      const { tally } = await read(text.replaceAll('\n', end))
      expect(
        tally.errors.map(({ line }) => line),
        JSON.stringify(end),
      ).to.deep.equal([2, 7, 9])
    }
  })

  it('gets over 10 MiB of line ends, or of next to nothing', async () => {
    const nothing = await read(own(ROW), Buffer.alloc(10 * 1024 * 1024, '\n'))
    expect(nothing.tally).to.include({ rowsRead: 1, rowsIgnored: 0 })
    const little = await read(`${own(ROW)}\n`, Buffer.from('x\n'.repeat(40_000)))
    expect(little.tally).to.include({ rowsRead: 40_001, rowsIgnored: 40_000 })
  })

  it('keeps the first 100 errors and counts all', async () => {
    const { tally } = await read(own(...Array.from({ length: 101 }, () => ROW.replace('12.50', '-1')), ROW))
    expect(tally.errors).to.have.length(100)
    expect(tally.rowsRejected).to.equal(101)
    expect(tally.errors.at(-1)?.line).to.equal(101)
  })

  describe('entities without ids', () => {
    it('get an id made of their level, parent and name', async () => {
      const { rows, names } = await read(
        'Day,Campaign name,Ad set name,Ad name,spend,impressions\n2026-06-01,C,S,A,1,1',
      )
      const campaign = idOfName('campaign', '', 'C')
      const adset = idOfName('adset', campaign, 'S')
      const ad = idOfName('ad', adset, 'A')
      expect(rows[0]).to.include({ campaign, adset, ad })
      expect(ad).to.match(/^n_[0-9a-f]{16}$/)
      expect(names.get(`ad ${ad}`)).to.equal('A')
      // printf 'campaign//C' | sha256sum
      expect(campaign).to.equal('n_404031f169847271')
    })

    it('differ under different parents', () => {
      expect(idOfName('ad', 's1', 'A')).not.to.equal(idOfName('ad', 's2', 'A'))
      expect(idOfName('adset', 's1', 'A')).not.to.equal(idOfName('ad', 's1', 'A'))
    })

    it('belong to stand-ins where the file names no parent', async () => {
      const { rows, names } = await read('Day,Ad ID,spend,impressions\n2026-06-01,a1,1,1')
      expect(names.get(`campaign ${rows[0]?.campaign}`)).to.equal('(no campaign)')
      expect(names.get(`adset ${rows[0]?.adset}`)).to.equal('(no ad set)')
      expect(names.get('ad a1')).to.equal(null)
    })
  })

  it('takes name and parent from the newest day, whatever the order of the rows', async () => {
    const newer = '2026-06-02,c2,Camp 2,s2,Set 2,a1,New,1,1,,,'
    const older = '2026-06-01,c1,Camp,s1,Set,a1,Old,1,1,,,'
    for (const lines of [
      [newer, older],
      [older, newer],
    ]) {
      expect((await read(own(...lines))).names.get('ad a1')).to.equal('New')
    }
  })

  it('reads hours, and takes a row without one for the whole day', async () => {
    const text = [
      'Day,Time of day (ad account time zone),Ad ID,spend,impressions',
      '2026-06-01,00:00:00 - 00:59:59,a1,1,1',
      '2026-06-01,23:00:00 - 23:59:59,a1,1,1',
      '2026-06-01,,a1,2,2',
      '2026-06-01,24:00,a1,1,1',
    ].join('\n')
    const { rows, tally } = await read(text)
    expect(rows.map((row) => row.hour)).to.deep.equal([0, 23, null])
    expect(tally.errors[0]).to.include({ line: 5, column: 'Time of day (ad account time zone)' })
  })

  it('reads rows as the Marketing API writes them into a warehouse', async () => {
    const text =
      'ad_id,date,account_id,impressions,inline_link_clicks,spend,reach\n621,2026-01-02,17,10701,27,144.,242'
    expect((await read(text)).rows[0]).to.include({
      ad: '621',
      spend: 144,
      impressions: 10701,
      clicks: 27,
      reach: 242,
    })
  })
})
