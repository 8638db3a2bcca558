/** Looks at the drift of series: what is stored, who is looked at, and what is told over HTTP. */
import { expect } from 'chai'
import type { Fence, WorkContext } from '../../../shared/core/work.ts'
import { FenceLost } from '../../../shared/core/work.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import { createSeriesDrift } from '../../../shared/series/drift.ts'
import type { SeriesDrift } from '../../../shared/series/drift.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { rejectionOf } from '../../support/entities.ts'
import { versionMaker } from '../../support/series.ts'
import type { VersionMaker } from '../../support/series.ts'

const NOW = Date.parse('2026-03-11T12:30:00Z')
const HOUR_MS = 3_600_000
const BINS = { edges: [0, 1, 2, 3, 4], counts: [0, 2500, 2500, 2500, 2500, 0] }
/** KL 0.0014 and 0.18, of a thousand values. */
const ALIKE = [0, 250, 250, 250, 250, 0]
const MOVED = [0, 100, 150, 250, 500, 0]
const AWAY = [0, 0, 0, 0, 0, 1000]

describe('drift of series', () => {
  let api: TestApi
  let maker: VersionMaker
  let now: number
  let observed: number[]
  let drift: SeriesDrift
  let count = 0
  let id: string
  before(async () => {
    api = await openTestApi()
    maker = versionMaker(api.store, api.knex)
  })
  after(() => api.close())
  beforeEach(async () => {
    id = `pump_${(count += 1)}`
    now = NOW
    observed = []
    await api.knex('drift_sketches').delete()
    drift = createSeriesDrift({
      store: api.store.seriesDrift,
      clock: { now: () => new Date(now) },
      bounds: { warn: 0.1, alert: 0.5 },
      onMeasured: (kl) => observed.push(kl),
    })
  })

  const contextOf = (fence: Fence): WorkContext => ({
    fence,
    signal: new AbortController().signal,
    logger: silentLogger,
    progress: () => undefined,
  })
  const look = async () => drift.look(contextOf(await maker.fence()))
  const train = (seriesId: string, n = 1, columns: readonly string[] = ['value']) =>
    maker.train(seriesId, {
      data: `${seriesId} ${n}`,
      driftBins: Object.fromEntries(columns.map((column) => [column, BINS])),
    })
  const seen = (
    seriesId: string,
    counts: readonly number[],
    { version = 1, hoursAgo = 0, column = 'value' } = {},
  ): Promise<unknown> =>
    api.store.seriesActivity.add(
      [],
      [
        {
          seriesId,
          version,
          column,
          hour: new Date(Math.floor(NOW / HOUR_MS) * HOUR_MS - hoursAgo * HOUR_MS),
          counts,
        },
      ],
    )
  const get = (seriesId: string): Promise<Reply> => api.ask(`/api/v1/series/${seriesId}/drift`)
  const levelOf = async (seriesId: string): Promise<unknown> => (await get(seriesId)).body['level']

  it('is told by column, with the worst for the whole', async () => {
    await train(id, 1, ['axial', 'radial'])
    await seen(id, ALIKE, { column: 'axial' })
    await seen(id, MOVED, { column: 'radial' })
    expect(await look()).to.deep.include({
      status: 'succeeded',
      counts: { done: 1, skipped: 0, failed: 0 },
      result: { none: 0, warn: 1, alert: 0 },
    })
    const { status, body } = await get(id)
    expect(status).to.equal(200)
    expect(body).to.deep.equal({
      series_id: id,
      version: 'v1',
      level: 'warn',
      kl: 0.178_818_627_469_833_32,
      at: new Date(NOW).toISOString(),
      columns: {
        axial: { kl: 0.001_396_374_043_477_528_6, n: 1000, level: 'none' },
        radial: { kl: 0.178_818_627_469_833_32, n: 1000, level: 'warn' },
      },
      bounds: { warn: 0.1, alert: 0.5 },
    })
    expect(observed).to.deep.equal([0.178_818_627_469_833_32])
  })

  it('adds up the hours of a day, and no older one', async () => {
    await train(id)
    await seen(id, [0, 0, 0, 250, 250, 0], { hoursAgo: 0 })
    await seen(id, [0, 250, 250, 0, 0, 0], { hoursAgo: 23 })
    await seen(id, AWAY, { hoursAgo: 24 })
    await look()
    expect((await get(id)).body['columns']).to.deep.equal({
      value: { kl: 0.001_396_374_043_477_528_6, n: 1000, level: 'none' },
    })
  })

  it('needs 500 values', async () => {
    await train(id)
    await seen(id, [0, 125, 125, 125, 124, 0])
    expect(await look()).to.deep.include({
      counts: { done: 0, skipped: 1, failed: 0 },
      reasons: { insufficient_data: 1 },
    })
    expect((await get(id)).body).to.deep.include({
      level: null,
      kl: null,
      columns: { value: { kl: null, n: 499, level: null } },
    })
    await seen(id, [0, 0, 0, 0, 1, 0])
    await look()
    expect(await levelOf(id)).to.equal('none')
    expect(observed).to.have.length(1)
  })

  it('is of the stable version: another one is looked at anew', async () => {
    await train(id, 1)
    await seen(id, AWAY)
    await look()
    expect(await levelOf(id)).to.equal('alert')
    await train(id, 2)
    expect((await get(id)).body).to.deep.include({ version: 'v2', level: null, at: null, columns: {} })
    await seen(id, ALIKE, { version: 2 })
    await look()
    expect((await get(id)).body).to.deep.include({ version: 'v2', level: 'none' })
  })

  it('is forgotten when nothing was asked for a day', async () => {
    await train(id)
    await seen(id, AWAY)
    await look()
    now += 25 * HOUR_MS
    await look()
    expect((await get(id)).body).to.deep.include({ version: 'v1', level: null, at: null })
  })

  it('is counted by level for the metrics, of series that are there', async () => {
    const names = ['w', 'a', 'b'].map((name) => `${id}_${name}`)
    for (const name of names) await train(name)
    await seen(names[0]!, MOVED)
    await seen(names[1]!, AWAY)
    await seen(names[2]!, AWAY)
    await look()
    expect((await api.store.registryFigures()).drifting).to.deep.equal({ warn: 1, alert: 2 })
    await api.ask(`/api/v1/series/${names[1]}`, { method: 'DELETE' })
    expect((await api.store.registryFigures()).drifting).to.deep.equal({ warn: 1, alert: 1 })
    await look()
    expect((await api.store.registryFigures()).drifting).to.deep.equal({ warn: 1, alert: 1 })
    expect((await get(names[1]!)).status).to.equal(404)
  })

  it('goes on with the others when one was counted in other bins', async () => {
    await train(id)
    await train(`${id}_b`)
    await seen(id, [1, 2, 3])
    await seen(`${id}_b`, ALIKE)
    const outcome = await look()
    expect(outcome).to.deep.include({
      status: 'partial',
      counts: { done: 1, skipped: 0, failed: 1 },
      reasons: { other_bins: 1 },
    })
  })

  it('looks at all of many series, page by page, also at those that do not answer', async () => {
    const names = Array.from({ length: 5 }, (_, i) => `${id}_${i}`)
    for (const name of names.slice(1, 4)) {
      await train(name)
      await seen(name, ALIKE)
    }
    // Nobody's: of a version that is not stable, and of no series at all.
    await seen(names[0]!, ALIKE, { version: 7 })
    await seen(names[4]!, ALIKE)
    const since = new Date(NOW - 24 * HOUR_MS)
    const found: string[] = []
    let pages = 0
    for (let after: string | null = ''; after !== null; pages++) {
      const page: Awaited<ReturnType<typeof api.store.seriesDrift.seen>> = await api.store.seriesDrift.seen(
        since,
        after,
        2,
      )
      found.push(...page.series.map(({ seriesId }) => seriesId))
      after = page.next
    }
    expect(found).to.deep.equal(names.slice(1, 4))
    expect(pages).to.equal(3)
  })

  it('is not replaced by an older look', async () => {
    await train(id)
    await seen(id, AWAY)
    await look()
    now -= 1
    await api.knex('drift_sketches').delete()
    await seen(id, ALIKE)
    await look()
    expect((await get(id)).body).to.deep.include({ level: 'alert', at: new Date(NOW).toISOString() })
  })

  it('changes nothing when the run was handed to another worker', async () => {
    await train(id)
    await seen(id, AWAY)
    const fence = await maker.fence()
    await api.knex('runs').where({ id: fence.runId }).update({ attempt: 2 })
    expect(await rejectionOf(drift.look(contextOf(fence)))).to.be.instanceOf(FenceLost)
    expect(await levelOf(id)).to.equal(null)
  })

  it('is of series there are, under ids that can be', async () => {
    expect((await get('nobody')).body).to.deep.include({ status: 404, code: 'MODEL_NOT_FOUND' })
    expect((await get('a-b')).body).to.deep.include({ status: 400, code: 'INVALID_SERIES_ID' })
    await api.ask(`/api/v1/series/${id}`, { method: 'PUT', body: { class: 'short' } })
    expect((await get(id)).body).to.deep.include({ version: null, level: null, at: null })
  })
})
