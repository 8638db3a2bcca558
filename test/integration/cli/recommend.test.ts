/** `vigia recommend` and `vigia advice` as people run them: processes over a real database. */
import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import { buildProgram } from '../../../cli/program.ts'
import type { System } from '../../../cli/system.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openCommands } from '../../support/cli.ts'
import type { CommandEnded, Commands } from '../../support/cli.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { temporaryFolder } from '../../support/folders.ts'

const LAST = '2026-03-10'

interface Advice {
  readonly id: number
  readonly entity_id: string
  readonly type: string
  readonly status: string
  readonly reason: string | null
}

describe('vigia recommend and vigia advice', () => {
  let database: TestDatabase
  let commands: Commands
  let folder: string
  let config: string
  before(async () => {
    database = await openTestDatabase()
    folder = await temporaryFolder()
    commands = await openCommands({
      cwd: folder,
      env: { DATABASE_URL: database.url, MODELS_STORAGE_PATH: folder, COMPUTE_THREADS: '1', PORT: '0' },
    })
    const configId = await newConfig(database.knex)
    config = String(configId)
    // One campaign pays 8 a lead, the other 60.
    for (const [ad, campaignId, spend, leads] of [
      ['good', 'camp-1', 40, 5],
      ['bad', 'camp-2', 60, 1],
    ] as const) {
      const days = adDays(ad, 30, LAST, { adsetId: `set-${ad}`, campaignId })
      await insertDays(
        database.knex,
        configId,
        days.map((day) => ({ ...day, spend, leads, impressions: 2000, clicks: 40, reach: 1500 })),
      )
    }
  })
  after(async () => {
    await commands.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const vigia = (...args: string[]): Promise<CommandEnded> => commands.run(args)
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await vigia(...args, '--json')
    expect(code, stdout + stderr).to.equal(0)
    return JSON.parse(stdout) as Record<string, unknown>
  }
  const adviceOf = (body: Record<string, unknown>): readonly Advice[] =>
    body['recommendations'] as readonly Advice[]
  const told = (all: readonly Advice[]): string[] => all.map(({ entity_id, type }) => `${entity_id} ${type}`)

  it('find out what to do, the most urgent first, and list it', async () => {
    const found = await json('recommend', '--config', config, '--entity-type', 'campaign')
    expect(told(adviceOf(found))).to.deep.equal(['camp-1 SCALE_UP', 'camp-2 PAUSE'])
    expect(found['runs']).to.have.length(1)
    expect(told(adviceOf(await json('advice', '--config', config)))).to.deep.equal([
      'camp-1 SCALE_UP',
      'camp-2 PAUSE',
    ])
    expect(adviceOf(await json('advice', 'list', '--config', config, '--entity-type', 'ad'))).to.deep.equal(
      [],
    )
    const { stdout } = await vigia('advice', 'list', '--config', config)
    expect(stdout).to.match(
      /^ +\d+ {2}Raise the budget by 100%: campaign camp-1\n {7}35 leads in 7 days at BRL 8\.00 each, /,
    )
    const one = await json(
      'recommend',
      '--config',
      config,
      '--entity-type',
      'campaign',
      '--entity-id',
      'camp-2',
      '--force-refresh',
    )
    expect(told(adviceOf(one))).to.deep.equal(['camp-2 PAUSE'])
  })

  it('note what was followed and what was put aside, once, with who and why', async () => {
    const [scale, pause] = adviceOf(await json('advice', '--config', config))
    expect(await json('advice', 'apply', String(scale?.id))).to.include({ id: scale?.id, status: 'applied' })
    const dismissed = await vigia('advice', 'dismiss', String(pause?.id), '--reason', 'a test')
    expect(dismissed).to.include({
      code: 0,
      stdout: 'Pause: its leads are too dear for campaign camp-2 is dismissed.\n',
    })
    const again = await vigia('advice', 'apply', String(pause?.id), '--json')
    expect(again.code).to.equal(1)
    expect(again.stdout).to.contain('CONFLICT').and.to.contain('is dismissed')
    const audit = await database
      .knex('audit_log')
      .where('target', 'like', 'recommendation/%')
      .orderBy('id')
      .select('actor', 'action', 'after')
    expect(audit).to.deep.equal([
      { actor: 'cli', action: 'advice apply', after: { status: 'applied', reason: null } },
      { actor: 'cli', action: 'advice dismiss', after: { status: 'dismissed', reason: 'a test' } },
    ])
    const nothing = await vigia('advice', '--config', config)
    expect(nothing).to.include({ code: 0, stdout: 'Nothing to do.\n' })
  })

  it('tell a slip of the finger before anything is opened', async () => {
    const never = (): Promise<System> => Promise.reject(new Error('opened'))
    const refused = async (...args: string[]): Promise<string> => {
      const program = buildProgram({}, never)
      return (await rejectionOf(program.parseAsync(['node', 'vigia', ...args]))).message
    }
    expect(await refused('recommend', '--date', 'today')).to.include('--date: is a date')
    expect(await refused('recommend', '--entity-id', 'camp-1')).to.include('needs --entity-type')
    expect(await refused('recommend', '--entity-type', 'ad', '--entity-id', 'a b')).to.include('--entity-id')
    expect(await refused('advice', 'apply', 'first')).to.include('ID: is a number')
    expect(await refused('advice', 'dismiss', '0')).to.include('ID: is a number')
    expect(await refused('advice', 'dismiss', '1', '--reason', ' ')).to.include('--reason')
    expect(await refused('advice', 'dismiss', '1', '--reason', 'x'.repeat(501))).to.include('--reason')
    expect(await refused('advice', 'dismiss', '1', '--reason', 'x'.repeat(500))).to.equal('opened')
    expect(await refused('advice', '--config', '1', '--json')).to.equal('opened')
  })
})
