/** `vigia incidents` as people run it: processes over a real database. */
import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import { incidentWriter } from '../../../db/repositories/incidents.ts'
import { lastCompleteDay, toLocalDate } from '../../../shared/core/days.ts'
import { dayText } from '../../../shared/detection/sentence.ts'
import type { Notice } from '../../../shared/notify/webhooks.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openCommands } from '../../support/cli.ts'
import type { CommandEnded, Commands } from '../../support/cli.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { temporaryFolder } from '../../support/folders.ts'
import {
  insertLinked,
  insertTree,
  linkTo,
  ROOM,
  runningFence,
  savedIncident,
  nothingFound,
} from '../../support/incidents.ts'

describe('commands of incidents', () => {
  let database: TestDatabase
  let commands: Commands
  let folder: string
  let loud: number
  let quiet: number
  const day = lastCompleteDay(new Date(), 'America/Sao_Paulo')
  before(async () => {
    database = await openTestDatabase()
    folder = await temporaryFolder()
    commands = await openCommands({
      cwd: folder,
      env: { DATABASE_URL: database.url, MODELS_STORAGE_PATH: folder, COMPUTE_THREADS: '1' },
    })
    const configId = await newConfig(database.knex)
    await insertTree(database.knex, configId)
    await insertLinked(database.knex, configId, { day, severity: 'CRITICAL' })
    const days = { dateFrom: day, dateTo: day }
    const spend = {
      metric: 'spend',
      family: 'volume',
      severity: 'MEDIUM',
      observed: 300,
      expected: 100,
    } as const
    await incidentWriter(database.knex).save(
      await runningFence(database.knex),
      {
        configId,
        day,
        ...nothingFound(configId),
        leadsDay: day,
        at: new Date(),
        budget: ROOM,
        incidents: [
          savedIncident({ ...days, severity: 'CRITICAL' }),
          savedIncident({
            ...days,
            ...spend,
            root: { entityType: 'campaign', entityId: 'c1' },
            figuresOf: { entityType: 'campaign', entityId: 'c1' },
            causes: [],
            money: 200,
          }),
          savedIncident({ ...days, metric: 'ctr', direction: 'down', alerted: false }),
        ],
        links: [linkTo(0, { day, severity: 'CRITICAL' })],
      },
      (): Notice => ({ messages: [], run: {} as Notice['run'] }),
    )
    ;[loud = 0, quiet = 0] = (await database.knex('ml_incidents').orderBy('id').pluck('id')) as number[]
  })
  after(async () => {
    await commands.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const vigia = (...args: string[]): Promise<CommandEnded> => commands.run(['incidents', ...args])

  it('tell what to look at first, in lines a terminal holds', async () => {
    const { code, stdout, stderr } = await vigia()
    expect(code, stderr).to.equal(0)
    const since = dayText(day)
    const lines = stdout.trimEnd().split('\n')
    expect(lines.filter((line) => line.length > 118)).to.deep.equal([])
    expect(lines.map((line) => line.trim()).join(' ')).to.equal(
      `${loud}  CRITICAL  Spring, since ${since} ` +
        `Leads of ad set "Lookalike 2%" cost 41.50 BRL instead of 20.00 since ${since}, 312.40 BRL more than expected; ad "Video 1" makes up 87% of it. ` +
        `${quiet}  MEDIUM    Spring, since ${since} ` +
        `Campaign "Spring" has spent 300.00 BRL a day instead of 100.00 since ${since}, 200.00 BRL more than expected.  ` +
        'Besides: 1 that nobody was told of; "vigia incidents --all" lists them.  ' +
        `"vigia incidents show ${loud}" tells what the first is made of.`,
    )
  })

  it('show, acknowledge and resolve one, and list those of a severity and status', async () => {
    const shown = await vigia('show', String(loud))
    expect(shown.stdout)
      .to.match(/Cause +Share +Observed +Expected/)
      .and.match(/ad "Video 1" +87% +BRL 60\.00 +BRL 20\.00/)
      .and.match(/ad set "Lookalike 2%" +Cost per lead rose +open/)
    const notes = 'the form is broken'
    expect((await vigia('acknowledge', String(loud), '--notes', notes)).stdout).to.equal(
      `Incident ${loud} is acknowledged, with all its findings: 1.\n`,
    )
    const again = await vigia('show', String(loud))
    expect(again.stdout)
      .to.match(/CRITICAL +Spring, acknowledged, since/)
      .and.contain(`cli: ${notes}`)
    const resolved = await vigia('resolve', String(quiet), '--json')
    expect(JSON.parse(resolved.stdout)).to.include({ id: quiet, status: 'resolved', resolution: 'manual' })
    const listed = await vigia('--severity', 'MEDIUM', '--status', 'resolved', '--days', '1', '--json')
    const { total, incidents } = JSON.parse(listed.stdout) as { total: number; incidents: { id: number }[] }
    expect([total, incidents.map(({ id }) => id)]).to.deep.equal([1, [quiet]])
    expect(await database.knex('audit_log').orderBy('id').pluck('target')).to.deep.equal([
      `incident/${loud}`,
      `incident/${quiet}`,
    ])
    expect((await vigia('--severity', 'MEDIUM')).stdout).to.equal(
      'No incidents.\nBesides: 1 that is over; "vigia incidents --all" lists them.\n',
    )
    const all = await vigia('--all', '--json')
    expect(JSON.parse(all.stdout)).to.deep.include({ total: 3, folded: { quiet: 0, over: 0 } })
  })

  it('look at the newest days with figures, however old the export', async () => {
    const old = day - 200
    const configId = await newConfig(database.knex)
    await insertTree(database.knex, configId)
    await insertDays(
      database.knex,
      configId,
      adDays('977', 1, toLocalDate(old), { adsetId: '238', campaignId: 'c1' }),
    )
    await insertLinked(database.knex, configId, { day: old, severity: 'CRITICAL' })
    const days = { dateFrom: old, dateTo: old }
    await incidentWriter(database.knex).save(
      await runningFence(database.knex),
      {
        configId,
        day: old,
        ...nothingFound(configId),
        leadsDay: old,
        at: new Date(),
        budget: ROOM,
        incidents: [savedIncident({ ...days, severity: 'CRITICAL' })],
        links: [linkTo(0, { day: old, severity: 'CRITICAL' })],
      },
      (): Notice => ({ messages: [], run: {} as Notice['run'] }),
    )
    const listed = async (...args: string[]): Promise<number> => {
      const { code, stdout, stderr } = await commands.run([...args, '--config', String(configId), '--json'])
      expect(code, stderr).to.equal(0)
      const { incidents, anomalies } = JSON.parse(stdout) as { incidents?: unknown[]; anomalies?: unknown[] }
      return (incidents ?? anomalies ?? []).length
    }
    expect(await listed('incidents', '--days', '1')).to.equal(1)
    expect(await listed('anomalies', '--days', '1')).to.equal(1)
    await insertDays(
      database.knex,
      configId,
      adDays('977', 1, toLocalDate(old + 1), { adsetId: '238', campaignId: 'c1' }),
    )
    expect(await listed('incidents', '--days', '1')).to.equal(0)
    expect(await listed('anomalies', '--days', '1')).to.equal(0)
    await database.knex('ads_configs').where({ id: configId }).delete()
  })

  it('refuse what makes no sense, and say why', async () => {
    const refused = [
      [['--days', '91'], 2, '--days: is a whole number from 1 to 90'],
      [['show', 'first'], 2, 'ID: is a number of "vigia incidents"'],
      [['resolve', '1', '--notes', 'x'.repeat(501)], 2, '--notes: '],
      [['show', '999999'], 1, 'there is no incident 999999'],
      [['acknowledge', String(quiet)], 1, `incident ${quiet} is resolved (by hand)`],
    ] as const
    for (const [args, status, message] of refused) {
      const { code, stdout, stderr } = await vigia(...args)
      expect([code, stdout], args.join(' ')).to.deep.equal([status, ''])
      expect(stderr).to.contain(message)
    }
  })
})
