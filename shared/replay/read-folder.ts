/**
 * A folder of CSV files as accounts to replay: `daily.csv`, or exports of Meta's Ads Manager where there is none,
 * and what is known besides (`entities.csv`, `changes.csv`, `holidays.csv`, `labels.csv`). Levels that are not
 * given are summed from those below.
 */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { restWithChildren } from '../../ml/shifts/account.ts'
import type { AccountDays, AccountEntity } from '../../ml/shifts/account.ts'
import type { Level } from '../../ml/shifts/level-name.ts'
import { LEVELS_UP } from '../../ml/shifts/level-name.ts'
import { LocalDate, toDayNumber, toLocalDate } from '../core/days.ts'
import { AppError, messageOf } from '../core/errors.ts'
import { isProblem, parseChange } from '../entities/csv/change-rows.ts'
import type { ChangeRow } from '../entities/csv/change-rows.ts'
import { parseIsoDay } from '../entities/csv/dates.ts'
import { normalizeHeader } from '../entities/csv/headers.ts'
import { openInsightsFile } from '../entities/csv/insight-rows.ts'
import { brokenDown, invalidCsv } from '../entities/csv/invalid-csv.ts'
import { parseNumber } from '../entities/csv/numbers.ts'
import { readRecords } from '../entities/csv/records.ts'
import { readText } from '../entities/csv/text.ts'

/** Files that tell of an account; all others are taken for exports. */
const KNOWN = ['daily.csv', 'entities.csv', 'changes.csv', 'holidays.csv', 'labels.csv'] as const
type KnownFile = (typeof KNOWN)[number]
const LONGEST_DAYS = 3650
/** What a day may hold at most: beyond it a figure is a slip of the pen, and sums of them no numbers. */
const AMOUNT_LIMIT = 1e13
/** Warnings of one export that are shown. */
const SHOWN_ERRORS = 3
const SHOWN_LENGTH = 40
const EXPONENT = /^\d+(?:\.\d+)?e[+-]?\d+$/i

export interface Label {
  readonly id: string
  readonly accountId: string
  readonly level: string
  readonly entityId: string
  readonly type: string
  /** Days since 1970, both inclusive. */
  readonly start: number
  readonly end: number
  readonly metric: string
  readonly direction: string
  readonly class: string
}

export interface FolderAccount {
  readonly id: string
  /** Day 0 of `days`, since 1970. */
  readonly firstDay: number
  readonly days: AccountDays
  /** By the index of the entity; the id where no name is known. */
  readonly names: readonly string[]
  /** Null where no file says it. */
  readonly currency: string | null
}

export interface Folder {
  /** Ascending by id. */
  readonly accounts: readonly FolderAccount[]
  readonly labels: readonly Label[]
  /** What could not be used, or was told twice. */
  readonly warnings: readonly string[]
}

/** One row as texts by the name of its column; absent columns are empty. */
interface Row {
  readonly line: number
  readonly cell: (name: string) => string
}

const openFile = async (path: string): Promise<ReturnType<typeof createReadStream>> => {
  const stream = createReadStream(path)
  try {
    await once(stream, 'open')
    if ((await stat(path)).isFile()) return stream
  } catch (error) {
    throw new AppError('INVALID_REQUEST', `${path} cannot be read: ${messageOf(error)}`, {}, { cause: error })
  }
  stream.destroy()
  throw new AppError('INVALID_REQUEST', `${path} is no file`)
}

/** What is wrong with a whole file, with its name. */
const named = (name: string, error: unknown): unknown =>
  error instanceof AppError && !error.message.includes(name)
    ? new AppError(error.code, `${name}: ${error.message}`, error.extra, { cause: error })
    : error

const quoted = (text: string): string => JSON.stringify(text.slice(0, SHOWN_LENGTH))

