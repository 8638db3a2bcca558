/**
 * Which column means what: the headers of Meta Ads Manager in English and Portuguese, and vigia's own.
 * Case, accents and repeated blanks do not matter. Unknown columns are ignored.
 */
import { invalidCsv } from './invalid-csv.ts'

export type Language = 'en' | 'pt'

/** Names of one meaning, best first, without accents and in lower case. */
interface Names {
  readonly own?: readonly string[]
  readonly en: readonly string[]
  readonly pt: readonly string[]
}

const FIELDS = {
  date: { en: ['day', 'date'], pt: ['dia', 'data'] },
  starts: { en: ['reporting starts'], pt: ['inicio dos relatorios'] },
  ends: { en: ['reporting ends'], pt: ['termino dos relatorios'] },
  hour: { own: ['hour'], en: ['time of day'], pt: ['hora do dia'] },
  campaignName: { own: ['campaign_name'], en: ['campaign name'], pt: ['nome da campanha'] },
  adsetName: { own: ['adset_name'], en: ['ad set name'], pt: ['nome do conjunto de anuncios'] },
  adName: { own: ['ad_name'], en: ['ad name'], pt: ['nome do anuncio'] },
  campaignId: { own: ['campaign_id'], en: ['campaign id'], pt: ['identificacao da campanha'] },
  adsetId: { own: ['adset_id'], en: ['ad set id'], pt: ['identificacao do conjunto de anuncios'] },
  adId: { own: ['ad_id'], en: ['ad id'], pt: ['identificacao do anuncio'] },
  spend: { own: ['spend'], en: ['amount spent'], pt: ['valor usado', 'valor gasto'] },
  impressions: { en: ['impressions'], pt: ['impressoes'] },
  reach: { en: ['reach'], pt: ['alcance'] },
  clicks: { own: ['clicks'], en: ['clicks (all)'], pt: ['cliques (todos)'] },
  // inline_link_clicks is the field's name in the Marketing API, and so in warehouses fed from it.
  linkClicks: { own: ['inline_link_clicks'], en: ['link clicks'], pt: ['cliques no link'] },
  leads: { en: ['leads'], pt: ['leads', 'cadastros'] },
  results: { en: ['results'], pt: ['resultados'] },
  indicator: { en: ['result indicator'], pt: ['indicador de resultados', 'indicador de resultado'] },
} as const satisfies Record<string, Names>
export type Field = keyof typeof FIELDS

/**
 * What Meta Ads Manager breaks figures down by besides time: such a file has several rows of an ad and day, and
 * people reached by two of them are no sum.
 */
const BREAKDOWNS: ReadonlySet<string> = new Set(
  [
    ['age', 'gender', 'country', 'region', 'dma region', 'impression device', 'device platform', 'platform'],
    ['publisher platform', 'placement', 'platform position', 'device', 'product id', 'media type'],
    [
      'idade',
      'genero',
      'pais',
      'regiao',
      'regiao dma',
      'dispositivo da impressao',
      'dispositivo de impressao',
    ],
    ['plataforma', 'plataforma do dispositivo', 'posicionamento', 'dispositivo', 'identificacao do produto'],
    ['tipo de midia'],
  ].flat(),
)

/** Headers that carry something in parentheses: a currency, or whose clock the hours are of. */
const WITH_PARENTHESES: ReadonlySet<Field> = new Set(['spend', 'hour'])
const PARENTHESES = /^(.*?)\s*\(([^()]*)\)$/
const CURRENCY = /^[a-z]{3}$/

export interface Column {
  readonly index: number
  /** As the file spells it, for messages. */
  readonly title: string
  /** Decides what 1.234 and 03/04/2026 mean when nothing else does. */
  readonly language: Language
}

export interface Header {
  /** Number of cells of the header line. */
  readonly width: number
  readonly columns: Readonly<Partial<Record<Field, Column>>>
  /** Upper-case code from `Amount spent (BRL)`; null when the header names none. */
  readonly currency: string | null
  /** Titles of the columns by which the figures of an ad and day are split further. */
  readonly breakdowns: readonly string[]
  readonly warnings: readonly string[]
}

export const normalizeHeader = (title: string): string =>
  title
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[\s\uFEFF]+/gu, ' ')
    .trim()

interface Match {
  readonly index: number
  readonly title: string
  /** Null when both languages, or none, use the word. */
  readonly language: Language | null
  readonly inParentheses: string
  /** Position among the names of the field: smaller wins. */
  readonly rank: number
}

