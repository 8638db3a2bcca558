/** Detection over a real database and real files, judged in place, at the hour a test says it is. */
import { detectionStore } from '../../db/repositories/anomalies.ts'
import { accountSource } from '../../db/repositories/account-source.ts'
import { configs as configStore } from '../../db/repositories/configs.ts'
import { freshness as freshnessStore } from '../../db/repositories/freshness.ts'
import { frameSource } from '../../db/repositories/frames.ts'
import { holidayStore } from '../../db/repositories/holidays.ts'
import { incidentWriter } from '../../db/repositories/incidents.ts'
import { muteStore } from '../../db/repositories/mutes.ts'
import { defaultDetectionParams } from '../../ml/detectors/params.ts'
import type { DetectionParams } from '../../ml/detectors/params.ts'
import { defaultShiftParams } from '../../ml/shifts/thresholds.ts'
import { computeInPlace } from '../../shared/compute-in-place.ts'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { Level } from '../../shared/core/entity.ts'
import type { WorkContext, WorkOutcome } from '../../shared/core/work.ts'
import { createAccountJudge } from '../../shared/detection/account-judge.ts'
import type { AccountJudge } from '../../shared/detection/account-judge.ts'
import { createDetection } from '../../shared/detection/detection.ts'
import type { DetectionParts, DetectionService, DetectRequest } from '../../shared/detection/detection.ts'
import type { JudgementParams } from '../../shared/detection/params.ts'
import { createConfigs } from '../../shared/entities/configs.ts'
import { createDataFreshness } from '../../shared/entities/freshness.ts'
import { createHolidays } from '../../shared/entities/holidays.ts'
import { draftRun } from '../../shared/jobs/enqueuer.ts'
import { notifyDeliver } from '../../shared/jobs/notify.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import type { AdDay } from './accounts.ts'
import type { TrainingSystem } from './training.ts'

/** Every signal is an anomaly: what detectors of single entities say, before the gate. */
export const openJudgement = (detection: Partial<DetectionParams> = {}): JudgementParams => ({
  detection: { ...defaultDetectionParams, ...detection },
  shifts: defaultShiftParams,
  openGate: true,
  alarmBudget: 10,
})

/** Through the gate, as shipped. */
export const gatedJudgement = (): JudgementParams => ({ ...openJudgement(), openGate: false })

/** Nobody wants to be told. */
export const NOBODY: DetectionParts['webhooks'] = {
  notice: () => ({
    messages: [],
    run: draftRun(notifyDeliver, { asOf: '2026-01-01T00:00:00.000Z' }, {}, new Date(0)),
  }),
  hurry: () => Promise.resolve(),
}

export interface DetectionSystem {
  readonly accounts: AccountJudge
  /** The same service with some parts replaced. */
  with(parts: Partial<DetectionParts>): DetectionService
  /** One whole run as a worker does it, recorded as it ended. */
  detect(
    configId: number,
    asked?: Partial<DetectRequest> & { readonly level?: Level },
    parts?: Partial<DetectionParts>,
  ): Promise<WorkOutcome>
  /** A running run of `detect.<level>`, and the context its worker has. */
  startRun(configId: number, level?: Level): Promise<WorkContext>
}

export const openDetectionSystem = (system: TrainingSystem): DetectionSystem => {
  const { knex } = system
  const configs = createConfigs(configStore(knex), system.artifacts, silentLogger)
  const parts: DetectionParts = {
    clock: { now: () => system.now() },
    store: detectionStore(knex),
    configs,
    freshness: createDataFreshness(freshnessStore(knex), configs, silentLogger),
    frames: frameSource(knex),
    registry: system.registry,
    models: system.loader,
    compute: computeInPlace,
    accounts: createAccountJudge({
      source: accountSource(knex),
      store: detectionStore(knex),
      holidays: createHolidays({ store: holidayStore(knex), configs }),
      compute: computeInPlace,
      params: defaultShiftParams,
    }),
    incidents: incidentWriter(knex),
    mutes: { within: (configId, from, to) => muteStore(knex).within(configId, from, to) },
    webhooks: NOBODY,
    params: openJudgement(),
    useForests: true,
  }
  const startRun = async (configId: number, level: Level = 'ad'): Promise<WorkContext> => {
    const context = await system.startRun(configId)
    await knex('runs')
      .where({ id: context.fence.runId })
      .update({ job: `detect.${level}`, started_at: system.now() })
    return context
  }
  const withParts = (replaced: Partial<DetectionParts>): DetectionService =>
    createDetection({ ...parts, ...replaced })
  return {
    accounts: parts.accounts,
    with: withParts,
    startRun,
    detect: async (configId, { level = 'ad', ...asked } = {}, replaced = {}) => {
      const request = {
        configId,
        asOf: system.now().toISOString(),
        day: null,
        days: 1,
        entityIds: null,
        ...asked,
      }
      const context = await startRun(configId, level)
      const outcome = await withParts(replaced).detectLevel(level, request, context)
      await knex('runs')
        .where({ id: context.fence.runId })
        .update({
          status: outcome.status,
          payload: JSON.stringify(request),
          result: JSON.stringify(outcome.result),
        })
      return outcome
    },
  }
}

const PARENTS = { adsetId: 's1', campaignId: 'c1' }

/** What an amount of money buys, always at the same price. */
export const delivered = (
  spend: number,
): Pick<AdDay, 'spend' | 'impressions' | 'clicks' | 'leads' | 'reach'> => ({
  spend,
  impressions: Math.round(spend * 10),
  clicks: Math.round(spend / 5),
  leads: 0,
  reach: Math.round(spend * 9),
})

/** Days of one ad up to `lastDay` that differ in nothing but how much was delivered; oldest first. */
export const spendDays = (
  adId: string,
  lastDay: string,
  spends: readonly number[],
  parents: { readonly adsetId: string; readonly campaignId: string } = PARENTS,
): AdDay[] => {
  const first = toDayNumber(lastDay) - spends.length + 1
  return spends.map((spend, i) => ({
    adId,
    ...parents,
    date: toLocalDate(first + i),
    ...delivered(spend),
  }))
}

export const repeated = (value: number, times: number): number[] => Array.from({ length: times }, () => value)
