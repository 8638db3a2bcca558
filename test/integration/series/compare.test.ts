/** Two versions side by side, over HTTP. */
import { expect } from 'chai'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'

const START = 1_700_000_000
const N = 1000
const PATH = '/api/v1/series/pump/versions/compare'

const points = (shift: number): Record<string, unknown> => ({
  timestamps: Array.from({ length: N }, (_, i) => START + 60 * i),
  values: Array.from({ length: N }, (_, i) => (i % 2 === 0 ? -1 : 1) + shift),
})

describe('comparing versions of a series', () => {
  let api: TestApi
  const train = async (body: object): Promise<void> => {
    const reply = await api.ask('/api/v1/series/pump/train', { body, headers: { Prefer: 'wait=20' } })
    expect(reply.status, reply.text).to.equal(201)
  }
  before(async () => {
    api = await openTestApi({ workers: true, environment: { RATE_LIMITS: 'off' } })
    await api.ask('/api/v1/series/pump', { method: 'PUT', body: { class: 'short' } })
    await train({ ...points(0), models: ['zscore'] })
    await train({
      ...points(3),
      models: [
        { family: 'zscore', params: { k: 2 } },
        { name: 'loose', family: 'zscore', params: { k: 5 } },
      ],
    })
  })
  after(() => api.close())

  const refused = async (status: number, code: string, reply: Promise<Reply>): Promise<void> => {
    const { status: given, body, text } = await reply
    expect({ status: given, code: body['code'] }, text).to.deep.equal({ status, code })
  }

  it('tells what the values did, and what was asked for differently', async () => {
    const { status, body } = await api.ask(`${PATH}?from=v1&to=v2`)
    expect(status).to.equal(200)
    expect(body).to.deep.include({ series_id: 'pump', from: 'v1', to: 'v2' })
    expect(body).to.deep.include({ same_data: false, same_models: false })
    expect(body['points_used']).to.deep.equal({ from: N, to: N, delta: 0 })
    const { value } = body['stats'] as Record<string, Record<string, unknown>>
    expect(value!['mean']).to.deep.equal({ from: 0, to: 3, delta: 3 })
    expect(value!['std']).to.deep.equal({ from: 1, to: 1, delta: 0 })
    expect(value!['kl']).to.be.above(1)
    const models = body['models'] as Record<string, unknown>[]
    expect(models.map(({ name, change }) => [name, change])).to.deep.equal([
      ['zscore', 'changed'],
      ['loose', 'added'],
    ])
    expect(models[0]!['fields']).to.deep.equal([{ field: 'params.k', from: 3, to: 2 }])
  })

  it('finds a version equal to itself', async () => {
    const { body } = await api.ask(`${PATH}?from=v2&to=v2`)
    expect(body).to.deep.include({ same_data: true, same_models: true })
    const { value } = body['stats'] as Record<string, Record<string, unknown>>
    expect(value!['kl']).to.equal(0)
  })

  it('lets both judge the points sent, and counts where they agree', async () => {
    const timestamps = [START, START + 60, START + 120, START + 180]
    // v1 takes -3 to 3 for normal, v2 1 to 5.
    const { status, body, text } = await api.ask(`${PATH}?from=v1&to=v2`, {
      body: { timestamps, values: [2, 0, 9, 4] },
    })
    expect(status, text).to.equal(200)
    expect(body['timestamps']).to.deep.equal(timestamps)
    expect(body['agreement']).to.equal(0.5)
    const [pair, ...others] = body['judged'] as Record<string, unknown>[]
    expect(others).to.deep.equal([])
    expect(pair).to.deep.include({ compared: 4, equal: 2, only_from: 1, only_to: 1, agreement: 0.5 })
    expect(pair!['from']).to.deep.equal({
      model: 'zscore',
      threshold: 0.5,
      fallback: false,
      scores: [2 / 5, 0, 9 / 12, 4 / 7],
      is_anomaly: [false, false, true, true],
    })
    expect((pair!['to'] as Record<string, unknown>)['is_anomaly']).to.deep.equal([false, true, true, false])
    expect(body['stats']).to.have.property('value')
  })

  it('judges by the models both have when all are asked for, and by those named', async () => {
    const body = { timestamp: START, value: 1 }
    const all = await api.ask(`${PATH}?from=v2&to=v2&models=all`, { body: { ...body, models: 'all' } })
    expect((all.body['judged'] as object[]).length, all.text).to.equal(2)
    const common = await api.ask(`${PATH}?from=v1&to=v2`, { body: { ...body, models: 'all' } })
    expect((common.body['judged'] as object[]).length, common.text).to.equal(1)
    await refused(
      422,
      'UNKNOWN_MODEL',
      api.ask(`${PATH}?from=v1&to=v2`, { body: { ...body, models: ['loose'] } }),
    )
  })

  it('is no prediction: nothing is counted', async () => {
    await api.ask(`${PATH}?from=v1&to=v2`, { body: { timestamp: START, value: 1 } })
    const { text } = await api.ask('/metrics')
    expect(text).to.not.match(/^vigia_predictions_total\{[^}]*family="zscore"/m)
  })

  it('says what cannot be compared', async () => {
    await refused(400, 'INVALID_REQUEST', api.ask(`${PATH}?from=v1`))
    await refused(404, 'INVALID_VERSION', api.ask(`${PATH}?from=v1&to=2`))
    await refused(404, 'INVALID_VERSION', api.ask(`${PATH}?from=v1&to=v3`))
    await refused(404, 'MODEL_NOT_FOUND', api.ask(`${PATH.replace('pump', 'nobody')}?from=v1&to=v2`))
    await refused(400, 'INVALID_SERIES_ID', api.ask(`${PATH.replace('pump', 'a-b')}?from=v1&to=v2`))
    await refused(
      422,
      'INVALID_VALUE',
      api.ask(`${PATH}?from=v1&to=v2`, { body: { timestamp: START, value: null } }),
    )
  })
})
