import { expect } from 'chai'
import type { JobContext } from '../../../../shared/jobs/define-job.ts'
import { joinKey } from '../../../../shared/jobs/define-job.ts'
import { pipelineConfig } from '../../../../shared/jobs/pipeline.ts'
import { silentLogger } from '../../../../shared/platform/logger.ts'
import type { Services } from '../../../../shared/services.ts'

const payload = {
  configId: 1,
  asOf: '2026-03-11T05:00:00.000Z',
  day: '2026-03-10',
  watermark: '2026-03-11T04:00:00.000Z',
}
type Payload = typeof payload

/** What the flow of a day starts, in order. */
const started = async (
  paused: readonly string[],
  state: 'fresh' | 'stale' = 'fresh',
): Promise<{ outcome: Awaited<ReturnType<typeof pipelineConfig.run>>; runs: readonly string[] }> => {
  const runs: string[] = []
  const context: JobContext<Payload> = {
    payload,
    signal: new AbortController().signal,
    fence: { runId: 'r', attempt: 1 },
    logger: silentLogger,
    progress: () => {},
    spawn: (job, payloads) => {
      for (const one of payloads) runs.push(`${job.name} ${joinKey(job.key(job.payload.parse(one)))}`)
      return Promise.resolve(payloads.map((_, i) => ({ id: `run-${i}`, status: 'queued', created: true })))
    },
  }
  const services = {
    freshness: { freshness: () => Promise.resolve(state) },
    schedules: { list: () => Promise.resolve(paused.map((id) => ({ id, paused: true }))) },
  } as unknown as Services
  return { outcome: await pipelineConfig.run(context, services), runs }
}

const names = (runs: readonly string[]): readonly string[] => runs.map((run) => run.split(' ')[0] ?? '')

describe('the flow of a day', () => {
  it('starts every step of every level for the same data', async () => {
    const { runs } = await started([])
    const steps = ['features', 'classify', 'forecast', 'recommend', 'detect']
    expect(names(runs)).to.deep.equal(
      ['campaign', 'adset', 'ad'].flatMap((level) => steps.map((step) => `${step}.${level}`)),
    )
    const keys = runs.filter((run) => !run.startsWith('detect')).map((run) => run.split(' ')[1])
    expect(new Set(keys)).to.deep.equal(new Set(['1|2026-03-10|20260311T040000Z|all']))
    // The hour's own detection is another run: this one comes after the advice.
    expect(runs.find((run) => run.startsWith('detect.ad'))).to.match(/\|flow\|20260311T040000Z$/)
  })

  it('starts nothing on stale data, and can be started again', async () => {
    const { runs, outcome } = await started([], 'stale')
    expect(runs).to.deep.equal([])
    expect(outcome).to.deep.include({ status: 'skipped', reasons: { stale_data: 1 } })
  })

  it('leaves out a step of a level that is paused, with what builds on it, and nothing else', async () => {
    const without = async (...paused: string[]): Promise<readonly string[]> => {
      const all = names((await started([])).runs)
      const some = new Set(names((await started(paused)).runs))
      return all.filter((name) => !some.has(name))
    }
    expect(await without('classify.ad')).to.deep.equal(['classify.ad', 'recommend.ad', 'detect.ad'])
    expect(await without('forecast.adset')).to.deep.equal([
      'forecast.adset',
      'recommend.adset',
      'detect.adset',
    ])
    expect(await without('recommend.campaign')).to.deep.equal(['recommend.campaign', 'detect.campaign'])
    expect(await without('detect.ad', 'detect.campaign')).to.deep.equal(['detect.campaign', 'detect.ad'])
    expect(await without('train.all')).to.deep.equal([])
  })
})