const readTable = async function* (path: string, required: readonly string[]): AsyncGenerator<Row> {
  const name = basename(path)
  const stream = await openFile(path)
  try {
    let titles: readonly string[] = []
    let places: Map<string, number> | undefined
    for await (const { records, lines } of readRecords(readText(stream))) {
      for (const [i, record] of records.entries()) {
        if (record.every((cell) => cell.trim() === '')) continue
        if (!places) {
          titles = record.map(normalizeHeader)
          places = new Map(titles.map((title, place) => [title, place]))
          const missing = required.filter((title) => !places?.has(title))
          if (missing.length > 0) {
            throw invalidCsv(
              `${name} lacks ${missing.join(', ')}: its first line names its columns, one of each`,
              { missing, found: titles },
            )
          }
          const twice = titles.find((title, place) => title !== '' && titles.indexOf(title) < place)
          if (twice !== undefined)
            throw invalidCsv(`${name} has two columns ${quoted(twice)}: take out the one that does not count`)
          continue
        }
        const at = places
        const line = lines[i] ?? 0
        if (
          titles.length > 1 &&
          titles.every((title, place) => title === normalizeHeader(record[place] ?? ''))
        )
          throw invalidCsv(
            `${name}, line ${line}: the header again; where files were joined, leave it in the first line alone`,
            { file: name, line },
          )
        // Cells have moved, most often behind an unquoted decimal comma: none of them can be trusted.
        if (record.slice(titles.length).some((cell) => cell.trim() !== '')) {
          throw invalidCsv(
            `${name}, line ${line}: it has ${record.length} cells, the header ${titles.length}; is a cell with the delimiter in it not quoted?`,
            { file: name, line },
          )
        }
        yield {
          line,
          cell: (title) => {
            const place = at.get(title)
            return place === undefined ? '' : (record[place] ?? '').trim()
          },
        }
      }
    }
    if (!places) throw invalidCsv(`${name} is empty: it needs a header line`)
  } catch (error) {
    throw named(name, error)
  } finally {
    stream.destroy()
  }
}

const wrong = (file: string, { line }: Row, what: string): AppError =>
  invalidCsv(`${file}, line ${line}: ${what}`, { file, line })

const dayOf = (file: string, row: Row, name: string): number => {
  const day = parseIsoDay(row.cell(name))
  if (day === null || !LocalDate.safeParse(toLocalDate(day)).success)
    throw wrong(file, row, `${name} is a date like 2026-03-31, not ${quoted(row.cell(name))}`)
  return day
}

const nameOf = (file: string, row: Row, name: 'account_id' | 'entity_id'): string => {
  const text = row.cell(name)
  if (text === '') throw wrong(file, row, `${name} is empty`)
  return text
}

const levelOf = (file: string, row: Row): Level => {
  const level = LEVELS_UP.find((name) => name === row.cell('level'))
  if (!level) throw wrong(file, row, `level is campaign, adset or ad, not ${quoted(row.cell('level'))}`)
  return level
}

/** An amount; NaN when the cell is empty. */
const amountOf = (file: string, row: Row, name: string): number => {
  const text = row.cell(name)
  if (text === '') return Number.NaN
  // Programs write small numbers with an exponent; people do not.
  const value = EXPONENT.test(text) ? Number(text) : parseNumber(text, '.')
  if (!(value >= 0 && value < AMOUNT_LIMIT))
    throw wrong(file, row, `${name} is a number from 0 on, not ${quoted(text)}`)
  return value
}

interface Draft {
  readonly level: Level
  readonly id: string
  parentId: string
  /** The day the parent was told of: of several the newest counts, whatever the order of the rows. */
  parentDay: number
  name: string
  start: number | null
  end: number | null
  readonly days: number[]
  /** spend, impressions, clicks, leads, reach per day. */
  readonly values: number[]
}

interface AccountDraft {
  readonly id: string
  /** Null until an export names it. */
  currency: string | null
  /** Columns of exports by which the figures of an ad and day are split further. */
  readonly breakdowns: Set<string>
  readonly entities: Map<string, Draft>
  readonly changes: ChangeRow[]
  readonly holidays: { readonly day: number; readonly days: number }[]
}

