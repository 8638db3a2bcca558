/**
 * `npm run bench:serve`: the series service over real HTTP, the api, a worker and the load each in a process of its
 * own. Options: --full (ten minutes of the peak instead of thirty seconds)  --seconds N (of the other loads)
 * --out FILE
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openEmbeddedPostgres } from '../../db/embedded/server.ts'
import { migrateToLatest } from '../../db/migrate.ts'
import { openRecord } from '../../db/record.ts'
import { createLifecycle } from '../../shared/platform/lifecycle.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { loadConfig } from '../../shared/config.ts'
import { migrateQueues } from '../../shared/queue/open-queues.ts'
import { startProcess } from '../../test/support/processes.ts'
import type { TestProcess } from '../../test/support/processes.ts'
import { openBundle } from '../../ml/series/bundle.ts'
import type { LoadPlan, LoadResult } from './load.ts'

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '5' },
    out: { type: 'string', default: 'bench/results/serve.json' },
  },
})

const API = fileURLToPath(new URL('../../api/main.js', import.meta.url))
const WORKER = fileURLToPath(new URL('../../workers/main.js', import.meta.url))
const LOAD = fileURLToPath(new URL('./load.js', import.meta.url))
const START_S = 1_700_000_000
const PEAK = { requestsPerS: 333, pointsPerRequest: 90 }
const COLD_SERIES = 60
const seconds = Number(values.seconds)

const points = (n: number, from = 0): { timestamps: number[]; values: number[] } => ({
  timestamps: Array.from({ length: n }, (_, i) => START_S + 300 * (from + i)),
  values: Array.from(
    { length: n },
    (_, i) => 20 + 3 * Math.sin((from + i) / 46) + 0.4 * Math.sin((from + i) * 12.9898),
  ),
})

const load = async (plan: LoadPlan): Promise<LoadResult> => {
  const child = spawn(process.execPath, [LOAD], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(plan))
  return JSON.parse(await text(child.stdout)) as LoadResult
}

/** Seconds of CPU and resident megabytes of a process (Linux). */
const usageOf = async (pid: number): Promise<{ cpuS: number; rssMb: number }> => {
  const stat = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const ticks = Number(stat[11]) + Number(stat[12])
  return { cpuS: ticks / 100, rssMb: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024) }
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
const worst = (numbers: readonly number[]): number => Math.max(...numbers)
const round = (value: number): number => Number(value.toFixed(2))

const lifecycle = createLifecycle(silentLogger)
const folder = await mkdtemp(join(tmpdir(), 'vigia-serve-'))
lifecycle.onClose('folder', () => rm(folder, { recursive: true, force: true }))
const results: Record<string, unknown> = {
  cpu: cpus()[0]?.model,
  cores: availableParallelism(),
  node: process.version,
}
const tell = (name: string, value: unknown): void => {
  results[name] = value
  process.stdout.write(`${JSON.stringify({ [name]: value })}\n`)
}

