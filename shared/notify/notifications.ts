/** Telling people of incidents: webhooks, the messages to them, and what becomes of those. */
import { toLocalDate, localDayOf } from '../core/days.ts'
import type { Clock } from '../core/clock.ts'
import { AppError } from '../core/errors.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { WorkContext, WorkOutcome } from '../core/work.ts'
import type { Configs } from '../entities/configs.ts'
import type { Carrier } from '../runs/carrier.ts'
import type { Carriage, RunDraft } from '../runs/run.ts'
import { createDeliverer } from './deliver.ts'
import { bodyOf, eventIdOf, TEST_EVENT } from './events.ts'
import type { IncidentData, IncidentEvent } from './events.ts'
import type { Sender } from './send.ts'
import { newSecret } from './standard.ts'
import type {
  Attempted,
  Delivery,
  DeliveryStatus,
  Notice,
  TestResult,
  Webhook,
  WebhookDraft,
  WebhookFilter,
  WebhookPatch,
  WebhookStore,
} from './webhooks.ts'

const ROTATION_MS = 24 * 3_600_000

/** What `notify.deliver` calls. */
export interface NotificationWork {
  /** Sends what is due, and sees to it that what comes due later is sent then. */
  deliver(asOf: Date, context: WorkContext): Promise<WorkOutcome>
}

export interface Notifications extends NotificationWork {
  /**
   * The secret (null of Slack's kind) is answered here and by no other call.
   * @throws AppError INVALID_REQUEST when nothing may be sent to the URL; CONFIG_NOT_FOUND
   */
  create(draft: WebhookDraft, actor: string): Promise<{ webhook: Webhook; secret: string | null }>
  /** Newest first. */
  list(filter: WebhookFilter, page: PageRequest): Promise<Page<Webhook>>
  /** @throws AppError NOT_FOUND */
  get(id: number): Promise<Webhook>
  /** @throws AppError NOT_FOUND; INVALID_REQUEST as `create`; CONFLICT when there is no secret to be replaced */
  change(id: number, patch: WebhookPatch): Promise<{ webhook: Webhook; secret: string | null }>
  /** With its messages, also those that wait. @throws AppError NOT_FOUND */
  remove(id: number): Promise<void>
  /** Sends a message of no meaning, now and once, whatever the webhook's state. @throws AppError NOT_FOUND */
  test(id: number): Promise<TestResult>
  /** Newest first. @throws AppError NOT_FOUND */
  deliveries(id: number, status: DeliveryStatus | null, page: PageRequest): Promise<Page<Delivery>>
  /** Tries a message that was given up from the start, under its own id. @throws AppError NOT_FOUND, CONFLICT */
  redeliver(id: number, deliveryId: number): Promise<void>

  /**
   * What to write in the transaction of what the events tell of: by `notify` of db/repositories/webhooks.ts, whose
   * answer `hurry` takes once that is committed.
   */
  notice(events: readonly IncidentEvent[]): Notice
  /** Starts sending now instead of in some seconds. Never rejects. */
  hurry(carriages: readonly Carriage[]): Promise<void>
  /** Both for events that stand by themselves. */
  notify(events: readonly IncidentEvent[]): Promise<void>
}

export interface NotificationParts {
  readonly store: WebhookStore
  readonly configs: Pick<Configs, 'get'>
  readonly sender: Sender
  readonly clock: Clock
  readonly carrier: Pick<Carrier, 'deliver'>
  /** A run of `notify.deliver` now, like no other. */
  readonly draftRun: () => RunDraft
  /** Enqueues such a run. */
  readonly wakeNow: () => Promise<void>
  /** Enqueues the one run of a later instant. */
  readonly wakeAt: (asOf: Date, delayMs: number) => Promise<void>
  readonly onAttempt: (outcome: Attempted['kind']) => void
}

const SECOND_MS = 1000

/** Of nothing that happened. */
const testData = (webhook: Webhook, name: string, at: Date): IncidentData => {
  const today = toLocalDate(localDayOf(at, 'UTC'))
  return {
    config_id: webhook.config_id ?? 0,
    config_name: name,
    incident_id: 0,
    status: 'open',
    severity: 'LOW',
    previous_severity: null,
    metric: 'spend',
    direction: 'up',
    polarity: 'neutral',
    date_from: today,
    date_to: today,
    campaign: { entity_type: 'campaign', entity_id: '0', name: 'No campaign' },
    root: { entity_type: 'campaign', entity_id: '0', name: 'No campaign' },
    sentence: 'This is a test call of vigia. Nothing happened.',
    main_cause: null,
    money: null,
  }
}

