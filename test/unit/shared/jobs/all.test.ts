import { expect } from 'chai'
import type { ConfigSweep, SweptConfig } from '../../../../shared/jobs/sweep.ts'
import { allJobs, jobByName, jobRegistry } from '../../../../shared/jobs/all.ts'
import { QUEUES, joinKey } from '../../../../shared/jobs/define-job.ts'
import type { Job, JobContext } from '../../../../shared/jobs/define-job.ts'
import { DetectPayload, detectAll, detectLevel } from '../../../../shared/jobs/detection.ts'
import type { RunTicket } from '../../../../shared/jobs/enqueue.ts'
import type { SchedulePayload } from '../../../../shared/jobs/sweep.ts'
import { TrainConfigPayload, trainAll, trainConfig } from '../../../../shared/jobs/training.ts'
import { silentLogger } from '../../../../shared/platform/logger.ts'
import type { Services } from '../../../../shared/services.ts'

const asOf = '2026-03-11T07:00:00.000Z'
const swept: SweptConfig[] = [
  { configId: 1, day: '2026-03-10', watermark: '2026-03-11T02:59:59.000Z', verdicts: 0 },
  { configId: 2, day: '2026-03-09', watermark: '1970-01-01T00:00:00.000Z', verdicts: 0 },
]

/** Runs a sweep over two configs; tickets say whether their runs were new. */
const run = async (
  sweep: Job<SchedulePayload>,
  created: readonly boolean[],
): Promise<{ outcome: unknown; spawned: readonly unknown[]; asked: Date[] }> => {
  const asked: Date[] = []
  const spawned: unknown[] = []
  const sweeps: ConfigSweep = {
    activeConfigs: (at) => {
      asked.push(at)
      return Promise.resolve(swept)
    },
  }
  const context: JobContext<SchedulePayload> = {
    payload: { asOf },
    signal: new AbortController().signal,
    fence: { runId: 'r', attempt: 1 },
    logger: silentLogger,
    progress: () => {},
    spawn: (job, payloads) => {
      spawned.push(...payloads.map((payload) => [job.name, job.payload.parse(payload)]))
      return Promise.resolve(
        payloads.map((_, i): RunTicket => ({
          id: `run-${i}`,
          status: 'queued',
          created: created[i] ?? true,
        })),
      )
    },
  }
  const outcome = await sweep.run(context, { sweeps } as Services)
  return { outcome, spawned, asked }
}

describe('the registry of jobs', () => {
  it('knows every job by its name', () => {
    expect(allJobs.map((job) => job.name).sort()).to.deep.equal([
      'classify.ad',
      'classify.adset',
      'classify.all.ad',
      'classify.all.adset',
      'classify.all.campaign',
      'classify.campaign',
      'detect.ad',
      'detect.adset',
      'detect.all.ad',
      'detect.all.adset',
      'detect.all.campaign',
      'detect.campaign',
      'features.ad',
      'features.adset',
      'features.campaign',
      'forecast.ad',
      'forecast.adset',
      'forecast.all.ad',
      'forecast.all.adset',
      'forecast.all.campaign',
      'forecast.campaign',
      'forecast.validate',
      'forecast.validate.all',
      'notify.deliver',
      'pipeline.config',
      'pipeline.daily',
      'recommend.ad',
      'recommend.adset',
      'recommend.all.ad',
      'recommend.all.adset',
      'recommend.all.campaign',
      'recommend.campaign',
      'replay',
      'retention.nightly',
      'series.drift',
      'series.retention',
      'sync.hook',
      'sync.source',
      'train.all',
      'train.chunk',
      'train.classifier',
      'train.classifiers',
      'train.config',
      'train.retrain',
      'train.series',
      'uploads.sweep',
    ])
    for (const job of allJobs) {
      expect(jobByName(job.name)).to.equal(job)
      expect(QUEUES).to.include(job.queue)
      expect(job.retry.attempts).to.be.within(2, 5)
    }
    expect(jobByName('train.nothing')).to.equal(undefined)
    expect(() => jobRegistry([trainAll, trainAll])).to.throw('two jobs share a name')
  })
})

describe('sweeps', () => {
  it('start one run per active config', async () => {
    const { outcome, spawned, asked } = await run(trainAll, [true, true])
    expect(asked).to.deep.equal([new Date(asOf)])
    const whole = { entityType: null, entityIds: null, asOf }
    expect(spawned).to.deep.equal(swept.map((config) => ['train.config', { ...config, ...whole }]))
    expect(outcome).to.deep.equal({
      status: 'succeeded',
      counts: { done: 2, skipped: 0, failed: 0 },
      reasons: {},
      result: { dispatched: 2, run_ids: ['run-0', 'run-1'] },
    })
  })

  it('count configs whose run is already there as up to date', async () => {
    const { outcome } = await run(detectAll.ad, [false, true])
    expect(outcome).to.deep.include({
      counts: { done: 1, skipped: 1, failed: 0 },
      reasons: { up_to_date: 1 },
      result: { dispatched: 1, run_ids: ['run-1'] },
    })
  })
})

describe('keys of the jobs', () => {
  const training = (more: Partial<TrainConfigPayload> = {}): string =>
    joinKey(
      trainConfig.key(
        TrainConfigPayload.parse({
          configId: 12,
          asOf,
          day: '2026-03-10',
          watermark: '2026-03-11T02:59:59.000Z',
          ...more,
        }),
      ),
    )
  const detection = (more: Partial<DetectPayload> = {}): string =>
    joinKey(detectLevel.campaign.key(DetectPayload.parse({ configId: 12, asOf, ...more })))

  it('make a training of the same rows the same run, whenever it is asked for', () => {
    expect(training()).to.equal('12|2026-03-10|20260311T025959Z|all')
    expect(training({ asOf: '2026-03-11T12:00:00.000Z' })).to.equal(training())
    const different = [
      training(),
      training({ day: '2026-03-09' }),
      training({ watermark: asOf }),
      training({ verdicts: 1 }),
      training({ verdicts: 2 }),
      training({ entityType: 'ad' }),
      training({ entityType: 'ad', entityIds: ['a', 'b'] }),
      training({ entityType: 'adset', entityIds: ['a', 'b'] }),
      training({ entityType: 'ad', entityIds: ['a'] }),
    ]
    expect(new Set(different).size).to.equal(different.length)
    expect(training({ entityType: 'ad', entityIds: ['b', 'a', 'b'] })).to.equal(
      training({ entityType: 'ad', entityIds: ['a', 'b'] }),
    )
  })

  it('make every hour of detection a run of its own', () => {
    expect(detection()).to.equal('12|20260311T070000Z|newest|1|all')
    expect(detection({ asOf: '2026-03-11T08:00:00.000Z' })).not.to.equal(detection())
    expect(detection({ days: 7 })).not.to.equal(detection())
  })
})
