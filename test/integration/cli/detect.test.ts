import { expect } from 'chai'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { findingsOf, startDetection } from '../../../cli/commands/detect.ts'
import type { DetectWish } from '../../../cli/commands/detect.ts'
import { incidentsLine, renderFindings } from '../../../cli/findings/table.ts'
import { describeRun, exitCodeOf, followRuns } from '../../../cli/follow.ts'
import { openSystem } from '../../../cli/system.ts'
import type { System } from '../../../cli/system.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import type { Run } from '../../../shared/runs/run.ts'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { delivered } from '../../support/detection.ts'
import { rejectionOf } from '../../support/entities.ts'
import { temporaryFolder } from '../../support/folders.ts'

const LAST = '2026-03-10'
const PARENTS = { adsetId: 's1', campaignId: 'c1' }

describe('vigia detect', () => {
  let database: TestDatabase
  let system: System
  let folder: string
  let wish: DetectWish
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
    for (const ad of ['a1', 'a2']) {
      const rows = adDays(ad, 40, LAST, PARENTS).map((row) => ({
        ...row,
        ...delivered(row.date === LAST ? 300 : 100),
      }))
      await insertDays(database.knex, configId, rows)
    }
    const config = await system.configOf(String(configId))
    wish = { config, levels: LEVELS, entityIds: null, day: null, days: 1 }
    await system.ensureWorkers()
  })
  after(async () => {
    await system.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const detect = async (asked: Partial<DetectWish> = {}): Promise<readonly Run[]> =>
    followRuns(system.services, await startDetection(system.services, { ...wish, ...asked }), 'checking')

  it('checks all levels through queue, worker and threads, and finds the newest day with figures itself', async () => {
    const runs = await detect()
    expect(runs.map((run) => [run.job, run.status, run.counts.done])).to.deep.equal([
      ['detect.campaign', 'succeeded', 1],
      ['detect.adset', 'succeeded', 1],
      ['detect.ad', 'succeeded', 2],
    ])
    for (const run of runs) expect(run.result).to.include({ day: LAST })
    expect(exitCodeOf(runs)).to.equal(0)
    const findings = await findingsOf(system.services, wish.config, LAST, LAST, LEVELS)
    const text = renderFindings(findings, { currency: 'BRL', colour: false, limit: 40 })
    expect(text).to.match(/2026-03-10\n {2}CRITICAL {2}c1 \(campaign\) +Spend rose +BRL 600\.00 +BRL 200\.00/)
    expect(findings).to.have.length(4)
    expect(incidentsLine(findings, wish.config.id)).to.equal(
      `They tell of 1 incident: "vigia incidents --config ${wish.config.id}" says what to look at first.`,
    )
    expect(incidentsLine([], wish.config.id)).to.equal(null)
    const one = findings.find(({ incident_id: id }) => id !== null)
    if (!one) throw new Error('nothing was found')
    const of = (ids: readonly number[]): string | null =>
      incidentsLine(
        ids.map((id) => ({ ...one, incident_id: id })),
        wish.config.id,
        true,
      )
    expect(of([7, 7])).to.equal('They tell of 1 incident: "vigia incidents show 7" says what happened.')
    expect(of([9, 7, 8])).to.equal(
      'They tell of 3 incidents: "vigia incidents show 7" (and 8, 9) says what happened.',
    )
    expect(text).to.match(/a1 \(ad\), c1 +Spend rose +BRL 300\.00 +BRL 100\.00/)
  })

  it('tells of named entities only what they did, and how many nobody knows', async () => {
    const entityIds = ['a2', 'nobody']
    const [run] = await detect({ levels: ['ad'], entityIds })
    expect(run?.counts).to.deep.equal({ done: 1, skipped: 1, failed: 0 })
    expect(run && describeRun(run)).to.include('1 no data')
    const findings = await findingsOf(system.services, wish.config, LAST, LAST, ['ad'], entityIds)
    expect(findings.map((row) => row.entity_id)).to.deep.equal(['a2'])
  })

  it('leaves out what is resolved', async () => {
    const all = await findingsOf(system.services, wish.config, LAST, LAST, ['ad'])
    const id = all[0]?.id ?? 0
    await system.services.anomalies.resolve(id, { actor: 'test', notes: null, at: new Date() })
    const open = await findingsOf(system.services, wish.config, LAST, LAST, ['ad'])
    expect(open.map((row) => row.id)).to.deep.equal(all.slice(1).map((row) => row.id))
  })

  it('makes a new run of every request, and none for a day that is not over', async () => {
    const [first] = await detect({ levels: ['campaign'], day: LAST })
    const [second] = await detect({ levels: ['campaign'], day: LAST })
    expect(second?.id).to.not.equal(first?.id)
    const runs = async (): Promise<unknown> => (await database.knex('runs').count('* as n').first())?.['n']
    const before = await runs()
    expect(await rejectionOf(startDetection(system.services, { ...wish, day: '2999-01-01' }))).to.include({
      code: 'INVALID_REQUEST',
    })
    expect(await runs()).to.equal(before)
  })
})