export const createNotifications = (parts: NotificationParts): Notifications => {
  const { store, configs, sender, clock, carrier, wakeNow } = parts
  const deliverer = createDeliverer(parts)

  const missing = (id: number): AppError =>
    new AppError('NOT_FOUND', `there is no webhook ${id}; list them with GET /api/v1/webhooks`)
  const get = async (id: number): Promise<Webhook> => {
    const webhook = await store.find(id)
    if (!webhook) throw missing(id)
    return webhook
  }
  const assertSendable = async (url: string): Promise<void> => {
    const problem = await sender.problemOf(url)
    if (problem === null) return
    throw new AppError('INVALID_REQUEST', `url: ${problem}`, {
      errors: [{ field: 'body.url', message: problem }],
    })
  }
  const notice: Notifications['notice'] = (events) => ({
    messages: events.map((event) => ({
      configId: event.data.config_id,
      eventId: eventIdOf(event),
      type: event.type,
      incidentId: event.data.incident_id,
      severity: event.data.severity,
      metric: event.data.metric,
      day: event.day,
      path: event.path,
      body: bodyOf(event.type, event.at, event.data),
    })),
    run: parts.draftRun(),
  })
  const hurry: Notifications['hurry'] = async (carriages) => {
    if (carriages.length > 0) await carrier.deliver(carriages)
  }

  return {
    create: async (draft, actor) => {
      if (draft.config_id !== null) await configs.get(draft.config_id)
      await assertSendable(draft.url)
      const secret = draft.kind === 'standard' ? newSecret() : null
      return { webhook: await store.add({ ...draft, secret, actor }), secret }
    },

    list: (filter, page) => store.list(filter, page),
    get,

    change: async (id, { rotate_secret, url, name, events, severity_min, status }) => {
      const before = await get(id)
      if (rotate_secret && before.kind !== 'standard') {
        throw new AppError('CONFLICT', `webhook ${id} is of the kind ${before.kind}, which has no secret`)
      }
      if (url !== undefined) await assertSendable(url)
      const secret = rotate_secret ? newSecret() : null
      const webhook = await store.change(id, {
        ...(name === undefined ? {} : { name }),
        ...(url === undefined ? {} : { url }),
        ...(events === undefined ? {} : { events }),
        ...(severity_min === undefined ? {} : { severity_min }),
        ...(status === undefined ? {} : { status }),
        ...(secret === null ? {} : { rotation: { secret, previousForMs: ROTATION_MS } }),
      })
      if (!webhook) throw missing(id)
      if (webhook.status === 'active' && webhook.pending > 0) await wakeNow()
      return { webhook, secret }
    },

    remove: async (id) => {
      if (!(await store.remove(id))) throw missing(id)
    },

    test: async (id) => {
      const webhook = await get(id)
      const at = clock.now()
      const config = webhook.config_id === null ? null : await configs.get(webhook.config_id)
      const body = bodyOf(TEST_EVENT, at, testData(webhook, config?.name ?? 'all configs', at))
      const outgoing = await store.addTest(id, body)
      if (!outgoing) throw missing(id)
      const startedMs = performance.now()
      const attempted = await deliverer.once(outgoing)
      const delivered = attempted.kind === 'delivered'
      const error = delivered ? null : attempted.error
      await store.endTest(
        outgoing.deliveryId,
        delivered ? attempted : { kind: 'dead', status: attempted.status, error: attempted.error },
      )
      return {
        delivered,
        status: attempted.status,
        error,
        duration_ms: Math.round(performance.now() - startedMs),
      }
    },

    deliveries: async (id, status, page) => {
      await get(id)
      return store.deliveries(id, status, page)
    },

    redeliver: async (id, deliveryId) => {
      const webhook = await get(id)
      if (webhook.status === 'disabled') {
        throw new AppError('CONFLICT', `webhook ${id} is disabled: set its status to active first`)
      }
      if (!(await store.revive(id, deliveryId))) {
        throw new AppError(
          'CONFLICT',
          `webhook ${id} has no message ${deliveryId} of an incident that was given up; a test is not repeated, make another`,
        )
      }
      await wakeNow()
    },

    notice,
    hurry,
    notify: async (events) => hurry(await store.notify(notice(events))),

    deliver: async (asOf, context) => {
      const outcome = await deliverer.deliverDue(context)
      const next = await store.nextDue()
      if (next) {
        // Whole seconds, so that runs that end together wake one run, and never this one.
        const dueMs = Math.max(next.at.getTime(), asOf.getTime() + 1)
        const wakeMs = Math.ceil(dueMs / SECOND_MS) * SECOND_MS
        await parts.wakeAt(new Date(wakeMs), next.inMs + (wakeMs - next.at.getTime()))
      }
      return outcome
    },
  }
}
