import { expect } from 'chai'
import { RUNGS } from '../../../../ml/detectors/ladder.ts'
import { defaultDetectionParams } from '../../../../ml/detectors/params.ts'
import type { DailyFrame, EntityHead, FrameBatch } from '../../../../ml/frame.ts'
import { detectBatch } from '../../../../shared/detection/detect-batch.ts'
import type { BatchModel, DetectResult, DetectTask } from '../../../../shared/detection/detect-batch.ts'
import { findingsOf } from '../../../../shared/detection/findings.ts'
import type { Findings } from '../../../../shared/detection/findings.ts'

const LAST = 20_000

const headOf = (id: string, days: number): EntityHead => ({
  id,
  parentId: null,
  campaignId: 'c1',
  activeRanges: [[LAST - days + 1, LAST]],
  ancestorCpl: null,
  budgetChanges: [],
})

/** Entities end to end; the last of each one's spends is that of `LAST`. */
const batchOf = (entities: Readonly<Record<string, readonly number[]>>): FrameBatch => {
  const all = Object.values(entities)
  const spends = all.flat()
  const offsets = [0]
  for (const own of all) offsets.push((offsets.at(-1) as number) + own.length)
  const column = (value: (spend: number) => number): Float64Array => Float64Array.from(spends, value)
  const columns: DailyFrame = {
    days: Int32Array.from(all.flatMap((own) => own.map((_, i) => LAST - own.length + 1 + i))),
    spend: column((spend) => spend),
    impressions: column((spend) => (spend === 0 ? 0 : 1000)),
    clicks: column((spend) => (spend === 0 ? 0 : 20)),
    leads: column(() => 0),
    reach: column((spend) => (spend === 0 ? 0 : 900)),
    reach7: column(() => Number.NaN),
  }
  return {
    heads: Object.entries(entities).map(([id, own]) => headOf(id, own.length)),
    offsets: Int32Array.from(offsets),
    columns,
  }
}

const taskOf = (batch: FrameBatch, more: Partial<DetectTask> = {}): DetectTask => {
  const days = more.days ?? [LAST]
  return {
    batch,
    days,
    params: defaultDetectionParams,
    models: [],
    modelOf: new Int32Array(batch.heads.length * days.length * RUNGS.length).fill(-1),
    forestsDisabled: false,
    excludedDays: new Map(),
    frequencyAlertDays: new Map(),
    ...more,
  }
}

const judged = (task: DetectTask): Omit<DetectResult, 'signals'> & Findings => {
  const result = detectBatch(task)
  return { ...result, ...findingsOf(result, task.days, null) }
}

const repeated = (value: number, times: number): number[] => Array.from({ length: times }, () => value)
const spike = [...repeated(100, 28), 130]

describe('the judgement of a batch', () => {
  it('tells each finding by the place of its entity and its day', () => {
    const batch = batchOf({ calm: repeated(100, 29), odd: spike })
    const { findings, signals, hypotheses, failed } = judged(taskOf(batch, { days: [LAST - 1, LAST] }))
    expect(findings.map(({ entity, day, anomaly }) => [entity, day, anomaly.type])).to.deep.equal([
      [1, LAST, 'spend_spike'],
    ])
    expect(signals).to.equal(1)
    expect(hypotheses).to.be.greaterThan(signals)
    expect(failed).to.deep.equal([])
  })

  it('goes on after an entity that cannot be judged, and keeps none of its findings', () => {
    const batch = batchOf({ first: spike, broken: spike, last: spike })
    const heads = batch.heads.map((head) =>
      head.id === 'broken' ? ({ ...head, activeRanges: undefined } as unknown as EntityHead) : head,
    )
    const { findings, failed } = judged(taskOf({ ...batch, heads }))
    expect(findings.map(({ entity }) => entity)).to.deep.equal([0, 2])
    expect(failed.map(({ entity }) => entity)).to.deep.equal([1])
  })

  it('says why there was no forest', () => {
    const batch = batchOf({ odd: spike })
    const reasonWith = (more: Partial<DetectTask>): unknown =>
      judged(taskOf(batch, more)).findings[0]?.baselineReason
    const broken: BatchModel = { version: 1, broken: true }
    expect(reasonWith({})).to.equal('no_model')
    expect(reasonWith({ forestsDisabled: true })).to.equal('disabled')
    expect(reasonWith({ models: [broken], modelOf: Int32Array.of(0, -1, -1, -1) })).to.equal(
      'broken_artifact',
    )
  })

  it('names a file that is no model once, however many days asked for it', () => {
    const bytes = new SharedArrayBuffer(64)
    const result = judged(
      taskOf(batchOf({ odd: spike }), {
        days: [LAST - 1, LAST],
        models: [{ version: 3, bytes }],
        modelOf: Int32Array.of(0, -1, -1, -1, 0, -1, -1, -1),
      }),
    )
    expect(result.unreadable).to.deep.equal([0])
    expect(result.findings[0]).to.deep.include({ baselineReason: 'broken_artifact' })
    expect(result.findings[0]?.anomaly).to.include({ modelSource: 'baseline', modelVersion: null })
    expect(result.judgedByForest).to.equal(0)
  })

  it('remembers a frequency alert of an earlier day of the same task', () => {
    const batch = batchOf({ seen: repeated(100, 30) })
    // 1000 views of 250 people a day: 4 in every week, above 3 on all days.
    batch.columns.reach.fill(250)
    const days = Array.from({ length: 9 }, (_, i) => LAST - 8 + i)
    const alerts = (known: readonly number[]): number[] =>
      judged(taskOf(batch, { days, frequencyAlertDays: new Map([['seen', known]]) }))
        .findings.filter(({ anomaly }) => anomaly.type === 'frequency_alert')
        .map(({ day }) => day - LAST)
    expect(alerts([])).to.deep.equal([-8, -1])
    expect(alerts([LAST - 9])).to.deep.equal([-2])
  })
})
