import { expect } from 'chai'
import { renderFindings } from '../../../../cli/findings/table.ts'
import { widthOf } from '../../../../shared/core/columns.ts'
import { expectedText, figure, observedText, whatHappened } from '../../../../shared/detection/words.ts'
import type { AnomalyRow } from '../../../../shared/detection/anomalies.ts'

const SEEN = '2026-03-11T07:00:00.000Z'

const row = (fields: Partial<AnomalyRow> = {}): AnomalyRow => ({
  id: 1,
  config_id: 1,
  entity_type: 'campaign',
  entity_id: 'c1',
  entity_name: 'Brand',
  parent_id: null,
  campaign_id: 'c1',
  campaign_name: 'Brand',
  type: 'spend_spike',
  metric: 'spend',
  anomaly_date: '2026-03-10',
  severity: 'LOW',
  polarity: 'bad',
  direction: 'up',
  score: 0.99,
  rarity: 0.01,
  observed: 113,
  expected: 100,
  lower: 87.5,
  upper: 112.5,
  deviation: 2.6,
  contributions: null,
  signals: [{ detector: 'z_iqr' }],
  model_source: 'baseline',
  model_version: null,
  baseline_reason: 'no_model',
  partial: false,
  alerted: true,
  status: 'open',
  resolution: null,
  notes: null,
  verdict: null,
  actor: null,
  acted_at: null,
  first_seen: SEEN,
  last_seen: SEEN,
  times_seen: 1,
  incident_id: null,
  run_id: null,
  ...fields,
})

const plain = { currency: 'BRL', colour: false, limit: 40 }
const ad = { entity_type: 'ad', entity_id: 'a1', entity_name: 'Video', campaign_name: 'Brand' } as const
const forest = (contributions: Readonly<Record<string, number>>): AnomalyRow =>
  row({ type: 'performance_drop', metric: 'multivariate', contributions })

describe('a finding in words', () => {
  const sentences: readonly (readonly [Partial<AnomalyRow>, string])[] = [
    [{}, 'Spend rose'],
    [{ type: 'spend_drop', direction: 'down' }, 'Spend fell'],
    [{ type: 'cpl_spike', metric: 'cpl' }, 'Cost per lead rose'],
    [{ type: 'conversion_rate_drop', metric: 'conversion_rate', direction: 'down' }, 'Conversion rate fell'],
    [{ type: 'zero_spend' }, 'Stopped spending although active'],
    [{ type: 'zero_impressions', metric: 'impressions' }, 'Stopped being shown although active'],
    [{ type: 'frequency_alert', metric: 'frequency' }, 'People see it too often'],
    [{ type: 'reach_saturation', metric: 'reach' }, 'More impressions, no new people'],
    [{ type: 'ctr_spike', metric: 'ctr' }, 'Click rate rose but fewer convert'],
    [{ type: 'ctr_spike', metric: 'ctr', polarity: 'good' }, 'Click rate rose'],
    [{ signals: [{ detector: 'change_point' }] }, 'Spend rose and stayed'],
    [{ signals: [{ detector: 'z_iqr' }, { detector: 'change_point' }] }, 'Spend rose'],
  ]
  for (const [fields, sentence] of sentences) {
    it(`says "${sentence}" of ${JSON.stringify(fields)}`, () => {
      expect(whatHappened(row(fields))).to.equal(sentence)
    })
  }

  it('names the two features that explain most, the second from a fifth on', () => {
    expect(whatHappened(forest({ leads: 0.2, spend: 0.5, ctr: 0.3 }))).to.equal(
      'Unusual: spend 50%, click rate 30%',
    )
    expect(whatHappened(forest({ spend: 0.8, leads: 0.2 }))).to.equal('Unusual: spend 80%, leads 20%')
    expect(whatHappened(forest({ spend: 0.81, leads: 0.19 }))).to.equal('Unusual: spend 81%')
    expect(whatHappened(forest({}))).to.equal('Unusual mix of figures')
  })

  it('leaves the second feature out where the sentence would grow too long', () => {
    expect(whatHappened(forest({ cpl: 0.6, frequency: 0.4 }))).to.equal('Unusual: cost per lead 60%')
  })

  it('gives figures their units, and large amounts no cents', () => {
    expect(figure(9999.994, 'spend', 'BRL')).to.equal('BRL 9,999.99')
    expect(figure(10_000, 'cpl', 'EUR')).to.equal('EUR 10,000')
    expect(figure(1.5, 'ctr', 'BRL')).to.equal('1.50%')
    expect(figure(3.14, 'frequency', 'BRL')).to.equal('3.1x')
    expect(figure(4, 'leads', 'BRL')).to.equal('4 leads')
    expect(figure(12_345.6, 'reach', 'BRL')).to.equal('12,346')
    expect(figure(null, 'spend', 'BRL')).to.equal('-')
  })

  it("gives a forest's figures the unit of its leading feature", () => {
    const found = { ...forest({ ctr: 0.7, spend: 0.3 }), observed: 0.5, expected: 1.25 }
    expect([observedText(found, 'BRL'), expectedText(found, 'BRL')]).to.deep.equal(['0.50%', '1.25%'])
  })
})

