/** `vigia webhooks`: who is told of incidents, and what became of each message. */
import { Option } from 'commander'
import type { Command } from 'commander'
import type { z } from 'zod'
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import { AppError } from '../../shared/core/errors.ts'
import { EVENT_TYPES } from '../../shared/notify/events.ts'
import { DELIVERY_STATUSES, WEBHOOK_KINDS, WebhookDraft, WebhookPatch } from '../../shared/notify/webhooks.ts'
import type { Delivery, DeliveryStatus, Webhook } from '../../shared/notify/webhooks.ts'
import { printable } from '../../shared/core/columns.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'

const MOST_LISTED = 200
const PAGE = { page: 1, pageSize: MOST_LISTED, afterId: null }

interface JsonOption {
  readonly json?: boolean
}

/** The number of a row as `list` shows it. */
export const idOf = (text: string, list: string): number => {
  const id = Number(text)
  if (!Number.isSafeInteger(id) || id < 1)
    throw new AppError('INVALID_REQUEST', `ID: is a number of "${list}"`)
  return id
}

/** Options by the schema the API checks bodies with. @throws AppError INVALID_REQUEST */
export const checked = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AppError('INVALID_REQUEST', `${issue?.path.join('.') || 'options'}: ${issue?.message}`)
}

const printWebhooks = (rows: readonly Webhook[]): void => {
  if (rows.length === 0) {
    printLine('There is no webhook: nobody is told of incidents.')
    return
  }
  printLine(
    renderTable(
      [
        { title: 'Id', align: 'right', cell: (row: Webhook) => String(row.id) },
        { title: 'Name', cell: (row) => printable(row.name) },
        { title: 'Kind', cell: (row) => row.kind },
        { title: 'Config', cell: (row) => row.config_id?.toString() ?? 'all' },
        { title: 'URL', cell: (row) => row.url },
        {
          title: 'Events',
          cell: (row) => row.events.map((type) => type.replace('incident.', '')).join(', '),
        },
        { title: 'From', cell: (row) => row.severity_min },
        { title: 'Waiting', align: 'right', cell: (row) => String(row.pending) },
        { title: 'Dead', align: 'right', cell: (row) => String(row.dead) },
        { title: 'Last', cell: (row) => row.last_delivered_at?.slice(0, 16) ?? 'never' },
        { title: 'State', cell: (row) => printable([row.status, row.status_reason ?? ''].join(' ')) },
      ],
      rows,
    ),
  )
}

const printDeliveries = (rows: readonly Delivery[]): void => {
  if (rows.length === 0) {
    printLine('There is no message.')
    return
  }
  printLine(
    renderTable(
      [
        { title: 'Id', align: 'right', cell: (row: Delivery) => String(row.id) },
        { title: 'Event', cell: (row) => row.event_type },
        { title: 'Incident', align: 'right', cell: (row) => row.incident_id?.toString() ?? '' },
        { title: 'State', cell: (row) => row.status },
        { title: 'Tries', align: 'right', cell: (row) => String(row.attempts) },
        { title: 'Last try', cell: (row) => row.last_attempt_at?.slice(0, 19) ?? '' },
        { title: 'Next try', cell: (row) => row.next_attempt_at?.slice(0, 19) ?? '' },
        { title: 'Answer', cell: (row) => printable(row.last_error ?? row.last_status?.toString() ?? '') },
      ],
      rows,
    ),
  )
}

interface CreateOptions extends JsonOption {
  readonly kind?: string
  readonly url?: string
  readonly config?: string
  readonly event?: string[]
  readonly severityMin?: string
}

interface ChangeOptions extends JsonOption {
  readonly name?: string
  readonly url?: string
  readonly event?: string[]
  readonly severityMin?: string
}

const eventOption = (): Option =>
  new Option('--event <type...>', 'only these; default: all').choices(EVENT_TYPES)
const severityOption = (): Option =>
  new Option('--severity-min <severity>', 'quieter incidents are not told').choices(SEVERITIES)

