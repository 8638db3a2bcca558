import { expect } from 'chai'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { renderTiers, startClassification, storedTiers } from '../../../cli/commands/classify.ts'
import type { TierWish } from '../../../cli/commands/classify.ts'
import { describeRun, exitCodeOf, followRuns } from '../../../cli/follow.ts'
import { buildProgram } from '../../../cli/program.ts'
import { openSystem } from '../../../cli/system.ts'
import type { System } from '../../../cli/system.ts'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Run } from '../../../shared/runs/run.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { temporaryFolder } from '../../support/folders.ts'

const LAST = '2026-03-10'
/** The day after which one of them turned. */
const BEFORE = toLocalDate(toDayNumber(LAST) - 13)

describe('vigia classify and vigia tiers', () => {
  let database: TestDatabase
  let system: System
  let folder: string
  let wish: TierWish
  before(async () => {
    database = await openTestDatabase()
    folder = await temporaryFolder()
    system = await openSystem({
      environment: {
        DATABASE_URL: database.url,
        MODELS_STORAGE_PATH: join(folder, 'models'),
        COMPUTE_THREADS: '1',
        LOG_LEVEL: 'error',
      },
      service: 'cli',
    })
    const configId = await newConfig(database.knex)
    // One goes from good to bad, one is always good, one has hardly begun.
    for (const [id, leadsOf, days] of [
      ['turns', (date: string) => (date > BEFORE ? 1 : 10), 30],
      ['good', () => 10, 30],
      ['begins', () => 0, 2],
    ] as const) {
      const parents = { adsetId: `set-${id}`, campaignId: `camp-${id}` }
      const rows = adDays(`ad-${id}`, days, LAST, parents).map((row) => ({
        ...row,
        spend: days === 2 ? 20 : 100,
        leads: leadsOf(row.date),
      }))
      await insertDays(database.knex, configId, rows)
    }
    await database
      .knex('ads_campaigns')
      .where({ config_id: configId, campaign_id: 'camp-turns' })
      .update({ name: 'Turns\u001B[31m red\nand very much longer than a table has room for' })
    const config = await system.configOf(String(configId))
    wish = { config, level: 'campaign', entityIds: null, day: null }
    await system.ensureWorkers()
  })
  after(async () => {
    await system.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const classify = async (asked: Partial<TierWish> & { force?: boolean } = {}) => {
    const started = await startClassification(system.services, { ...wish, force: false, ...asked })
    const runs = await followRuns(system.services, [started.runId], 'classifying')
    expect(exitCodeOf(runs)).to.equal(0)
    return { run: runs[0] as Run, day: started.day }
  }
  const tiersOf = async (asked: Partial<TierWish> = {}) =>
    (await storedTiers(system.services, { ...wish, ...asked })).map((row) => [
      row.entity_id,
      row.tier,
      row.classification_date,
      row.direction,
    ])

  it('know of none before the first', async () => {
    expect(await tiersOf()).to.deep.equal([])
  })

  it('classify through queue and worker once the features are there, and show that day worst first', async () => {
    const before = await classify({ day: BEFORE })
    expect(before.run).to.deep.include({ job: 'classify.campaign', status: 'succeeded' })
    expect(before.day).to.equal(BEFORE)
    const features = await database.knex('runs').where({ job: 'features.campaign' }).pluck('status')
    expect(features).to.deep.equal(['succeeded'])

    const now = await classify()
    expect(now.day).to.equal(LAST)
    expect(now.run.counts).to.deep.equal({ done: 2, skipped: 1, failed: 0 })
    expect(describeRun(now.run)).to.include('1 insufficient data')
    expect(await tiersOf({ day: now.day })).to.deep.equal([
      ['camp-turns', 'UNDERPERFORMER', LAST, 'declined'],
      ['camp-good', 'HIGH_PERFORMER', LAST, 'improved'],
    ])
    // What was classified is shown, also where newer tiers are known.
    expect((await tiersOf({ day: before.day })).map(([id, , day]) => [id, day])).to.have.deep.members([
      ['camp-good', BEFORE],
      ['camp-turns', BEFORE],
    ])
    expect(await tiersOf({ entityIds: ['camp-good'] })).to.have.length(1)
  })

  it('lists the newest tier of each entity with its change, and names that cannot write on the screen', async () => {
    const rows = await storedTiers(system.services, wish)
    const text = renderTiers(rows, 'BRL')
    const [head, worst, best] = text.split('\n')
    expect(text.split('\n')).to.have.length(3)
    expect(head).to.match(/^Tier +Name +Sure +A lead +Account +Days +Change +As of$/)
    expect(worst).to.match(
      /^underperformer +Turns \[31m red and very muc… +70% +BRL 100\.00 +BRL 17\.42 +1 +down from moderate +2026-03-10$/,
    )
    expect(best).to.match(
      /^high performer +camp-good +85% +BRL 10\.00 +BRL 17\.42 +1 +up from moderate +2026-03-10$/,
    )
    expect(text).to.not.include('\u001B')
    const widest = rows.map((row) => ({
      ...row,
      tier: 'UNDERPERFORMER' as const,
      previous_tier: 'HIGH_PERFORMER' as const,
      direction: 'declined' as const,
      days_in_tier: 1000,
      metrics_snapshot: { cpl_7d: 999.99, avg_cpl: 999.99 },
    }))
    for (const line of renderTiers(widest, 'BRL').split('\n')) expect(line.length).to.be.at.most(118)
  })

  it('answers with the run that did the same before, unless forced', async () => {
    const { run } = await classify()
    expect((await classify()).run.id).to.equal(run.id)
    const forced = await classify({ force: true })
    expect(forced.run.id).to.not.equal(run.id)
    expect(forced.run.counts.done).to.equal(2)
  })

  it('classify chosen entities of another level', async () => {
    const { run } = await classify({ level: 'ad', entityIds: ['ad-good', 'nobody'] })
    expect(run.counts).to.deep.equal({ done: 1, skipped: 1, failed: 0 })
    expect(describeRun(run)).to.include('1 no data')
    expect((await tiersOf({ level: 'ad' })).map(([id]) => id)).to.deep.equal(['ad-good'])
  })

  it('start nothing for a day that is not over', async () => {
    const started = startClassification(system.services, { ...wish, day: '2999-01-01', force: false })
    expect(await rejectionOf(started)).to.include({ code: 'INVALID_REQUEST' })
  })

  it('tell a slip of the finger before anything is opened', async () => {
    const never = (): Promise<System> => Promise.reject(new Error('opened'))
    const refused = async (...args: string[]): Promise<string> => {
      const program = buildProgram({}, never)
      return (await rejectionOf(program.parseAsync(['node', 'vigia', ...args]))).message
    }
    expect(await refused('classify', '--date', 'today')).to.include('--date')
    expect(await refused('classify', '--entity-id', 'a b')).to.include('--entity-id')
    expect(await refused('classify', '--config', '1', '--force', '--json')).to.equal('opened')
    expect(await refused('tiers', '--config', '1', '--entity-type', 'ad', '--json')).to.equal('opened')
  })
})
