/** `vigia anomalies` and `vigia changes` as people run them: processes over a real database. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { buildProgram } from '../../../cli/program.ts'
import type { System } from '../../../cli/system.ts'
import { lastCompleteDay, toLocalDate } from '../../../shared/core/days.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openCommands } from '../../support/cli.ts'
import type { CommandEnded, Commands } from '../../support/cli.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { temporaryFolder } from '../../support/folders.ts'

describe('commands of decisions and changes', () => {
  let database: TestDatabase
  let commands: Commands
  let folder: string
  let configId: number
  before(async () => {
    database = await openTestDatabase()
    folder = await temporaryFolder()
    commands = await openCommands({
      cwd: folder,
      env: { DATABASE_URL: database.url, MODELS_STORAGE_PATH: folder, COMPUTE_THREADS: '1' },
    })
    configId = await newConfig(database.knex)
    const newest = toLocalDate(lastCompleteDay(new Date(), 'America/Sao_Paulo'))
    await insertDays(database.knex, configId, adDays('a1', 3, newest, { adsetId: 's1', campaignId: 'c1' }))
  })
  after(async () => {
    await commands.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const vigia = (...args: string[]): Promise<CommandEnded> => commands.run(args)
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await vigia(...args, '--json')
    expect(code, stderr + stdout).to.equal(0)
    return JSON.parse(stdout) as Record<string, unknown>
  }
  /** A finding of some days before the newest complete one. */
  const find = async (back: number): Promise<string> => {
    const day = lastCompleteDay(new Date(), 'America/Sao_Paulo') - back
    const [row] = (await database
      .knex('ml_anomalies')
      .insert({
        config_id: configId,
        entity_type: 'ad',
        entity_id: 'a1',
        type: 'cpl_spike',
        metric: 'cpl',
        anomaly_date: toLocalDate(day),
        severity: 'HIGH',
        signals: '[]',
        model_source: 'baseline',
        score: 1,
        observed: 40,
        expected: 20,
        direction: 'up',
        polarity: 'bad',
        first_seen: new Date(),
        last_seen: new Date(),
      })
      .returning('id')) as { id: number }[]
    return String(row?.id)
  }

  it('list what nobody has resolved, and note what was said', async () => {
    const [real, none, old] = [await find(0), await find(6), await find(7)]
    const listed = await vigia('anomalies')
    expect(listed.stdout)
      .to.match(new RegExp(`\\n +${real} +HIGH `))
      .and.match(new RegExp(`\\n +${none} +HIGH `))
    expect(listed.stdout).to.not.match(new RegExp(`\\n +${old} +HIGH `))

    const said = ['anomalies', 'feedback', real, 'true_positive', '--notes', 'new offer']
    expect(await json(...said)).to.include({
      status: 'open',
      verdict: 'true_positive',
      notes: 'new offer',
      actor: null,
    })
    expect((await vigia(...said)).stdout).to.match(/^Cost per lead rose, ad .*: true positive, open\.\n$/)
    expect((await vigia('anomalies', 'feedback', none, 'false_positive')).stdout).to.match(
      /false positive, resolved\.\n$/,
    )
    const rows = await database.knex('ml_anomaly_feedback').orderBy('id').select('anomaly_id', 'actor')
    expect(rows).to.deep.equal([
      { anomaly_id: Number(real), actor: 'cli' },
      { anomaly_id: Number(none), actor: 'cli' },
    ])
    const late = await vigia('anomalies', 'acknowledge', none)
    expect(late.code).to.not.equal(0)
    expect(late.stderr).to.include('is resolved (false_positive)')
    expect((await json('anomalies', 'resolve', real))['status']).to.equal('resolved')
    const { anomalies } = await json('anomalies', 'list', '--status', 'resolved', '--days', '8')
    expect((anomalies as { id: number }[]).map(({ id }) => id)).to.have.members([Number(real), Number(none)])
    const actions = await database.knex('audit_log').orderBy('id').pluck<string[]>('action')
    expect(actions).to.deep.equal([
      'anomalies feedback',
      'anomalies feedback',
      'anomalies feedback',
      'anomalies resolve',
    ])
  })

  it('say what is wrong before anything is opened', async () => {
    const never = (): Promise<System> => Promise.reject(new Error('opened'))
    const refused = async (...args: string[]): Promise<string> => {
      const program = buildProgram({}, never)
      return (await rejectionOf(program.parseAsync(['node', 'vigia', ...args]))).message
    }
    expect(await refused('anomalies', 'feedback', 'x', 'true_positive')).to.include('ID: is a number')
    expect(await refused('anomalies', 'feedback', '1', 'maybe')).to.include('VERDICT: is true_positive or')
    expect(await refused('anomalies', 'resolve', '1', '--notes', 'x'.repeat(501))).to.include('--notes')
    expect(await refused('anomalies', 'resolve', '1', '--notes', 'x'.repeat(500))).to.equal('opened')
    for (const days of ['0', '91', 'x'])
      expect(await refused('anomalies', '--days', days)).to.include('--days')
    expect(await refused('changes', 'import', 'nowhere.csv')).to.include('nowhere.csv cannot be read')
  })

  it('import changes of budgets, again without effect, and tell of rows they cannot read', async () => {
    const file = join(folder, 'changes.csv')
    await writeFile(
      file,
      'account_id,entity_id,kind,date,factor\nx,c1,budget,2026-03-10,1.5\nx,c1,mix_start,2026-03-10,\nx,c1,budget,soon,1.5\n',
    )
    const report = await json('changes', 'import', file)
    expect(report).to.deep.include({
      config_id: configId,
      rows_read: 3,
      changes_imported: 1,
      changes_changed: 1,
      rows_ignored: 1,
      rows_rejected: 1,
      errors: [{ line: 4, column: 'date', reason: 'is a date like 2026-03-31, not "soon"' }],
    })
    const again = await vigia('changes', 'import', file)
    expect(again.code).to.equal(0)
    expect(again.stdout).to.match(/^1 change of a budget of 3 rows; 0 new or different, 1 row not needed\.\n/)
    expect(again.stdout).to.match(/4 +date +is a date/)
    expect(await database.knex('ads_budget_changes')).to.have.length(1)
    await writeFile(file, 'entity_id,kind,date,factor\nc1,budget,soon,1.5\n')
    expect((await vigia('changes', 'import', file)).code).to.equal(1)
  })
})
