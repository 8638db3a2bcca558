/** Folders of CSV files to replay: from texts, and from made-up accounts. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '../../shared/config.ts'
import { computeInPlace } from '../../shared/compute-in-place.ts'
import { judgementParams } from '../../shared/detection/params.ts'
import { readFolder } from '../../shared/replay/read-folder.ts'
import { replayFolder } from '../../shared/replay/replay-folder.ts'
import type { ReplayReport } from '../../shared/replay/report.ts'
import type { Folder, FolderAccount } from '../../shared/replay/read-folder.ts'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { Account, Level, SimulatedAd } from '../../bench/quality/simulate.ts'
import { trainingSettings } from '../../shared/training/settings.ts'
import { temporaryFolder } from './folders.ts'

/** Name of a file to its text or bytes. */
export type Files = Readonly<Record<string, string | Uint8Array>>

/** Day 0 of made-up accounts: a Monday. */
export const FIRST_DAY = toDayNumber('2026-01-05')

export interface FolderDesk {
  /** A new folder with these files. @returns its path */
  write(files: Files): Promise<string>
  /** Writes and reads it. */
  read(files: Files, lagDays?: number): Promise<Folder>
  /** The only account of a folder. */
  account(files: Files, lagDays?: number): Promise<FolderAccount>
  close(): Promise<void>
}

export const openFolderDesk = async (): Promise<FolderDesk> => {
  const home = await temporaryFolder()
  let count = 0
  const write = async (files: Files): Promise<string> => {
    const path = join(home, `folder-${++count}`)
    await mkdir(path)
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
    return path
  }
  const read = async (files: Files, lagDays = 3): Promise<Folder> =>
    readFolder(await write(files), { lagDays })
  return {
    write,
    read,
    account: async (files, lagDays) => {
      const { accounts } = await read(files, lagDays)
      const [account] = accounts
      if (!account || accounts.length > 1) throw new Error(`${accounts.length} accounts, not one`)
      return account
    },
    close: () => rm(home, { recursive: true, force: true }),
  }
}

/** Days of `stoppedAd`, and that of them on which it stops. */
const STOPPED_DAYS = 40
export const STOPPED_DAY = 30

/** An ad whose spend stops for three days, beside one that goes on, in an export of Brazilian reals. */
export const stoppedAd = (): string => {
  const rows = ['A', 'B'].flatMap((ad, i) =>
    Array.from({ length: STOPPED_DAYS }, (_, t) => {
      const isOut = ad === 'B' && t >= STOPPED_DAY && t < STOPPED_DAY + 3
      const spend = isOut ? 0 : 100 + 7 * Math.sin(t * 2.3 + i)
      const figures = isOut ? '0,0,0,0,0' : `${spend.toFixed(2)},${4000 + 31 * t},3000,80,8`
      return `1,Summer,2,Lookalikes,${3 + i},Video ${ad},${toLocalDate(FIRST_DAY + t)},${figures}`
    }),
  )
  return [
    'Campaign ID,Campaign name,Ad set ID,Ad set name,Ad ID,Ad name,Day,Amount spent (BRL),Impressions,Reach,Clicks (all),Leads',
    ...rows,
    '',
  ].join('\n')
}

/** A replay as shipped, with trainings so seldom that none falls into the files. */
export const replayOf = async (folder: Folder): Promise<ReplayReport> => {
  const config = loadConfig({})
  const wish = {
    from: null,
    to: null,
    trainEveryDays: 365,
    params: judgementParams(config),
    forests: trainingSettings(config),
  }
  return (await replayFolder(folder, wish, computeInPlace)).report
}

const DAILY_HEADER =
  'account_id,date,level,entity_id,parent_id,spend,impressions,clicks,leads,reach,frequency'
const EXPORT_HEADER =
  'Campaign ID,Campaign name,Ad set ID,Ad set name,Ad ID,Ad name,Day,Amount spent (BRL),Impressions,Reach,Clicks (all),Leads'

const COLUMNS = ['spend', 'impressions', 'clicks', 'leads', 'reach'] as const

const dateOf = (day: number): string => toLocalDate(FIRST_DAY + day)

interface Group {
  readonly id: string
  readonly parentId: string
  readonly ads: readonly SimulatedAd[]
}