describe('the table of findings', () => {
  it('says so when there is nothing', () => {
    expect(renderFindings([], plain)).to.equal('Nothing unusual.')
  })

  it('marks what is of a day that still ran', () => {
    const lines = renderFindings(
      [
        row({ id: 2, anomaly_date: '2026-03-11', partial: true, alerted: false }),
        row({ id: 3, anomaly_date: '2026-03-11', partial: true, alerted: false, polarity: 'good' }),
        row(),
      ],
      plain,
    ).split('\n')
    const marks = lines.flatMap((line) => /^ {2}(LOW[ ~+]*?) {2,}/.exec(line)?.[1] ?? [])
    expect(marks).to.deep.equal(['LOW ~', 'LOW ~ +', 'LOW'])
    expect(lines.slice(-2)).to.deep.equal([
      '~ = the day so far, against the same hours of the days before; its final verdict replaces it',
      '+ = good news',
    ])
  })

  it('has a block per day, newest first, the worst first, good news last of its severity', () => {
    const text = renderFindings(
      [
        row({ id: 1, anomaly_date: '2026-03-09', severity: 'CRITICAL' }),
        row({ id: 2, polarity: 'good', entity_name: 'Good' }),
        row({ id: 3, entity_name: 'Bad' }),
        row({ id: 4, severity: 'HIGH', entity_name: 'Worse' }),
      ],
      plain,
    )
    expect(text.split('\n')).to.deep.equal([
      '  Severity  Where             What happened    Observed    Expected',
      '-------------------------------------------------------------------',
      '2026-03-10',
      '  HIGH      Worse (campaign)  Spend rose     BRL 113.00  BRL 100.00',
      '  LOW       Bad (campaign)    Spend rose     BRL 113.00  BRL 100.00',
      '  LOW +     Good (campaign)   Spend rose     BRL 113.00  BRL 100.00',
      '',
      '2026-03-09',
      '  CRITICAL  Brand (campaign)  Spend rose     BRL 113.00  BRL 100.00',
      '',
      '+ = good news',
    ])
  })

  it('has the whole before its parts, whichever was found first', () => {
    const text = renderFindings(
      [row({ ...ad, id: 1 }), row({ id: 2, entity_type: 'adset', entity_name: 'Women' }), row({ id: 3 })],
      plain,
    )
    expect(text.match(/\((?:campaign|ad set|ad)\)/g)).to.deep.equal(['(campaign)', '(ad set)', '(ad)'])
  })

  it('shows ids to decide by, and what was decided where anything was', () => {
    const open = row({ id: 12 })
    const lines = (...rows: AnomalyRow[]): string[] =>
      renderFindings(rows, { ...plain, forDecisions: true }).split('\n')
    expect(lines(open)[0]).to.match(/^ +Id +Severity +Where .* Expected$/)
    expect(lines(open)[3]).to.match(/^ +12 +LOW +Brand \(campaign\)/)
    const decided = lines(
      open,
      row({ id: 3, status: 'acknowledged', verdict: 'true_positive' }),
      row({ id: 4, status: 'resolved', resolution: 'false_positive', verdict: 'false_positive' }),
      row({ id: 5, status: 'resolved', resolution: 'manual' }),
      row({ id: 6, verdict: 'true_positive' }),
    )
    expect(decided[0]).to.match(/ Decided *$/)
    expect(decided.slice(3).map((line) => line.replace(/^.*BRL 100\.00 */, ''))).to.deep.equal([
      'acknowledged, real',
      'false positive',
      'resolved',
      'real',
      '',
    ])
    expect(renderFindings([open], plain)).to.not.include('Id')
  })

  it('counts what it does not show', () => {
    const rows = [row({ id: 1 }), row({ id: 2 }), row({ id: 3 })]
    expect(renderFindings(rows, { ...plain, limit: 2 })).to.match(
      /\n\n\.\.\. and 1 more, less urgent or older$/,
    )
    expect(renderFindings(rows, { ...plain, limit: 3 })).to.not.include('more')
  })

  it('stays within 118 columns whatever the names and figures', () => {
    const long = 'An endless name of something that was copied again and again'
    const text = renderFindings(
      [
        row({ ...ad, entity_name: long, campaign_name: long, severity: 'CRITICAL', observed: 9_999_999.5 }),
        row({ entity_name: long, expected: 9_999_999.5 }),
        { ...forest({ cpl: 0.5, ctr: 0.3, leads: 0.2 }), entity_name: '👩‍👩‍👧‍👦'.repeat(60) },
      ],
      plain,
    )
    for (const line of text.split('\n')) expect(widthOf(line)).to.be.at.most(118)
    expect(text).to.match(/An endless [^,]*… \(ad\), An endless .*…/)
  })

  it('gives a short campaign what a long ad name needs less of, and the other way round', () => {
    const where = (name: string, campaign: string): string =>
      renderFindings([row({ ...ad, entity_name: name, campaign_name: campaign })], plain)
    expect(where('Rather a long name of ad', 'Brand')).to.include('Rather a long name of ad (ad), Brand')
    expect(where('Video', 'Rather a long campaign')).to.include('Video (ad), Rather a long campaign')
  })

  it('falls back to the id where there is no name', () => {
    expect(renderFindings([row({ ...ad, entity_name: null, campaign_name: null })], plain)).to.include(
      'a1 (ad)',
    )
  })

  it('lets no name move the cursor or colour the screen', () => {
    const text = renderFindings([row({ entity_name: '\u001B[31mRed\u0007\r\nline\u202E' })], plain)
    for (const sign of ['\u001B', '\u0007', '\r', '\u202E']) expect(text).to.not.include(sign)
    expect(text).to.include('[31mRed line (campaign)')
  })

  it('colours by severity only when asked to', () => {
    expect(renderFindings([row()], plain)).to.not.include('\u001B')
    const coloured = renderFindings([row({ severity: 'CRITICAL' })], { ...plain, colour: true })
    expect(coloured)
      .to.include('\u001B[1;31m  CRITICAL')
      .and.to.match(/100\.00.\[0m$/u)
  })
})
