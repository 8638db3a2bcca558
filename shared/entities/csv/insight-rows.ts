/**
 * A report of daily (or hourly) figures per ad, from bytes to columns ready for the database:
 *
 * 1. decode and slice (`text.ts`), split into records (`records.ts`);
 * 2. find the columns (`headers.ts`) and, from the first slice, the decimal mark of each of them;
 * 3. check every row: it is accepted, ignored (totals), or rejected with a reason;
 * 4. hand out accepted rows in batches of columns, with the entities they name.
 *
 * Memory does not grow with the file: nothing outlives its batch but counts and the first 100 errors.
 */
import { createHash } from 'node:crypto'
import { toLocalDate } from '../../core/days.ts'
import { EntityId } from '../../core/entity.ts'
import type { Level } from '../../core/entity.ts'
import { parseDay, parseHour } from './dates.ts'
import { readHeader } from './headers.ts'
import type { Column, Field, Header } from './headers.ts'
import { invalidCsv } from './invalid-csv.ts'
import { markOf, parseNumber } from './numbers.ts'
import type { DecimalMark } from './numbers.ts'
import { readRecords } from './records.ts'
import type { RecordBlock } from './records.ts'
import { readText } from './text.ts'

const BATCH_ROWS = 5000
const KEPT_ERRORS = 100
const LONGEST_NAME = 1000
const QUOTED_LENGTH = 40
/** numeric(15,2) ends here. */
const SPEND_LIMIT = 1e13

export interface RowError {
  readonly line: number
  /** As the file spells it; null when the line as a whole is wrong. */
  readonly column: string | null
  readonly reason: string
}

/** What was seen so far; grows while batches are taken. */
export interface ReadTally {
  rowsRead: number
  rowsRejected: number
  /** Rows without ad or date: totals. */
  rowsIgnored: number
  /** Those of them that are of an ad, over a reporting period longer than a day. */
  rowsOfSeveralDays: number
  readonly errors: RowError[]
  /** Days the file says it covers, totals rows included; null before any. */
  firstDay: number | null
  lastDay: number | null
  /** Likewise without rows of hours, which say nothing of the whole day; nor do totals and periods beside such rows. */
  firstWholeDay: number | null
  lastWholeDay: number | null
}

/** Accepted rows as columns of equal length, in the order of the file. */
export interface RowColumns {
  readonly lines: number[]
  readonly days: number[]
  /** Null: the row is of a whole day. */
  readonly hours: (number | null)[]
  readonly adIds: string[]
  readonly adsetIds: string[]
  readonly campaignIds: string[]
  /** False: the file does not say; the id is a stand-in until a known ad gives its own. */
  readonly adsetGiven: boolean[]
  readonly campaignGiven: boolean[]
  /** Account currency. */
  readonly spend: number[]
  readonly impressions: number[]
  /** Null: unknown. */
  readonly reach: (number | null)[]
  readonly clicks: number[]
  readonly leads: number[]
}

/** Each entity of a batch once, as its row with the newest day shows it. */
export interface EntityColumns {
  readonly levels: Level[]
  readonly ids: string[]
  /** Empty on campaigns. */
  readonly parentIds: string[]
  readonly campaignIds: string[]
  /** Null: not given. */
  readonly names: (string | null)[]
  /** Whether the file names the entity itself; false for stand-ins of missing parents. */
  readonly given: boolean[]
  /** Whether the file says where it belongs. */
  readonly parentGiven: boolean[]
  readonly campaignGiven: boolean[]
  readonly days: number[]
  readonly lines: number[]
}

export interface InsightBatch {
  readonly rows: RowColumns
  readonly entities: EntityColumns
}

export interface InsightsFile {
  /** Currency of the amounts when the header names it. */
  readonly currency: string | null
  /** Titles of the columns by which the figures of an ad and day are split further. */
  readonly breakdowns: readonly string[]
  readonly warnings: readonly string[]
  readonly tally: ReadTally
  /**
   * The accepted rows. May be taken once.
   * @param today the account's present day; later dates reject their row
   * @throws AppError INVALID_CSV when the file turns out broken further down
   */
  batches(today: number): AsyncGenerator<InsightBatch>
  /** Ends reading early. */
  close(): Promise<void>
}

