/** The series of a CSV, to measure forecasts of real figures on. */
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { inputOf, planSeries } from '../../shared/forecasting/forecast-file.ts'
import { readSeries } from '../../shared/forecasting/file/read-series.ts'
import type { ColumnWish } from '../../shared/forecasting/file/read-series.ts'
import type { BenchSeries } from './simulate.ts'

/** All of them, as `vigia forecast` sees them; the file's name is their family. */
export const seriesOfFile = async (path: string, wish: ColumnWish): Promise<readonly BenchSeries[]> => {
  const file = await readSeries(createReadStream(path), path, wish)
  return planSeries(file, []).map((planned): BenchSeries => {
    const { values, startS, floor } = inputOf(planned, file.form, 1)
    return {
      family: basename(path, '.csv'),
      kind: planned.step.name,
      values,
      startS,
      floor: floor === null ? null : 0,
    }
  })
}
