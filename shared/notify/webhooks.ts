/** Who is told of incidents: what a webhook is, what is remembered of it and of each message to it. */
import { z } from 'zod'
import { SEVERITIES } from '../../ml/detectors/signal.ts'
import type { Severity } from '../../ml/detectors/signal.ts'
import { ConfigId } from '../core/entity.ts'
import type { LocalDate } from '../core/days.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Carriage, RunDraft } from '../runs/run.ts'
import { EVENT_TYPES } from './events.ts'
import type { EventType } from './events.ts'

export const WEBHOOK_KINDS = ['standard', 'slack'] as const
export type WebhookKind = (typeof WEBHOOK_KINDS)[number]

export const WEBHOOK_STATUSES = ['active', 'paused', 'disabled'] as const

export const DELIVERY_STATUSES = ['pending', 'delivered', 'dead'] as const
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]

const Name = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(100)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters')
const Url = z.string().trim().min(1).max(2000).describe('http or https, to a public address')
const Events = z
  .array(z.enum(EVENT_TYPES))
  .min(1)
  .transform((events) => EVENT_TYPES.filter((type) => events.includes(type)))
const SeverityMin = z.enum(SEVERITIES).describe('Quieter incidents are not told')

export const WebhookDraft = z.object({
  config_id: ConfigId.nullable().default(null).describe('null: of all configs'),
  name: Name,
  kind: z
    .enum(WEBHOOK_KINDS)
    .default('standard')
    .describe('standard: Standard Webhooks, signed; slack: text and blocks, unsigned'),
  url: Url,
  events: Events.default([...EVENT_TYPES]),
  severity_min: SeverityMin.default('LOW'),
})
export type WebhookDraft = z.output<typeof WebhookDraft>

export const WebhookPatch = z
  .object({
    name: Name,
    url: Url,
    events: Events,
    severity_min: SeverityMin,
    status: z
      .enum(['active', 'paused'])
      .describe('Messages to a paused webhook wait; active also brings back a disabled one'),
    rotate_secret: z.literal(true).describe('A new secret; for 24 hours messages are signed with both'),
  })
  .partial()
  .strict()
  .refine((patch) => Object.keys(patch).length > 0, 'names nothing to change')
export type WebhookPatch = z.output<typeof WebhookPatch>

