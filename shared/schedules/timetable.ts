/** The timetable (local times of VIGIA_TIMEZONE) of the jobs that start by themselves. */
import type { Config } from '../config.ts'
import { LEVELS } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import { classifyAll } from '../jobs/classification.ts'
import type { Job } from '../jobs/define-job.ts'
import { detectAll } from '../jobs/detection.ts'
import { forecastAll, forecastValidateAll } from '../jobs/forecasting.ts'
import { retentionNightly } from '../jobs/maintenance.ts'
import { notifyDeliver } from '../jobs/notify.ts'
import { pipelineDaily } from '../jobs/pipeline.ts'
import { recommendAll } from '../jobs/recommendation.ts'
import type { SchedulePayload } from '../jobs/sweep.ts'
import { driftOfSeries, seriesRetention, uploadsSweep } from '../jobs/series.ts'
import { syncHook } from '../jobs/sync.ts'
import { trainAll, trainClassifiers, trainRetrain } from '../jobs/training.ts'

export interface TimetableEntry {
  /** Named for what it does to each config. */
  readonly id: string
  readonly job: Job<SchedulePayload>
  readonly cron: string
  readonly timezone: string
}

export type TimetableSettings = Pick<Config, 'VIGIA_TIMEZONE' | 'SCHEDULE_PRESET' | 'DETECT_AD_EVERY_HOURS'>

/** Null: on demand only. */
type Crons = Readonly<Record<Config['SCHEDULE_PRESET'], string | null>>
type Row = readonly [id: string, job: Job<SchedulePayload>, crons: Crons]

const always = (cron: string): Crons => ({ default: cron, compact: cron })

/** One row per level; each preset's crons for campaigns, ad sets and ads. */
const rowsPerLevel = (
  name: string,
  jobs: Readonly<Record<Level, Job<SchedulePayload>>>,
  crons: Readonly<Record<keyof Crons, readonly (string | null)[]>>,
): readonly Row[] =>
  LEVELS.map((level, i) => [
    `${name}.${level}`,
    jobs[level],
    { default: crons.default[i] ?? null, compact: crons.compact[i] ?? null },
  ])

export const timetable = (settings: TimetableSettings): readonly TimetableEntry[] => {
  const everyHours = settings.DETECT_AD_EVERY_HOURS
  const hourly = ['0 * * * *', '0 * * * *', everyHours === 1 ? '0 * * * *' : `0 */${everyHours} * * *`]
  const rows: readonly Row[] = [
    ['retention.nightly', retentionNightly, always('30 1 * * *')],
    ['pipeline.daily', pipelineDaily, always('0 2 * * *')],
    ['sync.hook', syncHook, always('30 2 * * *')],
    ['series.retention', seriesRetention, always('0 3 * * *')],
    ['series.drift', driftOfSeries, always('*/5 * * * *')],
    ['uploads.sweep', uploadsSweep, always('0 * * * *')],
    // Messages wake their own runs; this one is for a run that failed.
    ['notify.deliver', notifyDeliver, always('0 * * * *')],
    ['train.classifiers', trainClassifiers, always('0 3 * * *')],
    ['train.all', trainAll, always('0 4 * * *')],
    ...rowsPerLevel('forecast', forecastAll, {
      default: ['0 4 * * *', '30 4 * * *', '45 4 * * *'],
      compact: ['0 4 * * *', '30 4 * * *', null],
    }),
    ['train.retrain', trainRetrain, always('0 5 * * *')],
    ...rowsPerLevel('classify', classifyAll, {
      default: ['0 6 * * *', '30 6 * * *', '0 7 * * *'],
      compact: ['0 5 * * *', '30 5 * * *', '0 6 * * *'],
    }),
    ...rowsPerLevel('recommend', recommendAll, {
      default: ['15 7 * * *', '30 7 * * *', '0 8 * * *'],
      compact: ['0 5 * * *', '30 5 * * *', '0 6 * * *'],
    }),
    ['forecast.validate', forecastValidateAll, always('30 8 * * *')],
    ...rowsPerLevel('detect', detectAll, { default: hourly, compact: hourly }),
  ]
  return rows.flatMap(([id, job, crons]) => {
    const cron = crons[settings.SCHEDULE_PRESET]
    return cron === null ? [] : [{ id, job, cron, timezone: settings.VIGIA_TIMEZONE }]
  })
}