const COLUMNS = ['spend', 'impressions', 'clicks', 'leads', 'reach'] as const
const PARENT: Readonly<Record<Level, Level | null>> = { ad: 'adset', adset: 'campaign', campaign: null }

const draftsOf = (): {
  readonly all: Map<string, AccountDraft>
  readonly of: (id: string) => AccountDraft
} => {
  const all = new Map<string, AccountDraft>()
  return {
    all,
    of: (id) => {
      let draft = all.get(id)
      if (!draft)
        all.set(
          id,
          (draft = {
            id,
            currency: null,
            breakdowns: new Set(),
            entities: new Map(),
            changes: [],
            holidays: [],
          }),
        )
      return draft
    },
  }
}

const entityOf = (account: AccountDraft, level: Level, id: string): Draft => {
  const key = `${level} ${id}`
  let draft = account.entities.get(key)
  if (!draft) {
    draft = { level, id, parentId: '', parentDay: -1, name: '', start: null, end: null, days: [], values: [] }
    account.entities.set(key, draft)
  }
  return draft
}

type Drafts = ReturnType<typeof draftsOf>

const tellParent = (draft: Draft, parentId: string, day: number): void => {
  if (parentId === '' || day < draft.parentDay) return
  // Two of one day: either will do, as long as it is always the same.
  if (day === draft.parentDay && parentId < draft.parentId) return
  draft.parentId = parentId
  draft.parentDay = day
}

const readDaily = async (path: string, drafts: Drafts): Promise<void> => {
  const file = 'daily.csv'
  for await (const row of readTable(path, [
    'account_id',
    'date',
    'level',
    'entity_id',
    'spend',
    'impressions',
  ])) {
    const account = drafts.of(nameOf(file, row, 'account_id'))
    const entity = entityOf(account, levelOf(file, row), nameOf(file, row, 'entity_id'))
    const day = dayOf(file, row, 'date')
    tellParent(entity, row.cell('parent_id'), day)
    const [spend = 0, impressions = 0, clicks = 0, leads = 0, reach = 0, frequency = 0] = [
      ...COLUMNS,
      'frequency',
    ].map((name) => amountOf(file, row, name))
    if (Number.isNaN(spend) || Number.isNaN(impressions))
      throw wrong(file, row, 'spend and impressions are needed')
    entity.days.push(day)
    entity.values.push(
      spend,
      impressions,
      Number.isNaN(clicks) ? 0 : clicks,
      Number.isNaN(leads) ? 0 : leads,
      Number.isNaN(reach) && frequency > 0 ? impressions / frequency : reach,
    )
  }
}

/** @returns what could not be used of it */
const readExport = async (path: string, account: AccountDraft): Promise<string[]> => {
  const name = basename(path)
  const stream = await openFile(path)
  try {
    const file = await openInsightsFile(stream)
    account.currency ??= file.currency
    if (file.currency !== null && file.currency !== account.currency) {
      throw invalidCsv(
        `its amounts are in ${file.currency}, those of an export before it in ${account.currency}; put each account into a folder of its own`,
      )
    }
    for (const title of file.breakdowns) account.breakdowns.add(title)
    let ofHours = 0
    for await (const { rows, entities } of file.batches(toDayNumber('2999-12-31'))) {
      entities.ids.forEach((id, i) => {
        const entity = entityOf(account, entities.levels[i] as Level, id)
        tellParent(entity, entities.parentIds[i] ?? '', -1)
        if (entities.names[i]) entity.name = entities.names[i]
      })
      rows.adIds.forEach((id, i) => {
        if (rows.hours[i] !== null) {
          ofHours++
          return
        }
        const ad = entityOf(account, 'ad', id)
        const day = rows.days[i] as number
        const adsetId = rows.adsetIds[i] as string
        tellParent(ad, adsetId, day)
        tellParent(entityOf(account, 'adset', adsetId), rows.campaignIds[i] as string, day)
        ad.days.push(day)
        ad.values.push(
          rows.spend[i] as number,
          rows.impressions[i] as number,
          rows.clicks[i] as number,
          rows.leads[i] as number,
          rows.reach[i] ?? Number.NaN,
        )
      })
    }
    const { errors, rowsRejected } = file.tally
    const shown = errors
      .slice(0, SHOWN_ERRORS)
      .map(({ line, column, reason }) => `${name}, line ${line}: ${column ? `${column}: ` : ''}${reason}`)
    if (rowsRejected > shown.length)
      shown.push(`${name}: ${rowsRejected - shown.length} more rows cannot be used`)
    if (ofHours > 0) shown.push(`${name}: ${ofHours} rows are of single hours; export whole days`)
    return shown
  } catch (error) {
    throw named(name, error)
  } finally {
    stream.destroy()
  }
}

