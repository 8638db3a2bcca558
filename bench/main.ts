/**
 * `npm run bench`: trains and checks seeded accounts through queue, database and files, and prints and
 * writes what it took. Options: --sizes 44,185,387,10000  --large (adds 100000)  --backends postgres,redis
 * --runs 5  --out FILE  --csv FOLDER (writes the accounts as CSV and ends)  --idle (memory after the demo)
 * --forecasts (forecasts of a sample of 387 entities; with --full of all of them)
 */
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { openEmbeddedPostgres } from '../db/embedded/server.ts'
import { silentLogger } from '../shared/platform/logger.ts'
import { ownRedisAvailable, startOwnRedis } from '../test/support/redis.ts'
import { ACCOUNT_SHAPES, accountToCsv } from './accounts.ts'
import type { AccountSize } from './accounts.ts'
import { benchForest } from './forest.ts'
import { benchForecasts } from './forecasts.ts'
import { benchIdle } from './idle.ts'
import { MeasuredSystem } from './system.ts'
import type { BenchBackend, Measured } from './system.ts'

const LARGE = 100_000
/** Accounts from here on are measured once: a repetition would only add minutes. */
const ONCE_FROM = 10_000

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '44,185,387,10000' },
    large: { type: 'boolean', default: false },
    backends: { type: 'string', default: ownRedisAvailable() ? 'postgres,redis' : 'postgres' },
    runs: { type: 'string', default: '5' },
    out: { type: 'string', default: 'bench/results/latest.json' },
    csv: { type: 'string' },
    idle: { type: 'boolean', default: false },
    forecasts: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
  },
})

const sizes: AccountSize[] = values.sizes
  .split(',')
  .map(Number)
  .concat(values.large ? [LARGE] : [])
  .map((size) => {
    if (!(size in ACCOUNT_SHAPES))
      throw new Error(`--sizes: ${size} is none of ${Object.keys(ACCOUNT_SHAPES).join(', ')}`)
    return size as AccountSize
  })

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
const round = (value: number, digits = 3): number => Number(value.toFixed(digits))

const summary = (size: number, measured: readonly Measured[]): Record<string, number> => ({
  wall_s: round(median(measured.map((one) => one.wallS))),
  wall_s_max: round(Math.max(...measured.map((one) => one.wallS))),
  cpu_s: round(median(measured.map((one) => one.cpuS))),
  entities_per_s: round(size / median(measured.map((one) => one.wallS)), 0),
  peak_rss_mb: round(Math.max(...measured.map((one) => one.peakRssMb)), 0),
  enqueue_ms: round(median(measured.map((one) => one.enqueueMs)), 1),
  runs: measured.length,
})

const benchSize = async (
  size: AccountSize,
  backend: BenchBackend,
  parts: Pick<Parameters<typeof MeasuredSystem.open>[0], 'postgres' | 'redisUrl' | 'folder'>,
): Promise<Record<string, unknown>> => {
  const repeats = size >= ONCE_FROM ? 1 : Math.max(1, Number(values.runs))
  const { system, importS, rows } = await MeasuredSystem.open({
    ...parts,
    shape: ACCOUNT_SHAPES[size],
    backend,
    database: `bench_${backend}_${size}`,
    extraDays: repeats + 1,
  })
  try {
    const trained: Measured[] = []
    await system.startWorker()
    const first = await system.train(repeats)
    // The largest is trained once: what a second time would show, the smaller ones show.
    const more = size < LARGE ? repeats : 0
    for (let back = more - 1; back >= 0; back -= 1) trained.push(await system.train(back))
    const detected: Measured[] = []
    for (let i = 0; i < repeats; i += 1) {
      // A fresh process holds no model yet.
      await system.startWorker()
      detected.push(await system.detect())
    }
    const warm = await system.detect()
    const featured: Measured[] = []
    for (let i = 0; i < repeats; i += 1) featured.push(await system.features())
    // Forecasts of ten thousand entities take minutes; advice on them costs no more than in proportion.
    const advised = size < LARGE ? [await system.advise()] : []
    return {
      entities: size,
      import_s: round(importS),
      import_rows: rows,
      train_first_job_of_worker: summary(size, [first]),
      ...(trained.length > 0 ? { train: summary(size, trained) } : {}),
      detect_cold: summary(size, detected),
      detect_warm: summary(size, [warm]),
      features: summary(size, featured),
      ...(advised.length > 0 ? { tiers_and_advice: summary(size, advised) } : {}),
      features_queries: await system.featureQueries(),
      artifacts: await system.artifacts(),
    }
  } finally {
    await system.close()
  }
}

const writeCsv = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true })
  const endDate = new Date().toISOString().slice(0, 10)
  for (const size of sizes) {
    const csv = accountToCsv({ ...ACCOUNT_SHAPES[size], days: 91, endDate, seed: 7 })
    await pipeline(Readable.from(csv), createWriteStream(join(folder, `account_${size}.csv`)))
    console.log(`wrote ${join(folder, `account_${size}.csv`)}`)
  }
}

const bench = async (): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'vigia-bench-'))
  const postgres = await openEmbeddedPostgres({ home: join(folder, 'home'), logger: silentLogger })
  const redis = values.backends.includes('redis') ? await startOwnRedis() : null
  const results: Record<string, unknown> = {
    at: new Date().toISOString(),
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
    machine: {
      cpu: cpus()[0]?.model,
      cores: availableParallelism(),
      memory_gb: round(totalmem() / 2 ** 30, 1),
      node: process.version,
    },
    forest: benchForest(),
  }
  try {
    console.log(JSON.stringify({ forest: results['forest'] }))
    for (const backend of values.backends.split(',') as BenchBackend[]) {
      const found: Record<string, unknown>[] = []
      for (const size of sizes) {
        const redisUrl = backend === 'redis' ? redis?.url : undefined
        const result = await benchSize(size, backend, { postgres, redisUrl, folder })
        found.push(result)
        console.log(JSON.stringify({ backend, ...result }))
      }
      results[backend] = found
    }
    await mkdir(dirname(values.out), { recursive: true })
    await writeFile(values.out, `${JSON.stringify(results, null, 2)}\n`)
    console.log(`written to ${values.out}`)
  } finally {
    await redis?.close()
    await postgres.release()
    await rm(folder, { recursive: true, force: true })
  }
}

if (values.idle) console.log(JSON.stringify({ idle: await benchIdle() }))
else if (values.forecasts) console.log(JSON.stringify({ forecasts: await benchForecasts(values.full) }))
else await (values.csv === undefined ? bench() : writeCsv(values.csv))
