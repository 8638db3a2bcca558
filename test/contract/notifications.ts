/** Messages to webhooks with real worker processes, whichever backend carries their runs. */
import { expect } from 'chai'
import { notify } from '../../db/repositories/webhooks.ts'
import { WebhookDraft } from '../../shared/notify/webhooks.ts'
import { newConfig } from '../support/accounts.ts'
import { openTestDatabase } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { incidentEvent } from '../support/incidents.ts'
import { openLiveSystem } from '../support/live-system.ts'
import type { LiveSystem } from '../support/live-system.ts'
import type { TestProcess } from '../support/processes.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'

const WORKERS = 3

export interface BackendUnderTest {
  readonly name: 'redis' | 'postgres'
  /** Opens a backend of the suite's own; without URL the queues live in PostgreSQL. */
  readonly open: () => Promise<{ readonly url: string | undefined; close(): Promise<void> }>
}

export const describeNotifications = ({ name, open }: BackendUnderTest): void => {
  describe(`messages sent by workers over ${name}`, () => {
    let backend: Awaited<ReturnType<BackendUnderTest['open']>>
    let database: TestDatabase
    let system: LiveSystem
    let receiver: Receiver
    let configId: number
    let workers: TestProcess[]
    before(async () => {
      backend = await open()
      database = await openTestDatabase()
      system = await openLiveSystem({
        databaseUrl: database.url,
        redisUrl: backend.url,
        settings: { WEBHOOK_ALLOW: '127.0.0.0/8', COMPUTE_THREADS: '1' },
      })
      configId = await newConfig(database.knex)
      workers = await Promise.all(Array.from({ length: WORKERS }, () => system.start('worker')))
    })
    after(async () => {
      await system.close()
      await database.close()
      await backend.close()
    })
    beforeEach(async () => {
      await database.knex('webhooks').delete()
      receiver = await startReceiver()
      const draft = { config_id: configId, name: 'Receiver', url: receiver.url }
      await system.services.webhooks.create(WebhookDraft.parse(draft), 'test')
    })
    afterEach(() => receiver.close())

    const incidents = (): number[] =>
      receiver.received.map(
        ({ body }) => (JSON.parse(body) as { data: { incident_id: number } }).data.incident_id,
      )
    const ids = (): Set<unknown> => new Set(receiver.received.map(({ headers }) => headers['webhook-id']))
    const pending = async (): Promise<number> => {
      const row = (await database
        .knex('webhook_deliveries')
        .where({ status: 'pending' })
        .count('* as n')
        .first()) as { n: number }
      return row.n
    }
    const allSent = (withinMs?: number): Promise<boolean> =>
      eventually('every message', async () => (await pending()) === 0, withinMs)

    it(`come once each from ${WORKERS} workers, all of which are told`, async () => {
      const wanted = Array.from({ length: 40 }, (_, i) => i + 1)
      // Each event wakes a run of its own.
      await Promise.all(
        wanted.map((incident_id) =>
          system.services.webhooks.notify([incidentEvent(configId, { incident_id })]),
        ),
      )
      await allSent()
      expect(incidents().toSorted((a, b) => a - b)).to.deep.equal(wanted)
      expect(ids().size).to.equal(40)
    })

    it('come although who told died before the queue heard of it', async () => {
      const { webhooks } = system.services
      await database.knex.transaction((trx) =>
        notify(trx, webhooks.notice([incidentEvent(configId, { incident_id: 100 })])),
      )
      await allSent(45_000)
      expect(incidents()).to.deep.equal([100])
    })

    it('come to a receiver that is down at first, by the run that was woken for it', async () => {
      await receiver.down()
      await system.services.webhooks.notify([incidentEvent(configId, { incident_id: 200 })])
      await eventually('a try', async () =>
        database
          .knex('webhook_deliveries')
          .where({ incident_id: 200, attempts: 1 })
          .whereNotNull('last_error')
          .first(),
      )
      await receiver.up()
      await allSent(45_000)
      expect(incidents()).to.deep.equal([200])
    })

    it('come again with the same id, and no other does, when a worker is killed in between', async () => {
      let killed = 0
      receiver.answer = (request, response) => {
        if (receiver.received.length > 1) {
          response.writeHead(200).end()
          return
        }
        // Whoever sent it dies before the answer comes.
        request.socket.on('error', () => {})
        killed = request.socket.remotePort ?? 0
      }
      await system.services.webhooks.notify(
        [301, 302, 303].map((incident_id) => incidentEvent(configId, { incident_id })),
      )
      await eventually('the first message', () => killed !== 0)
      const run = (await database
        .knex('runs')
        .where({ job: 'notify.deliver', status: 'running' })
        .whereNotNull('lease_until')
        .orderBy('started_at', 'desc')
        .first()) as { id: string }
      // Nobody knows which worker it is: all go, and others come.
      await Promise.all(workers.map((worker) => worker.end('SIGKILL')))
      workers = await Promise.all([system.start('worker'), system.start('worker')])
      await database.knex('webhooks').update({ busy_until: new Date() })
      await system.ended(run.id, 60_000)
      await allSent(60_000)
      expect(incidents()).to.deep.equal([301, 301, 302, 303])
      expect(ids().size).to.equal(3)
    })
  })
}
