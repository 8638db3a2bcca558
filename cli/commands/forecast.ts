/** `vigia forecast FILE`: what comes next in the series of any CSV, without a database. */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Command } from 'commander'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import { HORIZON_MAX, HORIZON_MIN, forecastFile } from '../../shared/forecasting/forecast-file.ts'
import type { FileForecast, FileForecasts } from '../../shared/forecasting/forecast-file.ts'
import { readSeries } from '../../shared/forecasting/file/read-series.ts'
import type { ColumnWish, SeriesFile } from '../../shared/forecasting/file/read-series.ts'
import { createComputePool } from '../../shared/compute/pool.ts'
import { printLine, remark, startProgress } from '../output.ts'
import { renderFileForecasts } from '../forecasts/file-table.ts'

/** As typed: texts. */
interface ForecastOptions {
  readonly horizon: string
  readonly metric?: string
  readonly date?: string
  readonly json?: boolean
}

/** Characters of JSON that go out at a time. */
const CHUNK_LENGTH = 1 << 20

/** @throws AppError INVALID_REQUEST */
export const parseHorizon = (text: string): number => {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= HORIZON_MIN && value <= HORIZON_MAX) return value
  throw new AppError(
    'INVALID_REQUEST',
    `--horizon: is a whole number of steps from ${HORIZON_MIN} to ${HORIZON_MAX}, not ${JSON.stringify(text)}`,
  )
}

const readFile = async (path: string, wish: ColumnWish): Promise<SeriesFile> => {
  const stream = createReadStream(path)
  try {
    await once(stream, 'open')
    return await readSeries(stream, path, wish)
  } catch (error) {
    if (error instanceof AppError || (error as NodeJS.ErrnoException).code === undefined) throw error
    throw new AppError('INVALID_REQUEST', `${path} cannot be read: ${messageOf(error)}`, {}, { cause: error })
  } finally {
    stream.destroy()
  }
}

/** On all cores, with a bar on a terminal. */
const forecastWithThreads = async (file: SeriesFile, horizon: number): Promise<FileForecasts> => {
  const compute = createComputePool({ threads: Math.min(availableParallelism(), file.series.length) })
  const progress = startProgress('forecasting')
  try {
    return await forecastFile(file, horizon, {
      compute,
      onProgress: (done, total) => progress.update(done / total, `${done} of ${total} series`),
    })
  } finally {
    progress.stop()
    await compute.close()
  }
}

/** One object in pieces: as one text, thousands of series would not fit into a string. */
export function* jsonOf(series: Iterable<FileForecast>): Generator<string> {
  let text = '{"series":['
  let isFirst = true
  for (const one of series) {
    text += (isFirst ? '' : ',') + JSON.stringify(one)
    isFirst = false
    if (text.length < CHUNK_LENGTH) continue
    yield text
    text = ''
  }
  yield `${text}]}\n`
}

const printAll = async (pieces: Iterable<string>): Promise<void> => {
  for (const piece of pieces) {
    if (process.stdout.destroyed) return
    if (!process.stdout.write(piece))
      await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')])
  }
}

/** Adds `forecast` to the program. */
export const registerForecast = (program: Command): void => {
  program
    .command('forecast')
    .description('forecast the series of any CSV (hourly, daily or weekly); needs no database')
    .argument('<file>', 'CSV with a header line: columns date (or ds), value (or y) and, for many, series')
    .requiredOption('--horizon <steps>', `how many steps ahead, ${HORIZON_MIN} to ${HORIZON_MAX}`)
    .option('--metric <column>', 'the column with the values (default: value or y)')
    .option('--date <column>', 'the column with the dates (default: date or ds)')
    .option('--json', 'print {series:[{id, model, points:[{date, predicted, lower, upper}]}]}, 95% intervals')
    .action(async (path: string, options: ForecastOptions) => {
      const horizon = parseHorizon(options.horizon)
      const file = await readFile(path, {
        date: options.date ?? null,
        value: options.metric ?? null,
        series: null,
      })
      const { series, warnings } = await forecastWithThreads(file, horizon)
      for (const warning of warnings) remark(`vigia: ${warning}`)
      if (options.json) await printAll(jsonOf(series))
      else printLine(renderFileForecasts(series))
    })
}
