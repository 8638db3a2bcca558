import { expect } from 'chai'
import * as fc from 'fast-check'
import { accountSource } from '../../../db/repositories/account-source.ts'
import { frameSource } from '../../../db/repositories/frames.ts'
import { FRAME_COLUMNS, frameAt } from '../../../ml/frame.ts'
import type { FrameBatch } from '../../../ml/frame.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import type { Level } from '../../../shared/core/entity.ts'
import type { CampaignPage } from '../../../shared/detection/account-source.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import type { AdDay } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'

const FIRST = toDayNumber('2026-01-01')
const DAYS = 12
const LAST = FIRST + DAYS - 1
const CAMPAIGNS = ['c0', 'c1', 'c2']

/** An entity with everything that is said of it and its days, as text. */
const textsOf = (batch: FrameBatch): string[] =>
  batch.heads.map((head, i) => {
    const frame = frameAt(batch, i)
    const rows = [...frame.days].map((day, row) =>
      [day, ...FRAME_COLUMNS.map((name) => frame[name][row])].join(' '),
    )
    return JSON.stringify([head, rows])
  })

const account = fc.record({
  rows: fc
    .array(
      fc.record({
        ad: fc.integer({ min: 0, max: 7 }),
        day: fc.integer({ min: -3, max: DAYS }),
        // Quarters are exact as doubles, in whatever order they are added.
        spend: fc.integer({ min: 0, max: 9999 }).map((quarters) => quarters / 4),
        impressions: fc.integer({ min: 0, max: 5_000_000_000 }),
        clicks: fc.integer({ min: 0, max: 1000 }),
        leads: fc.integer({ min: 0, max: 3 }),
        reach: fc.option(fc.integer({ min: 0, max: 10_000 })),
      }),
      { maxLength: 80 },
    )
    .map((rows) => [...new Map(rows.map((row) => [`${row.ad} ${row.day}`, row])).values()]),
  /** An ad is delivered in another ad set of its campaign from this day on. */
  movesOn: fc.integer({ min: 0, max: DAYS }),
  reach: fc.array(
    fc.record({
      entity: fc.constantFrom(['ad', 'a0'], ['adset', 's1'], ['campaign', 'c0']),
      day: fc.integer({ min: 0, max: DAYS - 1 }),
      window: fc.constantFrom(1, 7),
    }),
    { maxLength: 6 },
  ),
  paused: fc.subarray(['a1', 'a2']),
})

describe('frames of whole campaigns', () => {
  let database: TestDatabase
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())

  const read = (configId: number, campaigns: CampaignPage, refFrom = FIRST) =>
    accountSource(database.knex).frames({ configId, campaigns, from: FIRST, to: LAST, refFrom })

  const levelByLevel = async (configId: number, level: Level): Promise<string[]> => {
    const request = { configId, level, from: FIRST, to: LAST, batchSize: 3 }
    const texts: string[] = []
    for await (const batch of frameSource(database.knex).batches(request)) texts.push(...textsOf(batch))
    return texts
  }

  it('say what the frames of every level say, and so do pages of them', async () => {
    await fc.assert(
      fc.asyncProperty(account, async ({ rows, movesOn, reach, paused }) => {
        const configId = await newConfig(database.knex)
        const days = rows.map(({ ad, day, ...figures }): AdDay => {
          const adset = ad % 5
          const place = ad === 0 && day >= movesOn ? 5 : adset
          return {
            adId: `a${ad}`,
            adsetId: `s${place}`,
            campaignId: `c${place % 5 === 4 ? 2 : place % 2}`,
            date: toLocalDate(FIRST + day),
            ...figures,
          }
        })
        // The last place of an ad is where it is now.
        const placed = days.map((row) => (row.adsetId === 's5' ? { ...row, campaignId: 'c0' } : row))
        await insertDays(database.knex, configId, placed)
        const reached = reach.map(({ entity: [type, id], day, window }) => ({
          config_id: configId,
          entity_type: type,
          entity_id: id,
          date: toLocalDate(FIRST + day),
          window_days: window,
          reach: 100 + day,
        }))
        if (reached.length > 0) await database.knex('ads_reach').insert(reached).onConflict().ignore()
        await database
          .knex('ads_ads')
          .where({ config_id: configId })
          .whereIn('ad_id', paused)
          .update({ status: 'PAUSED' })
        await database.knex('ads_budget_changes').insert({
          config_id: configId,
          entity_type: 'adset',
          entity_id: 's1',
          old: 10,
          new: 30,
          changed_at: `${toLocalDate(FIRST + 4)}T12:00:00Z`,
        })
        const whole = await read(configId, null)
        const pages = await Promise.all(CAMPAIGNS.map((id) => read(configId, [id])))
        for (const level of LEVELS) {
          const expected = await levelByLevel(configId, level)
          expect(textsOf(whole[level])).to.deep.equal(expected)
          expect(pages.flatMap((page) => textsOf(page[level])).toSorted()).to.deep.equal(expected.toSorted())
        }
      }),
      { numRuns: 20 },
    )
  })

  it('read more ads than a query does', async () => {
    const configId = await newConfig(database.knex)
    const rows = Array.from({ length: 601 }, (_, i) =>
      adDays(`a${String(i).padStart(3, '0')}`, 1, toLocalDate(LAST), { adsetId: 's1', campaignId: 'c1' }),
    ).flat()
    await insertDays(database.knex, configId, rows)
    const { ad, adset, campaign } = await read(configId, ['c1'])
    expect(ad.heads.map(({ id }) => id)).to.deep.equal(rows.map(({ adId }) => adId))
    const spend = rows.reduce((sum, row) => sum + Math.round(row.spend * 100), 0) / 100
    for (const { columns } of [adset, campaign]) expect([...columns.spend]).to.deep.equal([spend])
  })

  it('take what a lead costs ancestors from a window of its own, also where it begins earlier', async () => {
    const configId = await newConfig(database.knex)
    const row = (day: number, leads: number): AdDay => ({
      adId: 'a1',
      adsetId: 's1',
      campaignId: 'c1',
      date: toLocalDate(FIRST + day),
      spend: 10,
      impressions: 1,
      clicks: 0,
      leads,
      reach: null,
    })
    await insertDays(database.knex, configId, [row(-1, 4), row(0, 1), row(1, 0)])
    for (const [refFrom, cost] of [
      [FIRST - 1, 30 / 5],
      [FIRST, 20],
      [FIRST + 1, null],
    ] as const) {
      const { ad, campaign } = await read(configId, null, refFrom)
      expect(ad.heads[0]?.ancestorCpl).to.equal(cost)
      expect(campaign.heads[0]?.ancestorCpl).to.equal(cost)
      expect([...ad.columns.days]).to.deep.equal([FIRST, FIRST + 1])
    }
  })
})
