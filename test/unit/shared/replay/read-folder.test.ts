import { expect } from 'chai'
import fc from 'fast-check'
import { runsOn } from '../../../../ml/shifts/account.ts'
import type { AccountEntity } from '../../../../ml/shifts/account.ts'
import { AppError } from '../../../../shared/core/errors.ts'
import { toDayNumber, toLocalDate } from '../../../../shared/core/days.ts'
import { readFolder } from '../../../../shared/replay/read-folder.ts'
import type { FolderAccount } from '../../../../shared/replay/read-folder.ts'
import { simulateAccount } from '../../../../bench/quality/simulate.ts'
import { rejectionOf } from '../../../support/entities.ts'
import {
  accountFiles,
  dailyFile,
  dailyRows,
  exportFile,
  exportRows,
  knownFiles,
  openFolderDesk,
} from '../../../support/replay-folders.ts'
import type { Files, FolderDesk } from '../../../support/replay-folders.ts'

/** account, date, level, id, parent, spend, impressions, clicks, leads, reach, frequency */
type Cells = readonly (string | number)[]

const daily = (...rows: readonly Cells[]): string => dailyFile(rows.map((cells) => cells.join(',')))

/** Ten days of an ad of ad set s1 of campaign c1, from 1 March 2026 on. */
const adRows = (id = 'a1', spend = 10, days = 10): Cells[] =>
  Array.from({ length: days }, (_, t) => [
    'act_1',
    toLocalDate(toDayNumber('2026-03-01') + t),
    'ad',
    id,
    's1',
    spend,
    1000,
    20,
    2,
    800,
    '',
  ])
const ADSET: Cells = ['act_1', '2026-03-01', 'adset', 's1', 'c1', 10, 1000, 20, 2, 800, '']

const entityOf = ({ days: { entities } }: FolderAccount, id: string): AccountEntity => {
  const entity = entities.find((one) => one.id === id)
  if (!entity) throw new Error(`no ${id} among ${entities.map((one) => one.id).join(' ')}`)
  return entity
}
const levelsOf = ({ days: { entities } }: FolderAccount): string[] =>
  entities.map(({ level, id }) => `${level} ${id}`)
const parentOf = ({ days: { entities } }: FolderAccount, id: string): string | null =>
  entities[entities.find((one) => one.id === id)?.parent ?? -1]?.id ?? null
const runDays = (account: FolderAccount, id: string): number[] =>
  Array.from({ length: account.days.days }, (_, t) => t).filter((t) => runsOn(entityOf(account, id), t))

/** Replaces the cells of a row by place. */
const withCell = (row: Cells, place: number, cell: string | number): Cells => row.with(place, cell)
const PARENT = 4
const SPEND = 5
const [FIRST] = adRows() as [Cells, ...Cells[]]

