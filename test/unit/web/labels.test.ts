import { expect } from 'chai'

interface Labels {
  timeLabels(marksMs: readonly number[], stepMs: number): string[]
  valueLabels(marks: readonly number[], step: number): string[]
  exactTime(ms: number): string
  exactValue(value: number): string
  roundValue(value: number): string
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const at = (text: string): number => Date.parse(`${text}Z`)

describe('words beside the lines of a chart', () => {
  let labels: Labels
  before(async () => {
    // What browsers get; its sources know a browser and are compiled apart.
    labels = (await import(new URL('../../../web/labels.js', import.meta.url).href)) as Labels
  })

  it('say a new day and a new year once', () => {
    const evening = at('2026-12-31T22:00')
    expect(labels.timeLabels([evening, evening + HOUR, evening + 2 * HOUR], HOUR)).to.deep.equal([
      '22:00\n31 Dec',
      '23:00',
      '00:00\n1 Jan',
    ])
    expect(labels.timeLabels([at('2026-12-31T00:00'), at('2027-01-01T00:00')], DAY)).to.deep.equal([
      '31 Dec\n2026',
      '1 Jan\n2027',
    ])
    expect(labels.timeLabels([at('2026-12-01T00:00'), at('2027-01-01T00:00')], 31 * DAY)).to.deep.equal([
      'Dec\n2026',
      'Jan\n2027',
    ])
    expect(labels.timeLabels([at('2026-01-01T00:00')], 365 * DAY)).to.deep.equal(['2026'])
    expect(labels.timeLabels([1500], 100)).to.deep.equal(['00:00:01.500\n1 Jan'])
  })

  it('tell values apart', () => {
    expect(labels.valueLabels([0, 0.5, 1], 0.5)).to.deep.equal(['0', '0.5', '1.0'])
    expect(labels.valueLabels([1e9, 1.5e9], 5e8)).to.deep.equal(['1.0e+9', '1.5e+9'])
    expect(labels.exactValue(0.1 + 0.2)).to.equal('0.3')
    expect(labels.roundValue(1234.5678)).to.equal('1234.57')
    expect(labels.exactTime(at('2026-03-10T12:00'))).to.equal('2026-03-10 12:00:00')
    expect(labels.exactTime(at('2026-03-10T12:00') + 7)).to.equal('2026-03-10 12:00:00.007')
  })
})