try {
  const postgres = await openEmbeddedPostgres({ home: join(folder, 'home'), logger: silentLogger })
  lifecycle.onClose('PostgreSQL', () => postgres.release())
  const databaseUrl = await postgres.urlOf('serve')
  const models = join(folder, 'models')
  await mkdir(models)
  const environment = {
    DATABASE_URL: databaseUrl,
    MODELS_STORAGE_PATH: models,
    PORT: '0',
    RATE_LIMITS: 'off',
    LOG_LEVEL: 'info',
  }
  const config = loadConfig(environment)
  const record = await openRecord({ config, logger: silentLogger, lifecycle, applicationName: 'vigia-bench' })
  await migrateToLatest(record.knex, { migrateQueues: () => migrateQueues({ databaseUrl }) })

  const start = async (program: string): Promise<TestProcess> => {
    const started = startProcess(program, { env: environment })
    lifecycle.onClose('a process', async () => void (await started.end('SIGTERM')))
    return started
  }
  const startApi = async (): Promise<{ api: TestProcess; url: string; readyMs: number }> => {
    const began = performance.now()
    const api = await start(API)
    const line = await api.line(/api listens/)
    const url = /http:\/\/[^"]+/.exec(line)?.[0] ?? ''
    return { api, url, readyMs: Math.round(performance.now() - began) }
  }
  const worker = await start(WORKER)
  await worker.line(/started/)
  let { api, url } = await startApi()

  const post = async (
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Record<string, unknown>> => {
    const reply = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    const answer = (await reply.json()) as Record<string, unknown>
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${JSON.stringify(answer).slice(0, 300)}`)
    return answer
  }
  const put = async (id: string, seriesClass: string): Promise<void> => {
    await fetch(`${url}/api/v1/series/${id}`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ class: seriesClass }),
    })
  }
  const trainMs = async (id: string, n: number, models_: readonly unknown[], from = 0): Promise<number> => {
    const began = performance.now()
    await post(`/api/v1/series/${id}/train`, { ...points(n, from), models: models_ }, { Prefer: 'wait=30' })
    return performance.now() - began
  }

  const both = ['zscore', 'isolation_forest']
  const small: number[] = []
  for (let i = 0; i < 20; i++) {
    if (i === 0) await put('small', 'short')
    small.push(await trainMs('small', 1000, both, i))
  }
  const large: number[] = []
  for (let i = 0; i < 5; i++) large.push(await trainMs('large', 100_000, both, i))
  tell('train_ms', {
    points_1000: { median: round(median(small)), worst: round(worst(small)) },
    points_100000: { median: round(median(large)), worst: round(worst(large)) },
  })
  await trainMs('pump', 10_000, both)
  await trainMs(
    'thirty',
    10_000,
    Array.from({ length: 30 }, (_, i) =>
      i % 2 === 0
        ? { name: `forest_${i}`, family: 'isolation_forest', params: { random_state: i, n_estimators: 100 } }
        : { name: `z_${i}`, family: 'zscore', params: { k: 2 + i / 10 } },
    ),
  )

  const one = JSON.stringify({ points: [{ timestamp: START_S + 4_000_000, value: 21.5 }] })
  const many = (n: number): string => JSON.stringify(points(n, 20_000))
  const plan = (path: string, body: string, n: number, more: Partial<LoadPlan> = {}): LoadPlan => ({
    url,
    path,
    body,
    points: n,
    seconds,
    connections: 16,
    rate: 0,
    headers: {},
    ...more,
  })
  await load(plan('/api/v1/series/pump/predict', one, 1, { seconds: 2 }))
  tell('single_hot', await load(plan('/api/v1/series/pump/predict', one, 1)))
  tell('single_through_express', await load(plan('/api/v1/series/pump/predict/batch', one, 1)))
  tell('single_forest', await load(plan('/api/v1/series/pump/predict?models=isolation_forest', one, 1)))
  tell('thirty_members', await load(plan('/api/v1/series/thirty/predict?models=all', one, 1)))
  tell(
    'batch_1000',
    await load(plan('/api/v1/series/pump/predict/batch', many(1000), 1000, { connections: 4 })),
  )
  tell(
    'batch_1000_forest',
    await load(
      plan('/api/v1/series/pump/predict/batch?models=isolation_forest', many(1000), 1000, { connections: 4 }),
    ),
  )
  tell(
    'batch_1000_forest_binary',
    await load(
      plan('/api/v1/series/pump/predict/batch?models=isolation_forest', many(1000), 1000, {
        connections: 4,
        headers: { Accept: 'application/octet-stream' },
      }),
    ),
  )

  // The same forest without a cache: the file is read, checked and opened for every point.
  const [uri] = (await record
    .knex('model_versions')
    .where({ series_id: 'pump' })
    .pluck('artifact_uri')) as string[]
  const file = join(models, uri ?? '')
  const frame = { names: ['value'], timesMs: Float64Array.of(1), columns: [Float64Array.of(21.5)] }
  const withoutCache: number[] = []
  for (let i = 0; i < 50; i++) {
    const began = performance.now()
    openBundle(new Uint8Array(await readFile(file)).slice())
      .scorers.get('isolation_forest')
      ?.score(frame, 0)
    withoutCache.push(performance.now() - began)
  }
  const warm = openBundle(new Uint8Array(await readFile(file)).slice()).scorers.get('isolation_forest')
  const withCache: number[] = []
  for (let i = 0; i < 2000; i++) {
    const began = performance.now()
    warm?.score(frame, 0)
    withCache.push(performance.now() - began)
  }
  tell('cache_ms_per_point', {
    without: round(median(withoutCache)),
    with: Number(median(withCache).toFixed(4)),
    ratio: Math.round(median(withoutCache) / median(withCache)),
  })

  for (let i = 0; i < COLD_SERIES; i++) {
    await put(`cold_${i}`, 'short')
    await trainMs(`cold_${i}`, 1000, both, i)
    await post(`/api/v1/series/cold_${i}/predict`, {
      points: [{ timestamp: START_S + 4_000_000, value: 20 }],
    })
  }
  const across = JSON.stringify({
    items: Array.from({ length: COLD_SERIES }, (_, i) => ({
      series_id: `cold_${i}`,
      points: [{ timestamp: START_S + 4_000_000, value: 20 }],
    })),
  })
  tell(
    'across_60_series',
    await load(plan('/api/v1/series/predict', across, COLD_SERIES, { connections: 4 })),
  )

  // What was counted goes to the record as the process ends, and tells the next one what to load first.
  await api.end('SIGTERM')
  const restarted = await startApi()
  ;({ api, url } = restarted)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  tell('restart', {
    ready_ms: restarted.readyMs,
    warm_up_s: Number(/^vigia_warmup_seconds\S* (\S+)$/m.exec(metrics)?.[1] ?? Number.NaN),
  })
  await api.end('SIGTERM')
  const cold = startProcess(API, { env: { ...environment, WARMUP_MODELS: '0' } })
  lifecycle.onClose('a process', async () => void (await cold.end('SIGTERM')))
  url = /http:\/\/[^"]+/.exec(await cold.line(/api listens/))?.[0] ?? ''
  const coldMs: number[] = []
  for (let i = 0; i < COLD_SERIES; i++) {
    const began = performance.now()
    await post(`/api/v1/series/cold_${i}/predict`, {
      points: [{ timestamp: START_S + 4_000_000, value: 20 }],
    })
    coldMs.push(performance.now() - began)
  }
  tell('cold_load_ms', { median: round(median(coldMs)), worst: round(worst(coldMs)) })

  const before = await usageOf(cold.pid)
  const peakSeconds = values.full ? 600 : 30
  const peak = await load(
    plan('/api/v1/series/pump/predict/batch?models=all', many(PEAK.pointsPerRequest), PEAK.pointsPerRequest, {
      seconds: peakSeconds,
      rate: PEAK.requestsPerS,
      connections: 64,
    }),
  )
  const after = await usageOf(cold.pid)
  const health = (await (await fetch(`${url}/healthcheck`)).json()) as Record<string, unknown>
  const lag = /^nodejs_eventloop_lag_p99_seconds\S* (\S+)$/m.exec(
    await (await fetch(`${url}/metrics`)).text(),
  )?.[1]
  tell('peak', {
    ...peak,
    cpu_share: round((after.cpuS - before.cpuS) / peak.seconds),
    rss_mb: after.rssMb,
    eventloop_lag_p99_ms: round(1000 * Number(lag)),
    cache: health['cache'],
  })
  await mkdir(dirname(values.out), { recursive: true })
  await writeFile(values.out, `${JSON.stringify(results, null, 2)}\n`)
} finally {
  await lifecycle.close()
}
