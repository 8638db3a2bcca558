import { expect } from 'chai'
import type { EntityForestParams } from '../../../../ml/detectors/entity-forest.ts'
import { createJudge, fitEntityForest } from '../../../../ml/detectors/entity-forest.ts'
import { judgeByLadder, scoreLadder, trainLadder } from '../../../../ml/detectors/ladder.ts'
import type { LadderLevel, Rung } from '../../../../ml/detectors/ladder.ts'
import { createPool, entityRows } from '../../../../ml/detectors/pooled-forest.ts'
import { frameAt } from '../../../../ml/frame.ts'
import type { DailyFrame, EntityHead } from '../../../../ml/frame.ts'
import { buildFrame, type DayRow } from '../build-frame.ts'

const FIRST = 20_000
const PARAMS: EntityForestParams = { trees: 20, contamination: 0.1, randomState: 42 }
const NOTHING_EXCLUDED: ReadonlySet<number> = new Set()

const days = (count: number, shift = 0): DayRow[] =>
  Array.from({ length: count }, (_, n) => ({
    spend: 50 + (((n + shift) * 37) % 23),
    impressions: 4000 + (((n + shift) * 101) % 900),
    clicks: 50 + (((n + shift) * 13) % 17),
    leads: 2 + (((n + shift) * 7) % 5),
    reach: 3000 + (((n + shift) * 53) % 400),
  }))

interface Ad {
  readonly id: string
  readonly adset: string
  readonly campaign: string
  readonly first: number
  readonly count: number
}

const FRAME_COLUMNS = ['spend', 'impressions', 'clicks', 'leads', 'reach', 'reach7'] as const

const levelOf = (ads: readonly Ad[]): LadderLevel => {
  const frames = ads.map(({ first, count }, i) => buildFrame(first, days(count, i)))
  const offsets = Int32Array.from([
    0,
    ...frames.map((_, i) => frames.slice(0, i + 1).reduce((n, f) => n + f.days.length, 0)),
  ])
  const columns: DailyFrame = {
    days: Int32Array.from(frames.flatMap((frame) => [...frame.days])),
    ...(Object.fromEntries(
      FRAME_COLUMNS.map((name) => [name, Float64Array.from(frames.flatMap((frame) => [...frame[name]]))]),
    ) as Omit<DailyFrame, 'days'>),
  }
  const heads = ads.map(({ id, adset, campaign }): EntityHead => ({
    id,
    parentId: adset,
    campaignId: campaign,
    activeRanges: [],
    ancestorCpl: null,
    budgetChanges: [],
  }))
  return { level: 'ad', batch: { heads, offsets, columns }, excludedDays: new Map() }
}

/** Trained on [FIRST, FIRST + 89]. */
const ladderOf = (level: LadderLevel) =>
  trainLadder([level], { configId: 12, from: FIRST, to: FIRST + 89, minSamples: 50, forest: PARAMS })
const sourceOf = (level: LadderLevel, entity: number, day = FIRST + 90): string =>
  scoreLadder(ladderOf(level), 'ad', entity, frameAt(level.batch, entity), day, 56).source
/** Days up to the judged one, and that one. */
const ad = (id: string, adset: string, campaign: string, before: number): Ad => ({
  id,
  adset,
  campaign,
  first: FIRST + 90 - before,
  count: before + 1,
})

describe('ml/detectors/ladder', () => {
  it('judges by the own model from 50 rows on, below by the ad set', () => {
    const level = levelOf([ad('a50', 's1', 'c1', 50), ad('a49', 's1', 'c1', 49)])
    expect([sourceOf(level, 0), sourceOf(level, 1)]).to.deep.equal(['own', 'adset'])
  })

  it('takes the nearest ancestor whose entities have 50 rows in all', () => {
    const young = ad('young', 's1', 'c1', 8)
    const near = (sibling: number, cousin: number, stranger: number) =>
      sourceOf(
        levelOf([
          young,
          ad('sibling', 's1', 'c1', sibling),
          ad('cousin', 's2', 'c1', cousin),
          ad('stranger', 's3', 'c2', stranger),
        ]),
        0,
      )
    expect(near(42, 49, 49)).to.equal('adset')
    expect(near(41, 49, 49)).to.equal('campaign')
    expect(near(20, 22, 49)).to.equal('campaign')
    expect(near(20, 21, 49)).to.equal('account')
    expect(near(20, 20, 2)).to.equal('account')
    expect(near(20, 20, 1)).to.equal('baseline')
  })

  it('leaves an entity to statistics until it has seven days', () => {
    const level = levelOf([ad('a7', 's1', 'c1', 7), ad('a6', 's1', 'c1', 6), ad('old', 's1', 'c1', 90)])
    expect([sourceOf(level, 0), sourceOf(level, 1)]).to.deep.equal(['adset', 'baseline'])
  })

  it('steps past a rung that cannot be used', () => {
    const frame = buildFrame(FIRST, days(60))
    const pool = createPool()
    pool.add(entityRows('a1', frame, NOTHING_EXCLUDED))
    const judge = createJudge(fitEntityForest(pool.matrix(null), PARAMS))
    const by = (...rungs: Rung[]): string =>
      judgeByLadder((rung) => (rungs.includes(rung) ? judge : null), frame, FIRST + 59, 56, NOTHING_EXCLUDED)
        .source
    expect(by('campaign', 'account')).to.equal('campaign')
    expect(by('account')).to.equal('account')
    expect(by()).to.equal('baseline')
  })

  it('learns from its window alone', () => {
    const level = levelOf([ad('old', 's1', 'c1', 120), ad('young', 's1', 'c1', 10)])
    const before = scoreLadder(ladderOf(level), 'ad', 1, frameAt(level.batch, 1), FIRST + 90, 56)
    const { spend, days: dates } = level.batch.columns
    dates.forEach((day, i) => {
      if (day < FIRST || day > FIRST + 90) spend[i] = 1e6
    })
    const after = scoreLadder(ladderOf(level), 'ad', 1, frameAt(level.batch, 1), FIRST + 90, 56)
    expect(after).to.deep.equal(before)
    expect(before.verdict?.score).to.be.within(0, 1)
  })

  it('fits a model once, and only when asked', () => {
    const level = levelOf([ad('old', 's1', 'c1', 90), ad('young', 's1', 'c1', 10)])
    const ladder = ladderOf(level)
    expect(ladder.own('ad', 0)).to.equal(ladder.own('ad', 0))
    expect(ladder.pooled('ad', { level: 'adset', id: 's1' })).to.equal(ladder.rungsOf('ad', 1)('adset'))
    expect(ladder.pooled('ad', { level: 'adset', id: 'unknown' })).to.equal(null)
    expect(ladder.own('campaign', 0)).to.equal(null)
  })
})
