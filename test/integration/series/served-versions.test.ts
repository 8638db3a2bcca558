/** Which version answers, over a real record: what is remembered, for how long, and what a change does to it. */
import { expect } from 'chai'
import { createServedVersions } from '../../../shared/series/served-versions.ts'
import type { Lookup, ServedVersions } from '../../../shared/series/served-versions.ts'
import type { SeriesRecord, ServedVersion } from '../../../shared/series/series.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { openSeriesStore } from '../../support/series.ts'
import type { SeriesStore } from '../../support/series.ts'

const REFRESH_MS = 60_000

describe('versions in memory', () => {
  let database: TestDatabase
  let system: SeriesStore
  let served: ServedVersions
  let nowMs = Date.parse('2026-03-10T12:00:00Z')
  let announce: (payload: unknown) => void = () => {}
  let asked: string[][] = []
  /** Runs between the answer of the record and its arrival. */
  let onTheWay: () => unknown = () => {}
  let count = 0
  let id = ''
  before(async () => {
    database = await openTestDatabase()
    system = await openSeriesStore(database.knex)
  })
  after(async () => {
    await system.close()
    await database.close()
  })
  beforeEach(async () => {
    id = `pump_${(count += 1)}`
    asked = []
    onTheWay = () => {}
    const record: Pick<SeriesRecord, 'served'> = {
      served: async (wanted) => {
        asked.push(wanted.map(({ seriesId, version }) => `${seriesId}@${version ?? 'stable'}`))
        // Those of whom there are too many for a test are not asked for.
        const nobodies = wanted.length > 1000
        const answer = nobodies
          ? wanted.map(() => ({ missing: 'series' }) as const)
          : await system.store.series.served(wanted)
        await onTheWay()
        return answer
      },
    }
    served = createServedVersions({
      record,
      announcements: {
        subscribe: (_topic, handler) => {
          announce = handler
          return () => {}
        },
      },
      clock: { now: () => new Date(nowMs) },
      refreshMs: REFRESH_MS,
      onBreaker: () => {},
    })
    await system.train(id, { data: id })
  })
  afterEach(() => served.close())

  const stable = (seriesId = id): { seriesId: string; version: null } => ({ seriesId, version: null })
  const said = (lookup: Lookup | null | undefined): number | string | null => {
    if (!lookup) return null
    if ('away' in lookup) return lookup.away.code
    return 'found' in lookup ? lookup.found.version : `no ${lookup.missing}`
  }
  const find = async (...ids: string[]): Promise<unknown[]> =>
    (await served.find((ids.length > 0 ? ids : [id]).map(stable))).map(said)
  const known = (): unknown => said(served.known(stable()))
  const changed = (...series: string[]): void => announce({ series, at_ms: nowMs })
  /** Published, as everything that trains does. */
  const train = async (data: string): Promise<void> => {
    await system.train(id, { data: `${id} ${data}` })
    changed(id)
  }
  const goAway = (): void => {
    onTheWay = () => Promise.reject(new Error('the record is away'))
  }
  /** What is asked behind the back of who asks arrives some time. */
  const becomes = (version: number): Promise<unknown> =>
    eventually(`version ${version}`, () => Promise.resolve(known() === version ? true : null))

  it('answer from memory, asking once for each in one query', async () => {
    await system.train(`${id}_b`, { data: `${id}_b` })
    expect(await find(id, `${id}_b`, id)).to.deep.equal([1, 1, 1])
    expect(asked).to.deep.equal([[`${id}@stable`, `${id}_b@stable`]])
    expect(await find(id, `${id}_b`)).to.deep.equal([1, 1])
    expect(asked).to.have.length(1)
  })

  it('are asked for once however many ask at a time', async () => {
    const all = await Promise.all([find(), find(id, `${id}_b`), find()])
    expect(all).to.deep.equal([[1], [1, 'no series'], [1]])
    expect(asked).to.deep.equal([[`${id}@stable`], [`${id}_b@stable`]])
  })

  it('are remembered although other series change all the time', async () => {
    onTheWay = () => changed('somebody_else')
    await find()
    expect(known()).to.equal(1)
  })

  it('are not what they were before a change that came while the record answered', async () => {
    onTheWay = async () => {
      onTheWay = () => {}
      await train('new')
    }
    await find()
    expect(known()).to.equal(null)
    expect(await find()).to.deep.equal([2])
  })

  it('join no question that was asked before a change', async () => {
    let arrive = (): void => {}
    const arrived = new Promise<void>((resolve) => (arrive = resolve))
    let left = (): void => {}
    const leaving = new Promise<void>((resolve) => (left = resolve))
    onTheWay = () => {
      onTheWay = () => {}
      left()
      return arrived
    }
    const before = find()
    await leaving
    await train('new')
    expect(await find()).to.deep.equal([2])
    arrive()
    expect(await before).to.deep.equal([1])
    expect(known()).to.equal(2)
  })

  it('are looked up again behind the back of who asks, once they are old', async () => {
    await find()
    await system.train(id, { data: `${id} unheard of` })
    nowMs += REFRESH_MS - 1
    expect(known()).to.equal(1)
    expect(asked).to.have.length(1)
    nowMs += 1
    expect([known(), known()]).to.deep.equal([1, 1])
    await becomes(2)
    expect(asked).to.have.length(2)
  })

  it('are never more than five minutes old, however seldom they are asked for', async () => {
    await find()
    await system.train(id, { data: `${id} unheard of` })
    nowMs += 300_000
    expect(known()).to.equal(null)
    expect(await find()).to.deep.equal([2])
  })

  it('answer on while the record is away, without asking it every time', async () => {
    await find()
    changed(id)
    goAway()
    expect(await find()).to.deep.equal([1])
    expect(asked).to.have.length(2)
    for (let i = 0; i < 10; i++) expect(known()).to.equal(1)
    expect(asked).to.have.length(2)
    await system.train(id, { data: `${id} meanwhile` })
    onTheWay = () => {}
    nowMs += 1000
    await becomes(2)
  })

  it('that nobody remembers while the record is away spoil nothing of the others', async () => {
    await find()
    goAway()
    expect(await find('never_seen', id)).to.deep.equal(['STORAGE_UNAVAILABLE', 1])
  })

  it('that are not there are asked for again after a second, or once anything changes', async () => {
    expect(await find('nobody')).to.deep.equal(['no series'])
    nowMs += 999
    await find('nobody')
    expect(asked).to.have.length(1)
    nowMs += 1
    await find('nobody')
    expect(asked).to.have.length(2)
    await system.train(`${id}_late`, { data: `${id}_late` })
    expect(await find(`${id}_late`)).to.deep.equal([1])
    expect(await find('nobody')).to.deep.equal(['no series'])
    changed('nobody')
    await find('nobody')
    expect(asked).to.have.length(4)
  })

  it('stay, however many are asked for that are not there', async () => {
    await find()
    await served.find(Array.from({ length: 100_001 }, (_, i) => stable(`nobody_${i}`)))
    expect(known()).to.equal(1)
  })

  it('of numbers are forgotten with their series', async () => {
    const first = { seriesId: id, version: 1 }
    await served.find([first, stable()])
    changed(id)
    expect([said(served.known(first)), known()]).to.deep.equal([null, null])
  })

  describe('learnt at boot', () => {
    const read = async (): Promise<readonly ServedVersion[]> => {
      const [lookup] = await system.store.series.served([stable()])
      return lookup && 'found' in lookup ? [lookup.found] : []
    }

    it('need not be asked for', async () => {
      expect(await served.learn(read)).to.have.length(1)
      expect(known()).to.equal(1)
      expect(asked).to.have.length(0)
    })

    it('are not what they were before a change that came while they were read', async () => {
      await served.learn(async () => {
        const versions = await read()
        await train('new')
        return versions
      })
      expect(known()).to.equal(null)
    })

    it('do not replace what a request found meanwhile', async () => {
      await served.learn(async () => {
        const versions = await read()
        await system.train(id, { data: `${id} unheard of` })
        await find()
        return versions
      })
      expect(known()).to.equal(2)
    })
  })
})