/** `n_` and 16 hex digits: the id of an entity the file only names. */
export const idOfName = (level: Level, parentId: string, name: string): string =>
  `n_${createHash('sha256').update(`${level}/${parentId}/${name}`).digest('hex').slice(0, 16)}`

const quoted = (cell: string): string =>
  JSON.stringify(cell.length > QUOTED_LENGTH ? `${cell.slice(0, QUOTED_LENGTH)}...` : cell)

/** Ends the checks of one row. */
class Rejection extends Error {
  readonly column: string | null
  constructor(column: Column | undefined, reason: string) {
    super(reason)
    this.column = column?.title ?? null
  }
}

const NUMBER_FIELDS = ['spend', 'impressions', 'reach', 'clicks', 'linkClicks', 'leads', 'results'] as const
type NumberField = (typeof NUMBER_FIELDS)[number]

const isBlank = (record: readonly string[]): boolean => record.length === 1 && record[0]?.trim() === ''

const isEntityId = (text: string): boolean => EntityId.safeParse(text).success

const newRows = (): RowColumns => ({
  lines: [],
  days: [],
  hours: [],
  adIds: [],
  adsetIds: [],
  campaignIds: [],
  adsetGiven: [],
  campaignGiven: [],
  spend: [],
  impressions: [],
  reach: [],
  clicks: [],
  leads: [],
})

const newEntities = (): EntityColumns => ({
  levels: [],
  ids: [],
  parentIds: [],
  campaignIds: [],
  names: [],
  given: [],
  parentGiven: [],
  campaignGiven: [],
  days: [],
  lines: [],
})

interface SeenEntity {
  readonly level: Level
  readonly id: string
  readonly parentId: string
  readonly campaignId: string
  readonly name: string | null
  readonly given: boolean
  readonly parentGiven: boolean
  readonly campaignGiven: boolean
}

/** Collects the rows of one batch and, once each, the entities they name. */
const createBatch = () => {
  const rows = newRows()
  const entities = newEntities()
  const places: Record<Level, Map<string, number>> = { campaign: new Map(), adset: new Map(), ad: new Map() }
  return {
    rows,
    entities,
    see: (entity: SeenEntity, day: number, line: number): void => {
      const { level, id } = entity
      const known = places[level].get(id)
      // Files come sorted by anything: the row of the newest day tells today's name and parent.
      if (known !== undefined && (entities.days[known] ?? 0) > day) return
      const place = known ?? entities.ids.length
      places[level].set(id, place)
      entities.levels[place] = level
      entities.ids[place] = id
      entities.parentIds[place] = entity.parentId
      entities.campaignIds[place] = entity.campaignId
      entities.names[place] = entity.name
      entities.given[place] = entity.given
      entities.parentGiven[place] = entity.parentGiven
      entities.campaignGiven[place] = entity.campaignGiven
      entities.days[place] = day
      entities.lines[place] = line
    },
  }
}
type Batch = ReturnType<typeof createBatch>

