import { expect } from 'chai'
import * as fc from 'fast-check'
import { AppError } from '../../../../../shared/core/errors.ts'
import { readHeader } from '../../../../../shared/entities/csv/headers.ts'
import type { Field } from '../../../../../shared/entities/csv/headers.ts'

/** Every header of either language and of vigia's own, with what it means. */
const HEADERS: readonly (readonly [Field, string])[] = [
  ['date', 'Day'],
  ['date', 'Date'],
  ['date', 'Dia'],
  ['date', 'Data'],
  ['starts', 'Reporting starts'],
  ['ends', 'Reporting ends'],
  ['starts', 'Início dos relatórios'],
  ['ends', 'Término dos relatórios'],
  ['hour', 'Time of day (ad account time zone)'],
  ['hour', 'Hora do dia (fuso horário da conta de anúncios)'],
  ['hour', 'hour'],
  ['campaignName', 'Campaign name'],
  ['adsetName', 'Ad set name'],
  ['adName', 'Ad name'],
  ['campaignName', 'Nome da campanha'],
  ['adsetName', 'Nome do conjunto de anúncios'],
  ['adName', 'Nome do anúncio'],
  ['campaignId', 'Campaign ID'],
  ['adsetId', 'Ad set ID'],
  ['adId', 'Ad ID'],
  ['campaignId', 'Identificação da campanha'],
  ['adsetId', 'Identificação do conjunto de anúncios'],
  ['adId', 'Identificação do anúncio'],
  ['spend', 'Amount spent (BRL)'],
  ['spend', 'Valor usado (BRL)'],
  ['spend', 'Valor gasto (BRL)'],
  ['spend', 'spend'],
  ['impressions', 'Impressions'],
  ['impressions', 'Impressões'],
  ['reach', 'Reach'],
  ['reach', 'Alcance'],
  ['clicks', 'Clicks (all)'],
  ['clicks', 'Cliques (todos)'],
  ['linkClicks', 'Link clicks'],
  ['linkClicks', 'Cliques no link'],
  ['leads', 'Leads'],
  ['leads', 'Cadastros'],
  ['results', 'Results'],
  ['results', 'Resultados'],
  ['indicator', 'Result indicator'],
  ['indicator', 'Indicador de resultados'],
  ['campaignName', 'campaign_name'],
  ['adsetId', 'adset_id'],
  ['clicks', 'clicks'],
]
/** Enough of a header for the rest of it to be looked at. */
const REQUIRED = ['Dia', 'Nome do anúncio', 'Valor usado (BRL)', 'Impressões']

const swapCase = (text: string): string =>
  text.replace(/\p{L}/gu, (letter) =>
    letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase(),
  )

