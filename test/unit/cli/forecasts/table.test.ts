import { expect } from 'chai'
import { byEntity, renderForecasts } from '../../../../cli/forecasts/table.ts'
import { FORECAST_METRICS } from '../../../../shared/forecasting/forecasts.ts'
import type { ForecastMetric, ForecastRow } from '../../../../shared/forecasting/forecasts.ts'

let ids = 0

/** A forecast whose bounds are half and twice what is predicted. */
const row = (
  entityId: string,
  metric: ForecastMetric,
  predicted: readonly (number | null)[],
  more: Partial<ForecastRow> = {},
): ForecastRow => ({
  id: (ids += 1),
  config_id: 1,
  entity_type: 'campaign',
  entity_id: entityId,
  entity_name: `Campaign ${entityId}`,
  parent_id: null,
  metric,
  horizon_days: predicted.length,
  forecast_date: '2026-03-10',
  watermark: '2026-03-11T06:00:00.000Z',
  model: 'ets',
  weights: { ets: 1 },
  metrics: { wape: null, mase: null, pinball_025: null, pinball_975: null, coverage: null },
  insufficient_data: false,
  created_at: '2026-03-11T07:00:00.000Z',
  run_id: null,
  points: predicted.map((value, i) => ({
    step: i + 1,
    date: `2026-03-1${i + 1}`,
    predicted: value,
    lower: value && value / 2,
    upper: value && value * 2,
    actual: null,
    abs_error: null,
    pct_error: null,
    in_interval: null,
  })),
  ...more,
})

const render = (rows: readonly ForecastRow[], limit = 10): string =>
  renderForecasts(rows, { currency: 'BRL', metrics: FORECAST_METRICS, limit })

describe('the table of forecasts', () => {
  it('adds the days up, and their bounds', () => {
    const [line] = byEntity([row('1', 'spend', [100, 60])])
    expect(line?.totals.spend).to.deep.equal({ predicted: 160, lower: 80, upper: 320 })
  })

  it('tells the cost per lead of all days: their spend by their leads', () => {
    const [line] = byEntity([
      row('1', 'spend', [100, 60]),
      row('1', 'leads', [5, 1]),
      row('1', 'cpl', [20, 60]),
    ])
    const { predicted = 0, lower, upper } = line?.totals.cpl ?? {}
    expect(predicted).to.be.closeTo(160 / 6, 1e-9)
    expect(lower).to.be.closeTo(80 / 6, 1e-9)
    expect(upper).to.be.closeTo(320 / 6, 1e-9)
  })

  it('leaves days without an expected lead out of the cost per lead', () => {
    const [some, none] = byEntity([
      row('1', 'spend', [100, 60]),
      row('1', 'leads', [5, 0]),
      row('1', 'cpl', [20, null]),
      row('2', 'leads', [0, 0]),
      row('2', 'cpl', [null, null]),
    ])
    expect(some?.totals.cpl?.predicted).to.equal(20)
    expect(none?.totals.cpl).to.equal(null)
  })

  it('is the plain mean of the days where the leads were not forecast', () => {
    const [line] = byEntity([row('1', 'cpl', [20, 60])])
    expect(line?.totals.cpl?.predicted).to.equal(40)
  })

  it('has a line per entity and horizon, the largest spend first', () => {
    const lines = byEntity([
      row('1', 'spend', [10]),
      row('2', 'spend', [99]),
      row('2', 'spend', [99, 99]),
      row('2', 'leads', [1]),
    ])
    expect(lines.map((line) => [line.entityId, line.horizonDays])).to.deep.equal([
      ['2', 2],
      ['2', 1],
      ['1', 1],
    ])
  })

  it('is read by people', () => {
    const text = render([
      row('1', 'spend', [1000, 500.5]),
      row('1', 'leads', [5, 1]),
      row('1', 'cpl', [200, 500.5]),
      row('2', 'spend', [10, 10]),
      row('2', 'leads', [0, 0]),
      row('2', 'cpl', [null, null]),
      row('3', 'spend', [], { insufficient_data: true, horizon_days: 2 }),
    ])
    expect(text.split('\n').slice(0, 4)).to.deep.equal([
      'Entity      Days  Spend                             Leads         Cost per lead',
      'Campaign 1     2  BRL 1,500.50 (750.25 - 3,001.00)  6 (3 - 12)    BRL 250.08 (125.04 - 500.17)',
      'Campaign 2     2  BRL 20.00 (10.00 - 40.00)         0 (0 - 0)     -',
      'Campaign 3     2  too few days                      too few days  too few days',
    ])
  })

  it('counts what it does not show', () => {
    expect(render([row('1', 'spend', [1]), row('2', 'spend', [2])], 1)).to.include('... and 1 more, smaller')
  })

  it('is not fooled by names that move the cursor', () => {
    const text = render([row('1', 'spend', [1], { entity_name: 'A\u001B[2J\nB\u202E' })])
    expect(text).to.include('A [2J B')
    expect(text).not.to.include('\u001B')
    expect(text).not.to.include('\u202E')
  })
})
