import { expect } from 'chai'
import { retryDelayMs } from '../../../../shared/notify/deliver.ts'
import { bodyOf, eventIdOf, IncidentData, MetricName } from '../../../../shared/notify/events.ts'
import type { EventBody } from '../../../../shared/notify/events.ts'
import { slackBody } from '../../../../shared/notify/slack.ts'
import { incidentEvent } from '../../../support/incidents.ts'

describe('what is told of incidents', () => {
  it('has a body whose form stays', () => {
    const { type, at, data } = incidentEvent(12)
    expect(JSON.parse(bodyOf(type, at, data))).to.deep.equal({
      type: 'incident.opened',
      timestamp: '2026-03-11T07:00:00.000Z',
      data: {
        config_id: 12,
        config_name: 'Loja',
        incident_id: 1,
        status: 'open',
        severity: 'HIGH',
        previous_severity: null,
        metric: 'cpl',
        direction: 'up',
        polarity: 'bad',
        date_from: '2026-03-09',
        date_to: '2026-03-10',
        campaign: { entity_type: 'campaign', entity_id: 'c1', name: 'Spring' },
        root: { entity_type: 'adset', entity_id: 's1', name: 'Mães <25-34> & família' },
        sentence: 'Leads of ad set Mães <25-34> & família cost 41.50 instead of 20.00 since 9 March.',
        main_cause: { entity_type: 'ad', entity_id: 'a1', name: 'Vídeo 1', share: 0.871235 },
        money: { amount: 312.4, currency: 'BRL' },
      },
    })
    expect(IncidentData.safeParse(data).success).to.equal(true)
  })

  it('is named by what happened: opened and over at a time, as it may be again, and once so loud', () => {
    const opened = incidentEvent(1)
    const at = opened.at.getTime()
    expect(eventIdOf(opened)).to.equal(`1-opened-${at}`)
    expect(eventIdOf({ ...opened, day: '2026-03-12' })).to.equal(`1-opened-${at}`)
    expect(eventIdOf({ ...opened, at: new Date(at + 1) })).to.not.equal(eventIdOf(opened))
    expect(eventIdOf(incidentEvent(1, { type: 'incident.escalated', severity: 'CRITICAL' }))).to.equal(
      '1-escalated-CRITICAL',
    )
    expect(eventIdOf(incidentEvent(1, { type: 'incident.resolved' }))).to.equal(`1-resolved-${at}`)
  })

  it('knows every metric', () => {
    expect(MetricName.options).to.have.members([
      'spend',
      'cpl',
      'ctr',
      'leads',
      'conversion_rate',
      'impressions',
      'frequency',
      'reach',
      'multivariate',
    ])
  })
})

describe('messages in the form of Slack', () => {
  const bodyFor = (options: Parameters<typeof incidentEvent>[1]): EventBody => {
    const { type, at, data } = incidentEvent(1, options)
    return JSON.parse(bodyOf(type, at, data)) as EventBody
  }

  it('are text and blocks in which names cannot mention or link', () => {
    const message = JSON.parse(slackBody(bodyFor({ config_name: '<!channel> & <https://x.example|y>' }))) as {
      text: string
      blocks: { type: string; text?: { type: string; text: string }; elements?: { text: string }[] }[]
    }
    expect(message.text).to.equal(
      'New incident: &lt;!channel&gt; &amp; &lt;https://x.example|y&gt; (HIGH). Leads of ad set Mães &lt;25-34&gt; &amp; família cost 41.50 instead of 20.00 since 9 March.',
    )
    expect(message.blocks.map(({ type }) => type)).to.deep.equal(['section', 'context'])
    expect(message.blocks[0]?.text?.text).to.match(/^\*New incident: .*\*\nLeads of/)
    expect(message.blocks[1]?.elements?.[0]?.text).to.equal(
      'campaign Spring · ad set Mães &lt;25-34&gt; &amp; família · 2026-03-09 to 2026-03-10 · cause: ad Vídeo 1 (87%) · BRL 312.40',
    )
  })

  it('mention nobody where the bare word would: in Mattermost, Rocket.Chat and Discord', () => {
    const root = { entity_type: 'ad', entity_id: 'a1', name: '@everyone buy' } as const
    const text = slackBody(bodyFor({ config_name: '@channel', sentence: 'Leads of @here, @all', root }))
    expect(text).to.contain('@\u2060channel').and.to.contain('@\u2060everyone buy')
    expect(text).to.not.match(/@[a-z]/)
  })

  it('say what it was before, and what is over', () => {
    const worse = slackBody(
      bodyFor({ type: 'incident.escalated', severity: 'CRITICAL', previous_severity: 'HIGH' }),
    )
    expect(worse).to.contain('Incident got worse: Loja (HIGH to CRITICAL)')
    const over = slackBody(
      bodyFor({ type: 'incident.resolved', main_cause: null, money: null, date_from: '2026-03-10' }),
    )
    expect(over).to.contain('Incident is over: Loja (HIGH)')
    expect(over).to.contain('família · 2026-03-10"')
  })

  it('keep what Slack takes', () => {
    const text = slackBody(bodyFor({ sentence: 'ã&'.repeat(5000) }))
    const { blocks } = JSON.parse(text) as { blocks: [{ text: { text: string } }] }
    expect(blocks[0].text.text.length).to.be.at.most(3000)
  })
})

describe('waits between tries', () => {
  it('double from 10 s to an hour', () => {
    const waits = Array.from({ length: 12 }, (_, i) => retryDelayMs(i + 1, 0.5) / 1000)
    expect(waits).to.deep.equal([10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600])
  })

  it('differ by a fifth either way', () => {
    expect(retryDelayMs(1, 0)).to.equal(8000)
    expect(retryDelayMs(1, 1)).to.equal(12_000)
    expect(retryDelayMs(2000, 1)).to.equal(4_320_000)
  })
})