describe('headers of a report', () => {
  for (const [field, title] of HEADERS) {
    it(`finds ${field} in ${JSON.stringify(title)}, whatever its case, accents and blanks`, () => {
      const bare = title.normalize('NFD').replace(/\p{M}/gu, '')
      const spaced = `  ${title.replaceAll(' ', '\u00A0 ')} `
      // Without the required column that means the same.
      const others = REQUIRED.filter((required) => readHeader(REQUIRED).columns[field]?.title !== required)
      const dates = field === 'starts' ? ['Reporting ends'] : ['Reporting starts', 'Reporting ends']
      for (const spelling of [title, swapCase(title), bare, title.normalize('NFD'), spaced]) {
        const columns = readHeader([spelling, ...others, ...dates.filter((name) => name !== title)]).columns
        expect(columns[field], spelling).to.include({ index: 0, title: spelling.trim() })
      }
    })
  }

  it('takes the currency from the parentheses', () => {
    expect(readHeader(['Day', 'Ad name', 'Amount spent (usd)', 'Impressions']).currency).to.equal('USD')
    expect(readHeader(['Day', 'Ad name', 'Amount spent', 'Impressions']).currency).to.equal(null)
    expect(readHeader(['date', 'ad_id', 'spend', 'impressions']).currency).to.equal(null)
  })

  it('does not mistake other columns for spend', () => {
    const header = readHeader(['Day', 'Ad name', 'Amount spent (today)', 'spend', 'Impressions'])
    expect(header.columns.spend?.index).to.equal(3)
  })

  it('prefers the first name of a field, and the hours of the account', () => {
    const header = readHeader([
      'Date',
      'Day',
      'Ad name',
      'Valor gasto (BRL)',
      'Valor usado (BRL)',
      'Impressions',
    ])
    expect(header.columns.date?.title).to.equal('Day')
    expect(header.columns.spend?.title).to.equal('Valor usado (BRL)')
    const hourly = readHeader([
      ...REQUIRED,
      "Time of day (viewer's time zone)",
      'Time of day (ad account time zone)',
    ])
    expect(hourly.columns.hour?.index).to.equal(5)
    expect(hourly.warnings.join(' ')).not.to.contain('viewer')
    expect(readHeader([...REQUIRED, "Time of day (viewer's time zone)"]).warnings.join(' ')).to.contain(
      'viewer',
    )
  })

  it('gives columns that both languages share the language of the file', () => {
    expect(readHeader([...REQUIRED, 'Leads']).columns.leads?.language).to.equal('pt')
    expect(
      readHeader(['Day', 'Ad name', 'Amount spent (BRL)', 'Impressions', 'Leads']).columns.leads?.language,
    ).to.equal('en')
    expect(readHeader(['date', 'ad_id', 'spend', 'impressions']).columns.spend?.language).to.equal('en')
  })

  it('says what is missing and what was found', () => {
    for (const title of REQUIRED) {
      const rest = REQUIRED.filter((other) => other !== title)
      try {
        readHeader([...rest, 'Alcance'])
        expect.fail('the header was accepted')
      } catch (error) {
        expect(error).to.be.instanceOf(AppError)
        const { code, extra, message } = error as AppError
        expect(code).to.equal('INVALID_CSV')
        expect(extra.details?.['missing']).to.have.length(1)
        expect(extra.details?.['found']).to.deep.equal([...rest, 'Alcance'])
        expect(message).to.contain('Alcance')
      }
    }
  })

  it('takes the reporting period for the date only with both its ends', () => {
    const others = ['Ad name', 'Amount spent (BRL)', 'Impressions']
    expect(() => readHeader(['Reporting starts', ...others])).to.throw(AppError, 'date')
    expect(readHeader(['Reporting starts', 'Reporting ends', ...others]).columns.date).to.equal(undefined)
  })

  it('warns when clicks, leads or ids are not in the file', () => {
    const base = ['Day', 'Ad name', 'Amount spent (BRL)', 'Impressions']
    expect(readHeader([...base, 'Ad ID', 'Clicks (all)', 'Leads']).warnings).to.deep.equal([])
    expect(readHeader(base).warnings.map((warning) => warning.slice(0, 22))).to.deep.equal([
      'The file has no clicks',
      'The file has no leads:',
      'The file has no ad ids',
    ])
    const results = readHeader([...base, 'Ad ID', 'Link clicks', 'Results']).warnings
    expect(results[0]).to.contain('link clicks are imported')
    expect(results[1]).to.contain('Result indicator')
  })

  it('knows by what figures are split besides time, in both languages', () => {
    const base = ['Day', 'Hour', 'Ad name', 'Amount spent (BRL)', 'Impressions']
    expect(readHeader(base).breakdowns).to.deep.equal([])
    expect(readHeader([...base, ' Age ', 'Gênero', 'DMA region', 'Posicionamento']).breakdowns).to.deep.equal(
      ['Age', 'Gênero', 'DMA region', 'Posicionamento'],
    )
  })

  it('ignores any other column, wherever it stands', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[x-z ]{0,12}$/)), fc.nat(4), (unknown, at) => {
        const titles = [...REQUIRED.slice(0, at), ...unknown, ...REQUIRED.slice(at)]
        const { columns } = readHeader(titles)
        expect(Object.keys(columns).sort()).to.deep.equal(['adName', 'date', 'impressions', 'spend'])
        for (const column of Object.values(columns)) expect(titles[column.index]).to.equal(column.title)
      }),
    )
  })
})
