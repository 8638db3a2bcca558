import { expect } from 'chai'
import type { ForecastPackages } from '../../../../ml/forecast/packages.ts'
import type { DailyFrame, EntityHead, FrameBatch } from '../../../../ml/frame.ts'
import { forecastBatch, forecastEntities } from '../../../../shared/forecasting/forecast-batch.ts'
import type { ForecastTask } from '../../../../shared/forecasting/forecast-batch.ts'
import { readWasm } from '../../../../shared/forecasting/wasm.ts'
import { createComputePool } from '../../../../shared/compute/pool.ts'
import { buildFrame, repeat } from '../../ml/build-frame.ts'

const D = 20_000
const HISTORY = 90
/** As where nothing could be loaded: the plain models are left. */
const NO_PACKAGES: ForecastPackages = { autoEts: () => null, mstlEts: () => null, prophet: () => null }

interface Entity {
  readonly id: string
  readonly frame: DailyFrame
  readonly activeRanges?: EntityHead['activeRanges']
}

/** `days` days of a weekly pattern up to `last`. */
const weekly = (days: number, last = D, leads = 5): DailyFrame =>
  buildFrame(
    last - days + 1,
    Array.from({ length: days }, (_, i) => ({
      spend: 100 + 10 * ((last - days + 1 + i) % 7),
      impressions: 1000,
      leads,
    })),
  )

const batchOf = (entities: readonly Entity[]): FrameBatch => {
  const offsets = new Int32Array(entities.length + 1)
  for (const [i, { frame }] of entities.entries()) offsets[i + 1] = (offsets[i] ?? 0) + frame.days.length
  const joined = (name: keyof DailyFrame): number[] => entities.flatMap(({ frame }) => [...frame[name]])
  return {
    heads: entities.map(({ id, frame, activeRanges }) => ({
      id,
      parentId: null,
      campaignId: id,
      activeRanges: activeRanges ?? [[frame.days[0] ?? D, D]],
      ancestorCpl: null,
      budgetChanges: [],
    })),
    offsets,
    columns: {
      days: Int32Array.from(joined('days')),
      spend: Float64Array.from(joined('spend')),
      impressions: Float64Array.from(joined('impressions')),
      clicks: Float64Array.from(joined('clicks')),
      leads: Float64Array.from(joined('leads')),
      reach: Float64Array.from(joined('reach')),
      reach7: Float64Array.from(joined('reach7')),
    },
  }
}

const taskOf = (entities: readonly Entity[], asked: Partial<ForecastTask> = {}): ForecastTask => ({
  batch: batchOf(entities),
  from: D - HISTORY + 1,
  day: D,
  horizonDays: 7,
  metrics: ['spend', 'leads', 'cpl'],
  ...asked,
})