/** Reads rows under one header. */
const createRowReader = (
  header: Header,
  marks: Readonly<Record<NumberField, DecimalMark>>,
  tally: ReadTally,
) => {
  const { columns } = header
  const cellOf = (record: readonly string[], field: Field): string => {
    const column = columns[field]
    return column ? (record[column.index] ?? '').trim() : ''
  }
  const clicksField = columns.clicks ? 'clicks' : 'linkClicks'
  const startsLanguage = columns.starts?.language ?? 'en'
  const endsLanguage = columns.ends?.language ?? 'en'
  /** Ids made of names, for the batch at hand: hashing each row anew would cost more than reading it. */
  let madeIds = new Map<string, string>()

  const made = (level: Level, parentId: string, name: string): string => {
    const key = `${level}/${parentId}/${name}`
    let id = madeIds.get(key)
    if (id === undefined) {
      id = idOfName(level, parentId, name)
      madeIds.set(key, id)
    }
    return id
  }

  const idCell = (record: readonly string[], field: 'campaignId' | 'adsetId' | 'adId'): string => {
    const cell = cellOf(record, field)
    if (cell === '' || isEntityId(cell)) return cell
    throw new Rejection(
      columns[field],
      `${quoted(cell)} is not an id: it must be 1 to 100 letters, digits, "_" or "-" (a spreadsheet may have rounded it)`,
    )
  }
  const nameCell = (record: readonly string[], field: 'campaignName' | 'adsetName' | 'adName'): string => {
    const cell = cellOf(record, field)
    if (cell.includes('\0')) throw new Rejection(columns[field], 'the name contains a NUL character')
    if (cell.length > LONGEST_NAME)
      throw new Rejection(columns[field], `the name is longer than ${LONGEST_NAME} characters`)
    return cell
  }
  const amount = (record: readonly string[], field: NumberField): number | null => {
    const cell = cellOf(record, field)
    if (cell === '') return null
    const value = parseNumber(cell, marks[field])
    if (Number.isNaN(value)) throw new Rejection(columns[field], `${quoted(cell)} is not a number`)
    if (value < 0) throw new Rejection(columns[field], `${quoted(cell)} is negative`)
    return value
  }
  const count = (record: readonly string[], field: NumberField): number | null => {
    const value = amount(record, field)
    if (value === null || Number.isSafeInteger(value)) return value
    throw new Rejection(columns[field], `${quoted(cellOf(record, field))} is not a whole number`)
  }
  const required = (value: number | null, field: NumberField): number => {
    if (value === null) throw new Rejection(columns[field], 'the cell is empty')
    return value
  }

  /** The text of the row's day; empty when it has none, as totals have. */
  const dateCell = (record: readonly string[]): string => {
    if (columns.date) return cellOf(record, 'date')
    const starts = cellOf(record, 'starts')
    return starts === cellOf(record, 'ends') ? starts : ''
  }
  const dayCell = (cell: string, today: number): number => {
    const column = columns.date ?? columns.starts
    const day = parseDay(cell, column?.language ?? 'en')
    if (day === null)
      throw new Rejection(
        column,
        `${quoted(cell)} is not a date: write YYYY-MM-DD or ${column?.language === 'pt' ? 'DD/MM/YYYY' : 'MM/DD/YYYY'}`,
      )
    if (day > today)
      throw new Rejection(column, `${cell} is in the future: today is ${toLocalDate(today)} in the account`)
    return day
  }
  const hourCell = (record: readonly string[]): number | null => {
    const cell = cellOf(record, 'hour')
    // Among hourly rows, one without an hour is the day's own.
    if (cell === '') return null
    const hour = parseHour(cell)
    if (hour === null)
      throw new Rejection(columns.hour, `${quoted(cell)} is not an hour of the day (0 to 23)`)
    return hour
  }
  const leadsCell = (record: readonly string[]): number => {
    if (columns.leads) return count(record, 'leads') ?? 0
    const results = count(record, 'results') ?? 0
    return cellOf(record, 'indicator').toLowerCase().includes('lead') ? results : 0
  }

  /** Widens the days the file says it covers. A period may end later than today: the rest is not covered. */
  const cover = (first: number | null, last: number | null, today: number, isWhole: boolean): void => {
    if (first === null || last === null || first > last || first > today) return
    const end = Math.min(last, today)
    tally.firstDay = Math.min(tally.firstDay ?? first, first)
    tally.lastDay = Math.max(tally.lastDay ?? first, end)
    if (!isWhole) return
    tally.firstWholeDay = Math.min(tally.firstWholeDay ?? first, first)
    tally.lastWholeDay = Math.max(tally.lastWholeDay ?? first, end)
  }
  const coverPeriod = (record: readonly string[], today: number): void => {
    if (!columns.starts || !columns.ends) return
    cover(
      parseDay(cellOf(record, 'starts'), startsLanguage),
      parseDay(cellOf(record, 'ends'), endsLanguage),
      today,
      columns.hour === undefined,
    )
  }

  const accept = (
    record: readonly string[],
    date: string,
    line: number,
    today: number,
    batch: Batch,
  ): void => {
    const day = dayCell(date, today)
    const hour = hourCell(record)
    const campaignName = nameCell(record, 'campaignName')
    const adsetName = nameCell(record, 'adsetName')
    const adName = nameCell(record, 'adName')
    const givenCampaignId = idCell(record, 'campaignId')
    const givenAdsetId = idCell(record, 'adsetId')
    const givenAdId = idCell(record, 'adId')
    const spend = required(amount(record, 'spend'), 'spend')
    if (spend >= SPEND_LIMIT) throw new Rejection(columns.spend, 'the amount is too large')
    const impressions = required(count(record, 'impressions'), 'impressions')
    const reach = count(record, 'reach')
    const clicks = count(record, clicksField) ?? 0
    const leads = leadsCell(record)

    const campaignGiven = givenCampaignId !== '' || campaignName !== ''
    const adsetGiven = givenAdsetId !== '' || adsetName !== ''
    const campaignId = givenCampaignId || made('campaign', '', campaignName)
    const adsetId = givenAdsetId || made('adset', campaignId, adsetName)
    const adId = givenAdId || made('ad', adsetId, adName)

    const { rows } = batch
    rows.lines.push(line)
    rows.days.push(day)
    rows.hours.push(hour)
    rows.adIds.push(adId)
    rows.adsetIds.push(adsetId)
    rows.campaignIds.push(campaignId)
    rows.adsetGiven.push(adsetGiven)
    rows.campaignGiven.push(campaignGiven)
    rows.spend.push(spend)
    rows.impressions.push(impressions)
    rows.reach.push(reach)
    rows.clicks.push(clicks)
    rows.leads.push(leads)

    const common = { campaignId, campaignGiven }
    batch.see(
      {
        ...common,
        level: 'campaign',
        id: campaignId,
        parentId: '',
        name: campaignName || (campaignGiven ? null : '(no campaign)'),
        given: campaignGiven,
        parentGiven: true,
      },
      day,
      line,
    )
    batch.see(
      {
        ...common,
        level: 'adset',
        id: adsetId,
        parentId: campaignId,
        name: adsetName || (adsetGiven ? null : '(no ad set)'),
        given: adsetGiven,
        parentGiven: campaignGiven,
      },
      day,
      line,
    )
    batch.see(
      {
        ...common,
        level: 'ad',
        id: adId,
        parentId: adsetId,
        name: adName || null,
        given: true,
        parentGiven: adsetGiven,
      },
      day,
      line,
    )
    cover(day, day, today, hour === null)
    coverPeriod(record, today)
  }

  const reject = (line: number, column: string | null, reason: string): void => {
    tally.rowsRejected += 1
    if (tally.errors.length < KEPT_ERRORS) tally.errors.push({ line, column, reason })
  }

  return {
    startBatch: (): Batch => {
      madeIds = new Map()
      return createBatch()
    },
    read: (record: readonly string[], line: number, today: number, batch: Batch): void => {
      if (isBlank(record)) return
      tally.rowsRead += 1
      const tooWide = record.slice(header.width).some((cell) => cell.trim() !== '')
      if (tooWide) {
        // Cells have moved, most often behind an unquoted decimal comma: none of them can be trusted.
        reject(
          line,
          null,
          `the line has ${record.length} cells, the header ${header.width}; is a cell with the delimiter in it not quoted?`,
        )
        return
      }
      const date = dateCell(record)
      const ad = cellOf(record, 'adId') || cellOf(record, 'adName')
      if (date === '' || ad === '') {
        tally.rowsIgnored += 1
        if (ad !== '' && !columns.date && cellOf(record, 'starts') !== '') tally.rowsOfSeveralDays += 1
        coverPeriod(record, today)
        return
      }
      if (record.length < header.width) {
        reject(
          line,
          null,
          `the line has ${record.length} cells, the header ${header.width}; is the file cut off?`,
        )
        return
      }
      try {
        accept(record, date, line, today, batch)
      } catch (error) {
        if (!(error instanceof Rejection)) throw error
        reject(line, error.column, error.message)
      }
    },
  }
}