const readEntities = async (path: string, drafts: Drafts): Promise<void> => {
  const file = 'entities.csv'
  for await (const row of readTable(path, ['account_id', 'entity_id', 'level'])) {
    const account = drafts.of(nameOf(file, row, 'account_id'))
    const entity = entityOf(account, levelOf(file, row), nameOf(file, row, 'entity_id'))
    tellParent(entity, row.cell('parent_id'), -1)
    entity.name = row.cell('name')
    if (row.cell('start') !== '') entity.start = dayOf(file, row, 'start')
    if (row.cell('end') !== '') entity.end = dayOf(file, row, 'end')
    if (entity.start !== null && entity.end !== null && entity.end < entity.start)
      throw wrong(file, row, 'end lies before start')
  }
}

const readChanges = async (path: string, drafts: Drafts): Promise<void> => {
  const file = 'changes.csv'
  for await (const row of readTable(path, ['account_id', 'entity_id', 'kind', 'date'])) {
    const change = parseChange(row.cell)
    if (isProblem(change)) throw wrong(file, row, `${change.column} ${change.reason}`)
    drafts.of(nameOf(file, row, 'account_id')).changes.push(change)
  }
}

const readHolidays = async (path: string, drafts: Drafts): Promise<void> => {
  const file = 'holidays.csv'
  for await (const row of readTable(path, ['account_id', 'date'])) {
    const days = row.cell('days') === '' ? 1 : amountOf(file, row, 'days')
    if (!Number.isInteger(days) || days > 366) throw wrong(file, row, 'days is a whole number of days')
    drafts.of(nameOf(file, row, 'account_id')).holidays.push({ day: dayOf(file, row, 'date'), days })
  }
}

const readLabels = async (path: string): Promise<Label[]> => {
  const file = 'labels.csv'
  const labels: Label[] = []
  for await (const row of readTable(path, ['account_id', 'level', 'entity_id', 'start', 'end'])) {
    const start = dayOf(file, row, 'start')
    const end = dayOf(file, row, 'end')
    if (end < start) throw wrong(file, row, 'end lies before start')
    labels.push({
      id: row.cell('id') || `${row.cell('entity_id')}@${toLocalDate(start)}`,
      accountId: row.cell('account_id'),
      level: levelOf(file, row),
      entityId: row.cell('entity_id'),
      type: row.cell('type'),
      start,
      end,
      metric: row.cell('metric'),
      direction: row.cell('direction'),
      class: row.cell('class'),
    })
  }
  return labels
}

type Columns = Record<(typeof COLUMNS)[number], Float64Array>

const columnsOf = (days: number): Columns => ({
  spend: new Float64Array(days),
  impressions: new Float64Array(days),
  clicks: new Float64Array(days),
  leads: new Float64Array(days),
  reach: new Float64Array(days),
})

interface Node_ {
  readonly draft: Draft
  parent: number
  readonly children: number[]
  columns: Columns
}

