/** `vigia incidents`: what to look at, the most urgent first, and what people decide about it. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Severity } from '../../ml/detectors/signal.ts'
import { lastCompleteDay, toLocalDate } from '../../shared/core/days.ts'
import { AppError } from '../../shared/core/errors.ts'
import { ANOMALY_STATUSES } from '../../shared/detection/anomalies.ts'
import type { AnomalyStatus } from '../../shared/detection/anomalies.ts'
import { zoneOf } from '../../shared/entities/configs.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import type { Services } from '../../shared/services.ts'
import { renderIncident, renderIncidents } from '../findings/incidents.ts'
import { printJson, printLine } from '../output.ts'
import type { Opener } from '../system.ts'
import { notesOf } from './anomalies.ts'
import { idOf } from './webhooks.ts'

const MOST_LISTED = 50
const MOST_DAYS = 90

type IncidentList = Awaited<ReturnType<Services['incidents']['mostUrgent']>>

/** Those of which something was seen on the `days` newest complete days or today, the most urgent first. */
export const urgentIncidents = (
  { incidents, clock }: Pick<Services, 'incidents' | 'clock'>,
  config: AdsConfig,
  days: number,
  filter: { readonly status?: AnomalyStatus; readonly severity?: Severity } = {},
): Promise<IncidentList> => {
  const newest = lastCompleteDay(clock.now(), zoneOf(config))
  return incidents.mostUrgent(
    {
      configId: config.id,
      dateFrom: toLocalDate(newest - days + 1),
      dateTo: toLocalDate(newest + 1),
      ...filter,
    },
    MOST_LISTED,
  )
}

interface ListOptions {
  readonly config?: string
  readonly status?: AnomalyStatus
  readonly severity?: Severity
  readonly days: string
  readonly json?: boolean
}

const LIST = 'vigia incidents'
const DONE = { acknowledge: 'acknowledged', resolve: 'resolved' } as const

export const registerIncidents = (program: Command, open: Opener): void => {
  const incidents = program.command('incidents').description('what to look at, the most urgent first')
  incidents
    .command('list', { isDefault: true })
    .description('those of which something was seen lately, the most urgent first')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(new Option('--status <status>', 'default: all').choices(ANOMALY_STATUSES))
    .addOption(new Option('--severity <severity>', 'only these').choices(SEVERITIES))
    .option('--days <n>', `how many complete days back, 1 to ${MOST_DAYS}`, '7')
    .option('--json', 'one JSON object')
    .action(async (options: ListOptions) => {
      const days = Number(options.days)
      if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS)
        throw new AppError('INVALID_REQUEST', `--days: is a whole number from 1 to ${MOST_DAYS}`)
      const { services, configOf } = await open()
      const config = await configOf(options.config)
      const { rows, total } = await urgentIncidents(services, config, days, {
        ...(options.status ? { status: options.status } : {}),
        ...(options.severity ? { severity: options.severity } : {}),
      })
      if (options.json) {
        printJson({ config_id: config.id, total, incidents: rows })
        return
      }
      printLine(renderIncidents(rows, { colour: process.stdout.isTTY, total }))
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