const FALLBACK_MARK = { en: '.', pt: ',' } as const

/** The decimal mark of each column, from the records of the first slice. */
const marksOf = (header: Header, sample: RecordBlock['records']): Record<NumberField, DecimalMark> => {
  const mark = (field: NumberField): DecimalMark => {
    const column = header.columns[field]
    if (!column) return '.'
    return markOf(
      sample.map((record) => (record[column.index] ?? '').trim()),
      FALLBACK_MARK[column.language],
    )
  }
  return {
    spend: mark('spend'),
    impressions: mark('impressions'),
    reach: mark('reach'),
    clicks: mark('clicks'),
    linkClicks: mark('linkClicks'),
    leads: mark('leads'),
    results: mark('results'),
  }
}

const EMPTY_BLOCK: RecordBlock = { records: [], lines: [] }

/**
 * Opens a report and reads its header and first slice.
 * @throws AppError INVALID_CSV: not UTF-8 or UTF-16, empty, or without a required column
 */
export const openInsightsFile = async (source: AsyncIterable<Uint8Array>): Promise<InsightsFile> => {
  const blocks = readRecords(readText(source))
  const first = await blocks.next()
  const sample = first.done ? EMPTY_BLOCK : first.value
  const headerAt = sample.records.findIndex((record) => !isBlank(record))
  const titles = sample.records[headerAt]
  if (!titles) {
    await blocks.return(undefined)
    throw invalidCsv('The file is empty, or its first line is longer than 64 KB: it needs a header line')
  }
  let header: Header
  try {
    if (titles.some((title) => title.includes('\0')))
      throw invalidCsv('The file looks like UTF-16 without a byte order mark; save it as UTF-8')
    header = readHeader(titles)
  } catch (error) {
    await blocks.return(undefined)
    throw error
  }

  const tally: ReadTally = {
    rowsRead: 0,
    rowsRejected: 0,
    rowsIgnored: 0,
    rowsOfSeveralDays: 0,
    errors: [],
    firstDay: null,
    lastDay: null,
    firstWholeDay: null,
    lastWholeDay: null,
  }
  const rest: RecordBlock = {
    records: sample.records.slice(headerAt + 1),
    lines: sample.lines.slice(headerAt + 1),
  }
  const reader = createRowReader(header, marksOf(header, rest.records), tally)

  const allBlocks = async function* (): AsyncGenerator<RecordBlock> {
    yield rest
    yield* blocks
  }
  const batches = async function* (today: number): AsyncGenerator<InsightBatch> {
    let batch = reader.startBatch()
    for await (const { records, lines } of allBlocks()) {
      for (const [i, record] of records.entries()) reader.read(record, lines[i] ?? 0, today, batch)
      if (batch.rows.lines.length < BATCH_ROWS) continue
      yield batch
      batch = reader.startBatch()
    }
    if (batch.rows.lines.length > 0) yield batch
  }
  return {
    currency: header.currency,
    breakdowns: header.breakdowns,
    warnings: header.warnings,
    tally,
    batches,
    close: async () => {
      await blocks.return(undefined)
    },
  }
}

interface DateRange {
  readonly from: string | null
  readonly to: string | null
}

const rangeOf = (first: number | null, last: number | null): DateRange => ({
  from: first === null ? null : toLocalDate(first),
  to: last === null ? null : toLocalDate(last),
})

/** First and last day the file speaks of, as texts. */
export const namedDays = ({ firstDay, lastDay }: ReadTally): DateRange => rangeOf(firstDay, lastDay)

/** First and last day of which all that was delivered is in the file: an ad without a row delivered nothing. */
export const coveredDays = ({ firstWholeDay, lastWholeDay }: ReadTally): DateRange =>
  rangeOf(firstWholeDay, lastWholeDay)
