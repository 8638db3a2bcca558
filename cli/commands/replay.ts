/** `vigia replay`: detection over the past, day by day as it would have run, with nothing stored. */
import type { Command } from 'commander'
import { loadConfig } from '../../shared/config.ts'
import type { Config } from '../../shared/config.ts'
import { createComputePool } from '../../shared/compute/pool.ts'
import { LocalDate, toDayNumber } from '../../shared/core/days.ts'
import { AppError } from '../../shared/core/errors.ts'
import { MOST_LAG_DAYS } from '../../shared/entities/configs.ts'
import { judgementParams } from '../../shared/detection/params.ts'
import { trainingSettings } from '../../shared/training/settings.ts'
import { LONGEST_CADENCE_DAYS } from '../../shared/jobs/replay.ts'
import { ReplayOverrides, withOverrides } from '../../shared/replay/overrides.ts'
import { readFolder } from '../../shared/replay/read-folder.ts'
import { replayFolder } from '../../shared/replay/replay-folder.ts'
import type { ReplayReport } from '../../shared/replay/report.ts'
import { describeTotals } from '../../shared/replay/words.ts'
import { renderReplay } from '../findings/replay.ts'
import { printJson, printLine, remark, startProgress } from '../output.ts'
import type { Opener } from '../system.ts'

interface ReplayOptions {
  readonly dir?: string
  readonly config?: string
  readonly from?: string
  readonly to?: string
  readonly trainEvery: string
  readonly lagDays?: string
  readonly zThreshold?: string
  readonly iqrMultiplier?: string
  readonly contamination?: string
  readonly fdrQ?: string
  readonly all?: boolean
  readonly json?: boolean
}

const LAG_DAYS = 3

const usage = (message: string): AppError => new AppError('INVALID_REQUEST', message)

const wholeOf = (option: string, text: string, least: number, most: number): number => {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw usage(`${option}: is a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)
}

const dateOf = (option: string, text: string | undefined): string | null => {
  if (text === undefined) return null
  if (!LocalDate.safeParse(text).success) throw usage(`${option}: is a date such as 2026-03-10`)
  return text
}

const TRIED = [
  ['z_threshold', '--z-threshold', 'zThreshold'],
  ['iqr_multiplier', '--iqr-multiplier', 'iqrMultiplier'],
  ['contamination', '--contamination', 'contamination'],
  ['fdr_q', '--fdr-q', 'fdrQ'],
] as const

/** What is tried instead. */
const overridesOf = (options: ReplayOptions): ReplayOverrides => {
  const overrides: { -readonly [Name in keyof ReplayOverrides]: number } = {}
  for (const [name, option, key] of TRIED) {
    const text = options[key]
    if (text === undefined) continue
    const bounds = ReplayOverrides.shape[name].unwrap()
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (!bounds.safeParse(value).success)
      throw usage(
        `${option}: is a number from ${bounds.minValue} to ${bounds.maxValue}, not ${JSON.stringify(text)}`,
      )
    overrides[name] = value
  }
  return overrides
}

interface Asked {
  readonly from: string | null
  readonly to: string | null
  readonly trainEveryDays: number
  readonly overrides: ReplayOverrides
}

const replayDir = async (
  dir: string,
  { from, to, trainEveryDays }: Asked,
  config: Config,
  lagDays: number,
): Promise<ReplayReport> => {
  const folder = await readFolder(dir, { lagDays })
  for (const warning of folder.warnings) remark(warning)
  const compute = createComputePool({ threads: config.COMPUTE_THREADS })
  const progress = startProgress('replaying')
  try {
    const { report } = await replayFolder(
      folder,
      {
        from: from === null ? null : toDayNumber(from),
        to: to === null ? null : toDayNumber(to),
        trainEveryDays,
        params: judgementParams(config),
        forests: trainingSettings(config),
      },
      compute,
      (fraction) => progress.update(fraction, 'models'),
    )
    return report
  } finally {
    progress.stop()
    await compute.close()
  }
}

const replayConfig = async (name: string, asked: Asked, open: Opener): Promise<ReplayReport> => {
  const { services, configOf } = await open()
  const { id } = await configOf(name)
  const progress = startProgress('replaying')
  try {
    const { report } = await services.replays.replay(
      { ...asked, configId: id, asOf: services.clock.now(), level: null, entityIds: null },
      { progress: (fraction) => progress.update(fraction, 'models') },
    )
    return report
  } finally {
    progress.stop()
  }
}

export const registerReplay = (
  program: Command,
  open: Opener,
  environment: Readonly<Record<string, string | undefined>>,
): void => {
  program
    .command('replay')
    .description('what would have been told: detection day by day over the past, with nothing stored')
    .option(
      '--dir <folder>',
      'CSV files instead of a database: daily.csv or Meta exports, and what is known besides',
    )
    .option('--config <id or name>', 'the days of a config in the database')
    .option('--from <date>', 'first day to report; default: the first there is')
    .option('--to <date>', 'last day to report; default: the last complete one')
    .option('--train-every <days>', 'days between trainings', '1')
    .option('--lag-days <days>', 'last days of the files whose leads are still arriving (default: 3)')
    .option('--z-threshold <number>', 'instead of ANOMALY_Z_THRESHOLD')
    .option('--iqr-multiplier <number>', 'instead of ANOMALY_IQR_MULTIPLIER')
    .option('--contamination <share>', 'instead of ISOLATION_FOREST_CONTAMINATION')
    .option('--fdr-q <share>', 'instead of ANOMALY_FDR_Q')
    .option(
      '--all',
      'all incidents: also the less urgent, and those nobody would have been told of (too many for a day)',
    )
    .option('--json', 'one JSON object: days with their anomalies, incidents, and totals')
    .action(async (options: ReplayOptions) => {
      const { dir, config: configName } = options
      const from = dateOf('--from', options.from)
      const to = dateOf('--to', options.to)
      if (from !== null && to !== null && from > to) throw usage('--from: must not be after --to')
      // A slip of the finger is told at once, before a database is started.
      const overrides = overridesOf(options)
      const config = withOverrides(loadConfig(environment), overrides)
      const asked: Asked = {
        from,
        to,
        trainEveryDays: wholeOf('--train-every', options.trainEvery, 1, LONGEST_CADENCE_DAYS),
        overrides,
      }
      const lagDays = wholeOf('--lag-days', options.lagDays ?? String(LAG_DAYS), 0, MOST_LAG_DAYS)
      if (dir !== undefined && configName !== undefined) throw usage('--dir: is instead of --config')
      if (configName !== undefined && options.lagDays !== undefined)
        throw usage('--lag-days: is of files; of a config, set attribution_lag_days')
      let report: ReplayReport
      if (dir !== undefined) report = await replayDir(dir, asked, config, lagDays)
      else if (configName !== undefined) report = await replayConfig(configName, asked, open)
      else throw usage('--dir, --config: name a folder of CSV files, or a config of the database')
      if (options.json) {
        printJson(report)
        return
      }
      printLine(
        renderReplay(report.incidents, describeTotals(report), {
          colour: process.stdout.isTTY,
          withAccount: report.totals.accounts > 1,
          all: options.all ?? false,
        }),
      )
    })
}
