/** /plot over HTTP: its three forms, what it refuses, what it does without points or without a model. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { openTestApi } from '../../support/api.ts'
import type { Ask, Reply, TestApi } from '../../support/api.ts'

const START = 1_700_000_000
const N = 1000
const SPIKE = 900
const BROWSER = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

const values = (shift = 0): number[] =>
  Array.from({ length: N }, (_, i) => (i === SPIKE ? 9 : Math.sin(i / 9) + ((i * 7919) % 13) / 20 + shift))

const train = async (api: TestApi, id: string, body: object, setting: object = {}): Promise<void> => {
  await api.ask(`/api/v1/series/${id}`, { method: 'PUT', body: { class: 'short', ...setting } })
  const reply = await api.ask(`/api/v1/series/${id}/train`, { body, headers: { Prefer: 'wait=20' } })
  expect(reply.status, reply.text).to.equal(201)
}

const seconds = Array.from({ length: N }, (_, i) => START + 60 * i)

/** Spoils the files of a series that end so. */
const spoil = async (api: TestApi, id: string, end: string): Promise<void> => {
  const folder = join(api.folder, 'anomaly_detector/series', id)
  for (const name of await readdir(folder)) {
    if (!name.endsWith(end)) continue
    const bytes = await readFile(join(folder, name))
    bytes.fill(0xff, bytes.length - 40)
    await writeFile(join(folder, name), bytes)
  }
}

interface Numbers {
  series_id: string
  version: string
  timestamp_unit: string
  timestamps: number[]
  channels: Record<string, (number | null)[]>
  band: Record<string, { low: (number | null)[]; high: (number | null)[] }>
  anomalies: { index: number; timestamp: number; channel: string; score: number }[]
  notice: string | null
}

