import { expect } from 'chai'
import { jsonOf, parseHorizon } from '../../../../cli/commands/forecast.ts'
import { renderFileForecasts } from '../../../../cli/forecasts/file-table.ts'
import type { FileForecast } from '../../../../shared/forecasting/forecast-file.ts'

const made = (id: string, count: number): FileForecast => ({
  id,
  model: 'seasonal_naive',
  points: Array.from({ length: count }, (_, i) => ({
    date: `2026-03-${10 + i}`,
    predicted: 1234.56789 + i,
    lower: 0,
    upper: 2.5e15,
  })),
})

describe('vigia forecast', () => {
  it('takes a horizon of 1 to 366 steps', () => {
    expect(['1', '366'].map(parseHorizon)).to.deep.equal([1, 366])
    for (const text of ['0', '367', '-1', '1.5', '', 'seven', '1e2', '99999999999'])
      expect(() => parseHorizon(text), text).to.throw(
        /^--horizon: is a whole number of steps from 1 to 366, not "/,
      )
  })

  it('writes one JSON object, in pieces when it is long', () => {
    expect([...jsonOf([made('a', 1)])]).to.deep.equal([
      '{"series":[{"id":"a","model":"seasonal_naive","points":[{"date":"2026-03-10","predicted":1234.56789,"lower":0,"upper":2500000000000000}]}]}\n',
    ])
    expect([...jsonOf([])]).to.deep.equal(['{"series":[]}\n'])
    const many = Array.from({ length: 400 }, (_, i) => made(`"${i}`, 60))
    const pieces = [...jsonOf(many)]
    expect(pieces.length).to.be.above(1)
    expect(JSON.parse(pieces.join(''))).to.deep.equal({ series: many })
  })

  it('shows every point of a series', () => {
    expect(renderFileForecasts([made('sales', 2)])).to.equal(
      [
        'sales (seasonal naive)',
        'date        forecast  95% from        to',
        '2026-03-10   1234.57         0  2.500e+15',
        '2026-03-11   1235.57         0  2.500e+15',
      ]
        .join('\n')
        .replace('from        to', 'from         to'),
    )
  })

  it('shows the last points of many series, and how many are not shown', () => {
    const text = renderFileForecasts(Array.from({ length: 61 }, (_, i) => made(`s${i}`, 3)))
    expect(text).to.contain('s59     seasonal naive  2026-03-12')
    expect(text).not.to.contain('s60')
    expect(text).to.contain('… and 1 more series')
  })

  it('shows no sign of an id that would move the cursor', () => {
    expect(renderFileForecasts([made('a\u001b[2J\0\n', 1)])).to.contain('a�[2J�� (seasonal naive)')
  })
})
