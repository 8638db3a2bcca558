/** The real processes, killed, starved and cut off: what they leave behind, and how soon others go on. */
import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { ACCOUNT_SHAPES } from '../../bench/accounts.ts'
import { fileArtifactStore } from '../../db/artifacts/file-store.ts'
import { startMarkOf } from '../../db/embedded/processes.ts'
import { openEmbeddedPostgres } from '../../db/embedded/server.ts'
import type { EmbeddedPostgres } from '../../db/embedded/server.ts'
import { decodeEntityForest } from '../../ml/detectors/entity-forest.ts'
import { decodePooledForest } from '../../ml/detectors/pooled-forest.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import type { Run } from '../../shared/runs/run.ts'
import { ask } from '../support/api.ts'
import { openTestDatabase, THROW_AWAY } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/folders.ts'
import { childrenOf, openLiveSystem } from '../support/live-system.ts'
import type { LiveSystem } from '../support/live-system.ts'
import { startProcess } from '../support/processes.ts'
import type { TestProcess } from '../support/processes.ts'
import { ownRedisAvailable, startOwnRedis } from '../support/redis.ts'
import type { TestRedis } from '../support/redis.ts'

const ENTITIES = 387
const SMALL = ACCOUNT_SHAPES[44]
const SMALL_ENTITIES = 44
const TEMPORARY = /\.tmp$/

const sha256 = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

const configFolder = (system: LiveSystem, configId: number): string =>
  join(system.models, 'anomaly_detector', `config_${configId}`)

