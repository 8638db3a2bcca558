import { expect } from 'chai'
import { timetable } from '../../../shared/schedules/timetable.ts'
import { loadConfig } from '../../../shared/config.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'

const expectProblem = (reply: Reply, status: number, code: string): void => {
  expect(reply.body, reply.text).to.include({ status, code })
}

describe('runs and schedules over HTTP', () => {
  let api: TestApi
  let config: number
  let other: number
  let admin: string
  let limited: string
  /** Where the clock stands; null: it runs. */
  let standing: Date | null = null
  before(async () => {
    api = await openTestApi({
      environment: { RATE_LIMITS: 'off' },
      clock: { now: () => standing ?? new Date() },
    })
    config = await api.newConfig()
    other = await api.newConfig()
    admin = await api.key('root', 'admin')
    limited = await api.key('limited', 'trainer', [config])
    const rows = timetable(loadConfig({}))
    await api.store.schedules.sync(
      rows.map(({ id, job, cron, timezone }) => ({ id, job: job.name, cron, timezone })),
    )
  })
  after(() => api.close())
  afterEach(() => {
    standing = null
  })

  const payload = (configId: number, day = '2026-06-15') => ({
    configId,
    asOf: '2026-06-16T10:00:00.000Z',
    day,
    watermark: '2026-06-16T09:00:00.000Z',
  })
  const start = (body: object, key = admin) => api.ask('/api/v1/jobs', { body, key })
  const started = async (configId: number, day?: string): Promise<string> => {
    const reply = await start({ name: 'train.config', payload: payload(configId, day) })
    expect(reply.status, reply.text).to.equal(202)
    return reply.body['run_id'] as string
  }

  it('a job is started by its name, once for the same work', async () => {
    const reply = await start({ name: 'train.config', payload: payload(config) })
    expect(reply.status, reply.text).to.equal(202)
    expect(reply.body).to.have.keys('run_id', 'status')
    expect(reply.headers['location']).to.equal(`/api/v1/runs/${String(reply.body['run_id'])}`)
    const again = await start({ name: 'train.config', payload: payload(config) })
    expect(again.body['run_id']).to.equal(reply.body['run_id'])
    const run = await api.ask(String(reply.headers['location']), { key: admin })
    expect(run.body).to.include({ job: 'train.config', config_id: config, actor: 'key:root', progress: 0 })
    expect(run.body['counts']).to.deep.equal({ done: 0, skipped: 0, failed: 0 })
  })

  it('a job that is unknown, of a wrong payload or of an unknown config is refused', async () => {
    const unknown = await start({ name: 'constructor' })
    expectProblem(unknown, 404, 'NOT_FOUND')
    expect(unknown.body['detail']).to.include('train.config')
    const wrong = await start({ name: 'train.config', payload: { configId: 'x' } })
    expectProblem(wrong, 400, 'INVALID_REQUEST')
    expect((wrong.body['errors'] as { field: string }[])[0]?.field).to.match(/^body\.payload\./)
    expectProblem(
      await start({ name: 'train.config', payload: payload(2_000_000_000) }),
      404,
      'CONFIG_NOT_FOUND',
    )
    expectProblem(await start({ name: 'train.config', payload: [] }), 400, 'INVALID_REQUEST')
  })

  it('work as of a time to come, or on a day that is not over, is refused', async () => {
    standing = new Date('2026-06-16T10:00:00.000Z')
    const refused = async (name: string, given: object): Promise<{ field: string; message: string }> => {
      const reply = await start({ name, payload: given })
      expectProblem(reply, 400, 'INVALID_REQUEST')
      return (reply.body['errors'] as { field: string; message: string }[])[0] ?? { field: '', message: '' }
    }
    // A caller's clock may be a minute ahead.
    const ahead = await start({ name: 'retention.nightly', payload: { asOf: '2026-06-16T10:01:00.000Z' } })
    expect(ahead.status, ahead.text).to.equal(202)
    expect(await refused('retention.nightly', { asOf: '2026-06-16T10:01:00.001Z' })).to.deep.equal({
      field: 'body.payload.asOf',
      message: '2026-06-16T10:01:00.001Z is to come; it is 2026-06-16T10:00:00.000Z',
    })
    const { field, message } = await refused('train.config', payload(config, '2026-06-16'))
    expect(field).to.equal('body.payload.day')
    expect(message).to.match(/^2026-06-16 is not over in .*; the newest complete day is 2026-06-15$/)
  })

  it('an id is a whole number or its digits, and nothing that might pass for one', async () => {
    for (const configId of [true, [config], '0x1', '1e0', ' 1', '', null]) {
      const reply = await start({ name: 'train.config', payload: { ...payload(config), configId } })
      expectProblem(reply, 400, 'INVALID_REQUEST')
    }
    const read = await api.ask('/api/v1/ml/anomalies/1e0', { key: admin })
    expectProblem(read, 400, 'INVALID_REQUEST')
    const digits = { ...payload(config), configId: String(config) }
    expect((await start({ name: 'train.config', payload: digits })).status).to.equal(202)
  })

  it('a limited key starts work on its configs alone', async () => {
    expect(
      (await start({ name: 'train.config', payload: payload(config, '2026-06-01') }, limited)).status,
    ).to.equal(202)
    expectProblem(
      await start({ name: 'train.config', payload: payload(other) }, limited),
      404,
      'CONFIG_NOT_FOUND',
    )
    for (const name of ['retention.nightly', 'train.all', 'detect.all.campaign'])
      expect((await start({ name, payload: {} }, limited)).status, name).to.be.oneOf([400, 403, 404])
  })

  it('runs are listed newest first, by page, cursor and filter', async () => {
    for (const day of ['2026-05-01', '2026-05-02', '2026-05-03']) await started(other, day)
    const list = async (query: string, key = admin) =>
      (await api.ask(`/api/v1/runs?${query}`, { key })).body as {
        data: { id: string; config_id: number; status: string; created_at: string }[]
        total: number
        next_cursor: string | null
      }
    const all = await list(`config_id=${other}`)
    expect(all.total).to.equal(3)
    const ids = all.data.map(({ id }) => id)
    const times = all.data.map(({ created_at }) => created_at)
    expect(times).to.deep.equal([...times].sort().reverse())
    const first = await list(`config_id=${other}&page_size=2`)
    const second = await list(`config_id=${other}&page_size=2&cursor=${first.next_cursor}`)
    expect([...first.data, ...second.data].map(({ id }) => id)).to.deep.equal(ids)
    expect((await list(`config_id=${other}&page_size=2&page=2`)).data.map(({ id }) => id)).to.deep.equal(
      ids.slice(2),
    )
    expect((await list('job=no.such')).total).to.equal(0)
    expect((await list(`status=queued&config_id=${other}`)).total).to.equal(3)
    expect((await list('page_size=200', limited)).data.every((run) => run.config_id === config)).to.equal(
      true,
    )
    expect((await api.ask('/api/v1/runs?status=odd', { key: admin })).status).to.equal(400)
    expectProblem(await api.ask('/api/v1/runs?cursor=!!!', { key: admin }), 400, 'INVALID_REQUEST')
  })

  it('a queued run is cancelled once', async () => {
    const id = await started(config, '2026-04-01')
    const cancel = (key = admin) => api.ask(`/api/v1/runs/${id}/cancel`, { method: 'POST', key })
    const reply = await cancel()
    expect(reply.status, reply.text).to.equal(202)
    expect(reply.body).to.deep.equal({ run_id: id, status: 'cancelled' })
    expectProblem(await cancel(), 409, 'CONFLICT')
    expect((await api.ask(`/api/v1/runs/${id}`, { key: admin })).body).to.include({ status: 'cancelled' })
    expect(await api.knex('audit_log').where({ target: `/api/v1/runs/${id}/cancel` })).to.have.length(1)
  })

  it('a run of another config is not there for a limited key', async () => {
    const id = await started(other, '2026-03-01')
    expectProblem(await api.ask(`/api/v1/runs/${id}`, { key: limited }), 404, 'NOT_FOUND')
    const cancel = { method: 'POST', key: limited }
    const hidden = await api.ask(`/api/v1/runs/${id}/cancel`, cancel)
    expectProblem(hidden, 404, 'NOT_FOUND')
    const missing = '00000000-0000-4000-8000-000000000000'
    const reply = await api.ask(`/api/v1/runs/${missing}/cancel`, cancel)
    expectProblem(reply, 404, 'NOT_FOUND')
    expect(String(hidden.body['detail']).replace(id, '')).to.equal(
      String(reply.body['detail']).replace(missing, ''),
    )
    expect((await api.ask(`/api/v1/runs/${id}`, { key: admin })).body['status']).to.equal('queued')
  })

  describe('schedules', () => {
    const change = (id: string, body: object, key = admin) =>
      api.ask(`/api/v1/schedules/${id}`, { method: 'PATCH', body, key })

    it('are listed with their next runs', async () => {
      const { data } = (await api.ask('/api/v1/schedules', { key: limited })).body as {
        data: { id: string; next_run_at: string }[]
      }
      expect(data.map(({ id }) => id)).to.have.members(timetable(loadConfig({})).map(({ id }) => id))
      for (const { next_run_at } of data) expect(Date.parse(next_run_at)).to.be.greaterThan(Date.now() - 1000)
    })

    it('are paused, resumed, and set to another cron and back', async () => {
      expect((await change('train.all', { paused: true })).body).to.include({
        paused: true,
        next_run_at: null,
      })
      expect((await change('train.all', { paused: false })).body).to.include({ paused: false })
      const other = await change('train.all', { cron: '15 3 * * *' })
      expect(other.body).to.include({ cron: '15 3 * * *', default_cron: '0 4 * * *', overridden: true })
      expect((await change('train.all', { cron: null })).body).to.include({
        cron: '0 4 * * *',
        overridden: false,
      })
      expect(await api.knex('audit_log').where({ target: 'schedule/train.all' })).to.have.length(4)
    })

    it('refuse what is no change, no cron, no schedule, no admin', async () => {
      expectProblem(await change('train.all', {}), 400, 'INVALID_REQUEST')
      for (const cron of ['', '* * * *', '61 * * * *', 'x'.repeat(101), '0 0 30 2 *'])
        expectProblem(await change('train.all', { cron }), 400, 'INVALID_REQUEST')
      expectProblem(await change('no.such', { paused: true }), 404, 'NOT_FOUND')
      expectProblem(await change('train.all', { paused: true }, limited), 403, 'FORBIDDEN')
    })
  })
})
