import { expect } from 'chai'
import { openSystem } from '../../../cli/system.ts'
import { openEmptyDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { temporaryFolder } from '../../support/folders.ts'

describe('what commands work on', () => {
  let database: TestDatabase
  let environment: Readonly<Record<string, string>>
  before(async () => {
    database = await openEmptyDatabase()
    environment = {
      DATABASE_URL: database.url,
      MODELS_STORAGE_PATH: await temporaryFolder(),
      COMPUTE_THREADS: '1',
      LOG_LEVEL: 'error',
    }
  })
  after(() => database.close())

  it('is refused while the schema of a configured database is old, with what to do', async () => {
    const refusal = await openSystem({ environment, service: 'cli' }).catch((error: unknown) => error)
    expect(refusal).to.include({ code: 'CONFLICT' })
    expect((refusal as Error).message).to.include('run "vigia migrate" first')
  })

  it('has its schema brought up to date by commands that start everything', async () => {
    const system = await openSystem({ environment, service: 'up', migrates: true })
    expect(
      (
        await system.services.configs.list(
          { ids: null, isActive: null },
          { page: 1, pageSize: 1, afterId: null },
        )
      ).total,
    ).to.equal(0)
    await system.queues.check()
    await system.close()
    await (await openSystem({ environment, service: 'cli' })).close()
  })
})