export const registerWebhooks = (program: Command, open: Opener): void => {
  const webhooks = program.command('webhooks').description('webhooks: who is told of incidents')
  webhooks
    .command('create <name>')
    .description('makes a webhook; its secret is shown this once')
    .requiredOption('--url <url>', 'where messages are posted to')
    .addOption(
      new Option('--kind <kind>', 'standard: signed (standardwebhooks.com); slack: text for a channel')
        .choices(WEBHOOK_KINDS)
        .default('standard'),
    )
    .option('--config <id or name>', 'only incidents of this config; default: of all')
    .addOption(eventOption())
    .addOption(severityOption())
    .option('--json', 'one JSON object')
    .action(async (name: string, options: CreateOptions) => {
      const draft = checked(WebhookDraft, {
        name,
        url: options.url,
        kind: options.kind,
        events: options.event,
        severity_min: options.severityMin,
      })
      const { services, configOf, audited } = await open()
      const config_id = options.config === undefined ? null : (await configOf(options.config)).id
      const { webhook, secret } = await services.webhooks.create({ ...draft, config_id }, 'cli')
      await audited('webhooks create', `webhook/${webhook.id}`, webhook)
      if (options.json) {
        printJson({ ...webhook, secret })
        return
      }
      printLine(`Webhook ${webhook.id} is told of ${webhook.events.join(', ')}.`)
      if (secret !== null) {
        printLine(secret)
        printLine('The receiver checks signatures with it. It is not shown again.')
      }
      printLine(`"vigia webhooks test ${webhook.id}" tries it.`)
    })
  webhooks
    .command('list', { isDefault: true })
    .description('all webhooks and how they fare')
    .option('--config <id or name>', 'those of this config, and those of all')
    .option('--json', 'one JSON object')
    .action(async (options: JsonOption & { config?: string }) => {
      const { services, configOf } = await open()
      const scope = options.config === undefined ? {} : { configId: (await configOf(options.config)).id }
      const { data } = await services.webhooks.list({ configIds: null, ...scope }, PAGE)
      if (options.json) printJson({ webhooks: data })
      else printWebhooks(data)
    })
  webhooks
    .command('change <id>')
    .description('changes name, URL, events or severity')
    .option('--name <name>')
    .option('--url <url>')
    .addOption(eventOption())
    .addOption(severityOption())
    .option('--json', 'one JSON object')
    .action(async (text: string, options: ChangeOptions) => {
      const id = idOf(text, 'vigia webhooks list')
      const patch = checked(WebhookPatch, {
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.url === undefined ? {} : { url: options.url }),
        ...(options.event === undefined ? {} : { events: options.event }),
        ...(options.severityMin === undefined ? {} : { severity_min: options.severityMin }),
      })
      const { services, audited } = await open()
      const { webhook } = await services.webhooks.change(id, patch)
      await audited('webhooks change', `webhook/${id}`, webhook)
      if (options.json) printJson(webhook)
      else printWebhooks([webhook])
    })
  for (const [verb, status, description] of [
    ['pause', 'paused', 'messages wait until it is resumed'],
    ['resume', 'active', 'what waits is sent; also brings back one that was disabled'],
  ] as const) {
    webhooks
      .command(`${verb} <id>`)
      .description(description)
      .option('--json', 'one JSON object')
      .action(async (text: string, options: JsonOption) => {
        const id = idOf(text, 'vigia webhooks list')
        const { services, audited } = await open()
        const { webhook } = await services.webhooks.change(id, { status })
        await audited(`webhooks ${verb}`, `webhook/${id}`, { status: webhook.status })
        if (options.json) printJson(webhook)
        else {
          const waiting = webhook.pending === 1 ? '1 message waits' : `${webhook.pending} messages wait`
          printLine(`Webhook ${id} is ${webhook.status}; ${waiting}.`)
        }
      })
  }
  webhooks
    .command('rotate <id>')
    .description('a new secret, shown this once; for 24 hours messages are signed with both')
    .option('--json', 'one JSON object')
    .action(async (text: string, options: JsonOption) => {
      const id = idOf(text, 'vigia webhooks list')
      const { services, audited } = await open()
      const { webhook, secret } = await services.webhooks.change(id, { rotate_secret: true })
      await audited('webhooks rotate', `webhook/${id}`, undefined)
      if (options.json) printJson({ ...webhook, secret })
      else printLine(secret ?? '')
    })
  webhooks
    .command('delete <id>')
    .description('removes a webhook with its messages, also those that wait')
    .option('--json', 'one JSON object')
    .action(async (text: string, options: JsonOption) => {
      const id = idOf(text, 'vigia webhooks list')
      const { services, audited } = await open()
      await services.webhooks.remove(id)
      await audited('webhooks delete', `webhook/${id}`, undefined)
      if (options.json) printJson({ id, deleted: true })
      else printLine(`Webhook ${id} is gone.`)
    })
  webhooks
    .command('test <id>')
    .description('sends a message of no meaning, now and once')
    .option('--json', 'one JSON object')
    .action(async (text: string, options: JsonOption) => {
      const id = idOf(text, 'vigia webhooks list')
      const { services, audited } = await open()
      const result = await services.webhooks.test(id)
      await audited('webhooks test', `webhook/${id}`, result)
      if (!result.delivered) process.exitCode = 1
      if (options.json) printJson(result)
      else if (result.delivered) printLine(`Delivered (${result.status}) in ${result.duration_ms} ms.`)
      else printLine(`Not delivered: ${printable(result.error ?? '')}`)
    })
  webhooks
    .command('deliveries <id>')
    .description('messages to a webhook, newest first')
    .addOption(new Option('--status <status>', 'only these').choices(DELIVERY_STATUSES))
    .option('--json', 'one JSON object')
    .action(async (text: string, options: JsonOption & { status?: DeliveryStatus }) => {
      const id = idOf(text, 'vigia webhooks list')
      const { services } = await open()
      const { data, total } = await services.webhooks.deliveries(id, options.status ?? null, PAGE)
      if (options.json) {
        printJson({ deliveries: data, total })
        return
      }
      printDeliveries(data)
      if (total > data.length) printLine(`${total - data.length} older ones are not shown.`)
    })
  webhooks
    .command('redeliver <id> <delivery>')
    .description('tries a message that was given up from the start')
    .option('--json', 'one JSON object')
    .action(async (text: string, deliveryText: string, options: JsonOption) => {
      const id = idOf(text, 'vigia webhooks list')
      const deliveryId = idOf(deliveryText, `vigia webhooks deliveries ${id}`)
      const { services, audited } = await open()
      await services.webhooks.redeliver(id, deliveryId)
      await audited('webhooks redeliver', `webhook/${id}/delivery/${deliveryId}`, undefined)
      if (options.json) printJson({ id: deliveryId, status: 'pending' })
      else printLine(`Message ${deliveryId} is tried again by the next worker.`)
    })
}
