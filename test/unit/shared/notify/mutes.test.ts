import { expect } from 'chai'
import { isMuted, MuteDraft } from '../../../../shared/notify/mutes.ts'
import type { Mutable, Mute } from '../../../../shared/notify/mutes.ts'

const mute = (change: Partial<Mute>): Mute => ({
  id: 1,
  config_id: 1,
  entity_type: null,
  entity_id: null,
  metric: null,
  from: '2026-03-01',
  until: '2026-03-10',
  reason: null,
  actor: 'test',
  created_at: '2026-03-01T00:00:00.000Z',
  ...change,
})

const AD: Mutable = {
  path: [
    { entityType: 'ad', entityId: '3' },
    { entityType: 'adset', entityId: '2' },
    { entityType: 'campaign', entityId: '1' },
  ],
  metric: 'cpl',
  day: '2026-03-10',
}

describe('a mute', () => {
  it('covers the entity and what is below it', () => {
    for (const [entity_type, entity_id] of [
      ['ad', '3'],
      ['adset', '2'],
      ['campaign', '1'],
    ] as const)
      expect(isMuted([mute({ entity_type, entity_id })], AD), entity_type).to.equal(true)
    expect(isMuted([mute({ entity_type: 'adset', entity_id: '3' })], AD)).to.equal(false)
    expect(isMuted([mute({ entity_type: 'ad', entity_id: '1' })], AD)).to.equal(false)
    const campaign = { ...AD, path: AD.path.slice(2) }
    expect(isMuted([mute({ entity_type: 'ad', entity_id: '3' })], campaign)).to.equal(false)
  })

  it('covers a metric of all, or of one entity', () => {
    expect(isMuted([mute({ metric: 'cpl' })], AD)).to.equal(true)
    expect(isMuted([mute({ metric: 'ctr' })], AD)).to.equal(false)
    expect(isMuted([mute({ metric: 'cpl', entity_type: 'ad', entity_id: '3' })], AD)).to.equal(true)
    expect(isMuted([mute({ metric: 'ctr', entity_type: 'ad', entity_id: '3' })], AD)).to.equal(false)
  })

  it('lasts from its first to its last day', () => {
    const mutes = [mute({ metric: 'cpl' })]
    for (const [day, muted] of [
      ['2026-02-28', false],
      ['2026-03-01', true],
      ['2026-03-10', true],
      ['2026-03-11', false],
    ] as const)
      expect(isMuted(mutes, { ...AD, day }), day).to.equal(muted)
  })

  it('is one of several', () => {
    expect(isMuted([], AD)).to.equal(false)
    expect(isMuted([mute({ metric: 'ctr' }), mute({ metric: 'cpl' })], AD)).to.equal(true)
  })

  it('names an entity by level and id, a metric, or both', () => {
    const until = '2026-03-10'
    for (const draft of [
      { metric: 'cpl' },
      { entity_type: 'ad', entity_id: '1' },
      { entity_type: 'ad', entity_id: '1', metric: 'spend' },
    ])
      expect(MuteDraft.safeParse({ config_id: 1, until, ...draft }).success).to.equal(true)
    for (const draft of [
      {},
      { entity_type: 'ad' },
      { entity_id: '1' },
      { metric: 'cpa' },
      { metric: 'cpl', until: 'soon' },
    ])
      expect(MuteDraft.safeParse({ config_id: 1, until, ...draft }).success, JSON.stringify(draft)).to.equal(
        false,
      )
  })
})
