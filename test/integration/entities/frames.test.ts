import { expect } from 'chai'
import * as fc from 'fast-check'
import { frameSource } from '../../../db/repositories/frames.ts'
import { FRAME_COLUMNS, frameAt } from '../../../ml/frame.ts'
import type { EntityHead, FrameBatch } from '../../../ml/frame.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import type { Level } from '../../../shared/core/entity.ts'
import { frameBuffers } from '../../../shared/entities/frames.ts'
import type { FrameRequest } from '../../../shared/entities/frames.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'

const FIRST = '2026-01-01'
const DAYS = 12
const LAST = toLocalDate(toDayNumber(FIRST) + DAYS - 1)
const PARENTS = { adsetId: 's1', campaignId: 'c1' }

const idOf: Record<Level, (row: AdDay) => string> = {
  campaign: (row) => row.campaignId,
  adset: (row) => row.adsetId,
  ad: (row) => row.adId,
}

/** Money in whole cents, so that the expected sums are exact. */
const account = fc
  .array(
    fc.record({
      ad: fc.integer({ min: 0, max: 5 }),
      day: fc.integer({ min: 0, max: DAYS - 1 }),
      cents: fc.oneof(fc.integer({ min: 0, max: 99_999 }), fc.constantFrom(0, 1, 10_000, 999_999_999)),
      impressions: fc.integer({ min: 0, max: 5_000_000_000 }),
      clicks: fc.integer({ min: 0, max: 1000 }),
      leads: fc.integer({ min: 0, max: 9 }),
      reach: fc.option(fc.integer({ min: 0, max: 10_000 })),
    }),
    { maxLength: 60 },
  )
  .map((rows) => [...new Map(rows.map((row) => [`${row.ad} ${row.day}`, row])).values()])

/** The plain way: one object per entity and day, summed in cents. */
const naive = (rows: readonly (AdDay & { cents: number })[], level: Level): Map<string, string[]> => {
  const byEntity = new Map<string, Map<string, (AdDay & { cents: number })[]>>()
  for (const row of rows) {
    const days = byEntity.get(idOf[level](row)) ?? new Map<string, (AdDay & { cents: number })[]>()
    byEntity.set(idOf[level](row), days)
    days.set(row.date, [...(days.get(row.date) ?? []), row])
  }
  const sum = (all: readonly AdDay[], of: (row: AdDay) => number): number =>
    all.reduce((total, row) => total + of(row), 0)
  return new Map(
    [...byEntity].map(([id, days]) => [
      id,
      [...days]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([date, all]) => {
          const cents = all.reduce((total, row) => total + row.cents, 0)
          const reached = all.filter((row) => row.reach !== null)
          const reach = reached.length === 0 ? Number.NaN : sum(reached, (row) => row.reach ?? 0)
          const counts = [sum(all, (r) => r.impressions), sum(all, (r) => r.clicks), sum(all, (r) => r.leads)]
          return [toDayNumber(date), cents / 100, ...counts, reach, Number.NaN].join(' ')
        }),
    ]),
  )
}

const textsOf = (batch: FrameBatch, i: number): string[] => {
  const frame = frameAt(batch, i)
  return [...frame.days].map((day, row) => [day, ...FRAME_COLUMNS.map((name) => frame[name][row])].join(' '))
}

