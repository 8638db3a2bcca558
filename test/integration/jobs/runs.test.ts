import { expect } from 'chai'
import { runs as runsRepository } from '../../../db/repositories/runs.ts'
import { toPageRequest } from '../../../shared/core/page.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import type { Carrier } from '../../../shared/runs/carrier.ts'
import type { RunDraft, RunsRepository } from '../../../shared/runs/run.ts'
import { newRunId } from '../../../shared/runs/run-id.ts'
import { createRunsService } from '../../../shared/runs/runs-service.ts'
import type { RunsService } from '../../../shared/runs/runs-service.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'

const noCarrier: Carrier = {
  deliver: () => Promise.resolve(true),
  withdraw: () => Promise.resolve(),
  queueJobOf: () => null,
}
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error as { code?: unknown }).code,
  )

describe('runs', () => {
  let database: TestDatabase
  let repository: RunsRepository
  let service: RunsService
  const drafts: RunDraft[] = []

  before(async () => {
    database = await openTestDatabase()
    repository = runsRepository(database.knex)
    service = createRunsService({ runs: repository, carrier: noCarrier, logger: silentLogger })
    await database.knex('ads_configs').insert([
      { id: 1, account_id: 'one', name: 'One' },
      { id: 2, account_id: 'two', name: 'Two' },
    ])
    for (let index = 0; index < 7; index += 1) {
      drafts.push({
        id: newRunId(new Date(Date.UTC(2026, 2, 11, 7, 0, index))),
        job: index === 6 ? 'train.all' : 'train.config',
        key: `key ${index}`,
        queue: 'training',
        configId: index === 6 ? null : 1 + (index % 2),
        parentId: null,
        asOf: null,
        payload: { index },
        actor: 'system',
        traceId: null,
        delayMs: 0,
      })
    }
    await repository.record(drafts)
  })
  after(() => database.close())

  const keys = async (
    filter: Parameters<RunsService['list']>[0],
    query: Parameters<typeof toPageRequest>[0],
  ) => {
    const page = await service.list(filter, toPageRequest(query))
    return { keys: page.data.map((run) => run.key), total: page.total, cursor: page.next_cursor ?? undefined }
  }

  it('are listed newest first, by page or by cursor', async () => {
    const all = { configIds: null }
    const first = await keys(all, { page: 1, page_size: 3 })
    expect(first).to.deep.include({ keys: ['key 6', 'key 5', 'key 4'], total: 7 })
    const byPage = await keys(all, { page: 2, page_size: 3 })
    const byCursor = await keys(all, { page: 1, page_size: 3, cursor: first.cursor })
    expect(byPage.keys).to.deep.equal(['key 3', 'key 2', 'key 1'])
    expect(byCursor).to.deep.equal(byPage)
    expect((await keys(all, { page: 1, page_size: 3, cursor: 'bm90IGFuIGlk' })).keys).to.deep.equal([])
  })

  it('are filtered by job, status, config, and what the asker may see', async () => {
    const query = { page: 1, page_size: 50 }
    expect((await keys({ configIds: null, job: 'train.all' }, query)).keys).to.deep.equal(['key 6'])
    expect((await keys({ configIds: null, configId: 2 }, query)).total).to.equal(3)
    expect((await keys({ configIds: [1] }, query)).keys).to.deep.equal(['key 4', 'key 2', 'key 0'])
    expect((await keys({ configIds: [] }, query)).total).to.equal(0)
    expect((await keys({ configIds: null, status: 'running' }, query)).total).to.equal(0)
  })

  it('that are not there are not found, whatever is asked', async () => {
    for (const id of [newRunId(new Date()), 'x', "'; drop table runs; --", '']) {
      expect(await codeOf(service.get(id))).to.equal('NOT_FOUND')
      expect(await codeOf(service.cancel(id))).to.equal('NOT_FOUND')
    }
  })

  it('are claimed by one of many rivals', async () => {
    const id = drafts[0]?.id ?? ''
    const claims = await Promise.all(Array.from({ length: 6 }, () => repository.claim(id, 8000)))
    expect(claims.filter((claim) => claim.kind === 'claimed')).to.have.length(1)
    expect(claims.filter((claim) => claim.kind === 'leased')).to.have.length(5)
  })

  it('are recorded once by rivals with overlapping keys in any order', async () => {
    const rivals = Array.from({ length: 6 }, (_, rival) =>
      repository.record(
        Array.from({ length: 20 }, (_, index) => ({
          ...(drafts[0] as RunDraft),
          id: newRunId(new Date()),
          key: `shared ${rival % 2 === 0 ? index : 19 - index}`,
        })),
      ),
    )
    const recorded = (await Promise.all(rivals)).flat()
    expect(recorded.filter(({ created }) => created)).to.have.length(20)
    expect(new Set(recorded.map(({ id }) => id)).size).to.equal(20)
  })

  it('let one process at a time reconcile', async () => {
    let rival: boolean | undefined
    const got = await repository.exclusively('test', async () => {
      rival = await repository.exclusively('test', () => Promise.reject(new Error('both at once')))
    })
    expect([got, rival]).to.deep.equal([true, false])
  })
})
