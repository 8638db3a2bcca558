import { expect } from 'chai'
import { LEVELS } from '../../../../shared/core/entity.ts'
import { joinKey } from '../../../../shared/jobs/define-job.ts'
import { featuresLevel } from '../../../../shared/jobs/features.ts'
import {
  forecastLevel,
  ForecastPayload,
  forecastValidate,
  ValidatePayload,
} from '../../../../shared/jobs/forecasting.ts'
import { stepKey, wholeLevel } from '../../../../shared/jobs/step.ts'

const STEP = {
  configId: 1,
  asOf: '2026-03-11T07:00:00.000Z',
  day: '2026-03-10',
  watermark: '2026-03-11T02:59:59.000Z',
}
const payload = (asked: Record<string, unknown> = {}): ForecastPayload =>
  ForecastPayload.parse({ ...STEP, ...asked })
const keyOf = (asked: Record<string, unknown> = {}): string => joinKey(forecastLevel.ad.key(payload(asked)))

describe('jobs of forecasts', () => {
  it('ask for all metrics of the next 7 days where nothing else is said', () => {
    expect(payload()).to.deep.include({ metrics: null, horizonDays: 7, entityIds: null, force: false })
  })

  it('are known by config, day and watermark, however and whenever the usual is asked for', () => {
    expect(keyOf()).to.equal(joinKey(stepKey(payload())))
    expect(keyOf()).to.equal('1|2026-03-10|20260311T025959Z|all')
    expect(keyOf({ asOf: '2026-03-11T12:00:00.000Z' })).to.equal(keyOf())
    expect(keyOf({ metrics: ['cpl', 'leads', 'spend'], horizonDays: 7 })).to.equal(keyOf())
  })

  it('are others for other metrics, horizons, entities and data', () => {
    const keys = [
      keyOf(),
      keyOf({ metrics: ['spend'] }),
      keyOf({ metrics: ['spend', 'leads'] }),
      keyOf({ horizonDays: 14 }),
      keyOf({ horizonDays: 14, metrics: ['spend'] }),
      keyOf({ entityIds: ['a1'] }),
      keyOf({ watermark: '2026-03-11T03:00:00.000Z' }),
      keyOf({ force: true }),
    ]
    expect(new Set(keys).size).to.equal(keys.length)
    expect(keyOf({ metrics: ['leads', 'spend', 'leads'] })).to.equal(keyOf({ metrics: ['spend', 'leads'] }))
  })

  it('forecast 1 to 30 days', () => {
    for (const [horizonDays, fine] of [
      [0, false],
      [1, true],
      [30, true],
      [31, false],
      [1.5, false],
    ] as const)
      expect(ForecastPayload.safeParse({ ...STEP, horizonDays }).success, String(horizonDays)).to.equal(fine)
    expect(ForecastPayload.safeParse({ ...STEP, metrics: [] }).success).to.equal(false)
    expect(ForecastPayload.safeParse({ ...STEP, metrics: ['ctr'] }).success).to.equal(false)
  })

  it('wait for the features of the whole level on the same data', () => {
    for (const level of LEVELS) {
      const asked = payload({ entityIds: ['a1'], force: true, horizonDays: 3 })
      expect(forecastLevel[level].needs?.(asked)).to.deep.equal([
        { job: featuresLevel[level], payload: wholeLevel(asked) },
      ])
    }
  })

  it('try three times half a minute apart, for half an hour a level and a quarter for the validation', () => {
    const MINUTE_MS = 60_000
    for (const level of LEVELS)
      expect(forecastLevel[level]).to.deep.include({
        queue: 'ml',
        retry: { attempts: 3, delayMs: 30_000 },
        timeoutMs: 30 * MINUTE_MS,
      })
    expect(forecastValidate).to.deep.include({
      queue: 'ml',
      retry: { attempts: 3, delayMs: 30_000 },
      timeoutMs: 15 * MINUTE_MS,
    })
  })

  it('validate once for a config, day and watermark', () => {
    expect(joinKey(forecastValidate.key(ValidatePayload.parse(STEP)))).to.equal(
      '1|2026-03-10|20260311T025959Z',
    )
  })
})
