import { expect } from 'chai'
import { addResult, newTally, toOutcome } from '../../../../shared/training/tally.ts'

const START = new Date('2026-03-11T07:00:00.000Z')

describe('tally of a training', () => {
  it('is succeeded without failures, partial with some, failed with nothing else', () => {
    const tally = newTally(START)
    expect(toOutcome(tally).status).to.equal('succeeded')
    tally.skip('ad', 'a1', 49)
    expect(toOutcome(tally).status).to.equal('succeeded')
    tally.fail('ad', 'a2', 'save_failed', 'disk full')
    expect(toOutcome(tally)).to.include({
      status: 'failed',
      error: 'no model could be trained: disk full',
    })
    tally.succeed('ad', 'reused')
    const outcome = toOutcome(tally)
    expect(outcome).to.deep.include({
      status: 'partial',
      counts: { done: 1, skipped: 1, failed: 1 },
      reasons: { insufficient_data: 1, save_failed: 1 },
    })
    expect(outcome).to.not.have.property('error')
  })

  it('keeps at most 50 examples and counts all', () => {
    const tally = newTally(START)
    for (let i = 0; i < 60; i++) {
      tally.skip('ad', `a${i}`, i)
      tally.fail('ad', `a${i}`, 'training_failed', 'x'.repeat(300))
    }
    expect(tally.result.insufficient_data).to.have.length(50)
    expect(tally.result.failures).to.have.length(50)
    expect(tally.result.failures[0]?.error).to.have.length(200)
    expect(tally.counts).to.deep.equal({ done: 0, skipped: 60, failed: 60 })
  })

  it('sums chunks, from the start of the first, and ignores what is no result', () => {
    const chunk = (start: string, ids: readonly string[]) => {
      const tally = newTally(new Date(start))
      for (const id of ids) tally.skip('ad', id, 1)
      tally.succeed('campaign', 'trained')
      tally.fail('adset', 's', 'save_failed', 'no')
      return toOutcome(tally).result
    }
    const total = newTally(new Date('2026-03-11T08:00:00.000Z'))
    const ids = Array.from({ length: 40 }, (_, i) => `a${i}`)
    for (const result of [
      chunk('2026-03-11T07:30:00.000Z', ids),
      chunk('2026-03-11T07:00:00.000Z', ids),
      {},
      null,
      { trained: 'many' },
    ])
      addResult(total, result)
    expect(total.counts).to.deep.equal({ done: 2, skipped: 80, failed: 2 })
    expect(total.result).to.deep.include({
      trained: 2,
      started_at: '2026-03-11T07:00:00.000Z',
      models_count: { campaign: 2, adset: 0, ad: 0 },
      skipped_count: { campaign: 0, adset: 0, ad: 80 },
      failed_count: { campaign: 0, adset: 2, ad: 0 },
    })
    expect(total.result.insufficient_data).to.have.length(50)
  })
})