const groupsOf = (ads: readonly SimulatedAd[], level: Level): Group[] => {
  const groups = new Map<string, { id: string; parentId: string; ads: SimulatedAd[] }>()
  for (const ad of ads) {
    const id = level === 'ad' ? ad.adId : level === 'adset' ? ad.adsetId : ad.campaignId
    const parentId = level === 'ad' ? ad.adsetId : level === 'adset' ? ad.campaignId : ''
    const group = groups.get(id) ?? { id, parentId, ads: [] }
    groups.set(id, group)
    group.ads.push(ad)
  }
  return [...groups.values()]
}

const cells = (group: Group, t: number): string => {
  const sums = COLUMNS.map((name) => group.ads.reduce((sum, ad) => sum + (ad[name][t] as number), 0))
  const [spend, impressions, clicks, leads, reach] = sums as [number, number, number, number, number]
  return [spend.toFixed(2), impressions, clicks, leads, reach].join(',')
}

const runs = ({ ads }: Group, t: number): boolean => ads.some(({ start, end }) => start <= t && t <= end)

/** Rows of `daily.csv` without its header; frequency is left empty. */
export const dailyRows = (
  { id, days, ads }: Account,
  levels: readonly Level[] = ['campaign', 'adset', 'ad'],
): string[] =>
  levels.flatMap((level) =>
    groupsOf(ads, level).flatMap((group) =>
      Array.from({ length: days }, (_, t) => t)
        .filter((t) => runs(group, t))
        .map((t) => `${id},${dateOf(t)},${level},${group.id},${group.parentId},${cells(group, t)},`),
    ),
  )

export const dailyFile = (rows: readonly string[]): string => `${[DAILY_HEADER, ...rows].join('\n')}\n`

/** Rows of an export of Ads Manager without its header. */
export const exportRows = ({ days, ads }: Account): string[] =>
  groupsOf(ads, 'ad').flatMap((group) => {
    const { campaignId, adsetId, adId } = group.ads[0] as SimulatedAd
    return Array.from({ length: days }, (_, t) => t)
      .filter((t) => runs(group, t))
      .map((t) => {
        const [spend, impressions, clicks, leads, reach] = cells(group, t).split(',')
        return `${campaignId},Campaign ${campaignId},${adsetId},Set ${adsetId},${adId},Ad ${adId},${dateOf(t)},${spend},${impressions},${reach},${clicks},${leads}`
      })
  })

export const exportFile = (rows: readonly string[]): string => `${[EXPORT_HEADER, ...rows].join('\n')}\n`

/** changes.csv, holidays.csv, labels.csv and entities.csv of the accounts. */
export const knownFiles = (accounts: readonly Account[]): Record<string, string> => ({
  'changes.csv': [
    'account_id,entity_id,kind,date,factor',
    ...accounts.flatMap(({ id, changes }) =>
      changes.map(
        ({ entityId, kind, day, factor }) =>
          `${id},${entityId},${kind},${dateOf(day)},${kind === 'budget' ? factor : ''}`,
      ),
    ),
    '',
  ].join('\n'),
  'holidays.csv': [
    'account_id,date,days',
    ...accounts.flatMap(({ id, holidays }) =>
      holidays.map(({ day, days }) => `${id},${dateOf(day)},${days}`),
    ),
    '',
  ].join('\n'),
  'labels.csv': [
    'id,account_id,level,entity_id,type,start,end,metric,direction,class',
    ...accounts.flatMap(({ id, labels }) =>
      labels.map(
        (one) =>
          `${one.id},${id},${one.level},${one.entityId},${one.type},${dateOf(one.start)},${dateOf(one.end)},${one.metric},${one.direction},${one.evidence >= 9 ? 'clear' : 'faint'}`,
      ),
    ),
    '',
  ].join('\n'),
  'entities.csv': [
    'account_id,entity_id,level,parent_id,name,start,end',
    ...accounts.flatMap(({ id, days, ads }) =>
      (['campaign', 'adset', 'ad'] as const).flatMap((level) =>
        groupsOf(ads, level).map((group) => {
          const start = Math.min(...group.ads.map((ad) => ad.start))
          const end = Math.max(...group.ads.map((ad) => ad.end))
          return `${id},${group.id},${level},${group.parentId},The ${level} ${group.id},${dateOf(start)},${end < days - 1 ? dateOf(end) : ''}`
        }),
      ),
    ),
    '',
  ].join('\n'),
})

/** All files of made-up accounts, all levels. */
export const accountFiles = (
  accounts: readonly Account[],
  levels?: readonly Level[],
): Record<string, string> => ({
  ...knownFiles(accounts),
  'daily.csv': dailyFile(accounts.flatMap((account) => dailyRows(account, levels))),
})
