import { expect } from 'chai'
import { adDays, insertDays } from '../../support/accounts.ts'
import { openTestApi } from '../../support/api.ts'
import type { TestApi } from '../../support/api.ts'

/** Four in the morning in São Paulo: the 10th is complete. */
const NOW = '2026-03-11T07:00:00.000Z'
const DAY = '2026-03-10'

const cursor = (text: string): string => Buffer.from(text).toString('base64url')

describe('dates and cursors nobody has a use for', () => {
  let api: TestApi
  let configId: number
  let key: string
  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    configId = await api.newConfig()
    await insertDays(api.knex, configId, adDays('a1', 20, DAY, { adsetId: 's1', campaignId: 'c1' }))
    key = await api.key('admin', 'admin')
  })
  after(() => api.close())

  const refused = async (path: string, body?: unknown): Promise<void> => {
    const reply = await api.ask(`/api/v1${path}`, { key, body })
    expect(reply.status, `${path} ${JSON.stringify(body)}`).to.equal(400)
    expect(reply.body).to.include({ code: 'INVALID_REQUEST' })
  }

  it('are refused as dates: no list, detection or training reaches beyond what a calendar can name', async () => {
    for (const date of ['0000-01-01', '0001-01-05', '1969-12-31', '3000-01-01', '9999-12-31']) {
      await refused(`/ml/anomalies?config_id=${configId}&date_from=${date}`)
      await refused(`/ml/anomalies?config_id=${configId}&date_to=${date}`)
      await refused(`/insights/daily?config_id=${configId}&date_to=${date}`)
      const entity_ids = ['a1']
      await refused('/ml/anomalies/detect', { config_id: configId, entity_type: 'ad', entity_ids, date })
      await refused('/ml/models/train', { config_id: configId, date })
      await refused('/jobs', { name: 'train.all', payload: { asOf: `${date}T00:00:00Z` } })
    }
  })

  it('are taken up to their ends', async () => {
    for (const date of ['1970-01-01', '2999-12-31']) {
      for (const path of ['/ml/anomalies', '/ml/anomalies/summary', '/insights/daily']) {
        const reply = await api.ask(
          `/api/v1${path}?config_id=${configId}&date_from=${date}&date_to=${date}`,
          {
            key,
          },
        )
        expect(reply.status, `${path} ${date}`).to.equal(200)
      }
    }
    const body = {
      config_id: configId,
      entity_type: 'ad',
      entity_ids: ['a1'],
      date: '1970-01-01',
      dry_run: true,
    }
    expect((await api.ask('/api/v1/ml/anomalies/detect', { key, body })).status).to.equal(200)
  })

  it('of a day that is not over are refused for training as for detection', async () => {
    const body = (date: string) => ({ config_id: configId, entity_type: 'ad', date })
    expect((await api.ask('/api/v1/ml/models/train', { key, body: body(DAY) })).status).to.equal(202)
    for (const path of ['/ml/models/train', '/ml/anomalies/detect']) await refused(path, body('2026-03-11'))
  })

  it('are refused as cursors of every list', async () => {
    const lists = [
      `/ml/models?config_id=${configId}&`,
      `/imports?config_id=${configId}&`,
      '/configs?',
      '/keys?',
    ]
    for (const list of lists)
      for (const text of ['9'.repeat(28), '-1', 'x']) await refused(`${list}cursor=${cursor(text)}`)
    for (const text of ['2026-13-45_1', '2026-03-10_', '1'])
      await refused(`/ml/anomalies?config_id=${configId}&cursor=${cursor(text)}`)
    const runs = await api.ask(`/api/v1/runs?cursor=${cursor('-'.repeat(36))}`, { key })
    expect(runs.status).to.equal(200)
    expect(runs.body['data']).to.deep.equal([])
  })
})