/** What `draft` is part of; where a level is left out, the row may name the one above it. */
const parentOf = ({ entities }: AccountDraft, { level, parentId }: Draft): Draft | undefined => {
  for (let above = PARENT[level]; above !== null; above = PARENT[above]) {
    const parent = entities.get(`${above} ${parentId}`)
    if (parent) return parent
  }
  return undefined
}

/** Parents that no row names come to be by their children; what nothing tells figures of is left out. */
const treeOf = (account: AccountDraft): Node_[] => {
  for (const level of LEVELS_UP) {
    const above = PARENT[level]
    for (const draft of account.entities.values()) {
      if (draft.level !== level || above === null || draft.parentId === '') continue
      if (!parentOf(account, draft)) entityOf(account, above, draft.parentId)
    }
  }
  const told = new Set<Draft>()
  for (const draft of account.entities.values()) {
    if (draft.days.length === 0) continue
    for (let at: Draft | undefined = draft; at; at = parentOf(account, at)) told.add(at)
  }
  const drafts = [...told].sort(
    (a, b) =>
      LEVELS_UP.indexOf(b.level) - LEVELS_UP.indexOf(a.level) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  )
  const index = new Map(drafts.map((draft, i) => [draft, i]))
  const nodes = drafts.map((draft): Node_ => {
    const above = parentOf(account, draft)
    return { draft, parent: above ? (index.get(above) ?? -1) : -1, children: [], columns: columnsOf(0) }
  })
  nodes.forEach(({ parent }, i) => nodes[parent]?.children.push(i))
  return nodes
}

/** An entity's day that was told of again, with other figures. */
interface Contradiction {
  readonly draft: Draft
  readonly day: number
}

/** Fills the columns from the rows; of a day given twice the last row counts. @returns where they differ */
const fill = (nodes: readonly Node_[], firstDay: number, days: number): Contradiction[] => {
  const contradictions: Contradiction[] = []
  for (const node of nodes) {
    node.columns = columnsOf(days)
    node.columns.reach.fill(Number.NaN)
    const told = new Uint8Array(days)
    node.draft.days.forEach((day, row) => {
      const t = day - firstDay
      let differs = false
      COLUMNS.forEach((name, k) => {
        const value = node.draft.values[row * COLUMNS.length + k] as number
        differs ||= !Object.is(node.columns[name][t], value)
        node.columns[name][t] = value
      })
      if (differs && told[t] === 1) contradictions.push({ draft: node.draft, day })
      told[t] = 1
    })
  }
  for (const node of nodes.toReversed()) {
    if (node.draft.days.length > 0) continue
    node.columns.reach.fill(0)
    for (const child of node.children) {
      const { columns } = nodes[child] as Node_
      for (const name of COLUMNS) {
        for (let t = 0; t < days; t++) {
          const value = columns[name][t] as number
          // Whom an ad reached that did not deliver is known: nobody.
          if (!Number.isNaN(value) || (columns.impressions[t] as number) > 0)
            (node.columns[name][t] as number) += value
        }
      }
    }
  }
  return contradictions
}

/** @throws AppError INVALID_CSV where an export splits the days of an ad */
const contradictionsIn = ({ id, breakdowns }: AccountDraft, found: readonly Contradiction[]): string[] => {
  const [first] = found
  if (!first) return []
  const { draft, day } = first
  const where = `first of ${draft.level} ${draft.id} on ${toLocalDate(day)}`
  if (breakdowns.size > 0) throw brokenDown([...breakdowns], where)
  return [
    `account ${id}: rows with other figures of an entity's day than a row before: ${found.length}, ${where}; ` +
      'the last row counts',
  ]
}

