import { expect } from 'chai'
import * as fc from 'fast-check'
import { z } from 'zod'
import { AppError } from '../../../shared/core/errors.ts'
import { backoffMs, isWorthRetrying } from '../../../workers/execute.ts'

describe('tries', () => {
  it('wait twice as long each time, give or take a fifth, and at most 600 s', () => {
    expect(
      [1, 2, 3, 4].map((tries) => backoffMs({ attempts: 9, delayMs: 30_000 }, tries, 0.5)),
    ).to.deep.equal([30_000, 60_000, 120_000, 240_000])
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60_000 }),
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (delayMs, tries, random) => {
          const waitMs = backoffMs({ attempts: 50, delayMs }, tries, random)
          const middle = delayMs * 2 ** (tries - 1)
          expect(waitMs).to.be.at.most(600_000)
          expect(waitMs).to.be.at.least(Math.min(600_000, Math.floor(middle * 0.8)))
          expect(waitMs).to.be.at.most(Math.ceil(middle * 1.2))
        },
      ),
    )
  })

  it('are repeated unless the error says that it is of no use', () => {
    expect(isWorthRetrying(new Error('connection reset'))).to.equal(true)
    expect(isWorthRetrying('a text')).to.equal(true)
    expect(isWorthRetrying(new AppError('STORAGE_UNAVAILABLE', 'down'))).to.equal(true)
    expect(isWorthRetrying(new AppError('CONFIG_NOT_FOUND', 'gone'))).to.equal(false)
    expect(isWorthRetrying(z.string().safeParse(1).error)).to.equal(false)
  })
})
