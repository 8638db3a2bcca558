/** A replay of one large account as `vigia replay` does it: on all threads, with models trained every week. */
import { performance } from 'node:perf_hooks'
import { createComputePool } from '../../shared/compute/pool.ts'
import { loadConfig } from '../../shared/config.ts'
import { judgementParams } from '../../shared/detection/params.ts'
import { replayOnThreads } from '../../shared/replay/replay-on-threads.ts'
import { replayReport } from '../../shared/replay/report.ts'
import { trainingSettings } from '../../shared/training/settings.ts'
import { toPanel } from './panel.ts'
import type { Account } from './simulate.ts'

/** Day 0 of the account, since 1970. */
const FIRST_DAY = 20_000
const TRAIN_EVERY_DAYS = 7

export interface ReplayFigures {
  readonly entities: number
  readonly seconds: number
  /** Entities that were judged by a model on their eighth day, and all that had one. */
  readonly eighthDays: { readonly byModel: number; readonly all: number }
}

export const measureReplay = async (account: Account): Promise<ReplayFigures> => {
  const days = toPanel(account, true)
  const config = loadConfig({})
  const compute = createComputePool({ threads: config.COMPUTE_THREADS })
  try {
    const startMs = performance.now()
    const replayed = await replayOnThreads(
      {
        account: days,
        firstDay: FIRST_DAY,
        from: 0,
        to: days.days - 1,
        wanted: null,
        reach7: null,
        trainEveryDays: TRAIN_EVERY_DAYS,
        params: judgementParams(config),
        forests: trainingSettings(config),
      },
      compute,
    )
    const seconds = (performance.now() - startMs) / 1000
    const named = {
      id: account.id,
      firstDay: FIRST_DAY,
      days,
      names: days.entities.map(({ id }) => id),
      currency: null,
    }
    const { totals } = replayReport([{ account: named, replayed }], {
      faults: [],
      falseAlarms: null,
    })
    const { baseline, ...models } = totals.eighth_days_judged_by
    const byModel = Object.values(models).reduce((sum, n) => sum + n, 0)
    return { entities: replayed.entities, seconds, eighthDays: { byModel, all: byModel + baseline } }
  } finally {
    await compute.close()
  }
}