describe('/plot', () => {
  let api: TestApi
  before(async () => {
    api = await openTestApi({ workers: true, environment: { RATE_LIMITS: 'off', SERIES_KEEP_VERSIONS: '2' } })
    await train(api, 'pump', {
      timestamps: seconds,
      values: values(),
      models: ['zscore', 'isolation_forest'],
    })
  })
  after(() => api.close())

  const plot = (query: string, options: Ask = {}): Promise<Reply> => api.ask(`/plot?${query}`, options)
  const numbers = async (query: string): Promise<Numbers> => {
    const reply = await plot(`${query}&format=json`)
    expect(reply.status, reply.text).to.equal(200)
    return reply.body as unknown as Numbers
  }
  const refusal = async (query: string): Promise<[number, unknown]> => {
    const { status, body } = await plot(query)
    return [status, body['code']]
  }

  it('tells the points, the band and what is odd as numbers', async () => {
    const { timestamps, channels, band, anomalies, ...rest } = await numbers('series_id=pump')
    expect(rest).to.deep.equal({
      series_id: 'pump',
      version: 'v1',
      model: 'zscore',
      timestamp_unit: 's',
      notice: null,
    })
    expect(timestamps).to.deep.equal(seconds)
    expect(channels).to.deep.equal({ value: values() })
    expect(band['value']?.low).to.have.length(N)
    expect(band['value']?.low[5]).to.be.below(band['value']?.high[5] ?? 0)
    expect(anomalies.map(({ index, timestamp, channel }) => [index, timestamp, channel])).to.deep.equal([
      [SPIKE, START + 60 * SPIKE, 'value'],
    ])
    expect(anomalies[0]?.score).to.be.within(0.5, 1)
  })

  it('tells the verdicts predictions give for the same points', async () => {
    const { anomalies } = await numbers('series_id=pump&model=isolation_forest')
    const { body } = await api.ask('/api/v1/series/pump/predict?models=isolation_forest', {
      body: { timestamps: seconds, values: values() },
    })
    const verdicts = body['predictions'] as { timestamp: number; is_anomaly: boolean; score: number }[]
    expect(anomalies.map(({ timestamp, score }) => [timestamp, score])).to.deep.equal(
      verdicts.filter((one) => one.is_anomaly).map(({ timestamp, score }) => [timestamp, score]),
    )
    expect(anomalies.length).to.be.greaterThan(0)
  })

  it('tells times in the unit of the series, and the channels asked for', async () => {
    const timestamps = seconds.map((one) => one * 1000 + 7)
    const body = { timestamps, channels: { a: values(), b: values(3) } }
    await train(api, 'fine', body, { timestamp_unit: 'ms' })
    const all = await numbers('series_id=fine')
    expect([all.timestamp_unit, all.timestamps[0]]).to.deep.equal(['ms', START * 1000 + 7])
    expect(Object.keys(all.channels)).to.deep.equal(['a', 'b'])
    for (const channel of ['b', 'b,b'])
      expect(Object.keys((await numbers(`series_id=fine&channel=${channel}`)).channels)).to.deep.equal(['b'])
    expect(Object.keys((await numbers('series_id=fine&channel=a,b')).band)).to.deep.equal(['a', 'b'])
  })

  it('draws the same picture every time, as wide as asked for', async () => {
    const picture = await plot('series_id=pump&format=svg')
    expect(picture.headers['content-type']).to.equal('image/svg+xml; charset=utf-8')
    expect((await plot('series_id=pump&format=svg&version=v1')).text).to.equal(picture.text)
    expect(picture.text).to.contain('width="960"')
    for (const width of [280, 3840])
      expect((await plot(`series_id=pump&format=svg&width=${width}`)).text).to.contain(`width="${width}"`)
    for (const width of ['279', '3841', '1.5', 'wide'])
      expect(await refusal(`series_id=pump&format=svg&width=${width}`)).to.deep.equal([
        400,
        'INVALID_REQUEST',
      ])
  })

  it('is a page whose scripts and styles are our own, and may be kept for good', async () => {
    const page = await plot('series_id=pump', { headers: BROWSER })
    expect(page.headers['content-type']).to.equal('text/html; charset=utf-8')
    const policy = String(page.headers['content-security-policy'])
    expect(policy).to.contain("script-src 'self';").and.to.contain("connect-src 'self'")
    const assets = [...page.text.matchAll(/(?:src|href)="(\/plot\/assets\/[^"]+)"/g)].map(
      ([, path]) => path ?? '',
    )
    expect(assets.map((path) => path.split('/').at(-1))).to.deep.equal(['uplot.css', 'uplot.js', 'plot.js'])
    const script = assets[2] ?? ''
    for (const path of [
      ...assets,
      script.replace('plot.js', 'chart.js'),
      script.replace('plot.js', 'labels.js'),
    ]) {
      const asset = await api.ask(path)
      expect(asset.status, path).to.equal(200)
      expect(asset.headers['content-type']).to.match(
        path.endsWith('.css') ? /^text\/css/ : /^text\/javascript/,
      )
      expect(asset.headers['cache-control']).to.equal('private, max-age=31536000, immutable')
    }
    const folder = script.split('/')[3] ?? ''
    for (const path of [
      script.replace(folder, '0'.repeat(16)),
      script.replace('plot.js', 'plot.ts'),
      script.replace('plot.js', '..%2f..%2fpackage.json'),
      '/plot/assets',
    ])
      expect((await api.ask(path)).status, path).to.equal(404)
  })

  it('refuses what there is not, to a program in JSON', async () => {
    for (const format of ['html', 'json', 'svg']) {
      const of = (query: string): Promise<[number, unknown]> => refusal(`${query}&format=${format}`)
      expect(await of('series_id=nobody')).to.deep.equal([404, 'MODEL_NOT_FOUND'])
      expect(await of('series_id=a-b')).to.deep.equal([400, 'INVALID_SERIES_ID'])
      expect(await of('series_id=pump&version=v9')).to.deep.equal([404, 'INVALID_VERSION'])
      expect(await of('series_id=pump&version=9')).to.deep.equal([404, 'INVALID_VERSION'])
      expect(await of('series_id=pump&model=nope')).to.deep.equal([422, 'UNKNOWN_MODEL'])
      expect(await of('series_id=pump&channel=nope')).to.deep.equal([422, 'UNKNOWN_CHANNEL'])
    }
    expect(await refusal('series_id=pump&format=png')).to.deep.equal([400, 'INVALID_REQUEST'])
    expect(await refusal('format=json')).to.deep.equal([400, 'INVALID_REQUEST'])
    expect(await refusal('series_id=&format=svg')).to.deep.equal([400, 'INVALID_REQUEST'])
  })

  it('refuses it to a browser on a page, and runs nothing of what was asked', async () => {
    const hostile = encodeURIComponent('"><script>alert(1)</script>')
    for (const [query, status] of [
      ['series_id=nobody', 404],
      [`series_id=${hostile}`, 400],
      [`series_id=pump&version=${hostile}`, 404],
      [`series_id=pump&model=${hostile}`, 422],
      [`series_id=pump&channel=${hostile}`, 422],
    ] as const) {
      const page = await plot(query, { headers: BROWSER })
      expect(page.status, query).to.equal(status)
      expect(page.headers['content-type']).to.equal('text/html; charset=utf-8')
      expect(page.text).to.contain('No plot').and.to.not.contain('<script')
    }
    expect((await plot('series_id=nobody&format=json', { headers: BROWSER })).body['code']).to.equal(
      'MODEL_NOT_FOUND',
    )
  })

  it('lists series to choose from, by how they begin, page by page', async () => {
    for (const n of Array.from({ length: 52 }, (_, i) => i))
      await api.ask(`/api/v1/series/list_${String(n).padStart(2, '0')}`, { method: 'PUT', body: {} })
    const first = await api.ask('/plot?prefix=list_')
    expect(first.text.match(/<b>list_\d\d<\/b>/g)).to.have.length(50)
    const more = /href="(\/plot\?prefix=[^"]+)"/.exec(first.text)?.[1] ?? ''
    const second = await api.ask(more.replaceAll('&amp;', '&'))
    expect(second.text.match(/<b>list_\d\d<\/b>/g)).to.deep.equal(['<b>list_50</b>', '<b>list_51</b>'])
    expect((await api.ask('/plot?prefix=list_99')).text).to.contain('No series begins with')
    expect((await api.ask('/plot?cursor=nonsense')).body['code']).to.equal('INVALID_REQUEST')
  })

  it('refuses an archived version, and offers it no more', async () => {
    for (const shift of [0, 1, 2])
      await train(api, 'often', { timestamps: seconds, values: values(shift), models: ['zscore'] })
    expect(await refusal('series_id=often&version=v1')).to.deep.equal([409, 'VERSION_ARCHIVED'])
    expect((await plot('series_id=often')).text).to.contain(
      '<option value="v1" disabled>v1 (archived)</option>',
    )
    expect((await numbers('series_id=often&version=v2')).version).to.equal('v2')
  })

  it('shows the band of the baseline while the file of the model is damaged', async () => {
    await train(api, 'hurt', { timestamps: seconds, values: values(), models: ['isolation_forest'] })
    await spoil(api, 'hurt', '.safetensors')
    const { notice, band, anomalies } = await numbers('series_id=hurt')
    expect(notice).to.contain('The file of the model cannot be read')
    expect(anomalies.map(({ index }) => index)).to.deep.equal([SPIKE])
    const { low, high } = band['value'] ?? { low: [], high: [] }
    const mean = values().reduce((sum, value) => sum + value, 0) / N
    expect(((low[0] ?? 0) + (high[0] ?? 0)) / 2).to.be.closeTo(mean, 1e-9)
    expect((await plot('series_id=hurt')).text).to.contain('The file of the model cannot be read')
    expect((await plot('series_id=hurt&format=svg')).text).to.contain('class="band"')
  })

  it('says that the points it kept are damaged', async () => {
    await train(api, 'torn', { timestamps: seconds, values: values(), models: ['zscore'] })
    await spoil(api, 'torn', '.tail')
    const { notice, timestamps, anomalies } = await numbers('series_id=torn')
    expect(notice).to.contain('damaged or gone')
    expect([timestamps, anomalies]).to.deep.equal([[], []])
    expect((await plot('series_id=torn&format=svg')).text).to.contain('damaged or gone')
  })

  it('draws the columns a waveform is reduced to', async () => {
    const windows = Array.from({ length: 60 }, (_, i) => ({
      timestamp: START + i,
      value: Array.from({ length: 16 }, (_, k) => Math.sin((k * (i + 1)) / 3) + i / 50),
    }))
    await train(api, 'shaft', { points: windows, models: ['zscore'] }, { class: 'waveform' })
    const { channels, timestamps } = await numbers('series_id=shaft')
    expect(timestamps).to.have.length(60)
    expect(Object.keys(channels)).to.include('value.rms').and.to.have.length(8)
    expect((await plot('series_id=shaft&channel=value.rms')).text).to.contain('value, rms</text>')
  })

  it('asks a browser for a key by its own dialogue, and takes it', async () => {
    const own = await openTestApi({ environment: { RATE_LIMITS: 'off' } })
    try {
      const key = await own.key('reader', 'viewer')
      const [config] = [await own.newConfig()]
      const narrow = await own.key('narrow', 'viewer', [config])
      for (const path of ['/plot', '/plot?series_id=pump', '/plot/assets/x/plot.js']) {
        const reply = await own.ask(path)
        expect(reply.status, path).to.equal(401)
        expect(reply.headers['www-authenticate']).to.match(/^Basic /)
      }
      const basic = `Basic ${Buffer.from(`any:${key}`).toString('base64')}`
      const page = await own.ask('/plot', { headers: { Authorization: basic } })
      expect([page.status, page.text.includes('There are no series yet')]).to.deep.equal([200, true])
      expect((await own.ask('/plot', { key: narrow })).status).to.equal(403)
    } finally {
      await own.close()
    }
  })
})

