import { expect } from 'chai'
import { restWithChildren } from '../../../../ml/shifts/account.ts'
import type { AccountEntity } from '../../../../ml/shifts/account.ts'

const DAYS = 6

/** Delivers on all days but those of `silent`. */
const entity = (
  parent: number,
  silent: readonly number[],
  changes: Partial<AccountEntity> = {},
): AccountEntity => ({
  id: '',
  level: 'ad',
  parent,
  start: 0,
  end: Infinity,
  spend: Float64Array.from({ length: DAYS }, (_, t) => (silent.includes(t) ? 0 : 10)),
  impressions: Float64Array.from({ length: DAYS }, (_, t) => (silent.includes(t) ? 0 : 1000)),
  clicks: new Float64Array(DAYS),
  leads: new Float64Array(DAYS),
  reach: new Float64Array(DAYS),
  budget: new Float64Array(DAYS),
  mixed: new Uint8Array(DAYS),
  idle: new Uint8Array(DAYS),
  tolerance: {},
  confirmed: new Set(),
  ...changes,
})
const idleDays = ({ idle }: AccountEntity): number[] => [...idle.keys()].filter((t) => idle[t] === 1)

describe('parents', () => {
  it('rest on the days on which all their children do, all the way up', () => {
    const entities = [
      entity(-1, [3, 4, 5]),
      entity(0, [3, 4, 5]),
      entity(1, [2, 3, 4, 5], { end: 1 }),
      entity(1, [3, 4, 5], { end: 2 }),
    ]
    restWithChildren(entities)
    expect(entities.map(idleDays)).to.deep.equal([[3, 4, 5], [3, 4, 5], [], []])
  })

  it('do not rest while one child is to run, though nothing is delivered', () => {
    const idle = Uint8Array.from([0, 0, 0, 1, 0, 0])
    const entities = [entity(-1, [3, 4]), entity(0, [3, 4], { end: 2 }), entity(0, [3, 4], { idle })]
    restWithChildren(entities)
    expect(idleDays(entities[0] as AccountEntity)).to.deep.equal([3])
  })

  it('do not rest while they deliver, nor for want of children that anybody knows', () => {
    const entities = [entity(-1, []), entity(0, [1, 2, 3, 4, 5], { end: 0 }), entity(-1, [4, 5])]
    restWithChildren(entities)
    expect(entities.map(idleDays)).to.deep.equal([[], [], []])
  })
})