describe('frames', () => {
  let database: TestDatabase
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())

  const request = (configId: number, level: Level, more: Partial<FrameRequest> = {}): FrameRequest => ({
    configId,
    level,
    from: toDayNumber(FIRST),
    to: toDayNumber(LAST),
    batchSize: 100,
    ...more,
  })
  const read = async (asked: FrameRequest): Promise<FrameBatch[]> => {
    const batches: FrameBatch[] = []
    for await (const batch of frameSource(database.knex).batches(asked)) batches.push(batch)
    return batches
  }
  const heads = async (asked: FrameRequest): Promise<Map<string, EntityHead>> =>
    new Map((await read(asked)).flatMap((batch) => batch.heads.map((head) => [head.id, head])))

  it('equal sums computed row by row, on every level', async () => {
    await fc.assert(
      fc.asyncProperty(account, fc.integer({ min: 1, max: 3 }), async (drawn, batchSize) => {
        const configId = await newConfig(database.knex)
        const rows = drawn.map(({ ad, day, cents, ...counts }) => ({
          adId: `a${ad}`,
          adsetId: `s${ad % 3}`,
          campaignId: `c${ad % 3 === 2 ? 1 : 0}`,
          date: toLocalDate(toDayNumber(FIRST) + day),
          spend: cents / 100,
          cents,
          ...counts,
        }))
        await insertDays(database.knex, configId, rows)
        for (const level of LEVELS) {
          const batches = await read(request(configId, level, { batchSize }))
          const found = batches.flatMap((batch) =>
            batch.heads.map((head, i) => [head.id, textsOf(batch, i)] as const),
          )
          expect(new Map(found)).to.deep.equal(naive(rows, level))
          expect(found.map(([id]) => id)).to.deep.equal(found.map(([id]) => id).toSorted())
          for (const batch of batches) expect(batch.heads.length).to.be.within(1, batchSize)
        }
      }),
      { numRuns: 25 },
    )
  })

  it('keep to the window, to the config and to the entities asked for', async () => {
    const configId = await newConfig(database.knex)
    const other = await newConfig(database.knex)
    for (const ad of ['a1', 'a2', 'a3'])
      await insertDays(database.knex, configId, adDays(ad, 20, '2026-01-15', PARENTS))
    await insertDays(database.knex, other, adDays('a1', 5, LAST, PARENTS))
    const [batch] = await read(request(configId, 'ad', { entityIds: ['a3', 'a1', 'a1', 'nobody'] }))
    expect(batch?.heads.map((head) => head.id)).to.deep.equal(['a1', 'a3'])
    expect(batch && [...frameAt(batch, 1).days].map(toLocalDate)).to.deep.equal(
      Array.from({ length: DAYS }, (_, i) => toLocalDate(toDayNumber(FIRST) + i)),
    )
    expect((await heads(request(configId, 'ad', { from: 0, to: 5 }))).size).to.equal(0)
  })

  it('come in batches whose memory can be handed over', async () => {
    const configId = await newConfig(database.knex)
    for (let ad = 0; ad < 7; ad++)
      await insertDays(database.knex, configId, adDays(`a${ad}`, 3, LAST, PARENTS))
    const batches = await read(request(configId, 'ad', { batchSize: 3 }))
    expect(batches.map((batch) => batch.heads.length)).to.deep.equal([3, 3, 1])
    for (const batch of batches) {
      const buffers = frameBuffers(batch)
      expect(new Set(buffers).size).to.equal(1 + 1 + FRAME_COLUMNS.length)
      structuredClone(batch, { transfer: buffers })
      expect(batch.columns.days.length).to.equal(0)
    }
  })

  it('read more entities than fit on a page', async () => {
    const configId = await newConfig(database.knex)
    const rows = Array.from({ length: 1203 }, (_, i) => adDays(`a${i}`, 1, LAST, PARENTS)).flat()
    await insertDays(database.knex, configId, rows)
    const batches = await read(request(configId, 'ad', { batchSize: 200 }))
    const ids = batches.flatMap((batch) => batch.heads.map((head) => head.id))
    expect(new Set(ids).size).to.equal(1203)
    const spend = batches.flatMap((batch) => [...batch.columns.spend]).reduce((a, b) => a + b, 0)
    expect(spend).to.be.closeTo(
      rows.reduce((sum, row) => sum + row.spend, 0),
      1e-6,
    )
  })

  it('end early without leaving a query behind', async () => {
    const configId = await newConfig(database.knex)
    await insertDays(
      database.knex,
      configId,
      Array.from({ length: 600 }, (_, i) => adDays(`a${i}`, 1, LAST, PARENTS)).flat(),
    )
    for await (const batch of frameSource(database.knex).batches(request(configId, 'ad', { batchSize: 1 }))) {
      expect(batch.heads).to.have.length(1)
      break
    }
  })

  it('take delivered reach before the sum, and the reach of 7 days only as delivered', async () => {
    const configId = await newConfig(database.knex)
    await insertDays(database.knex, configId, adDays('a1', 3, LAST, PARENTS))
    const entity = { config_id: configId, entity_type: 'adset', entity_id: 's1' }
    await database.knex('ads_reach').insert([
      { ...entity, date: LAST, window_days: 1, reach: 77 },
      { ...entity, date: LAST, window_days: 7, reach: 700 },
      { ...entity, date: '2026-01-01', window_days: 1, reach: 5 },
    ])
    const [batch] = await read(request(configId, 'adset'))
    expect(batch?.columns.reach[2]).to.equal(77)
    expect([...(batch?.columns.reach7 ?? [])]).to.deep.equal([Number.NaN, Number.NaN, 700])
    const [ads] = await read(request(configId, 'ad'))
    expect(ads?.columns.reach[2]).to.not.equal(77)
  })

  it('name parents, and the cost per lead of the nearest ancestor with leads', async () => {
    const configId = await newConfig(database.knex)
    const row = (adId: string, adsetId: string, campaignId: string, spend: number, leads: number): AdDay => ({
      adId,
      adsetId,
      campaignId,
      date: LAST,
      spend,
      impressions: 1,
      clicks: 0,
      leads,
      reach: null,
    })
    await insertDays(database.knex, configId, [
      row('a1', 's1', 'c1', 10, 0),
      row('a2', 's1', 'c1', 30, 2),
      row('a3', 's2', 'c1', 20, 0),
      row('a4', 's3', 'c2', 60, 0),
    ])
    for (const entityIds of [undefined, ['a1', 'a3', 'a4']]) {
      const ads = await heads(request(configId, 'ad', entityIds ? { entityIds } : {}))
      expect(ads.get('a1')).to.include({ parentId: 's1', campaignId: 'c1', ancestorCpl: 40 / 2 })
      expect(ads.get('a3')).to.include({ parentId: 's2', campaignId: 'c1', ancestorCpl: 60 / 2 })
      expect(ads.get('a4')).to.include({ parentId: 's3', campaignId: 'c2', ancestorCpl: 120 / 2 })
    }
    const adsets = await heads(request(configId, 'adset'))
    expect(adsets.get('s1')).to.include({ parentId: 'c1', ancestorCpl: 60 / 2 })
    expect(adsets.get('s3')).to.include({ parentId: 'c2', ancestorCpl: 120 / 2 })
    const campaigns = await heads(request(configId, 'campaign'))
    expect(campaigns.get('c1')).to.include({ parentId: null, campaignId: 'c1', ancestorCpl: 120 / 2 })
  })

  describe('activity without a status history', () => {
    const range = (from: string, to: string) => [[toDayNumber(from), toDayNumber(to)]]

    it('lasts from the first row to the end while ACTIVE, else to the last row', async () => {
      const configId = await newConfig(database.knex)
      await insertDays(database.knex, configId, adDays('on', 3, '2026-01-08', PARENTS))
      await insertDays(database.knex, configId, adDays('off', 3, '2026-01-08', PARENTS))
      await insertDays(
        database.knex,
        configId,
        adDays('under', 3, '2026-01-08', { ...PARENTS, adsetId: 's2' }),
      )
      await database.knex('ads_ads').where({ config_id: configId, ad_id: 'off' }).update({ status: 'PAUSED' })
      await database
        .knex('ads_adsets')
        .where({ config_id: configId, adset_id: 's2' })
        .update({ status: 'PAUSED' })
      const ads = await heads(request(configId, 'ad'))
      expect(ads.get('on')?.activeRanges).to.deep.equal(range('2026-01-06', LAST))
      expect(ads.get('off')?.activeRanges).to.deep.equal(range('2026-01-06', '2026-01-08'))
      expect(ads.get('under')?.activeRanges).to.deep.equal(range('2026-01-06', '2026-01-08'))
    })

    it('ends with the last row once 7 days of the config passed without one', async () => {
      const configId = await newConfig(database.knex)
      await insertDays(database.knex, configId, adDays('always', DAYS, LAST, PARENTS))
      await insertDays(database.knex, configId, adDays('six', 2, '2026-01-06', PARENTS))
      await insertDays(database.knex, configId, adDays('seven', 2, '2026-01-05', PARENTS))
      const ads = await heads(request(configId, 'ad'))
      expect(ads.get('six')?.activeRanges).to.deep.equal(range('2026-01-05', LAST))
      expect(ads.get('seven')?.activeRanges).to.deep.equal(range('2026-01-04', '2026-01-05'))
    })

    it('counts only days on which the config has rows', async () => {
      const configId = await newConfig(database.knex)
      await insertDays(database.knex, configId, adDays('a1', 2, '2026-01-03', PARENTS))
      await insertDays(database.knex, configId, adDays('a2', 1, LAST, PARENTS))
      expect((await heads(request(configId, 'ad'))).get('a1')?.activeRanges).to.deep.equal(
        range('2026-01-02', LAST),
      )
    })
  })

  describe('activity by status history', () => {
    const status = async (
      configId: number,
      entity: readonly [Level, string],
      spans: readonly (readonly [string, string, string | null])[],
    ): Promise<void> => {
      await database.knex('ads_entity_status').insert(
        spans.map(([value, from, to]) => ({
          config_id: configId,
          entity_type: entity[0],
          entity_id: entity[1],
          status: value,
          from_at: from,
          to_at: to,
        })),
      )
    }
    const ranges = async (configId: number): Promise<string[][] | undefined> =>
      (await heads(request(configId, 'ad')))
        .get('a1')
        ?.activeRanges.map(([from, to]) => [toLocalDate(from), toLocalDate(to)])

    it('counts days that were ACTIVE from midnight to midnight of the account', async () => {
      const configId = await newConfig(database.knex)
      await insertDays(database.knex, configId, adDays('a1', DAYS, LAST, PARENTS))
      await status(
        configId,
        ['ad', 'a1'],
        [
          // Midnight in Sao Paulo is 03:00 UTC: the 2nd counts; the 4th ends a second early.
          ['ACTIVE', '2026-01-02T03:00:00Z', '2026-01-05T02:59:59Z'],
          ['PAUSED', '2026-01-05T02:59:59Z', '2026-01-07T03:00:01Z'],
          // A second late: from the 8th. Written twice, which ends no day.
          ['ACTIVE', '2026-01-07T03:00:01Z', '2026-01-09T12:00:00Z'],
          ['ACTIVE', '2026-01-09T12:00:00Z', null],
        ],
      )
      expect(await ranges(configId)).to.deep.equal([
        ['2026-01-02', '2026-01-03'],
        ['2026-01-08', LAST],
      ])
    })

    it('needs the ancestors to be ACTIVE too', async () => {
      const configId = await newConfig(database.knex)
      await insertDays(database.knex, configId, adDays('a1', DAYS, LAST, PARENTS))
      await status(configId, ['ad', 'a1'], [['ACTIVE', '2025-06-01T00:00:00Z', null]])
      await status(configId, ['adset', 's1'], [['ACTIVE', '2026-01-03T03:00:00Z', '2026-01-08T03:00:00Z']])
      await status(configId, ['campaign', 'c1'], [['ACTIVE', '2026-01-05T03:00:00Z', null]])
      expect(await ranges(configId)).to.deep.equal([['2026-01-05', '2026-01-07']])
    })

    it('knows an entity that never was ACTIVE', async () => {
      const configId = await newConfig(database.knex)
      await insertDays(database.knex, configId, adDays('a1', DAYS, LAST, PARENTS))
      await status(configId, ['ad', 'a1'], [['PAUSED', '2025-06-01T00:00:00Z', null]])
      expect(await ranges(configId)).to.deep.equal([])
    })

    it('holds where the clocks skip midnight', async () => {
      const configId = await newConfig(database.knex, 'America/Sao_Paulo')
      const day = '2018-11-04'
      await insertDays(database.knex, configId, adDays('a1', 2, '2018-11-05', PARENTS))
      // That day began at 01:00 local time, 03:00 UTC.
      await status(configId, ['ad', 'a1'], [['ACTIVE', '2018-11-04T03:00:00Z', null]])
      const window = { from: toDayNumber(day), to: toDayNumber('2018-11-05') }
      const [head] = [...(await heads(request(configId, 'ad', window))).values()]
      expect(head?.activeRanges.map(([from]) => toLocalDate(from))).to.deep.equal([day])
    })
  })

  it('list budget changes of the entity and its ancestors by local day, as ratios', async () => {
    const configId = await newConfig(database.knex)
    await insertDays(database.knex, configId, adDays('a1', DAYS, LAST, PARENTS))
    const change = (type: Level, id: string, old: number, now: number, at: string) => ({
      config_id: configId,
      entity_type: type,
      entity_id: id,
      old,
      new: now,
      changed_at: at,
    })
    await database
      .knex('ads_budget_changes')
      .insert([
        change('adset', 's1', 100, 130, '2026-01-06T02:00:00Z'),
        change('campaign', 'c1', 50, 25, '2026-01-04T12:00:00Z'),
        change('campaign', 'c1', 0, 25, '2026-01-04T13:00:00Z'),
        change('campaign', 'c9', 10, 20, '2026-01-04T12:00:00Z'),
        change('ad', 'a1', 10, 20, '2025-12-01T12:00:00Z'),
      ])
    const ads = await heads(request(configId, 'ad'))
    expect(ads.get('a1')?.budgetChanges).to.deep.equal([
      { day: toDayNumber('2026-01-04'), ratio: 0.5 },
      { day: toDayNumber('2026-01-05'), ratio: 1.3 },
    ])
    const campaigns = await heads(request(configId, 'campaign'))
    expect(campaigns.get('c1')?.budgetChanges).to.have.length(1)
  })
})
