/** `vigia replay`: detection over the past, day by day as it would have run, with nothing stored. */
import type { Command } from 'commander'
import { loadConfig } from '../../shared/config.ts'
import type { Config } from '../../shared/config.ts'
import { createComputePool } from '../../shared/compute/pool.ts'
import { LocalDate, toDayNumber } from '../../shared/core/days.ts'
import { AppError } from '../../shared/core/errors.ts'
import { judgementParams } from '../../shared/detection/params.ts'
import { trainingSettings } from '../../shared/training/settings.ts'
import { readFolder } from '../../shared/replay/read-folder.ts'
import { replayFolder } from '../../shared/replay/replay-folder.ts'
import type { ReplayWish } from '../../shared/replay/replay-folder.ts'
import { describeTotals, mostUrgentFirst, toldIncidents } from '../../shared/replay/words.ts'
import { renderReplay } from '../findings/replay.ts'
import { printJson, printLine, remark } from '../output.ts'

interface ReplayOptions {
  readonly dir?: string
  readonly from?: string
  readonly to?: string
  readonly trainEvery: string
  readonly lagDays: string
  readonly zThreshold?: string
  readonly iqrMultiplier?: string
  readonly contamination?: string
  readonly fdrQ?: string
  readonly json?: boolean
}

const LONGEST_LAG_DAYS = 28
const LONGEST_CADENCE_DAYS = 365

const usage = (message: string): AppError => new AppError('INVALID_REQUEST', message)

const wholeOf = (option: string, text: string, least: number, most: number): number => {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw usage(`${option}: is a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)
}

const dayOf = (option: string, text: string | undefined): number | null => {
  if (text === undefined) return null
  if (!LocalDate.safeParse(text).success) throw usage(`${option}: is a date such as 2026-03-10`)
  return toDayNumber(text)
}

/** The settings with what the command tries instead; told apart by the schema of the settings. */
const configWith = (
  environment: Readonly<Record<string, string | undefined>>,
  options: ReplayOptions,
): Config => {
  const tried = {
    ANOMALY_Z_THRESHOLD: options.zThreshold,
    ANOMALY_IQR_MULTIPLIER: options.iqrMultiplier,
    ISOLATION_FOREST_CONTAMINATION: options.contamination,
    ANOMALY_FDR_Q: options.fdrQ,
  }
  const given = Object.fromEntries(Object.entries(tried).filter(([, value]) => value !== undefined))
  return loadConfig({ ...environment, ...given })
}

export const registerReplay = (
  program: Command,
  environment: Readonly<Record<string, string | undefined>>,
): void => {
  program
    .command('replay')
    .description('what would have been told: detection day by day over the past, with nothing stored')
    .option(
      '--dir <folder>',
      'CSV files instead of a database: daily.csv or Meta exports, and what is known besides',
    )
    .option('--from <date>', 'first day to report; default: the first there is')
    .option('--to <date>', 'last day to report; default: the last complete one')
    .option('--train-every <days>', 'days between trainings', '1')
    .option('--lag-days <days>', 'last days of the files whose leads are still arriving', '3')
    .option('--z-threshold <number>', 'instead of ANOMALY_Z_THRESHOLD')
    .option('--iqr-multiplier <number>', 'instead of ANOMALY_IQR_MULTIPLIER')
    .option('--contamination <share>', 'instead of ISOLATION_FOREST_CONTAMINATION')
    .option('--fdr-q <share>', 'instead of ANOMALY_FDR_Q')
    .option('--json', 'one JSON object: days with their anomalies, and totals')
    .action(async (options: ReplayOptions) => {
      if (options.dir === undefined) throw usage('--dir: name a folder of CSV files')
      const from = dayOf('--from', options.from)
      const to = dayOf('--to', options.to)
      if (from !== null && to !== null && from > to) throw usage('--from: must not be after --to')
      const config = configWith(environment, options)
      const wish: ReplayWish = {
        from,
        to,
        trainEveryDays: wholeOf('--train-every', options.trainEvery, 1, LONGEST_CADENCE_DAYS),
        params: judgementParams(config),
        forests: trainingSettings(config),
      }
      const lagDays = wholeOf('--lag-days', options.lagDays, 0, LONGEST_LAG_DAYS)
      const folder = await readFolder(options.dir, { lagDays })
      for (const warning of folder.warnings) remark(warning)
      const compute = createComputePool({ threads: config.COMPUTE_THREADS })
      try {
        const { report, accounts } = await replayFolder(folder, wish, compute)
        if (options.json) {
          printJson(report)
          return
        }
        printLine(
          renderReplay(mostUrgentFirst(accounts.flatMap(toldIncidents)), describeTotals(report), {
            colour: process.stdout.isTTY,
            withAccount: accounts.length > 1,
          }),
        )
      } finally {
        await compute.close()
      }
    })
}
