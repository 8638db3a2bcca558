/**
 * Forecasts of spend and leads, with the choice among all models, of the account of 387 entities, through
 * queue, database and a worker's threads. Without `full` every sixteenth entity of each level, extrapolated.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedPostgres } from '../db/embedded/server.ts'
import { silentLogger } from '../shared/platform/logger.ts'
import { threadsFor } from '../shared/compute/pool.ts'
import { ACCOUNT_SHAPES } from './accounts.ts'
import { MeasuredSystem } from './system.ts'

const ENTITIES = 387
const EVERY = 16

const round = (value: number): number => Number(value.toFixed(1))

export const benchForecasts = async (full: boolean): Promise<Record<string, unknown>> => {
  const folder = await mkdtemp(join(tmpdir(), 'vigia-bench-'))
  const postgres = await openEmbeddedPostgres({ home: join(folder, 'home'), logger: silentLogger })
  try {
    const { system } = await MeasuredSystem.open({
      postgres,
      redisUrl: undefined,
      folder,
      shape: ACCOUNT_SHAPES[ENTITIES],
      backend: 'postgres',
      database: 'bench_forecasts',
      extraDays: 0,
    })
    try {
      await system.startWorker()
      const { wallS, cpuS, peakRssMb, runs } = await system.forecast(full ? 1 : EVERY)
      const entities = runs.reduce((sum, run) => sum + run.counts.done, 0)
      const known = runs.reduce((sum, run) => sum + run.counts.done + run.counts.skipped, 0)
      const models: Record<string, number> = {}
      for (const { result } of runs)
        for (const [model, count] of Object.entries((result?.['models'] ?? {}) as Record<string, number>))
          models[model] = (models[model] ?? 0) + count
      return {
        entities,
        metrics: 2,
        threads: threadsFor(0, availableParallelism()),
        wall_s: round(wallS),
        cpu_s: round(cpuS),
        peak_rss_mb: Math.round(peakRssMb),
        models,
        ...(full ? {} : { extrapolated_to_all_387_wall_s: round((wallS * ENTITIES) / known) }),
      }
    } finally {
      await system.close()
    }
  } finally {
    await postgres.release()
    await rm(folder, { recursive: true, force: true })
  }
}
