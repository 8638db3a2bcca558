import { expect } from 'chai'
import { renderIncident, renderIncidents, wrap } from '../../../../cli/findings/incidents.ts'
import type { IncidentDetail, IncidentRow } from '../../../../shared/detection/incidents.ts'
import { HOSTILE_NAMES } from '../../../support/report.ts'

const ROW: IncidentRow = {
  id: 7,
  config_id: 1,
  campaign_id: 'c1',
  campaign_name: 'Spring',
  root: { entity_type: 'adset', entity_id: 's1', name: 'Lookalike 2%' },
  family: 'yield',
  metric: 'cpl',
  direction: 'up',
  polarity: 'bad',
  severity: 'HIGH',
  date_from: '2026-03-09',
  date_to: '2026-03-10',
  sentence: 'Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 since 9 March.',
  figures_of: { entity_type: 'adset', entity_id: 's1', name: 'Lookalike 2%' },
  observed: 41.5,
  expected: 20,
  money: { amount: 312.4, currency: 'BRL' },
  main_cause: null,
  findings: 2,
  alerted: true,
  alerted_at: '2026-03-10T07:00:00.000Z',
  status: 'open',
  resolution: null,
  notes: null,
  actor: null,
  acted_at: null,
  created_at: '2026-03-10T07:00:00.000Z',
  updated_at: '2026-03-10T07:00:00.000Z',
}
const plain = { colour: false, total: 1 }
const headOf = (changes: Partial<IncidentRow>): string =>
  renderIncidents([{ ...ROW, ...changes }], plain).split('\n')[0] ?? ''

describe('incidents on a terminal', () => {
  it('are a line to call them by and a sentence below it', () => {
    expect(renderIncidents([ROW], plain)).to.equal(
      [
        '    7  HIGH      Spring, since 9 March',
        '       Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 since 9 March.',
      ].join('\n'),
    )
  })

  it('say how they stand', () => {
    const heads = [
      headOf({ status: 'acknowledged' }),
      headOf({ status: 'resolved' }),
      headOf({ status: 'resolved', date_to: '2026-03-09' }),
      headOf({ alerted: false }),
      headOf({ alerted: false, status: 'acknowledged' }),
      headOf({ polarity: 'good' }),
      headOf({ campaign_name: null }),
    ]
    expect(heads).to.deep.equal([
      '    7  HIGH      Spring, acknowledged, since 9 March',
      '    7  HIGH      Spring, over, 9 March to 10 March',
      '    7  HIGH      Spring, over, 9 March',
      '    7  HIGH      Spring, not told of, since 9 March',
      '    7  HIGH      Spring, not told of, acknowledged, since 9 March',
      '    7  GOOD      Spring, since 9 March',
      '    7  HIGH      campaign c1, since 9 March',
    ])
  })

  it('count what is folded away, and say how to see it', () => {
    const folded = (quiet: number, over: number): string =>
      renderIncidents([], { ...plain, folded: { quiet, over } })
    expect(folded(0, 0)).to.equal('No incidents.')
    expect(folded(2, 1)).to.equal(
      'No incidents.\nBesides: 2 that nobody was told of, 1 that is over; "vigia incidents --all" lists them.',
    )
    expect(folded(0, 3)).to.equal(
      'No incidents.\nBesides: 3 that are over; "vigia incidents --all" lists them.',
    )
    const some = renderIncidents([ROW], { colour: false, total: 4, folded: { quiet: 1, over: 0 } })
    expect(some.split('\n').slice(2)).to.deep.equal([
      '... and 3 more, less urgent',
      '',
      'Besides: 1 that nobody was told of; "vigia incidents --all" lists them.',
    ])
  })

  it('keep to their columns, and let no name move the cursor', () => {
    for (const name of HOSTILE_NAMES) {
      const detail: IncidentDetail = {
        ...ROW,
        campaign_name: name,
        notes: name,
        causes: [
          { entity_type: 'ad', entity_id: 'a1', name, depth: 1, share: 1.2, observed: 60, expected: null },
          {
            entity_type: 'ad',
            entity_id: 'a2',
            name: null,
            depth: 1,
            share: -0.2,
            observed: 8,
            expected: 20,
          },
        ],
        members: [],
      }
      const text = renderIncident(detail, 'BRL', false)
      expect(text).not.to.match(/[^\n\P{Cc}]|[\p{Bidi_Control}\u2028\u2029]/u)
      expect(text)
        .to.match(/ 120% +BRL 60\.00 +-/)
        .and.match(/ad a2 +-20% +BRL 8\.00 +BRL 20\.00/)
      for (const line of text.split('\n')) expect(line.length, line).to.be.at.most(118)
    }
  })

  it('break their sentences between words', () => {
    expect(wrap('aa bb cc', 5)).to.deep.equal(['aa bb', 'cc'])
    expect(wrap('aa bb cc', 4)).to.deep.equal(['aa', 'bb', 'cc'])
  })
})