describe('forecasts of a batch', () => {
  it('are spend, leads and their quotient of every entity, in that order', () => {
    const result = forecastEntities(
      taskOf([
        { id: 'a', frame: weekly(60) },
        { id: 'b', frame: weekly(40) },
      ]),
      NO_PACKAGES,
    )
    expect(result.drafts.map(({ entity, metric }) => [entity, metric])).to.deep.equal([
      [0, 'spend'],
      [0, 'leads'],
      [0, 'cpl'],
      [1, 'spend'],
      [1, 'leads'],
      [1, 'cpl'],
    ])
    expect(result.drafts[2]?.chosen).to.deep.include({ model: 'spend/leads', weights: {} })
    expect(result.predicted).to.have.length(6 * 7)
    const spend = [...result.predicted.subarray(0, 7)]
    const leads = result.predicted.subarray(7, 14)
    const cpl = result.predicted.subarray(14, 21)
    for (let i = 0; i < 7; i++) {
      expect(spend[i]).to.be.closeTo(100 + 10 * ((D + 1 + i) % 7), 1)
      expect(cpl[i]).to.be.closeTo((spend[i] ?? 0) / (leads[i] ?? 0), 1e-9)
    }
  })

  it('are the metrics asked for, the quotient also without its parts', () => {
    const asked = taskOf([{ id: 'a', frame: weekly(30) }], { metrics: ['cpl'] })
    const result = forecastEntities(asked, NO_PACKAGES)
    expect(result.drafts.map(({ metric }) => metric)).to.deep.equal(['cpl'])
    expect(result.predicted.every((value) => value > 0)).to.equal(true)
  })

  for (const { days, points } of [
    { days: 6, points: 0 },
    { days: 7, points: 7 },
  ]) {
    it(`have ${points} points with ${days} days of history`, () => {
      const result = forecastEntities(taskOf([{ id: 'a', frame: weekly(days) }]), NO_PACKAGES)
      expect(result.insufficient).to.equal(points === 0 ? 1 : 0)
      expect(result.drafts.map(({ chosen }) => chosen !== null)).to.deep.equal(repeat(3, points > 0))
      const known = result.predicted.subarray(0, 7).filter((value) => !Number.isNaN(value))
      expect(known).to.have.length(points)
    })
  }

  it('count days without rows of an active entity as days', () => {
    // Delivered on one day; active for six more.
    const frame = buildFrame(D - 6, [{ spend: 70, impressions: 100 }])
    expect(forecastEntities(taskOf([{ id: 'a', frame }]), NO_PACKAGES).insufficient).to.equal(0)
  })

  for (const { ago, inactive } of [
    { ago: 13, inactive: 0 },
    { ago: 14, inactive: 1 },
  ]) {
    it(`are ${inactive ? 'not ' : ''}made of a paused entity whose last delivery was ${ago} days before`, () => {
      const last = D - ago
      const entity: Entity = { id: 'a', frame: weekly(30, last), activeRanges: [[last - 29, last]] }
      const result = forecastEntities(taskOf([entity]), NO_PACKAGES)
      expect(result.inactive).to.equal(inactive)
      expect(result.drafts).to.have.length(inactive ? 0 : 3)
      expect(result.predicted.some((value) => Number.isNaN(value))).to.equal(false)
    })
  }

  it('expect no lead of an entity that had none, and no cost of one', () => {
    const result = forecastEntities(taskOf([{ id: 'a', frame: weekly(60, D, 0) }]), NO_PACKAGES)
    expect([...result.predicted.subarray(7, 14)]).to.deep.equal(repeat(7, 0))
    expect([...result.predicted.subarray(14)]).to.deep.equal(repeat(7, Number.NaN))
  })

  it('are made of the others when one entity fails', () => {
    const failing = (values: Float64Array): null => {
      if (values.length > 30) throw new Error('out of memory')
      return null
    }
    const broken: ForecastPackages = {
      autoEts: failing,
      mstlEts: failing,
      prophet: ({ values }) => failing(values),
    }
    const task = taskOf([
      { id: 'a', frame: weekly(80) },
      { id: 'b', frame: weekly(30) },
    ])
    const result = forecastEntities(task, broken)
    expect(result.failed).to.deep.equal([{ entity: 0, message: 'out of memory' }])
    expect(new Set(result.drafts.map(({ entity }) => entity))).to.deep.equal(new Set([1]))
  })

  it('are in a thread what they are here, with the packages that are installed', async () => {
    const entities = [{ id: 'a', frame: weekly(90) }]
    const pool = createComputePool({ threads: 1 })
    try {
      const there = await pool.run('forecast', taskOf(entities))
      expect(there).to.deep.equal(await forecastBatch(taskOf(entities)))
    } finally {
      await pool.close()
    }
  })

  it('find the WebAssembly of the packages', () => {
    for (const subpath of ['ets', 'mstl', 'prophet'] as const)
      // Every module begins with \0asm.
      expect([...(readWasm(subpath)?.subarray(0, 4) ?? [])]).to.deep.equal([0, 0x61, 0x73, 0x6d])
  })
})