/** Wire form. The URL of a Slack webhook is a password: where it leads is shown, the rest is not. */
export const Webhook = z
  .object({
    id: z.int(),
    config_id: z.int().nullable(),
    name: z.string(),
    kind: z.enum(WEBHOOK_KINDS),
    url: z.string().describe('Without its path'),
    events: z.array(z.enum(EVENT_TYPES)),
    severity_min: z.enum(SEVERITIES),
    status: z.enum(WEBHOOK_STATUSES),
    status_reason: z.string().nullable(),
    /** Messages that wait or are tried again. */
    pending: z.int(),
    /** Messages given up. */
    dead: z.int(),
    last_delivered_at: z.iso.datetime().nullable(),
    /** Until then messages are also signed with the secret before. */
    previous_secret_until: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Webhook' })
export type Webhook = z.infer<typeof Webhook>

export const Delivery = z
  .object({
    id: z.int(),
    message_id: z.string().describe('webhook-id'),
    event_type: z.string(),
    incident_id: z.int().nullable(),
    status: z.enum(DELIVERY_STATUSES),
    attempts: z.int(),
    next_attempt_at: z.iso.datetime().nullable(),
    last_attempt_at: z.iso.datetime().nullable(),
    last_status: z.int().nullable().describe('HTTP status of the last answer'),
    last_error: z.string().nullable(),
    delivered_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'WebhookDelivery' })
export type Delivery = z.infer<typeof Delivery>

/** What happens to a message of a test call. */
export const TestResult = z.object({
  delivered: z.boolean(),
  status: z.int().nullable(),
  error: z.string().nullable(),
  duration_ms: z.int(),
})
export type TestResult = z.infer<typeof TestResult>

/** Messages to be written with what they tell of. */
export interface Notice {
  readonly messages: readonly NoticeMessage[]
  /** Sends what is due; recorded if any message is. */
  readonly run: RunDraft
}

export interface NoticeMessage {
  readonly configId: number
  readonly eventId: string
  readonly type: EventType
  readonly incidentId: number
  readonly severity: Severity
  readonly metric: string
  readonly day: LocalDate
  readonly path: readonly { readonly entityType: string; readonly entityId: string }[]
  readonly body: string
}

/** A webhook whose turn it is, under this token. */
export interface Turn {
  readonly webhookId: number
  readonly token: string
}

/** A message to be sent now. */
export interface Outgoing {
  readonly deliveryId: number
  /** UUID. */
  readonly messageId: string
  readonly kind: WebhookKind
  readonly url: string
  readonly secrets: readonly string[]
  readonly body: string
  /** Tries so far, this one included. */
  readonly attempt: number
  /** Since the tries began. */
  readonly ageMs: number
}

/** How a try ended. */
export type Attempted =
  | { readonly kind: 'delivered'; readonly status: number }
  | {
      readonly kind: 'again'
      readonly status: number | null
      readonly error: string
      readonly delayMs: number
    }
  | { readonly kind: 'dead'; readonly status: number | null; readonly error: string }
  /** Nobody wants messages there any more: the webhook is disabled and all that waits for it given up. */
  | { readonly kind: 'gone'; readonly status: number; readonly error: string }

/** Whose webhooks: null for all of them, else those of these configs (and none that is of all). */
export interface WebhookFilter {
  readonly configIds: readonly number[] | null
  /** Only this config's, and those of all configs. */
  readonly configId?: number
}

export interface NewWebhook extends WebhookDraft {
  readonly secret: string | null
  readonly actor: string
}

export interface WebhookChange {
  readonly name?: string
  readonly url?: string
  readonly events?: readonly EventType[]
  readonly severity_min?: Severity
  readonly status?: 'active' | 'paused'
  /** The one before stays good for so long. */
  readonly rotation?: { readonly secret: string; readonly previousForMs: number }
}

export interface WebhookStore {
  add(webhook: NewWebhook): Promise<Webhook>
  list(filter: WebhookFilter, page: PageRequest): Promise<Page<Webhook>>
  find(id: number): Promise<Webhook | null>
  /** Null when there is none. */
  change(id: number, change: WebhookChange): Promise<Webhook | null>
  remove(id: number): Promise<boolean>

  /** Newest first. */
  deliveries(webhookId: number, status: DeliveryStatus | null, page: PageRequest): Promise<Page<Delivery>>
  /** Lets a dead message be tried from the start; false when it is not dead. */
  revive(webhookId: number, deliveryId: number): Promise<boolean>
  /** Where and how to send a test; notes the message as sent by hand. */
  addTest(webhookId: number, body: string): Promise<Outgoing | null>
  endTest(deliveryId: number, ended: Exclude<Attempted, { kind: 'again' | 'gone' }>): Promise<void>

  /** As `notify` of the repository, in a transaction of its own. */
  notify(notice: Notice): Promise<readonly Carriage[]>
  /** A webhook with something due that no other worker sends to, for `forMs`; null when there is none. */
  takeTurn(token: string, forMs: number): Promise<Turn | null>
  /** The oldest due message of the webhook, or one before it of the same incident, its try counted and the turn prolonged; null when none is, or the turn is over. */
  next(turn: Turn, forMs: number): Promise<Outgoing | null>
  /** Notes how a try ended, and lets what comes after it of the same incident wait as long; false when the turn was over and nothing was noted. */
  note(turn: Turn, outgoing: Pick<Outgoing, 'deliveryId' | 'attempt'>, attempted: Attempted): Promise<boolean>
  /** @param restMs before the webhook has its next turn */
  endTurn(turn: Turn, restMs: number): Promise<void>
  /** When the next message comes due, not before now by the database's clock, and in how long; null when none waits. */
  nextDue(): Promise<{ readonly at: Date; readonly inMs: number } | null>
}
