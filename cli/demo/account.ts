/**
 * The bundled account: a Meta Ads Manager export of 120 made-up days whose last day is partial, with three things in
 * it that break and go on (bench/demo/account.ts). Its dates are moved by whole days, so that the partial day is
 * today where the account lives.
 */
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { localDayOf, toDayNumber, toLocalDate } from '../../shared/core/days.ts'

export const DEMO_ACCOUNT = {
  name: 'Demo account',
  accountId: 'demo-account',
  timezone: 'America/Sao_Paulo',
  currency: 'BRL',
} as const

/** Package files lie beside `dist`, so the same path serves a checkout and an installed package. */
const bundled = (name: string): Promise<string> =>
  readFile(new URL(`../../../cli/demo/data/${name}`, import.meta.url), 'utf8')

const ISO_DAY = /\b\d{4}-\d{2}-\d{2}\b/g

/** The newest date named anywhere in `text`, as a day number. */
export const newestDay = (text: string): number => {
  const days = [...text.matchAll(ISO_DAY)].map((match) => toDayNumber(match[0]))
  return days.reduce((newest, day) => Math.max(newest, day), Number.NEGATIVE_INFINITY)
}

/** Moves every ISO date in `text` by `days`. */
export const shiftDates = (text: string, days: number): string =>
  text.replace(ISO_DAY, (date) => toLocalDate(toDayNumber(date) + days))

export interface DemoFiles {
  /** Today where the account lives: the partial last day of the report. */
  readonly today: number
  readonly report: Readable
  readonly changes: Readable
}

/** The bundled files with their last day moved to today. */
export const openDemoFiles = async (now: Date): Promise<DemoFiles> => {
  const [report, changes] = await Promise.all([bundled('account.csv'), bundled('changes.csv')])
  const today = localDayOf(now, DEMO_ACCOUNT.timezone)
  const shift = today - newestDay(report)
  return {
    today,
    report: Readable.from([Buffer.from(shiftDates(report, shift))]),
    changes: Readable.from([Buffer.from(shiftDates(changes, shift))]),
  }
}
