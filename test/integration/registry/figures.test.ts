import { expect } from 'chai'
import { registryFigures } from '../../../db/repositories/registry-figures.ts'
import { rememberFigures } from '../../../shared/registry/figures.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'

describe('figures of the registry', () => {
  let database: TestDatabase
  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())

  it('are noughts and nulls of an empty one', async () => {
    expect(await registryFigures(database.knex)()).to.deep.equal({
      seriesTrained: 0,
      versions: {},
      drifting: { warn: 0, alert: 0 },
      training: { averageMs: null, p95Ms: null },
    })
  })

  it('count series with versions, versions by state, and trainings of five minutes', async () => {
    const { knex } = database
    await knex('series').insert([
      { id: 'a', class: 'short', last_version: 2 },
      { id: 'untrained', class: 'short' },
      { id: 'w1', class: 'short', drift_level: 'warn' },
      { id: 'w2', class: 'short', drift_level: 'warn' },
      { id: 'a1', class: 'short', drift_level: 'alert' },
      { id: 'gone', class: 'short', last_version: 1, deleted_at: new Date() },
    ])
    let n = 0
    const version = (changes: object) => ({
      model: 'm',
      version: (n += 1),
      family: 'bundle',
      fingerprint: String(n).padStart(64, '0'),
      entity_key: 'series/a',
      series_id: 'a',
      params: '[]',
      stats: '{}',
      points: 1000,
      artifact_uri: 'x',
      artifact_sha256: '0'.repeat(64),
      artifact_bytes: 1,
      trained_at: new Date(),
      actor: 'test',
      ...changes,
    })
    const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000)
    await knex('model_versions').insert([
      version({ state: 'archived', duration_ms: 9000, created_at: ago(5.1) }),
      version({ state: 'ready', duration_ms: 100, created_at: ago(4.5) }),
      version({ state: 'ready', duration_ms: 300, created_at: ago(0) }),
      version({ state: 'ready', series_id: null, duration_ms: 5, created_at: ago(0) }),
    ])
    expect(await registryFigures(knex)()).to.deep.equal({
      seriesTrained: 1,
      versions: { archived: 1, ready: 3 },
      drifting: { warn: 2, alert: 1 },
      training: { averageMs: 200, p95Ms: 290 },
    })
  })
})

describe('remembered figures', () => {
  const figures = {
    seriesTrained: 1,
    versions: {},
    drifting: { warn: 0, alert: 0 },
    training: { averageMs: null, p95Ms: null },
  }

  it('are asked for once in fifteen seconds, and again after a failure', async () => {
    let now = 0
    let asked = 0
    let works = true
    const read = rememberFigures(
      () => {
        asked += 1
        return works ? Promise.resolve(figures) : Promise.reject(new Error('away'))
      },
      () => now,
    )
    await Promise.all([read(), read()])
    now = 14_999
    await read()
    expect(asked).to.equal(1)
    now = 15_000
    works = false
    expect(await read().catch(() => 'away')).to.equal('away')
    works = true
    expect(await read()).to.equal(figures)
    expect(asked).to.equal(3)
  })
})
