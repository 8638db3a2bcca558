/** `vigia webhooks`, `vigia mutes` and `vigia holidays` as people run them: processes over a real database. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { newConfig } from '../../support/accounts.ts'
import { openCommands } from '../../support/cli.ts'
import type { CommandEnded, Commands } from '../../support/cli.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { temporaryFolder } from '../../support/folders.ts'
import { startReceiver } from '../../support/receiver.ts'
import type { Receiver } from '../../support/receiver.ts'

describe('commands of notifications', () => {
  let database: TestDatabase
  let commands: Commands
  let folder: string
  let receiver: Receiver
  before(async () => {
    database = await openTestDatabase()
    folder = await temporaryFolder()
    commands = await openCommands({
      cwd: folder,
      env: {
        DATABASE_URL: database.url,
        MODELS_STORAGE_PATH: folder,
        COMPUTE_THREADS: '1',
        WEBHOOK_ALLOW: '127.0.0.0/8',
      },
    })
    await newConfig(database.knex)
    receiver = await startReceiver()
  })
  after(async () => {
    await commands.close()
    await receiver.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const vigia = (...args: string[]): Promise<CommandEnded> => commands.run(args)
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await vigia(...args, '--json')
    expect(code, stderr + stdout).to.equal(0)
    return JSON.parse(stdout) as Record<string, unknown>
  }

  it('make, try, pause, resume, rotate and remove a webhook', async () => {
    const made = await json(
      'webhooks',
      'create',
      'Night shift',
      '--url',
      `${receiver.url}/hush`,
      '--severity-min',
      'HIGH',
    )
    expect(made).to.include({ name: 'Night shift', severity_min: 'HIGH', config_id: null })
    expect(made['secret']).to.match(/^whsec_/)
    const id = String(made['id'])
    expect(await json('webhooks', 'test', id)).to.include({ delivered: true, status: 200 })
    expect(receiver.received).to.have.length(1)
    expect((await json('webhooks', 'pause', id))['status']).to.equal('paused')
    expect((await json('webhooks', 'resume', id))['status']).to.equal('active')
    expect((await json('webhooks', 'change', id, '--event', 'incident.opened'))['events']).to.deep.equal([
      'incident.opened',
    ])
    expect((await json('webhooks', 'rotate', id))['secret']).not.to.equal(made['secret'])
    const shown = await vigia('webhooks')
    expect(shown.stdout)
      .to.contain('Night shift')
      .and.not.match(/whsec_|hush/)
    const { deliveries } = await json('webhooks', 'deliveries', id)
    expect(deliveries).to.have.length(1)
    await receiver.down()
    const failed = await vigia('webhooks', 'test', id)
    expect(failed.code).to.equal(1)
    expect(failed.stdout).to.contain('ECONNREFUSED')
    const listed = await vigia('webhooks', 'deliveries', id)
    expect(listed.stdout).to.contain('webhook.test').and.contain('dead')
    expect((await json('webhooks', 'delete', id))['deleted']).to.equal(true)
    expect((await vigia('webhooks', 'list')).stdout).to.contain('There is no webhook')
    const actions = await database.knex('audit_log').orderBy('id').pluck<string[]>('action')
    expect(actions.slice(0, 3)).to.deep.equal(['webhooks create', 'webhooks test', 'webhooks pause'])
    expect(JSON.stringify(await database.knex('audit_log'))).not.to.match(/whsec_|hush/)
  })

  it('say what is wrong before anything is opened', async () => {
    for (const [args, message] of [
      [['webhooks', 'create', 'x'], '--url'],
      [['webhooks', 'create', ' ', '--url', receiver.url], 'name: must not be empty'],
      [['webhooks', 'create', 'x', '--url', receiver.url, '--kind', 'mail'], '--kind'],
      [['webhooks', 'change', '1'], 'names nothing to change'],
      [['webhooks', 'test', 'one'], 'ID: is a number'],
      [['mutes', 'create', '--until', 'soon', '--metric', 'cpl'], 'until: must be a date such as 2026-03-10'],
      [['mutes', 'create', '--until', '2999-01-01'], 'name an entity, a metric, or both'],
      [['holidays', 'country', 'Brazil'], 'country: must be an ISO 3166-1 code'],
      [['holidays', 'import', 'nowhere.csv'], 'nowhere.csv cannot be read'],
      [['holidays', 'list', '--year', '26'], '--year'],
    ] as const) {
      const { code, stderr } = await vigia(...args)
      expect([code, stderr.includes(message)], `${args.join(' ')}: ${stderr}`).to.deep.equal([2, true])
    }
    const refused = await vigia('webhooks', 'create', 'x', '--url', 'http://10.0.0.1/')
    expect([refused.code, refused.stderr]).to.deep.equal([
      2,
      'vigia: url: leads to where nothing is sent: 10.0.0.1 is not public (private); WEBHOOK_ALLOW can allow it\n',
    ])
  })

  it('mute a metric and let it be heard again', async () => {
    const made = await json(
      'mutes',
      'create',
      '--metric',
      'cpl',
      '--until',
      '2999-01-01',
      '--reason',
      'holidays',
    )
    expect(made).to.include({ metric: 'cpl', entity_id: null, until: '2999-01-01', actor: 'cli' })
    const listed = await vigia('mutes')
    expect(listed.stdout).to.match(/cpl +\d{4}-\d\d-\d\d +2999-01-01 +cli +holidays/)
    await json('mutes', 'delete', String(made['id']))
    expect((await vigia('mutes', 'list')).stdout).to.equal('Nothing is muted.\n')
    expect((await vigia('mutes', 'list', '--all')).stdout).to.equal('Nothing is muted.\n')
  })

  it('know a country, and days of a file', async () => {
    expect(await json('holidays', 'country', 'br', '--region', 'sp')).to.include({
      country: 'BR',
      region: 'SP',
    })
    const file = join(folder, 'holidays.csv')
    await writeFile(file, 'date,days,name\n2026-02-14,5,Carnaval na loja\n2026-12-24,,\n')
    expect(await json('holidays', 'import', file)).to.include({ rows_read: 2, days_written: 2 })
    expect(await json('holidays', 'import', file)).to.include({ rows_read: 2, days_written: 2 })
    const shown = await vigia('holidays', 'list', '--year', '2026')
    expect(shown.stdout).to.match(/2026-02-14 +5 +the account +Carnaval na loja/)
    expect(shown.stdout).to.match(/2026-07-09 +1 +BR-SP/)
    const { holidays } = await json('holidays', 'list', '--year', '2026')
    const own = (holidays as { source: string }[]).filter(({ source }) => source === 'own')
    expect(own).to.have.length(2)
    expect((await vigia('holidays', 'country', 'BR', '--region', 'SP')).stdout).to.match(/ of BR-SP\.\n$/)
    await json('holidays', 'country', 'none')
    expect((await json('holidays', 'list', '--year', '2026'))['holidays']).to.have.length(2)
  })
})