describe('readFolder', () => {
  let desk: FolderDesk
  before(async () => {
    desk = await openFolderDesk()
  })
  after(() => desk.close())

  const refusal = async (files: Files): Promise<AppError> => {
    try {
      await desk.read(files)
    } catch (error) {
      if (error instanceof AppError) return error
      throw error
    }
    throw new Error('it was taken')
  }

  describe('daily.csv', () => {
    it('gives every column of every day, densified', async () => {
      const account = await desk.account({
        'daily.csv': daily(
          ['act_1', '2026-03-01', 'campaign', 'c1', '', 12.34, 1000, 20, 3, 800, 1.25],
          ['act_1', '2026-03-04', 'campaign', 'c1', '', 5, 500, 10, 1, 400, ''],
        ),
      })
      expect(account.id).to.equal('act_1')
      expect(toLocalDate(account.firstDay)).to.equal('2026-03-01')
      const { days, completeUntil, leadsUntil } = account.days
      expect({ days, completeUntil, leadsUntil }).to.deep.equal({ days: 4, completeUntil: 3, leadsUntil: 1 })
      const { spend, impressions, clicks, leads, reach } = entityOf(account, 'c1')
      expect([...spend]).to.deep.equal([12.34, 0, 0, 5])
      expect([...impressions]).to.deep.equal([1000, 0, 0, 500])
      expect([...clicks]).to.deep.equal([20, 0, 0, 10])
      expect([...leads]).to.deep.equal([3, 0, 0, 1])
      expect([reach[0], reach[3]]).to.deep.equal([800, 400])
    })

    it('keeps an empty reach unknown, or takes it from the frequency', async () => {
      const account = await desk.account({
        'daily.csv': daily(
          ['act_1', '2026-03-01', 'campaign', 'c1', '', 1, 1000, 20, 3, '', ''],
          ['act_1', '2026-03-02', 'campaign', 'c1', '', 1, 1000, 20, 3, '', 1.25],
          ['act_1', '2026-03-03', 'campaign', 'c1', '', 1, 1000, 20, 3, 700, 1.25],
        ),
      })
      expect([...entityOf(account, 'c1').reach]).to.deep.equal([Number.NaN, 800, 700])
    })

    it('takes empty clicks and leads for none', async () => {
      const account = await desk.account({
        'daily.csv': daily(['act_1', '2026-03-01', 'campaign', 'c1', '', 1, 1000, '', '', '', '']),
      })
      const { clicks, leads } = entityOf(account, 'c1')
      expect([clicks[0], leads[0]]).to.deep.equal([0, 0])
    })

    it('needs no column beyond account, date, level, entity, spend and impressions, in any order', async () => {
      const account = await desk.account({
        'daily.csv':
          'Impressions,SPEND,entity_id,level,date,account_id,else\n100,3,c1,campaign,2026-03-01,x,?\n',
      })
      expect(account.id).to.equal('x')
      expect(entityOf(account, 'c1').spend[0]).to.equal(3)
    })

    it('reads a byte order mark, CRLF, semicolons with decimal commas, quotes, blank lines and UTF-16', async () => {
      const plain =
        'account_id,date,level,entity_id,spend,impressions\r\n\r\n"act_1",2026-03-01,campaign,c1,3.5,100\r\n\r\n'
      for (const text of [
        plain,
        `\uFEFF${plain}`,
        plain.replaceAll(',', ';').replace('3.5', '3,5'),
        plain.replaceAll(',', '\t'),
        Buffer.from(`\uFEFF${plain}`, 'utf16le'),
      ]) {
        const account = await desk.account({ 'daily.csv': text })
        expect(account.id).to.equal('act_1')
        expect(entityOf(account, 'c1').spend[0]).to.equal(3.5)
      }
    })

    it('alone is read: exports beside it are not', async () => {
      const account = await desk.account({
        'daily.csv': daily(...adRows()),
        'export.csv': exportFile(['c9,C,s9,S,a9,A,2026-03-01,1,100,80,2,0']),
      })
      expect(levelsOf(account)).to.deep.equal(['adset s1', 'ad a1'])
    })

    it('counts a day told twice once: the last row of it', async () => {
      const account = await desk.account({
        'daily.csv': daily(...adRows(), withCell(FIRST, SPEND, 99)),
      })
      expect(entityOf(account, 'a1').spend[0]).to.equal(99)
      expect(entityOf(account, 's1').spend[0]).to.equal(99)
    })
  })

  describe('rows that contradict each other', () => {
    it('are told of, and the last one counts; the same row again is nothing to tell', async () => {
      const [first, second] = adRows() as [Cells, Cells]
      const same = await desk.read({ 'daily.csv': daily(first, second, first) })
      expect(same.warnings).to.deep.equal([])
      const { accounts, warnings } = await desk.read({
        'daily.csv': daily(first, second, withCell(first, SPEND, 11)),
      })
      expect(entityOf(accounts[0] as FolderAccount, 'a1').spend[0]).to.equal(11)
      expect(warnings).to.have.length(1)
      expect(warnings[0]).to.include('act_1').and.include('ad a1 on 2026-03-01')
    })

    it('end the reading of an export that splits the days of its ads by more than time', async () => {
      const part = (age: string, ad: string): string => `2026-03-01,${ad},${age},1,1,1,1`
      const text = (...rows: readonly string[]): string =>
        ['Day,Ad ID,Age,spend,impressions,clicks,leads', ...rows, ''].join('\n')
      expect(
        (await desk.account({ 'export.csv': text(part('18-24', 'a'), part('25-34', 'b')) })).days.entities,
      ).to.have.length(4)
      const error = await rejectionOf(
        desk.read({ 'export.csv': text(part('18-24', 'a'), '2026-03-01,a,25-34,2,1,1,1') }),
      )
      expect((error as AppError).code).to.equal('INVALID_CSV')
      expect((error as AppError).message)
        .to.include('broken down by Age')
        .and.include('ad a on 2026-03-01')
    })

    it('about what an entity is part of are settled by the newest day, in any order', async () => {
      const [first, second, third] = adRows() as [Cells, Cells, Cells]
      const moved = [withCell(first, 4, 's9'), withCell(second, 4, 's9'), withCell(third, 4, 's2')]
      for (const rows of [moved, moved.toReversed(), [moved[2], moved[0], moved[1]] as Cells[]])
        expect(parentOf(await desk.account({ 'daily.csv': daily(...rows) }), 'a1')).to.equal('s2')
    })
  })

  describe('levels', () => {
    const rows = (levels: readonly string[]): string =>
      daily(
        ...[
          ...adRows('a1', 10),
          ...adRows('a2', 5),
          ...adRows('s', 15).map((row) => row.with(2, 'adset').with(3, 's1').with(4, 'c1')),
          ...adRows('c', 16).map((row) => row.with(2, 'campaign').with(3, 'c1').with(4, '')),
        ].filter((row) => levels.includes(String(row[2]))),
      )
    const entities =
      'account_id,entity_id,level,parent_id,name\nact_1,c1,campaign,,C\nact_1,s1,adset,c1,S\nact_1,a1,ad,s1,A 1\nact_1,a2,ad,s1,A 2\n'

    it('are all taken as they are given', async () => {
      const account = await desk.account({ 'daily.csv': rows(['ad', 'adset', 'campaign']) })
      expect(levelsOf(account)).to.deep.equal(['campaign c1', 'adset s1', 'ad a1', 'ad a2'])
      expect(['c1', 's1', 'a1', 'a2'].map((id) => entityOf(account, id).spend[3])).to.deep.equal([
        16, 15, 10, 5,
      ])
      expect(['a1', 's1', 'c1'].map((id) => parentOf(account, id))).to.deep.equal(['s1', 'c1', null])
    })

    it('are summed over what is below when they are missing', async () => {
      const account = await desk.account({ 'daily.csv': rows(['ad']), 'entities.csv': entities })
      for (const id of ['s1', 'c1']) {
        const sum = entityOf(account, id)
        expect(sum.spend[3]).to.equal(15)
        expect([sum.impressions[0], sum.clicks[0], sum.leads[0], sum.reach[0]]).to.deep.equal([
          2000, 40, 4, 1600,
        ])
      }
      expect(account.names).to.deep.equal(['C', 'S', 'A 1', 'A 2'])
    })

    it('may be ads alone: their parents come to be by them', async () => {
      const account = await desk.account({ 'daily.csv': rows(['ad']) })
      expect(levelsOf(account)).to.deep.equal(['adset s1', 'ad a1', 'ad a2'])
      expect(parentOf(account, 's1')).to.equal(null)
    })

    it('may be campaigns alone', async () => {
      const account = await desk.account({ 'daily.csv': rows(['campaign']) })
      expect(levelsOf(account)).to.deep.equal(['campaign c1'])
    })

    it('may be ad sets alone, of a campaign no row tells of', async () => {
      const account = await desk.account({ 'daily.csv': rows(['adset']) })
      expect(levelsOf(account)).to.deep.equal(['campaign c1', 'adset s1'])
      expect(entityOf(account, 'c1').spend[0]).to.equal(15)
    })

    it('may be ads and campaigns: ad sets are summed, campaigns are not', async () => {
      const account = await desk.account({
        'daily.csv': rows(['ad', 'campaign']),
        'entities.csv': entities,
      })
      expect(['c1', 's1'].map((id) => entityOf(account, id).spend[0])).to.deep.equal([16, 15])
      expect(parentOf(account, 's1')).to.equal('c1')
    })

    it('may be ads whose rows name their campaign, when ad sets are left out', async () => {
      const account = await desk.account({
        'daily.csv': daily(
          ...adRows('a1').map((row) => row.with(4, 'c1')),
          ...adRows('c', 16).map((row) => row.with(2, 'campaign').with(3, 'c1').with(4, '')),
        ),
      })
      expect(levelsOf(account)).to.deep.equal(['campaign c1', 'ad a1'])
      expect(parentOf(account, 'a1')).to.equal('c1')
    })

    it('that no row and no row below tells of are left out, though entities.csv names them', async () => {
      const account = await desk.account({ 'daily.csv': rows(['campaign']), 'entities.csv': entities })
      expect(levelsOf(account)).to.deep.equal(['campaign c1'])
    })

    it('have no reach when the reach of something that delivered below is unknown', async () => {
      const [first, second] = adRows('a2') as [Cells, Cells]
      const account = await desk.account({
        'daily.csv': daily(...adRows('a1'), withCell(first, 9, ''), second),
      })
      // On the third day the second ad delivers nothing: it reaches nobody.
      expect([...entityOf(account, 's1').reach].slice(0, 3)).to.deep.equal([Number.NaN, 1600, 800])
    })
  })

  describe('entities.csv', () => {
    const HEADER = 'account_id,entity_id,level,parent_id,name,start,end'
    const withEntities = (...rows: readonly string[]): Promise<FolderAccount> =>
      desk.account({
        'daily.csv': daily(...adRows('a1'), ...adRows('a2'), ADSET),
        'entities.csv': [HEADER, ...rows].join('\n'),
      })

    it('is not needed: what was seen once goes on', async () => {
      const account = await desk.account({
        'daily.csv': daily(...adRows('a1'), ...adRows('a2').slice(2, 5)),
      })
      expect(runDays(account, 'a2')).to.deep.equal([2, 3, 4, 5, 6, 7, 8, 9])
      expect(runDays(account, 'a1')).to.have.length(10)
    })

    it('says when an ad starts and ends, both days included', async () => {
      const account = await withEntities('act_1,a1,ad,s1,One,2026-03-03,2026-03-06')
      expect(runDays(account, 'a1')).to.deep.equal([2, 3, 4, 5])
      expect(runDays(account, 'a2')).to.have.length(10)
    })

    it('takes what is below along when it ends', async () => {
      const account = await withEntities('act_1,c1,campaign,,C,,2026-03-04')
      for (const id of ['c1', 's1', 'a1', 'a2']) expect(Math.max(...runDays(account, id)), id).to.equal(3)
    })

    it('does not let a child outlive its parent, but lets it end before', async () => {
      const account = await withEntities(
        'act_1,s1,adset,c1,S,,2026-03-06',
        'act_1,a1,ad,s1,A,,2026-03-09',
        'act_1,a2,ad,s1,B,,2026-03-02',
      )
      expect(runDays(account, 'a1').at(-1)).to.equal(5)
      expect(runDays(account, 'a2').at(-1)).to.equal(1)
    })

    it('does not make an ad run before it delivers', async () => {
      const account = await desk.account({
        'daily.csv': daily(...adRows('a1'), ...adRows('a2').slice(4)),
        'entities.csv': `${HEADER}\nact_1,a2,ad,s1,B,2026-03-02,\n`,
      })
      expect(runDays(account, 'a2')[0]).to.equal(4)
    })

    it('names file and line of what is wrong in it', async () => {
      const files = { 'daily.csv': daily(...adRows()) }
      for (const [row, about] of [
        ['act_1,a1,ad,s1,A,2026-02-30,', 'start'],
        ['act_1,a1,ad,s1,A,,soon', 'end'],
        ['act_1,a1,advert,s1,A,,', 'level'],
        ['act_1,,ad,s1,A,,', 'entity_id'],
      ] as const) {
        const error = await refusal({ ...files, 'entities.csv': `${HEADER}\n${row}\n` })
        expect(error.code).to.equal('INVALID_CSV')
        expect(error.message).to.include('entities.csv, line 2').and.include(about)
      }
    })
  })

  describe('changes.csv', () => {
    const HEADER = 'account_id,entity_id,kind,date,factor'
    const withChanges = (...rows: readonly string[]): Promise<FolderAccount> =>
      desk.account({
        'daily.csv': daily(...adRows('a1'), ...adRows('a2'), ADSET),
        'changes.csv': [HEADER, ...rows].join('\n'),
      })
    const budget = (account: FolderAccount, id: string): number[] =>
      [...entityOf(account, id).budget].map((log) => Math.round(Math.exp(log) * 1000) / 1000)

    it('multiplies a budget from its day on, there and below', async () => {
      const account = await withChanges('act_1,s1,budget,2026-03-04,2', 'act_1,s1,budget,2026-03-08,0.25')
      for (const id of ['s1', 'a1', 'a2'])
        expect(budget(account, id), id).to.deep.equal([1, 1, 1, 2, 2, 2, 2, 0.5, 0.5, 0.5])
      expect(budget(account, 'c1')).to.deep.equal(Array<number>(10).fill(1))
    })

    it('marks the days on which something below starts or ends: siblings, the entity and what is above', async () => {
      const account = await withChanges('act_1,s1,mix_start,2026-03-04,', 'act_1,s1,mix_end,2026-03-06,')
      for (const id of ['a1', 'a2', 's1', 'c1'])
        expect([...entityOf(account, id).mixed], id).to.deep.equal([0, 0, 0, 1, 0, 1, 0, 0, 0, 0])
    })

    it('lets the child that falls silent on the day of a mix_end be over, and no other', async () => {
      const account = await desk.account({
        'daily.csv': daily(...adRows('a1'), ...adRows('a2').slice(0, 4), ...adRows('a3').slice(0, 6)),
        'changes.csv': `${HEADER}\nact_1,s1,mix_end,2026-03-05,\n`,
      })
      expect(runDays(account, 'a2')).to.deep.equal([0, 1, 2, 3])
      expect(runDays(account, 'a3')).to.have.length(10)
      expect(runDays(account, 'a1')).to.have.length(10)
    })

    it('misses no ad set whose last ad is over', async () => {
      const others = adRows('a9').map((row) => withCell(row, PARENT, 's2'))
      const account = await desk.account({
        'daily.csv': daily(...adRows('a1').slice(0, 4), ...others),
        'changes.csv': `${HEADER}\nact_1,s1,mix_end,2026-03-05,\n`,
      })
      expect(runDays(account, 's1')).to.deep.equal([0, 1, 2, 3])
      expect(runDays(account, 's2')).to.have.length(10)
    })

    it('says of a child that comes back after a mix_end what it says before that is known', async () => {
      const rows = [...adRows('a1'), ...adRows('a2').slice(0, 4)]
      const changes = `${HEADER}\nact_1,s1,mix_end,2026-03-05,\n`
      const short = await desk.account({ 'daily.csv': daily(...rows), 'changes.csv': changes })
      const long = await desk.account({
        'daily.csv': daily(...rows, ...adRows('a2').slice(8)),
        'changes.csv': changes,
      })
      expect(runDays(short, 'a2').filter((t) => t < 8)).to.deep.equal([0, 1, 2, 3])
      expect(runDays(long, 'a2')).to.deep.equal([0, 1, 2, 3, 8, 9])
    })

    it('counts a budget of before the first day from that day on, and one of after the last not at all', async () => {
      const account = await withChanges('act_1,s1,budget,2026-02-01,3', 'act_1,s1,budget,2026-04-01,5')
      expect(new Set(budget(account, 'a1'))).to.deep.equal(new Set([3]))
    })

    it('of what is not in the files is let go', async () => {
      const account = await withChanges('act_1,who,budget,2026-03-04,2')
      expect(new Set(budget(account, 'a1'))).to.deep.equal(new Set([1]))
    })

    it('of something no row tells of still says that the mix above it changed', async () => {
      const account = await desk.account({
        'daily.csv': daily(
          ...adRows('c', 16).map((row) => row.with(2, 'campaign').with(3, 'c1').with(4, '')),
        ),
        'entities.csv': 'account_id,entity_id,level,parent_id\nact_1,c1,campaign,\nact_1,s1,adset,c1\n',
        'changes.csv': `${HEADER}\nact_1,s1,budget,2026-03-04,2\nact_1,s1,mix_start,2026-03-06,\n`,
      })
      expect([...entityOf(account, 'c1').mixed]).to.deep.equal([0, 0, 0, 1, 0, 1, 0, 0, 0, 0])
    })

    it('says the same in any order', async () => {
      const rows = [
        'act_1,s1,budget,2026-03-04,1.1',
        'act_1,s1,budget,2026-03-04,0.7',
        'act_1,s1,budget,2026-03-05,1.3',
      ]
      const one = await withChanges(...rows)
      const other = await withChanges(...rows.toReversed())
      expect(other).to.deep.equal(one)
    })

    it('names file and line of what is wrong in it', async () => {
      for (const [row, about] of [
        ['act_1,s1,budget,2026-03-04,', 'factor'],
        ['act_1,s1,budget,2026-03-04,0', 'factor'],
        ['act_1,s1,budget,2026-03-04,-2', 'factor'],
        ['act_1,s1,budget,2026-03-04,1e400', 'factor'],
        ['act_1,s1,price,2026-03-04,2', 'kind'],
        ['act_1,s1,budget,2026-13-04,2', 'date'],
        ['act_1,,budget,2026-03-04,2', 'entity_id'],
      ] as const) {
        const error = await refusal({
          'daily.csv': daily(...adRows()),
          'changes.csv': `${HEADER}\n\n${row}\n`,
        })
        expect(error.code).to.equal('INVALID_CSV')
        expect(error.message).to.include('changes.csv, line 3').and.include(about)
      }
    })
  })

  describe('holidays.csv', () => {
    const withHolidays = async (text: string): Promise<number[]> => [
      ...(await desk.account({ 'daily.csv': daily(...adRows()), 'holidays.csv': text })).days.holiday,
    ]

    it('marks each of its days, one where it does not say how many', async () => {
      expect(
        await withHolidays('account_id,date,days\nact_1,2026-03-02,3\nact_1,2026-03-08,\n'),
      ).to.deep.equal([0, 1, 1, 1, 0, 0, 0, 1, 0, 0])
      expect(await withHolidays('account_id,date\nact_1,2026-03-02\n')).to.deep.equal([
        0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
      ])
    })

    it('is cut at both ends of the files', async () => {
      expect(
        await withHolidays('account_id,date,days\nact_1,2026-02-27,3\nact_1,2026-03-10,9\n'),
      ).to.deep.equal([1, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    })

    it('of another account says nothing of this one', async () => {
      expect(new Set(await withHolidays('account_id,date\nact_2,2026-03-02\n'))).to.deep.equal(new Set([0]))
    })

    it('names file and line of what is wrong in it', async () => {
      for (const row of [
        'act_1,2026-03-02,1.5',
        'act_1,2026-03-02,1e400',
        'act_1,2026-03-02,-1',
        'act_1,,1',
      ]) {
        const error = await refusal({
          'daily.csv': daily(...adRows()),
          'holidays.csv': `account_id,date,days\n${row}\n`,
        })
        expect(error.message).to.include('holidays.csv, line 2')
      }
    })
  })

  describe('labels.csv', () => {
    const HEADER = 'id,account_id,level,entity_id,type,start,end,metric,direction,class'

    it('gives every column', async () => {
      const { labels } = await desk.read({
        'daily.csv': daily(...adRows()),
        'labels.csv': `${HEADER}\nf1,act_1,ad,a1,zero_spend,2026-03-02,2026-03-04,spend,down,clear\n`,
      })
      expect(labels).to.deep.equal([
        {
          id: 'f1',
          accountId: 'act_1',
          level: 'ad',
          entityId: 'a1',
          type: 'zero_spend',
          start: toDayNumber('2026-03-02'),
          end: toDayNumber('2026-03-04'),
          metric: 'spend',
          direction: 'down',
          class: 'clear',
        },
      ])
    })

    it('names file and line of what is wrong in it', async () => {
      const error = await refusal({
        'daily.csv': daily(...adRows()),
        'labels.csv': `${HEADER}\nf1,act_1,ad,a1,zero_spend,2026-03-02,2026-03-32,spend,down,clear\n`,
      })
      expect(error.message).to.include('labels.csv, line 2').and.include('end')
    })

    it('is refused for a fault that ends before it starts', async () => {
      const of = (end: string): Files => ({
        'daily.csv': daily(...adRows()),
        'labels.csv': `${HEADER}\nf1,act_1,ad,a1,zero_spend,2026-03-02,${end},spend,down,clear\n`,
      })
      expect((await desk.read(of('2026-03-02'))).labels).to.have.length(1)
      expect((await refusal(of('2026-03-01'))).message)
        .to.include('labels.csv, line 2')
        .and.include('end')
    })

    it('leaves out what no row tells of, by id, level or account, and says so', async () => {
      const rows = ['act_1,ad,a1', 'act_1,ad,a2', 'act_1,campaign,a1', 'act_2,ad,a1', 'act_1,adset,s1'].map(
        (entity, i) => `f${i},${entity},zero_spend,2026-03-02,2026-03-04,spend,down,clear`,
      )
      const { labels, warnings } = await desk.read({
        'daily.csv': daily(...adRows()),
        'labels.csv': [HEADER, ...rows, ''].join('\n'),
      })
      expect(labels.map(({ id }) => id)).to.deep.equal(['f0', 'f4'])
      expect(warnings).to.have.length(1)
      expect(warnings[0]).to.include('labels.csv').and.include(': 3, first f1 of ad a2 in account act_1')
    })
  })

  describe('exports of Ads Manager', () => {
    const row = (ad: string, day: string, spend: number | string = 10): string =>
      `c1,Campaign,s1,Set,${ad},Ad ${ad},${day},${spend},1000,800,20,2`

    it('are read with their names, and summed', async () => {
      const account = await desk.account({
        'any name.csv': exportFile([
          row('a1', '2026-03-01'),
          row('a2', '2026-03-01', 5),
          row('a1', '2026-03-02'),
        ]),
      })
      expect(levelsOf(account)).to.deep.equal(['campaign c1', 'adset s1', 'ad a1', 'ad a2'])
      expect(account.names).to.deep.equal(['Campaign', 'Set', 'Ad a1', 'Ad a2'])
      expect([...entityOf(account, 'c1').spend]).to.deep.equal([15, 10])
    })

    it('count a day of an ad once, though several of them tell of it', async () => {
      const account = await desk.account({
        'january.csv': exportFile([row('a1', '2026-03-01'), row('a1', '2026-03-02')]),
        'february.csv': exportFile([row('a1', '2026-03-02'), row('a1', '2026-03-03')]),
      })
      expect([...entityOf(account, 'c1').spend]).to.deep.equal([10, 10, 10])
      expect([...entityOf(account, 'c1').leads]).to.deep.equal([2, 2, 2])
    })

    it('say the same in English and in Portuguese', async () => {
      const english = await desk.account({ 'en.csv': exportFile([row('a1', '2026-03-01', '11.49')]) })
      const portuguese = await desk.account({
        'pt.csv':
          'Nome da campanha;Nome do conjunto de anúncios;Nome do anúncio;Dia;Identificação da campanha;Identificação do conjunto de anúncios;Identificação do anúncio;Valor usado (BRL);Impressões;Alcance;Cliques (todos);Leads\n' +
          'Campaign;Set;Ad a1;01/03/2026;c1;s1;a1;11,49;1000;800;20;2\n',
      })
      expect(portuguese).to.deep.equal(english)
    })

    it('are of the account the files beside them tell of', async () => {
      const files = { 'export.csv': exportFile([row('a1', '2026-03-01')]) }
      expect((await desk.account(files)).id).to.equal('account')
      expect(
        (await desk.account({ ...files, 'holidays.csv': 'account_id,date\nact_7,2026-03-01\n' })).id,
      ).to.equal('act_7')
    })

    it('say the same as the daily file of the same account', async () => {
      const made = simulateAccount({
        seed: 3,
        index: 0,
        days: 40,
        weekdayAmplitude: 0.2,
        leadsPerAd: 4,
        campaigns: 2,
        faults: 0,
        partialEnd: true,
      })
      const known = knownFiles([made])
      const ads = await desk.account({ ...known, 'export.csv': exportFile(exportRows(made)) })
      const all = await desk.account({ ...known, 'daily.csv': dailyFile(dailyRows(made, ['ad'])) })
      expect([ads.currency, all.currency]).to.deep.equal(['BRL', null])
      expect({ ...ads, names: [], currency: null }).to.deep.equal({ ...all, names: [] })
    })

    it('of two currencies are of two accounts, and refused', async () => {
      const reais = exportFile([row('a1', '2026-03-01')])
      const error = await refusal({ 'a.csv': reais, 'b.csv': reais.replace('BRL', 'USD') })
      expect(error.message).to.include('b.csv').and.include('USD').and.include('BRL')
    })

    it('lose rows that cannot be used, and say which', async () => {
      const { accounts, warnings } = await desk.read({
        'export.csv': exportFile([
          row('a1', '2026-03-01'),
          row('a1', '2026-03-02', 'much'),
          row('a1', '2026-03-03'),
        ]),
      })
      expect([...(accounts[0]?.days.entities[0]?.spend ?? [])]).to.deep.equal([10, 0, 10])
      expect(warnings.join('\n')).to.include('export.csv, line 3').and.include('much')
    })

    it('by the hour are not taken for days', async () => {
      const { accounts, warnings } = await desk.read({
        'hours.csv':
          'Campaign ID,Ad set ID,Ad ID,Day,Time of day (ad account time zone),Amount spent (BRL),Impressions\n' +
          'c1,s1,a1,2026-03-01,09:00:00 - 09:59:59,1,100\nc1,s1,a1,2026-03-01,10:00:00 - 10:59:59,2,100\n',
        'days.csv': exportFile([row('a1', '2026-03-01'), row('a1', '2026-03-02')]),
      })
      expect([...(accounts[0]?.days.entities[0]?.spend ?? [])]).to.deep.equal([10, 10])
      expect(warnings.join('\n')).to.include('hours.csv')
    })
  })

  describe('accounts', () => {
    it('are apart: entities, changes and holidays of one are not those of another', async () => {
      const { accounts } = await desk.read({
        'daily.csv': daily(...adRows(), ...adRows('a1', 70, 5).map((row) => row.with(0, 'act_2'))),
        'changes.csv': 'account_id,entity_id,kind,date,factor\nact_2,a1,budget,2026-03-02,2\n',
        'holidays.csv': 'account_id,date\nact_1,2026-03-02\n',
      })
      expect(accounts.map(({ id }) => id)).to.deep.equal(['act_1', 'act_2'])
      const [one, two] = accounts as [FolderAccount, FolderAccount]
      expect([one.days.days, two.days.days]).to.deep.equal([10, 5])
      expect([entityOf(one, 'a1').spend[0], entityOf(two, 'a1').spend[0]]).to.deep.equal([10, 70])
      expect([entityOf(one, 'a1').budget[9], entityOf(two, 'a1').budget[4]]).to.deep.equal([0, Math.log(2)])
      expect([one.days.holiday[1], two.days.holiday[1]]).to.deep.equal([1, 0])
    })

    it('may be named like anything', async () => {
      const names = ['__proto__', 'constructor', 'a b', 'ação', '0', 'toString']
      const { accounts } = await desk.read({
        'daily.csv': daily(...names.flatMap((name) => adRows('__proto__').map((row) => row.with(0, name)))),
        'changes.csv': 'account_id,entity_id,kind,date,factor\n__proto__,__proto__,budget,2026-03-02,2\n',
      })
      expect(accounts.map(({ id }) => id)).to.have.members(names)
      for (const account of accounts)
        expect(entityOf(account, '__proto__').budget[9]).to.equal(
          account.id === '__proto__' ? Math.log(2) : 0,
        )
    })

    it('of which nothing but holidays are known are none', async () => {
      const account = await desk.account({
        'daily.csv': daily(...adRows()),
        'holidays.csv': 'account_id,date\nact_9,2026-03-02\n',
      })
      expect(account.id).to.equal('act_1')
    })
  })

  describe('days', () => {
    it('out of order are put in order', async () => {
      const rows = adRows('a1').map((row, t) => withCell(row, SPEND, t))
      const one = await desk.account({ 'daily.csv': daily(...rows) })
      expect(await desk.account({ 'daily.csv': daily(...rows.toReversed()) })).to.deep.equal(one)
      expect([...entityOf(one, 'a1').spend]).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    })

    it('a week apart are the same weekday', async () => {
      const weekday = async (start: string): Promise<number> =>
        (await desk.account({ 'daily.csv': daily(withCell(FIRST, 1, start)) })).days.firstWeekday
      expect(await weekday('2026-03-01')).to.equal(await weekday('2026-03-08'))
      expect(await weekday('1970-01-01')).to.equal(await weekday('1970-01-08'))
      expect((await weekday('2026-03-02')) - (await weekday('2026-03-01')) + 7).to.satisfy(
        (gap: number) => gap % 7 === 1,
      )
    })

    it('leave the last one incomplete and leads of the last few open, as many as are asked for', async () => {
      const files = { 'daily.csv': daily(...adRows()) }
      for (const [lagDays, leadsUntil] of [
        [0, 10],
        [1, 9],
        [3, 7],
        [28, -18],
      ] as const) {
        const { days } = await desk.account(files, lagDays)
        expect(days.completeUntil).to.equal(9)
        expect(days.leadsUntil).to.equal(leadsUntil)
      }
    })

    it('over more than ten years are taken for a slip of the pen', async () => {
      const at = (date: string): Files => ({ 'daily.csv': daily(FIRST, withCell(FIRST, 1, date)) })
      const last = toLocalDate(toDayNumber('2026-03-01') + 3649)
      const beyond = toLocalDate(toDayNumber('2026-03-01') + 3650)
      expect((await desk.account(at(last))).days.days).to.equal(3650)
      const error = await refusal(at(beyond))
      expect(error.code).to.equal('INVALID_CSV')
      expect(error.message).to.include('act_1').and.include(beyond)
      expect((await refusal(at('9999-12-31'))).code).to.equal('INVALID_CSV')
    })
  })

  describe('refuses', () => {
    const cases: readonly (readonly [string, number, string])[] = [
      ['a negative amount', SPEND, '-1'],
      ['an amount that is no number', SPEND, 'NaN'],
      ['an infinite amount', SPEND, 'Infinity'],
      ['an amount beyond all numbers', SPEND, '1e400'],
      ['an amount of four hundred digits', SPEND, '9'.repeat(400)],
      ['an amount nobody spends', SPEND, '1e300'],
      ['a hexadecimal amount', SPEND, '0x1e'],
      ['an empty spend', SPEND, ''],
      ['empty impressions', 6, ''],
      ['negative leads', 8, '-2'],
      ['a negative reach', 9, '-2'],
      ['a date that is none', 1, '2026-02-30'],
      // Files of our own form have no language to tell day and month apart by.
      ['a date of which nobody knows the month', 1, '01/03/2026'],
      ['an empty date', 1, ''],
      ['a date before 1970', 1, '1969-12-31'],
      ['a date after 2999', 1, '3000-01-01'],
      ['a level that is none', 2, 'account'],
      ['an entity without id', 3, ''],
      ['an account without id', 0, ''],
    ]
    for (const [what, place, cell] of cases) {
      it(`${what}, naming file and line`, async () => {
        const error = await refusal({ 'daily.csv': daily(FIRST, withCell(FIRST, place, cell)) })
        expect(error.code).to.equal('INVALID_CSV')
        expect(error.message).to.include('daily.csv, line 3')
        expect(error.message.length).to.be.below(200)
      })
    }

    it('a row with more cells than the header, as an unquoted decimal comma makes', async () => {
      const error = await refusal({
        'daily.csv':
          'account_id,date,level,entity_id,spend,impressions\nact_1,2026-03-01,campaign,c1,11,49,1000\n',
      })
      expect(error.message).to.include('daily.csv, line 2')
    })

    it('a second header, as files joined into one have, and says to take it out', async () => {
      const error = await refusal({ 'daily.csv': `${daily(FIRST)}${daily(FIRST)}` })
      expect(error.code).to.equal('INVALID_CSV')
      expect(error.message).to.include('daily.csv, line 3').and.include('header')
    })

    it('a column given twice', async () => {
      const text = daily(FIRST).replace('account_id,', 'Spend,account_id,').replace('act_1,', '5,act_1,')
      expect((await refusal({ 'daily.csv': text })).message).to.include('two columns "spend"')
    })

    it('bytes that are no text, naming the file', async () => {
      const error = await refusal({ 'daily.csv': Uint8Array.of(0x61, 0xe9, 0x2c, 0x0a) })
      expect(error.message).to.include('daily.csv').and.include('UTF-8')
    })

    it('a quote that never ends, naming the file', async () => {
      const error = await refusal({ 'daily.csv': daily(FIRST.with(3, '"a1')) })
      expect(error.message).to.include('daily.csv').and.include('quote')
    })

    it('an end before the start', async () => {
      const text = 'account_id,entity_id,level,start,end\nact_1,a1,ad,2026-03-02,2026-03-01\n'
      const error = await refusal({ 'daily.csv': daily(...adRows()), 'entities.csv': text })
      expect(error.message).to.include('entities.csv, line 2').and.include('end')
    })

    it('a file without header, naming what is missing', async () => {
      const error = await refusal({ 'daily.csv': `${FIRST.join(',')}\n` })
      expect(error.code).to.equal('INVALID_CSV')
      expect(error.message).to.include('daily.csv').and.include('account_id')
    })

    it('an empty file', async () => {
      expect((await refusal({ 'daily.csv': '' })).message).to.include('daily.csv is empty')
    })

    it('a file with a header alone', async () => {
      expect((await refusal({ 'daily.csv': daily() })).message).to.include('no row')
    })

    it('an empty folder', async () => {
      const error = await refusal({})
      expect(error.code).to.equal('INVALID_REQUEST')
      expect(error.message).to.include('daily.csv')
    })

    it('a folder that is none', async () => {
      const folder = await desk.write({ file: '' })
      for (const path of [`${folder}/nowhere`, `${folder}/file`]) {
        const error = await readFolder(path, { lagDays: 3 }).catch((one: unknown) => one)
        expect(error).to.be.instanceOf(AppError)
        expect((error as AppError).code).to.equal('INVALID_REQUEST')
        expect((error as AppError).message).to.include(path)
      }
    })

    it('an export that is none, naming the file', async () => {
      const error = await refusal({ 'notes.csv': 'a,b\n1,2\n' })
      expect(error.code).to.equal('INVALID_CSV')
      expect(error.message).to.include('notes.csv')
    })
  })

  it('gives the same whatever the order of the rows of any file', async () => {
    const made = [0, 1].map((index) =>
      simulateAccount({
        seed: 5,
        index,
        days: 30,
        weekdayAmplitude: 0.2,
        leadsPerAd: 4,
        campaigns: 2,
        faults: 0,
        partialEnd: false,
      }),
    )
    const files = accountFiles(made)
    const whole = await desk.read(files)
    const shuffled = fc
      .tuple(
        ...Object.entries(files).map(([name, text]) => {
          const [header, ...rows] = text.trimEnd().split('\n') as [string, ...string[]]
          return fc
            .shuffledSubarray(rows, { minLength: rows.length })
            .map((mixed) => [name, [header, ...mixed].join('\n')] as const)
        }),
      )
      .map((entries) => Object.fromEntries(entries))
    await fc.assert(
      fc.asyncProperty(shuffled, async (mixed) => {
        const read = await desk.read(mixed)
        expect(read.accounts).to.deep.equal(whole.accounts)
        expect(read.labels).to.have.deep.members([...whole.labels])
      }),
      { numRuns: 8 },
    )
  })

  it('never takes what is no figure, whatever stands in a cell', async () => {
    const cell = fc.oneof(
      fc.constantFrom(
        '',
        '-0',
        '1e-400',
        '1e308',
        '0x10',
        ' 7 ',
        '1.234',
        '1,5',
        '٣',
        '1_000',
        'null',
        '∞',
        '+3',
      ),
      fc.string({ maxLength: 6 }).filter((text) => !/[",;\t\r\n]/.test(text)),
      fc.double().map(String),
    )
    await fc.assert(
      fc.asyncProperty(cell, cell, cell, async (spend, impressions, leads) => {
        const row = FIRST.with(SPEND, `"${spend}"`).with(6, `"${impressions}"`).with(8, `"${leads}"`)
        const read = await desk
          .read({ 'daily.csv': daily(FIRST, row.with(1, '2026-03-02')) })
          .catch((error: unknown) => {
            expect(error).to.be.instanceOf(AppError)
            expect((error as AppError).code).to.equal('INVALID_CSV')
            return null
          })
        for (const { days } of read?.accounts ?? [])
          for (const { spend: s, impressions: i, leads: l } of days.entities)
            for (const value of [...s, ...i, ...l]) expect(value >= 0 && value < 1e15).to.equal(true)
      }),
      { numRuns: 120 },
    )
  })
})
