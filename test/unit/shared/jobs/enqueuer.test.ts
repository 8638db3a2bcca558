import { expect } from 'chai'
import { z } from 'zod'
import { defineJob } from '../../../../shared/jobs/define-job.ts'
import { draftRun } from '../../../../shared/jobs/enqueuer.ts'
import { newRunId, isRunId } from '../../../../shared/runs/run-id.ts'

const job = defineJob({
  name: 'test.text',
  queue: 'ml',
  payload: z.object({ configId: z.int(), text: z.unknown(), asOf: z.string().optional() }),
  retry: { attempts: 1, delayMs: 0 },
  timeoutMs: 1000,
  key: ({ configId }) => [configId],
  configId: ({ configId }) => configId,
  run: () => Promise.reject(new Error('not here')),
})
const now = new Date('2026-03-11T07:00:00Z')
const draft = (text: unknown, asOf?: string) =>
  draftRun(job, { configId: 7, text, ...(asOf === undefined ? {} : { asOf }) }, {}, now)

describe('drafts of runs', () => {
  it('carry what the run is about', () => {
    expect(draft('x', '2026-03-11T06:00:00.000Z')).to.deep.include({
      job: 'test.text',
      key: '7',
      queue: 'ml',
      configId: 7,
      actor: 'system',
      parentId: null,
      traceId: null,
      delayMs: 0,
      asOf: new Date('2026-03-11T06:00:00Z'),
    })
  })

  for (const [what, text] of [
    ['NUL', 'a\0b'],
    ['NUL deep inside', { list: [{ deep: 'a\0' }] }],
    ['NUL in a name', { 'a\0': 1 }],
    ['half a surrogate pair', '\uD83D'],
  ] as const) {
    it(`are refused when they contain ${what}`, () => {
      expect(() => draft(text))
        .to.throw()
        .with.property('code', 'INVALID_REQUEST')
    })
  }

  it('may contain anything else', () => {
    expect(draft({ text: '😀 \\u0000 ção' }).payload).to.deep.equal({
      configId: 7,
      text: { text: '😀 \\u0000 ção' },
    })
  })

  it('are refused beyond 128 KiB', () => {
    const frame = Buffer.byteLength(JSON.stringify({ configId: 7, text: '' }))
    const most = 128 * 1024 - frame
    expect(draft('x'.repeat(most)).key).to.equal('7')
    expect(() => draft('x'.repeat(most + 1)))
      .to.throw()
      .with.property('code', 'PAYLOAD_TOO_LARGE')
  })

  it('are refused when the payload does not fit the job', () => {
    const wrong = { configId: 'seven' } as unknown as { configId: number; text: unknown }
    expect(() => draftRun(job, wrong, {}, now)).to.throw(z.ZodError)
  })
})

describe('ids of runs', () => {
  it('are UUIDs of version 7 that sort by time', () => {
    const ids = [0, 1, 1000, 86_400_000].map((ms) => newRunId(new Date(now.getTime() + ms)))
    for (const id of ids) {
      expect(isRunId(id)).to.equal(true)
      expect(id).to.match(/^.{14}7.{4}[89ab]/)
    }
    expect([...ids].sort()).to.deep.equal(ids)
    for (const other of ['', 'x', `${ids[0] ?? ''}0`, "' or 1=1"]) expect(isRunId(other)).to.equal(false)
  })
})
