/** Messages for Slack's incoming webhooks and whatever takes the same (Mattermost, Rocket.Chat, Discord's /slack). */
import { printable } from '../core/columns.ts'
import { LEVEL_WORDS } from '../detection/sentence.ts'
import type { EventBody, IncidentData } from './events.ts'

const TITLES: Readonly<Record<EventBody['type'], string>> = {
  'incident.opened': 'New incident',
  'incident.escalated': 'Incident got worse',
  'incident.resolved': 'Incident is over',
  'webhook.test': 'Test of vigia: nothing happened',
}
/** Slack refuses longer texts (Block Kit: 3000 signs of a section, escaped), and a section holds two of ours. */
const LONGEST = 1400
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '@': '@\u2060' }

/**
 * Names come from imports: they may neither move a cursor nor mention a channel or make a link. Slack reads mentions
 * from angle brackets only, the others from the bare word (`@everyone`, `@channel`): a word joiner parts it.
 */
const escaped = (text: string): string => {
  let kept = ''
  for (const sign of printable(text)) {
    const next = ESCAPES[sign] ?? sign
    if (kept.length + next.length > LONGEST) return `${kept}…`
    kept += next
  }
  return kept
}

const money = ({ amount, currency }: NonNullable<IncidentData['money']>): string =>
  `${currency} ${amount.toFixed(2)}`

const called = ({ entity_type: level, entity_id: id, name }: IncidentData['root']): string =>
  `${LEVEL_WORDS[level]} ${name ?? id}`

const detailsOf = (incident: IncidentData): string[] => {
  const { campaign, root, main_cause: cause, money: cost, date_from, date_to } = incident
  return [
    called(campaign),
    ...(root.entity_type === 'campaign' ? [] : [called(root)]),
    date_from === date_to ? date_from : `${date_from} to ${date_to}`,
    ...(cause ? [`cause: ${called(cause)} (${Math.round(cause.share * 100)}%)`] : []),
    ...(cost ? [money(cost)] : []),
  ]
}

/** The JSON to post for a message's body. */
export const slackBody = ({ type, data }: EventBody): string => {
  const severity =
    data.previous_severity === null ? data.severity : `${data.previous_severity} to ${data.severity}`
  const title = `${TITLES[type]}: ${data.config_name} (${severity})`
  return JSON.stringify({
    // What notifications and old clients show.
    text: escaped(`${title}. ${data.sentence}`),
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: `*${escaped(title)}*\n${escaped(data.sentence)}` } },
      {
        type: 'context',
        elements: [{ type: 'mrkdwn', text: detailsOf(data).map(escaped).join(' · ') }],
      },
    ],
  })
}
