import { expect } from 'chai'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startForecast, storedForecasts } from '../../../cli/commands/forecasts.ts'
import type { GenerateWish } from '../../../cli/commands/forecasts.ts'
import { exitCodeOf, followRuns } from '../../../cli/follow.ts'
import { buildProgram } from '../../../cli/program.ts'
import { openSystem } from '../../../cli/system.ts'
import type { System } from '../../../cli/system.ts'
import type { Run } from '../../../shared/runs/run.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { rejectionOf } from '../../support/entities.ts'
import { temporaryFolder } from '../../support/folders.ts'

const LAST = '2026-03-10'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }

describe('vigia forecasts', () => {
  let database: TestDatabase
  let system: System
  let folder: string
  let wish: GenerateWish
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
    for (const ad of ['a1', 'a2']) await insertDays(database.knex, configId, adDays(ad, 30, LAST, PARENTS))
    const config = await system.configOf(String(configId))
    wish = { config, level: 'campaign', entityIds: null, day: null, metrics: null, horizonDays: 7 }
    await system.ensureWorkers()
  })
  after(async () => {
    await system.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const generate = async (asked: Partial<GenerateWish> = {}): Promise<Run | undefined> => {
    const id = await startForecast(system.services, { ...wish, ...asked })
    const runs = await followRuns(system.services, [id], 'forecasting')
    expect(exitCodeOf(runs)).to.equal(0)
    return runs[0]
  }

  it('knows of none before the first', async () => {
    expect(await storedForecasts(system.services, wish)).to.deep.equal({ day: null, rows: [] })
  })

  it('makes them through queue, worker and threads once the features are there, and shows the newest', async () => {
    const run = await generate()
    expect(run).to.deep.include({ job: 'forecast.campaign', status: 'succeeded' })
    expect(run?.result).to.include({ day: LAST, forecasts: 3 })
    const features = await database.knex('runs').where({ job: 'features.campaign' })
    expect(features.map((row: { status: string }) => row.status)).to.deep.equal(['succeeded'])
    const { day, rows } = await storedForecasts(system.services, wish)
    expect(day).to.equal(LAST)
    expect(rows.map((row) => row.metric)).to.have.members(['spend', 'leads', 'cpl'])
  })

  it('makes those of chosen entities and metrics', async () => {
    const asked = { level: 'ad', entityIds: ['a1'], metrics: ['spend'], horizonDays: 2 } as const
    await generate(asked)
    const { rows } = await storedForecasts(system.services, { ...wish, ...asked })
    expect(rows.map((row) => [row.entity_id, row.metric, row.points.length])).to.deep.equal([
      ['a1', 'spend', 2],
    ])
  })

  it('answers with the run that did the same before', async () => {
    expect((await generate())?.id).to.equal((await generate())?.id)
  })

  it('tells a slip of the finger before anything is opened', async () => {
    const never = (): Promise<System> => Promise.reject(new Error('opened'))
    const refused = async (...args: string[]): Promise<string> => {
      const program = buildProgram({}, never)
      return (await rejectionOf(program.parseAsync(['node', 'vigia', 'forecasts', ...args]))).message
    }
    expect(await refused('generate', '--horizon', '31')).to.include(
      '--horizon: is a whole number from 1 to 30',
    )
    expect(await refused('generate', '--horizon', '0')).to.include('--horizon')
    expect(await refused('generate', '--date', 'today')).to.include('--date')
    expect(await refused('generate', '--entity-id', 'a b')).to.include('--entity-id')
    expect(await refused('--entity-id', 'a b')).to.include('--entity-id')
    // Taken by the command they were given to, not by the one above it.
    expect(await refused('generate', '--horizon', '30', '--json', '--config', '1')).to.equal('opened')
    expect(await refused('--config', '1')).to.equal('opened')
  })
})