const matchOf = (field: Field, title: string, index: number): Match | null => {
  const names: Names = FIELDS[field]
  const normal = normalizeHeader(title)
  const split = WITH_PARENTHESES.has(field) ? PARENTHESES.exec(normal) : null
  const base = split?.[1] ?? normal
  const inParentheses = split?.[2] ?? ''
  if (field === 'spend' && split && !CURRENCY.test(inParentheses)) return null
  const ranks = [names.own ?? [], names.en, names.pt].map((list) => list.indexOf(base))
  const [own, en, pt] = ranks as [number, number, number]
  const rank = Math.min(...ranks.filter((place) => place >= 0))
  if (!Number.isFinite(rank)) return null
  const shared = own >= 0 || (en >= 0 && pt >= 0)
  const single: Language = en >= 0 ? 'en' : 'pt'
  return { index, title, language: shared ? null : single, inParentheses, rank }
}

/** The hours of the account are the ones its days are made of. */
const isAccountClock = ({ inParentheses }: Match): boolean => /account|conta/u.test(inParentheses)

const isBetter = (field: Field, rival: Match, best: Match): boolean =>
  field === 'hour' && isAccountClock(rival) !== isAccountClock(best)
    ? isAccountClock(rival)
    : rival.rank < best.rank

const missingOf = (found: ReadonlySet<Field>): string[] => {
  const missing: string[] = []
  if (!found.has('date') && !(found.has('starts') && found.has('ends')))
    missing.push('date (Day, Date, or Reporting starts with Reporting ends; Dia, Data)')
  if (!found.has('adId') && !found.has('adName')) missing.push('ad (Ad ID or Ad name; Nome do anúncio)')
  if (!found.has('spend')) missing.push('spend (Amount spent (XXX); Valor usado (XXX))')
  if (!found.has('impressions')) missing.push('impressions (Impressions; Impressões)')
  return missing
}

const SHOWN_HEADERS = 50
const SHOWN_LENGTH = 80

const warningsOf = (columns: Header['columns'], viewersClock: boolean): string[] => {
  const warnings: string[] = []
  if (!columns.clicks && !columns.linkClicks)
    warnings.push('The file has no clicks: they are imported as 0. Export "Clicks (all)".')
  else if (!columns.clicks) warnings.push('The file has no "Clicks (all)": link clicks are imported.')
  if (!columns.leads && !columns.results)
    warnings.push('The file has no leads: they are imported as 0. Export "Leads".')
  else if (!columns.leads && !columns.indicator)
    warnings.push(
      'Results are not imported as leads, since the file does not say what they are. Export "Leads" or "Result indicator".',
    )
  if (!columns.adId)
    warnings.push(
      'The file has no ad ids: ads are known by their names, and a renamed ad counts as a new one. Export "Ad ID".',
    )
  if (viewersClock)
    warnings.push("Hours are of the viewer's time zone, not of the account's: export the account's hours.")
  return warnings
}

/**
 * Finds the columns of a header line.
 * @throws AppError INVALID_CSV naming the columns that are missing and those that were found
 */
export const readHeader = (cells: readonly string[]): Header => {
  const matches = new Map<Field, Match>()
  for (const [index, title] of cells.entries()) {
    for (const field of Object.keys(FIELDS) as Field[]) {
      const match = matchOf(field, title.trim(), index)
      if (!match) continue
      const best = matches.get(field)
      if (!best || isBetter(field, match, best)) matches.set(field, match)
    }
  }

  const missing = missingOf(new Set(matches.keys()))
  if (missing.length > 0) {
    const found = cells.slice(0, SHOWN_HEADERS).map((title) => title.trim().slice(0, SHOWN_LENGTH))
    throw invalidCsv(
      `The file lacks ${missing.join('; ')}. Found: ${found.join(', ') || 'nothing'}. Export at ad level, broken down by day`,
      { missing, found },
    )
  }

  const languages = [...matches.values()].map((match) => match.language)
  const portuguese = languages.filter((language) => language === 'pt').length
  const english = languages.filter((language) => language === 'en').length
  const ofFile: Language = portuguese > english ? 'pt' : 'en'
  const columns: Partial<Record<Field, Column>> = {}
  for (const [field, { index, title, language }] of matches) {
    columns[field] = { index, title, language: language ?? ofFile }
  }

  const currency = matches.get('spend')?.inParentheses.toUpperCase()
  const hour = matches.get('hour')
  const viewersClock = hour !== undefined && hour.inParentheses !== '' && !isAccountClock(hour)
  return {
    width: cells.length,
    columns,
    currency: currency || null,
    breakdowns: cells.map((title) => title.trim()).filter((title) => BREAKDOWNS.has(normalizeHeader(title))),
    warnings: warningsOf(columns, viewersClock),
  }
}
