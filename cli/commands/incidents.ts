/** `vigia incidents`: what to look at, the most urgent first, and what people decide about it. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Severity } from '../../ml/detectors/signal.ts'
import { ANOMALY_STATUSES } from '../../shared/detection/anomalies.ts'
import type { AnomalyStatus } from '../../shared/detection/anomalies.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import type { Services } from '../../shared/services.ts'
import { renderIncident, renderIncidents } from '../findings/incidents.ts'
import type { FoldedIncidents } from '../findings/incidents.ts'
import { daysBack, MOST_DAYS_BACK, newestDays } from '../input.ts'
import { printJson, printLine } from '../output.ts'
import type { Opener } from '../system.ts'
import { notesOf } from './anomalies.ts'
import { idOf } from './webhooks.ts'

const MOST_LISTED = 50

type IncidentList = Awaited<ReturnType<Services['incidents']['mostUrgent']>>

interface UrgentFilter {
  readonly status?: AnomalyStatus
  readonly severity?: Severity
  /** Also what nobody was told of and what is over. */
  readonly all?: boolean
}

/**
 * Those of which something was seen on the `days` newest days with figures or today, the most urgent first: unless
 * asked otherwise those that were told of and go on, the others counted.
 */
export const urgentIncidents = async (
  services: Pick<Services, 'incidents' | 'freshness' | 'clock'>,
  config: AdsConfig,
  days: number,
  { status, severity, all = false }: UrgentFilter = {},
): Promise<IncidentList & { readonly folded: FoldedIncidents }> => {
  const { incidents } = services
  const asked = {
    configId: config.id,
    ...(await newestDays(services, config, days)),
    ...(severity ? { severity } : {}),
  }
  if (all || status) {
    const found = await incidents.mostUrgent({ ...asked, ...(status ? { status } : {}) }, MOST_LISTED)
    return { ...found, folded: { quiet: 0, over: 0 } }
  }
  const [open, quiet, over] = await Promise.all([
    incidents.mostUrgent({ ...asked, isOver: false, alerted: true }, MOST_LISTED),
    incidents.mostUrgent({ ...asked, isOver: false, alerted: false }, 1),
    incidents.mostUrgent({ ...asked, isOver: true, alerted: true }, 1),
  ])
  return { ...open, folded: { quiet: quiet.total, over: over.total } }
}

interface ListOptions {
  readonly config?: string
  readonly status?: AnomalyStatus
  readonly severity?: Severity
  readonly days: string
  readonly all?: boolean
  readonly json?: boolean
}

const LIST = 'vigia incidents'
const DONE = { acknowledge: 'acknowledged', resolve: 'resolved' } as const

export const registerIncidents = (program: Command, open: Opener): void => {
  const incidents = program.command('incidents').description('what to look at, the most urgent first')
  incidents
    .command('list', { isDefault: true })
    .description('those that go on and were told of, the most urgent first')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(
      new Option('--status <status>', 'those of one status, told of or not').choices(ANOMALY_STATUSES),
    )
    .addOption(new Option('--severity <severity>', 'only these').choices(SEVERITIES))
    .option('--days <n>', `how many days up to the newest one with figures, 1 to ${MOST_DAYS_BACK}`, '7')
    .option('--all', 'also what nobody was told of (muted, too many for a day) and what is over')
    .option('--json', 'one JSON object')
    .action(async (options: ListOptions) => {
      const days = daysBack(options.days)
      const { services, configOf } = await open()
      const config = await configOf(options.config)
      const { rows, total, folded } = await urgentIncidents(services, config, days, options)
      if (options.json) {
        printJson({ config_id: config.id, total, incidents: rows, folded })
        return
      }
      printLine(renderIncidents(rows, { colour: process.stdout.isTTY, total, folded }))
      const [first] = rows
      if (first) printLine(`\n"vigia incidents show ${first.id}" tells what the first is made of.`)
    })
  incidents
    .command('show <id>')
    .description('one of them: its causes and its findings')
    .option('--json', 'one JSON object')
    .action(async (text: string, options: { json?: boolean }) => {
      const id = idOf(text, LIST)
      const { services } = await open()
      const incident = await services.incidents.get(id)
      if (options.json) printJson(incident)
      else {
        const { currency } = await services.configs.get(incident.config_id)
        printLine(renderIncident(incident, currency, process.stdout.isTTY))
      }
    })
  for (const verb of ['acknowledge', 'resolve'] as const) {
    incidents
      .command(`${verb} <id>`)
      .description(
        verb === 'acknowledge'
          ? 'somebody looks after it: it and its findings stay as seen while it goes on'
          : 'it is dealt with: it and its findings stay closed, and those who heard of it are told',
      )
      .option('--notes <text>', 'what is known of it')
      .option('--json', 'one JSON object')
      .action(async (text: string, options: { notes?: string; json?: boolean }) => {
        const id = idOf(text, LIST)
        const notes = notesOf(options.notes)
        const { services, audited } = await open()
        const incident = await services.incidents[verb](id, {
          actor: 'cli',
          notes,
          at: services.clock.now(),
        })
        await audited(`incidents ${verb}`, `incident/${id}`, { status: incident.status, notes })
        if (options.json) printJson(incident)
        else printLine(`Incident ${id} is ${DONE[verb]}, with all its findings: ${incident.findings}.`)
      })
  }
}
