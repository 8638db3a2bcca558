import { expect } from 'chai'
import { LEVELS } from '../../../../shared/core/entity.ts'
import { joinKey } from '../../../../shared/jobs/define-job.ts'
import { featuresLevel } from '../../../../shared/jobs/features.ts'
import { stepOf } from '../../../support/features.ts'

describe('the jobs of features', () => {
  it('are one per level, tried three times half a minute apart, and need nothing before them', () => {
    for (const level of LEVELS) {
      const job = featuresLevel[level]
      expect(job).to.include({ name: `features.${level}`, queue: 'ml', timeoutMs: 900_000 })
      expect(job.retry).to.deep.equal({ attempts: 3, delayMs: 30_000 })
      expect(job.configId?.(stepOf(12, '2026-03-10'))).to.equal(12)
      expect(job).not.to.have.property('needs')
    }
  })

  it('are the same run for the same data, and another for newer data or when forced', () => {
    const key = (asked: Parameters<typeof stepOf>[2] = {}): string =>
      joinKey(featuresLevel.ad.key(stepOf(12, '2026-03-10', asked)))
    expect(key({ asOf: '2026-03-12T00:00:00.000Z' })).to.equal(key())
    const different = [
      key(),
      key({ watermark: '2026-03-11T00:00:00.000Z' }),
      key({ entityIds: ['a1'] }),
      key({ force: true }),
    ]
    expect(new Set(different).size).to.equal(different.length)
  })
})
