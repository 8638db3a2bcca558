/** The timetable (local times of VIGIA_TIMEZONE) of the jobs there are. */
import type { Config } from '../config.ts'
import type { Job } from '../jobs/define-job.ts'
import { detectAll } from '../jobs/detection.ts'
import { retentionNightly } from '../jobs/maintenance.ts'
import type { SchedulePayload } from '../jobs/sweep.ts'
import { trainAll, trainRetrain } from '../jobs/training.ts'

export interface TimetableEntry {
  /** Named for what it does to each config. */
  readonly id: string
  readonly job: Job<SchedulePayload>
  readonly cron: string
  readonly timezone: string
}

export type TimetableSettings = Pick<Config, 'VIGIA_TIMEZONE' | 'SCHEDULE_PRESET' | 'DETECT_AD_EVERY_HOURS'>

type Crons = Readonly<Record<Config['SCHEDULE_PRESET'], string>>

const always = (cron: string): Crons => ({ default: cron, compact: cron })

export const timetable = (settings: TimetableSettings): readonly TimetableEntry[] => {
  const everyHours = settings.DETECT_AD_EVERY_HOURS
  const rows: readonly (readonly [id: string, job: Job<SchedulePayload>, crons: Crons])[] = [
    ['retention.nightly', retentionNightly, always('30 1 * * *')],
    ['train.all', trainAll, always('0 4 * * *')],
    ['train.retrain', trainRetrain, always('0 5 * * *')],
    ['detect.campaign', detectAll.campaign, always('0 * * * *')],
    ['detect.adset', detectAll.adset, always('0 * * * *')],
    ['detect.ad', detectAll.ad, always(everyHours === 1 ? '0 * * * *' : `0 */${everyHours} * * *`)],
  ]
  return rows.map(([id, job, crons]) => ({
    id,
    job,
    cron: crons[settings.SCHEDULE_PRESET],
    timezone: settings.VIGIA_TIMEZONE,
  }))
}