/** All files below the folder of a config; none before it is there. */
const filesOf = async (system: LiveSystem, configId: number): Promise<readonly string[]> => {
  const folder = configFolder(system, configId)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** Waits until a training is writing its models. */
const midTraining = (system: LiveSystem, configId: number, run: string): Promise<true> =>
  eventually(`run ${run} writes models`, async () => {
    const { status } = await system.services.runs.get(run)
    expect(status).to.be.oneOf(['queued', 'running'], 'it ended before it could be disturbed')
    const files = await filesOf(system, configId)
    return files.length >= 20 ? true : null
  })

/** Every entity and every pool of them has one version, published whole, and nothing else is left. */
const expectTrainedOnce = async (system: LiveSystem, configId: number, entities: number): Promise<void> => {
  const versions: { model: string; version: number; state: string; artifact_uri: string }[] = await system
    .knex('model_versions')
    .where({ config_id: configId })
  const models = versions.length
  expect(versions.filter(({ model }) => !model.includes('/pooled_'))).to.have.length(entities)
  expect(models).to.be.greaterThan(entities)
  expect(new Set(versions.map(({ model }) => model))).to.have.length(models)
  expect(new Set(versions.map(({ version, state }) => `${version} ${state}`))).to.deep.equal(
    new Set(['1 ready']),
  )
  const aliases: { alias: string; version: number }[] = await system
    .knex('model_aliases')
    .where('model', 'like', `anomaly\\_detector/config\\_${configId}/%`)
  expect(aliases).to.have.length(models)
  expect(new Set(aliases.map(({ alias, version }) => `${alias} ${version}`))).to.deep.equal(
    new Set(['stable 1']),
  )

  const known = new Set(versions.map(({ artifact_uri }) => artifact_uri))
  await fileArtifactStore(system.models).removeOrphans(configId, known, new Date(Date.now() + 60_000))
  const files = await filesOf(system, configId)
  expect(files.filter((file) => TEMPORARY.test(file))).to.deep.equal([])
  const folder = configFolder(system, configId)
  const names = await readdir(folder)
  const published = names.filter((name) => name.endsWith('.safetensors'))
  expect(published).to.have.length(models)
  for (const name of published) {
    const decode = name.startsWith('pooled_') ? decodePooledForest : decodeEntityForest
    expect(decode(new Uint8Array(await readFile(join(folder, name))), sha256)).to.be.an('object')
  }
  expect(files).to.have.length(2 * models + 1)
  const metadata = JSON.parse(await readFile(join(folder, 'metadata.json'), 'utf8')) as {
    models_count: Record<string, number>
  }
  expect(Object.values(metadata.models_count).reduce((sum, count) => sum + count, 0)).to.equal(entities)
}

/** @returns how many models it trained; entities with few days are skipped */
const expectSucceeded = (run: Run, entities: number): number => {
  expect(run).to.include({ status: 'succeeded', error: null, progress: 1 })
  const { done, skipped, failed } = run.counts
  expect({ all: done + skipped, failed }).to.deep.equal({ all: entities, failed: 0 })
  expect(done).to.be.greaterThan(0.9 * entities)
  return done
}

for (const backend of ['postgres', 'redis'] as const) {
  describe(`a system with its queues in ${backend}`, () => {
    let database: TestDatabase
    let redis: TestRedis | undefined
    let system: LiveSystem

    before(async function () {
      if (backend === 'redis') {
        if (!ownRedisAvailable()) this.skip()
        redis = await startOwnRedis()
      }
      database = await openTestDatabase()
      system = await openLiveSystem({ databaseUrl: database.url, redisUrl: redis?.url })
    })
    after(async () => {
      await system?.close()
      await redis?.close()
      await database?.close()
    })

    it('trains on elsewhere when a worker is killed in the middle', async () => {
      const configId = await system.importAccount(ACCOUNT_SHAPES[ENTITIES])
      const victim = await system.start('worker')
      const { id } = await system.train(configId)
      await midTraining(system, configId, id)
      const children = childrenOf(victim.pid)
      await victim.end('SIGKILL')
      const heir = await system.start('worker')
      const run = await system.ended(id, 25_000)

      const trained = expectSucceeded(run, ENTITIES)
      expect(run.attempt).to.equal(2)
      await expectTrainedOnce(system, configId, trained)
      expect(children.filter((pid) => startMarkOf(pid) !== null)).to.deep.equal([])
      expect(await heir.end('SIGTERM')).to.include({ code: 0 })
    })

    it('lets a worker end within 25 s of SIGTERM under load, and others do what it could not', async () => {
      const configIds = await Promise.all(Array.from({ length: 6 }, () => system.importAccount(SMALL)))
      const leaving = await system.start('worker', { env: { WORKER_CONCURRENCY: '2' } })
      const runs = await Promise.all(configIds.map((configId) => system.train(configId)))
      await Promise.race(runs.map(({ id }, i) => midTraining(system, configIds[i] ?? 0, id)))
      const asked = performance.now()
      expect(await leaving.end('SIGTERM')).to.deep.equal({ code: 0, signal: null })
      expect(performance.now() - asked).to.be.lessThan(25_000)
      const open = await system.knex('runs').where({ status: 'running' })
      expect(open).to.deep.equal([])

      await system.start('worker')
      for (const [i, { id }] of runs.entries()) {
        const trained = expectSucceeded(await system.ended(id), SMALL_ENTITIES)
        await expectTrainedOnce(system, configIds[i] ?? 0, trained)
      }
    })

    it('starts each instant of the timetable once, however many schedulers there are', async () => {
      const { knex, services } = system
      await (await system.start('scheduler')).end('SIGTERM')
      // As if it had been so since yesterday: one instant an hour ago is to be caught up.
      const recently = new Date(Date.now() - 3_600_000)
      const cron = `${recently.getUTCMinutes()} ${recently.getUTCHours()} * * *`
      await services.schedules.change('detect.campaign', { cron: '* * * * *' })
      await services.schedules.change('train.retrain', { cron })
      await knex('schedules').update({
        created_at: knex.raw(`now() - interval '1 day'`),
        updated_at: knex.raw(`now() - interval '1 day'`),
      })
      const both = [system.launch('scheduler'), system.launch('scheduler')]
      await Promise.all(both.map((scheduler) => scheduler.line(/"message":"started"/)))
      const claims = async (): Promise<readonly { schedule_id: string; state: string; run_id: string }[]> =>
        knex('schedule_claims').where({ state: 'claimed' })
      await eventually('both schedules', async () => {
        const ids = new Set((await claims()).map((claim) => claim.schedule_id))
        return ids.has('detect.campaign') && ids.has('train.retrain')
      })
      for (const scheduler of both) expect(await scheduler.end('SIGTERM')).to.include({ code: 0 })
      const claimed = await claims()
      const due = both.flatMap(({ lines }) => lines.filter((line) => line.includes('"schedule due"')))
      expect(due).to.have.length(claimed.length)
      expect(new Set(claimed.map(({ run_id }) => run_id))).to.have.length(claimed.length)
      for (const { run_id } of claimed) {
        expect(await system.ended(run_id)).to.include({ attempt: 1 })
      }
      expect(claimed.filter(({ schedule_id }) => schedule_id === 'train.retrain')).to.have.length(1)
    })
  })
}

const urlOf = async (api: TestProcess): Promise<string> => {
  const { url } = JSON.parse(await api.line(/"api listens"/)) as { url: string }
  return url
}

const statusOf = async (url: string, path: string): Promise<number> => (await ask(url, path)).status

describe('Redis that fails under real processes', () => {
  let database: TestDatabase
  let redis: TestRedis
  let system: LiveSystem

  before(async function () {
    if (!ownRedisAvailable()) this.skip()
    redis = await startOwnRedis()
    database = await openTestDatabase()
    system = await openLiveSystem({ databaseUrl: database.url, redisUrl: redis.url })
  })
  after(async () => {
    await system?.close()
    await redis?.close()
    await database?.close()
  })

  it('loses no run that was queued when it was wiped, and none is done twice', async () => {
    const configIds = await Promise.all(Array.from({ length: 4 }, () => system.importAccount(SMALL)))
    const runs = await Promise.all(configIds.map((configId) => system.train(configId)))
    await redis.stop({ wipe: true })
    await redis.start()
    const worker = await system.start('worker')
    for (const [i, { id }] of runs.entries()) {
      const run = await system.ended(id)
      expect(run.attempt).to.equal(1)
      await expectTrainedOnce(system, configIds[i] ?? 0, expectSucceeded(run, SMALL_ENTITIES))
    }
    expect(await worker.end('SIGTERM')).to.include({ code: 0 })
  })

  it('is named when nobody listens there, and taken up when it comes', async () => {
    await redis.stop()
    const worker = system.launch('worker')
    const api = system.launch('api')
    const refusal = new RegExp(`"level":"warn".*Redis.*127\\.0\\.0\\.1:${redis.port}`)
    for (const process of [worker, api]) await process.line(refusal)
    await redis.start()
    await Promise.all([worker, api].map((process) => process.line(/"message":"started"/)))
    const url = await urlOf(api)
    await eventually('readiness', async () => (await statusOf(url, '/readyz')) === 200)
    const configId = await system.importAccount(SMALL)
    const reply = await ask(url, '/api/v1/ml/models/train', {
      body: { config_id: configId, entity_type: 'all' },
    })
    expect(reply.status, reply.text).to.equal(202)
    expectSucceeded(await system.ended(String(reply.body['run_id'])), SMALL_ENTITIES)
    for (const process of [worker, api]) expect(await process.end('SIGTERM')).to.include({ code: 0 })
  })

  it('is refused with what to do when it may throw jobs away', async () => {
    const evicting = await startOwnRedis(['--maxmemory-policy', 'allkeys-lru'])
    try {
      const env = { REDIS_URL: evicting.url }
      const worker = system.launch('worker', { env })
      expect(await worker.exited).to.include({ code: 1 })
      await worker.line(/cannot start: .*maxmemory-policy is allkeys-lru; set it to noeviction/)
      const api = system.launch('api', { env })
      const url = await urlOf(api)
      expect(await statusOf(url, '/readyz')).to.equal(503)
      await api.line(/maxmemory-policy is allkeys-lru; set it to noeviction.*"not ready"/)
      expect(await api.end('SIGTERM')).to.include({ code: 0 })
    } finally {
      await evicting.close()
    }
  })
})

describe('an artifact folder that cannot be written', () => {
  /** Root may write everywhere: its worker runs as somebody else. */
  const NOBODY = 65_534
  const isRoot = process.getuid?.() === 0
  let database: TestDatabase
  let system: LiveSystem

  before(async () => {
    database = await openTestDatabase()
    system = await openLiveSystem({ databaseUrl: database.url })
    if (isRoot) await chown(system.models, NOBODY, NOBODY)
    await system.start('worker', isRoot ? { uid: NOBODY } : {})
  })
  after(async () => {
    await system?.close()
    await database?.close()
  })

  it('fails the one entity it concerns, and its siblings go on', async () => {
    const configId = await system.importAccount(SMALL)
    const { id } = await system.train(configId)
    const trained = expectSucceeded(await system.ended(id), SMALL_ENTITIES)
    const versions: { model: string }[] = await system.knex('model_versions').where({ config_id: configId })
    const name = String(versions[0]?.model.split('/').at(-1))
    const other = await system.importAccount(SMALL)
    const blocked = join(configFolder(system, other), '.versions', name)
    await mkdir(join(configFolder(system, other), '.versions'), { recursive: true })
    await writeFile(blocked, 'in the way')
    if (isRoot) {
      await chown(configFolder(system, other), NOBODY, NOBODY)
      await chown(join(configFolder(system, other), '.versions'), NOBODY, NOBODY)
    }

    const asked = await system.train(other)
    const run = await system.ended(asked.id)
    expect(run.status).to.equal('partial')
    expect(run.reasons).to.include({ save_failed: 1 })
    expect(JSON.stringify(run.result)).to.contain(blocked)
    expect(run.counts.done).to.be.greaterThan(0.8 * trained)

    await rm(blocked)
    const again = await system.train(other)
    expect(again).to.include({ id: asked.id })
    await expectTrainedOnce(system, other, expectSucceeded(await system.ended(again.id), SMALL_ENTITIES))
  })

  it('fails a training that can save nothing, at once and with the reason', async () => {
    const configId = await system.importAccount(SMALL)
    await chmod(join(system.models, 'anomaly_detector'), 0o555)
    const { id } = await system.train(configId)
    const run = await system.ended(id)
    expect(run).to.include({ status: 'failed' })
    expect(run.error).to.match(/^no model could be trained: EACCES: permission denied, .*anomaly_detector/)
    expect(run.counts.done).to.equal(0)
    expect(run.reasons).to.include({ save_failed: run.counts.failed })

    await chmod(join(system.models, 'anomaly_detector'), 0o755)
    const again = await system.train(configId)
    await expectTrainedOnce(system, configId, expectSucceeded(await system.ended(again.id), SMALL_ENTITIES))
  })
})

describe('the embedded PostgreSQL under real processes', () => {
  const VIGIA = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
  let home: string

  before(async () => {
    home = await temporaryFolder()
  })
  after(() => rm(home, { recursive: true, force: true }))

  it('may be gone for a while: the api lives, says so, and work goes on afterwards', async () => {
    let postgres: EmbeddedPostgres | undefined
    let system: LiveSystem | undefined
    try {
      postgres = await openEmbeddedPostgres({ home, logger: silentLogger, settings: THROW_AWAY })
      system = await openLiveSystem({ databaseUrl: await postgres.urlOf('vigia') })
      const configId = await system.importAccount(SMALL)
      const [api] = await Promise.all([system.start('api'), system.start('worker')])
      const url = await urlOf(api)
      expect(await statusOf(url, '/readyz')).to.equal(200)
      const before = await system.train(await system.importAccount(SMALL))
      expectSucceeded(await system.ended(before.id), SMALL_ENTITIES)
      process.kill(Number(await postgres.serverPid()), 'SIGKILL')
      const livez: number[] = []
      // A replica that was ready stays so for a minute, and says that it lacks something.
      const state = async (): Promise<unknown> => {
        livez.push(await statusOf(url, '/livez'))
        return (await ask(url, '/readyz')).body['status']
      }
      await eventually('the outage to be seen', async () => (await state()) === 'degraded')
      await eventually('the api to be whole again', async () => (await state()) === 'ok')
      expect(new Set(livez)).to.deep.equal(new Set([200]))

      const reply = await ask(url, '/api/v1/ml/models/train', {
        body: { config_id: configId, entity_type: 'all' },
      })
      expect(reply.status, reply.text).to.equal(202)
      const run = await system.ended(String(reply.body['run_id']))
      await expectTrainedOnce(system, configId, expectSucceeded(run, SMALL_ENTITIES))
    } finally {
      await system?.close()
      await postgres?.release()
    }
  })

  it('outlives a killed `vigia up`, is taken over by the next one, and ends with it', async () => {
    const env = {
      DATABASE_URL: '',
      REDIS_URL: '',
      VIGIA_HOME: home,
      MODELS_STORAGE_PATH: join(home, 'models'),
      PORT: '0',
    }
    const up = async (): Promise<{ vigia: TestProcess; server: number }> => {
      const vigia = startProcess(VIGIA, { args: ['up', '--json'], env, cwd: home })
      await vigia.line(/"embedded": ?true/)
      const lock = await readFile(join(home, 'database', 'data', 'postmaster.pid'), 'utf8')
      return { vigia, server: Number.parseInt(lock, 10) }
    }
    const first = await up()
    await first.vigia.end('SIGKILL')
    expect(startMarkOf(first.server)).to.be.a('string')
    const second = await up()
    expect(second.server).to.equal(first.server)
    expect(await second.vigia.end('SIGTERM')).to.deep.equal({ code: 0, signal: null })
    expect(startMarkOf(second.server)).to.equal(null)
    expect(childrenOf(second.server)).to.deep.equal([])
  })
})
