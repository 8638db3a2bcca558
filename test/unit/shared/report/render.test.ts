import { expect } from 'chai'
import fc from 'fast-check'
import { widthOf } from '../../../../shared/core/columns.ts'
import { escapeHtml } from '../../../../shared/report/escape-html.ts'
import { renderHtml } from '../../../../shared/report/html.ts'
import type { DailyReport, ReportIncidents } from '../../../../shared/report/report.ts'
import { renderText, wrap } from '../../../../shared/report/text.ts'
import { anyReport, HOSTILE_NAMES } from '../../../support/report.ts'

const NO_FIGURE = /\b(NaN|Infinity|undefined|null)\b|\[object/

/** What is written between tags, and in attributes that people read. */
const wordsOf = (page: string): string =>
  page
    .replace(/<style>[\s\S]*?<\/style>/g, '')
    .replace(/aria-label="([^"]*)"/g, '>$1<')
    .replace(/<[^>]*>/g, '\n')

const renamed = (incidents: ReportIncidents, name: (text: string) => string): ReportIncidents => ({
  ...incidents,
  top: incidents.top.map((one) => ({
    ...one,
    campaign_name: one.campaign_name === null ? null : name(one.campaign_name),
    sentence: name(one.sentence),
  })),
})

/** A report with every name in it made anew. */
const named = (report: DailyReport, name: (text: string) => string): DailyReport => ({
  ...report,
  config: { ...report.config, name: name(report.config.name) },
  notices: report.notices.map(({ part, text }) => ({ part, text: name(text) })),
  tier_changes: report.tier_changes.map((one) => ({ ...one, entity_name: name(one.entity_name) })),
  incidents: {
    open: renamed(report.incidents.open, name),
    quiet: renamed(report.incidents.quiet, name),
    over: renamed(report.incidents.over, name),
  },
  anomalies: {
    ...report.anomalies,
    groups: report.anomalies.groups.map((one) => ({
      ...one,
      campaign_name: name(one.campaign_name),
      entity_name: name(one.entity_name),
    })),
  },
  advice: {
    ...report.advice,
    top: report.advice.top.map((one) => ({
      ...one,
      entity_name: name(one.entity_name),
      campaign_name: one.campaign_name === null ? null : name(one.campaign_name),
    })),
  },
  campaigns: {
    ...report.campaigns,
    top: report.campaigns.top.map((one) => ({ ...one, campaign_name: name(one.campaign_name) })),
  },
})

/** Reports whose names hold no letters, so that every word found is the report's own. */
const withoutWords = anyReport.map((report) => named(report, (text) => text.replace(/\p{L}/gu, 'x')))

describe('the report as text', () => {
  it('keeps within 80 columns, whatever things are called', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        for (const line of renderText(report).split('\n')) expect(widthOf(line), line).to.be.at.most(80)
      }),
    )
  })

  it('lets no name move the cursor, colour or reorder', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        expect(renderText(report)).not.to.match(/[^\n\P{Cc}]|[\p{Bidi_Control}\u2028\u2029]/u)
      }),
    )
  })

  it('holds no figure that is none', () => {
    fc.assert(
      fc.property(withoutWords, (report) => {
        expect(renderText(report)).not.to.match(NO_FIGURE)
      }),
    )
  })

  it('leaves no blank where a line ends', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        expect(renderText(report)).not.to.match(/[ \t]\n/)
      }),
    )
  })

  it('breaks a line before the word that would be too much', () => {
    const word = 'x'.repeat(39)
    expect(wrap(`${word} ${word}y z`)).to.equal(`${word} ${word}y\nz`)
    expect(wrap(`${word} ${word}yy z`)).to.equal(`${word}\n${word}yy z`)
    expect(wrap('x'.repeat(81))).to.equal(`${'x'.repeat(80)}\nx`)
    expect(wrap(`a ${'x'.repeat(78)} b`, '  ')).to.equal(`a ${'x'.repeat(78)}\n  b`)
    expect(wrap(`${word} ${word}`, '  ', '- ')).to.equal(`- ${word}\n  ${word}`)
    expect(wrap(`${word} ${'y'.repeat(38)}`, '  ', '- ')).to.equal(`- ${word} ${'y'.repeat(38)}`)
    expect(wrap('')).to.equal('')
  })
})

describe('the report as a page', () => {
  it('holds no figure that is none', () => {
    fc.assert(
      fc.property(withoutWords, (report) => {
        const page = renderHtml(report)
        expect(wordsOf(page)).not.to.match(NO_FIGURE)
        for (const [, list] of page.matchAll(/ (?:points|d|x1|x2|cx|style)="([^"]*)"/g))
          expect(list).not.to.match(/NaN|Infinity|undefined|null/)
      }),
    )
  })

  it('is whole by itself: no script, nothing fetched, no handler', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        const tags = renderHtml(report).match(/<[^>]*>/g) ?? []
        for (const tag of tags) {
          expect(tag).not.to.match(/^<\/?(script|iframe|img|object|embed|base|form)\b/i)
          expect(tag).not.to.match(/\son\w+\s*=/i)
          expect(tag).not.to.match(/\s(src|srcset|action|formaction)\s*=|https?:/i)
          if (/\shref=/.test(tag)) expect(tag).to.equal('<link rel="icon" href="data:,">')
        }
        const style = /<style>([\s\S]*?)<\/style>/.exec(renderHtml(report))?.[1] ?? ''
        expect(style).not.to.match(/url\(|@import/)
      }),
    )
  })

  it('has the same tags whatever things are called', () => {
    const tagsOf = (page: string): string[] => page.match(/<\/?[a-z]\w*/g) ?? []
    fc.assert(
      fc.property(withoutWords, fc.constantFrom(...HOSTILE_NAMES), (report, name) => {
        const called = (text: string): string[] => tagsOf(renderHtml(named(report, () => text)))
        expect(called(name)).to.deep.equal(called('Summer'))
      }),
    )
  })

  it('escapes what HTML reads, in text and attributes alike', () => {
    expect(escapeHtml(`<a href="x" title='y'>&`)).to.equal(
      '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;',
    )
    expect(escapeHtml('a\u0000b\u001Bc')).to.equal('a b c')
  })
})