/** @param warnings gets what was contradictory */
const build = (draft: AccountDraft, lagDays: number, warnings: string[]): FolderAccount | null => {
  const nodes = treeOf(draft)
  let firstDay = Infinity
  let lastDay = -Infinity
  for (const { draft: entity } of nodes) {
    for (const day of entity.days) {
      firstDay = Math.min(firstDay, day)
      lastDay = Math.max(lastDay, day)
    }
  }
  if (!Number.isFinite(firstDay)) return null
  const days = lastDay - firstDay + 1
  if (days > LONGEST_DAYS) {
    throw invalidCsv(
      `account ${draft.id} spans ${days} days, from ${toLocalDate(firstDay)} to ${toLocalDate(lastDay)}; ` +
        `at most ${LONGEST_DAYS} are taken: is a date mistyped?`,
    )
  }
  warnings.push(...contradictionsIn(draft, fill(nodes, firstDay, days)))

  const endsOfMix = new Map<string, number[]>()
  for (const { kind, entityId, day } of draft.changes)
    if (kind === 'mix_end') endsOfMix.set(entityId, [...(endsOfMix.get(entityId) ?? []), day - firstDay])

  const delivered = (node: Node_, t: number): boolean =>
    (node.columns.spend[t] as number) > 0 || (node.columns.impressions[t] as number) > 0
  const entities: AccountEntity[] = []
  // Parents come before their children.
  for (const node of nodes) {
    let first = 0
    while (first < days && !delivered(node, first)) first++
    const { start, end, level, id, parentId } = node.draft
    // Without a word of its end it goes on: silence is what has to be told.
    const until = end === null ? Infinity : end - firstDay
    const idle = new Uint8Array(days)
    // Who falls silent on the day of an end is who ended, until it is seen again.
    for (const day of end === null ? (endsOfMix.get(parentId) ?? []) : [])
      if (day > 0 && delivered(node, day - 1))
        for (let t = day; t < days && !delivered(node, t); t++) idle[t] = 1
    // What it is part of takes it along.
    const above = entities[node.parent]
    above?.idle.forEach((value, t) => {
      if (value === 1 && !delivered(node, t)) idle[t] = 1
    })
    entities.push({
      id,
      level,
      parent: node.parent,
      start: Math.max(first, start === null ? 0 : start - firstDay),
      end: Math.min(until, above?.end ?? Infinity),
      ...node.columns,
      budget: new Float64Array(days),
      mixed: new Uint8Array(days),
      idle,
      tolerance: {},
      confirmed: new Set(),
    })
  }
  restWithChildren(entities)
  const below = (i: number): number[] => (nodes[i]?.children ?? []).flatMap((c) => [c, ...below(c)])
  const addBudget = (i: number, day: number, log: number): void => {
    for (const k of [i, ...below(i)]) {
      const { budget } = entities[k] as AccountEntity
      for (let t = Math.max(0, day); t < days; t++) (budget[t] as number) += log
    }
  }
  const indexOf = new Map<string, number>()
  nodes.forEach(({ draft: { id } }, i) => {
    if (!indexOf.has(id)) indexOf.set(id, i)
  })
  /** The nearest above `id` that figures are told of, itself included; -1: none. */
  const toldAbove = (id: string): number => {
    const known = indexOf.get(id)
    if (known !== undefined) return known
    for (const level of LEVELS_UP.toReversed())
      for (let at = draft.entities.get(`${level} ${id}`); at; at = parentOf(draft, at))
        if (indexOf.has(at.id)) return indexOf.get(at.id) as number
    return -1
  }
  // Sums of logarithms depend on their order.
  const changes = draft.changes.toSorted(
    (a, b) => a.day - b.day || a.factor - b.factor || (a.entityId < b.entityId ? -1 : 1),
  )
  for (const { entityId, kind, day, factor } of changes) {
    const i = toldAbove(entityId)
    const t = day - firstDay
    if (i < 0 || t >= days) continue
    const isTold = indexOf.has(entityId)
    if (kind === 'budget' && isTold) addBudget(i, t, Math.log(factor))
    else if (t >= 0) {
      for (let p = i; p >= 0; p = (entities[p] as AccountEntity).parent)
        (entities[p] as AccountEntity).mixed[t] = 1
      // Of a budget of something below that is not told of, those beside it say nothing.
      for (const c of isTold ? (nodes[i]?.children ?? []) : []) (entities[c] as AccountEntity).mixed[t] = 1
    }
  }
  const holiday = new Uint8Array(days)
  for (const { day, days: length } of draft.holidays)
    holiday.fill(1, Math.max(0, day - firstDay), Math.max(0, Math.min(days, day - firstDay + length)))
  return {
    id: draft.id,
    firstDay,
    names: nodes.map(({ draft: { name, id } }) => name || id),
    currency: draft.currency,
    days: {
      days,
      // 1970-01-01 was a Thursday; which weekday is which is all the same to who reads it.
      firstWeekday: firstDay % 7,
      entities,
      holiday,
      completeUntil: days - 1,
      leadsUntil: days - lagDays,
    },
  }
}

