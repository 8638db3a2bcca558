import { expect } from 'chai'
import fc from 'fast-check'
import { simulateAccount } from '../../../../bench/quality/simulate.ts'
import type { Account } from '../../../../bench/quality/simulate.ts'
import { AppError } from '../../../../shared/core/errors.ts'
import { toLocalDate } from '../../../../shared/core/days.ts'
import type { ReplayDay } from '../../../../shared/replay/report.ts'
import {
  accountFiles,
  dailyFile,
  dailyRows,
  exportFile,
  exportRows,
  FIRST_DAY,
  knownFiles,
  openFolderDesk,
  replayOf,
} from '../../../support/replay-folders.ts'
import type { Files, FolderDesk } from '../../../support/replay-folders.ts'

const DAYS = 50
const LAG_DAYS = 3

const account = (index: number): Account =>
  simulateAccount({
    seed: 21,
    index,
    days: DAYS,
    weekdayAmplitude: 0.2,
    leadsPerAd: 6,
    campaigns: 1,
    faults: 3,
    partialEnd: false,
  })

/** The lines after the first in another order. */
const shuffledLines = (text: string): fc.Arbitrary<string> => {
  const [header, ...rows] = text.trimEnd().split('\n') as [string, ...string[]]
  return fc
    .shuffledSubarray(rows, { minLength: rows.length })
    .map((mixed) => [header, ...mixed, ''].join('\n'))
}

const shuffledFiles = (files: Readonly<Record<string, string>>): fc.Arbitrary<Files> =>
  fc
    .tuple(
      ...Object.entries(files).map(([name, text]) =>
        shuffledLines(text).map((mixed) => [name, mixed] as const),
      ),
    )
    .map((entries) => Object.fromEntries(entries))

describe('replayFolder', () => {
  let desk: FolderDesk
  before(async () => {
    desk = await openFolderDesk()
  })
  after(() => desk.close())

  const bytesOf = async (files: Files): Promise<string> =>
    JSON.stringify(await replayOf(await desk.read(files)))
  const daysOf = async (files: Files): Promise<readonly ReplayDay[]> =>
    (await replayOf(await desk.read(files, LAG_DAYS))).days

  it('gives the same bytes whatever the order of the rows, and however often they are told', async () => {
    const files = accountFiles([account(0), account(1)])
    const whole = await bytesOf(files)
    expect(whole).to.include('"alerted":true')
    await fc.assert(
      fc.asyncProperty(shuffledFiles(files), fc.nat(), async (mixed, pick) => {
        const rows = String(mixed['daily.csv']).trimEnd().split('\n')
        const again = rows.slice(1 + (pick % (rows.length - 1)))
        const text = `${[...rows, ...again].join('\n')}\n`
        expect(await bytesOf({ ...mixed, 'daily.csv': text })).to.equal(whole)
      }),
      { numRuns: 2 },
    )
  })

  it('gives the same bytes however its exports are cut, overlap and are called', async () => {
    const made = account(0)
    const beside = knownFiles([made])
    const rows = exportRows(made)
    const whole = await bytesOf({ ...beside, 'export.csv': exportFile(rows) })
    expect(whole).to.include('"alerted":true')
    const cut = fc.tuple(
      fc.shuffledSubarray(rows, { minLength: rows.length }),
      fc.nat({ max: rows.length }),
      fc.nat({ max: rows.length }),
      fc.shuffledSubarray(['Relatório (1).csv', 'a.csv', 'Z.CSV'], { minLength: 2 }),
    )
    await fc.assert(
      fc.asyncProperty(cut, async ([mixed, one, other, [first = '', second = '']]) => {
        const [from, to] = [Math.min(one, other), Math.max(one, other)]
        const parts = { [first]: exportFile(mixed.slice(0, to)), [second]: exportFile(mixed.slice(from)) }
        expect(await bytesOf({ ...beside, ...parts })).to.equal(whole)
      }),
      { numRuns: 2 },
    )
  })

  it('says of a day what it says without the days after it, save for leads still arriving at the end', async () => {
    const made = account(0)
    const files = accountFiles([made])
    const rows = dailyRows(made)
    const whole = await daysOf(files)
    expect(whole.some(({ anomalies }) => anomalies.some(({ alerted }) => alerted))).to.equal(true)
    for (const days of [20, 37, DAYS - 1]) {
      const until = toLocalDate(FIRST_DAY + days)
      const kept = rows.filter((row) => (row.split(',')[1] as string) < until)
      const cut = await daysOf({ ...files, 'daily.csv': dailyFile(kept) })
      // The last day is unfinished, and of two more the leads are still arriving.
      expect(cut).to.have.length(days - 1)
      const settled = days - LAG_DAYS
      expect(cut.slice(0, settled)).to.deep.equal(whole.slice(0, settled))
      const volume = (day: ReplayDay | undefined): unknown =>
        day?.anomalies
          .filter(({ type }) => type === 'zero_spend' || type === 'zero_impressions')
          .map(({ entity_id: id, type }) => [id, type])
      for (let t = settled; t < days - 1; t++) expect(volume(cut[t])).to.deep.equal(volume(whole[t]))
    }
  })

  it('asks for a second day where there is one: the last one counts as unfinished', async () => {
    const rows = dailyRows(account(0))
    const first = toLocalDate(FIRST_DAY)
    const of = (dates: readonly string[]): string =>
      dailyFile(rows.filter((row) => dates.includes(row.split(',')[1] as string)))
    const folder = await desk.read({ 'daily.csv': of([first]) })
    const error = await replayOf(folder).catch((one: unknown) => one)
    expect(error).to.be.instanceOf(AppError)
    expect((error as AppError).message)
      .to.include(first)
      .and.include('two')
    const two = await desk.read({ 'daily.csv': of([first, toLocalDate(FIRST_DAY + 1)]) })
    expect((await replayOf(two)).days).to.have.length(1)
  })
})