describe('/plot where no points are kept', () => {
  it('shows what was learnt, and says why there is no picture', async () => {
    const api = await openTestApi({
      workers: true,
      environment: { RATE_LIMITS: 'off', SERIES_KEEP_POINTS: '0' },
    })
    try {
      await train(api, 'bare', { timestamps: seconds, values: values(), models: ['zscore'] })
      const { body } = await api.ask('/plot?series_id=bare&format=json')
      expect(body).to.deep.include({ timestamps: [], channels: {}, band: {}, anomalies: [] })
      expect(body['notice']).to.contain('No points are kept with this version (SERIES_KEEP_POINTS')
      const page = await api.ask('/plot?series_id=bare&channel=value')
      expect(page.text).to.contain('No points are kept').and.to.contain('What it learnt from')
      const picture = await api.ask('/plot?series_id=bare&format=svg')
      expect(picture.text).to.contain('No points are kept').and.to.contain('</svg>')
    } finally {
      await api.close()
    }
  })
})

describe('statistics over HTTP', () => {
  let api: TestApi
  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date('2026-03-11T10:20:00Z') } })
    await api.ask('/api/v1/series/counted', { method: 'PUT', body: { class: 'short' } })
    const zHist = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    const counts = { seriesId: 'counted', predictions: 4, anomalies: 1, errors: 2, fallbacks: 3, zHist }
    await api.store.seriesActivity.add([{ ...counts, hour: new Date('2026-03-11T08:00:00Z') }], [])
  })
  after(() => api.close())
  const stats = (query: string, id = 'counted'): Promise<Reply> =>
    api.ask(`/api/v1/series/${id}/stats${query}`)

  it('are of the last day by hour, gaps as zeros', async () => {
    const { status, body } = await stats('')
    const buckets = body['buckets'] as Record<string, unknown>[]
    expect([status, body['series_id'], body['bucket'], buckets.length]).to.deep.equal([
      200,
      'counted',
      'hour',
      25,
    ])
    expect(buckets[0]).to.deep.include({
      start: '2026-03-10T10:00:00.000Z',
      predictions: 0,
      anomaly_ratio: null,
    })
    expect(buckets[22]).to.deep.equal({
      start: '2026-03-11T08:00:00.000Z',
      predictions: 4,
      anomalies: 1,
      anomaly_ratio: 0.25,
      errors: 2,
      fallbacks: 3,
      z_histogram: [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    })
  })

  it('are of whole days where days are asked for, in any zone', async () => {
    const { body } = await stats(
      `?bucket=day&from=${encodeURIComponent('2026-03-10T23:00:00-03:00')}&to=2026-03-12T00:00:00Z`,
    )
    const buckets = body['buckets'] as Record<string, unknown>[]
    expect(buckets.map(({ start, predictions }) => [start, predictions])).to.deep.equal([
      ['2026-03-11T00:00:00.000Z', 4],
    ])
  })

  it('are refused for what cannot be', async () => {
    for (const query of [
      '?bucket=week',
      '?from=yesterday',
      '?from=2026-03-11',
      '?from=2026-02-30T00:00:00Z',
      '?to=2020-01-01T00:00:00Z&from=2021-01-01T00:00:00Z',
      '?from=2025-01-01T00:00:00Z',
    ])
      expect((await stats(query)).body['code'], query).to.equal('INVALID_REQUEST')
    expect((await stats('', 'nobody')).body['code']).to.equal('MODEL_NOT_FOUND')
    expect((await stats('', 'a-b')).body['code']).to.equal('INVALID_SERIES_ID')
  })
})