/** What no row tells of cannot be found, nor missed. @param warnings gets what was left out */
const knownLabels = (
  labels: readonly Label[],
  accounts: readonly FolderAccount[],
  warnings: string[],
): Label[] => {
  const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts)
  const known = new Set(
    accounts.flatMap(({ id, days: { entities } }) => entities.map((one) => keyOf(id, one.level, one.id))),
  )
  const [kept, strangers] = [true, false].map((wanted) =>
    labels.filter((one) => known.has(keyOf(one.accountId, one.level, one.entityId)) === wanted),
  ) as [Label[], Label[]]
  const [first] = strangers
  if (first)
    warnings.push(
      `labels.csv: left out, since no row tells of their entities: ${strangers.length}, first ${first.id} of ` +
        `${first.level} ${first.entityId} in account ${first.accountId}; are their ids those of the figures?`,
    )
  return kept
}

export interface FolderOptions {
  /** Last days of the files whose leads are still arriving. */
  readonly lagDays: number
}

/**
 * Reads a folder.
 * @throws AppError INVALID_REQUEST for a folder that cannot be read or holds no figures; INVALID_CSV naming file
 * and line
 */
export const readFolder = async (path: string, { lagDays }: FolderOptions): Promise<Folder> => {
  const names = await readdir(path).catch((error: unknown) => {
    throw new AppError('INVALID_REQUEST', `${path} cannot be read: ${messageOf(error)}`, {}, { cause: error })
  })
  const has = (name: KnownFile): boolean => names.includes(name)
  const drafts = draftsOf()
  const warnings: string[] = []
  const labels = has('labels.csv') ? await readLabels(join(path, 'labels.csv')) : []
  if (has('changes.csv')) await readChanges(join(path, 'changes.csv'), drafts)
  if (has('holidays.csv')) await readHolidays(join(path, 'holidays.csv'), drafts)
  if (has('entities.csv')) await readEntities(join(path, 'entities.csv'), drafts)
  if (has('daily.csv')) await readDaily(join(path, 'daily.csv'), drafts)
  else {
    const exports = names
      .filter((name) => name.toLowerCase().endsWith('.csv') && !KNOWN.some((known) => known === name))
      .sort()
    if (exports.length === 0)
      throw new AppError('INVALID_REQUEST', `${path} holds no daily.csv and no export of Ads Manager (*.csv)`)
    // An export does not say whose it is; the files beside it do, if they are of one account.
    const told = new Set([...drafts.all.keys(), ...labels.map(({ accountId }) => accountId)])
    const [only] = told
    const account = drafts.of(told.size === 1 && only !== undefined ? only : 'account')
    for (const name of exports) warnings.push(...(await readExport(join(path, name), account)))
  }
  const accounts = [...drafts.all.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .flatMap((draft) => build(draft, lagDays, warnings) ?? [])
  if (accounts.length === 0)
    throw new AppError('INVALID_CSV', [`${path} holds no row with figures`, ...warnings].join('; '))
  return { accounts, labels: knownLabels(labels, accounts, warnings), warnings }
}
