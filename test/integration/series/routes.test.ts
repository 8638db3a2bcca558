import { expect } from 'chai'
import type { Reply, TestApi } from '../../support/api.ts'
import { openTestApi } from '../../support/api.ts'
import { versionMaker } from '../../support/series.ts'
import type { VersionMaker } from '../../support/series.ts'

const S = '/api/v1/series'
const V = '/api/v1/registry/versions'

type Row = Readonly<Record<string, unknown>>
const rowsOf = (reply: Reply): readonly Row[] => reply.body['data'] as readonly Row[]

describe('routes of the catalogue of series', () => {
  let api: TestApi
  let maker: VersionMaker
  let count = 0
  let id: string
  before(async () => {
    api = await openTestApi()
    maker = versionMaker(api.store, api.knex)
  })
  after(() => api.close())
  beforeEach(() => {
    id = `press_${(count += 1)}`
  })

  const send = (method: string, path: string, body?: unknown): Promise<Reply> =>
    api.ask(path, { method, ...(body === undefined ? {} : { body }) })
  const refused = async (status: number, code: string, reply: Promise<Reply>, text?: RegExp) => {
    const { status: given, body } = await reply
    expect({ status: given, code: body['code'] }, JSON.stringify(body)).to.deep.equal({ status, code })
    if (text) expect(body['detail']).to.match(text)
  }
  const trained = async (times: number): Promise<void> => {
    for (let n = 1; n <= times; n += 1) await maker.train(id, { data: `${id} ${n}` })
  }
  const audited = async (target: string): Promise<unknown[]> => {
    const rows: Row[] = await api.knex('audit_log').where({ target }).orderBy('id')
    return rows.map(({ action, before, after, actor }) => ({ action, before, after, actor }))
  }

  describe('every route', () => {
    const each: readonly [method: string, path: (id: string) => string, body?: unknown][] = [
      ['GET', (one) => `${S}/${one}`],
      ['PUT', (one) => `${S}/${one}`, {}],
      ['PATCH', (one) => `${S}/${one}`, {}],
      ['DELETE', (one) => `${S}/${one}`],
      ['GET', (one) => `${S}/${one}/versions`],
      ['GET', (one) => `${S}/${one}/versions/v1`],
      ['PATCH', (one) => `${S}/${one}/versions/v1`, { tags: {} }],
      ['POST', (one) => `${S}/${one}/versions/v1/restore`],
      ['POST', (one) => `${S}/${one}/rollback`, {}],
    ]
    for (const [method, path, body] of each) {
      it(`${method} ${path(':id')} tells an id that cannot be from one nobody knows`, async () => {
        for (const bad of ['a-b', 'a'.repeat(129), 'a.b', '%20'])
          await refused(400, 'INVALID_SERIES_ID', send(method, path(bad), body))
        if (method !== 'PUT') await refused(404, 'MODEL_NOT_FOUND', send(method, path('nobody'), body))
      })
    }
    for (const [method, path, body] of each.filter(([, path]) => path('').includes('versions/v1'))) {
      it(`${method} ${path(':id')} says which versions there are not`, async () => {
        await trained(1)
        for (const bad of ['v9', 'v0', '1', 'v01', 'latest', 'v9999999999'])
          await refused(
            404,
            'INVALID_VERSION',
            send(method, path(id).replace('versions/v1', `versions/${bad}`), body),
          )
      })
    }

    it('asks for the role it needs, and for a key that may see everything', async () => {
      await trained(1)
      const keys = {
        viewer: await api.key('series-viewer', 'viewer'),
        trainer: await api.key('series-trainer', 'trainer'),
        some: await api.key('series-some', 'admin', [await api.newConfig()]),
      }
      try {
        const status = async (key: string, method: string, path: string, body?: unknown): Promise<number> =>
          (await api.ask(path, { method, key, ...(body === undefined ? {} : { body }) })).status
        for (const [method, path, body] of each) {
          const read = method === 'GET'
          expect(await status(keys.some, method, path(id), body)).to.equal(403)
          if (!read) expect(await status(keys.viewer, method, path(id), body)).to.equal(403)
          else expect(await status(keys.viewer, method, path(id))).to.equal(200)
        }
        expect(await status(keys.trainer, 'DELETE', `${S}/${id}`)).to.equal(403)
        expect(await status(keys.trainer, 'PATCH', `${S}/${id}`, { tags: { a: 'b' } })).to.equal(200)
        expect(await status(keys.some, 'GET', S)).to.equal(403)
        expect(await status(keys.some, 'GET', V)).to.equal(403)
        expect(await status(keys.viewer, 'GET', V)).to.equal(200)
      } finally {
        for (const name of ['series-viewer', 'series-trainer', 'series-some'])
          await api.services.keys.revoke(name)
      }
    })
  })

  describe('settings', () => {
    it('are made, set anew, and told as they hold', async () => {
      const made = await send('PUT', `${S}/${id}`, {
        class: 'short',
        min_points: 500,
        ranges: { value: { min: -5, max: 5 } },
        timestamp_unit: 'ms',
        tags: { site: 'lyon' },
      })
      expect(made.status).to.equal(201)
      expect(made.headers['location']).to.equal(`${S}/${id}`)
      expect(made.body).to.deep.include({
        series_id: id,
        class: 'short',
        channels: null,
        ranges: { value: { min: -5, max: 5 } },
        timestamp_unit: 'ms',
        min_points: 500,
        max_points: 100_000,
        tags: { site: 'lyon' },
        versions: 0,
        stable: null,
        previous: null,
        last_version: null,
      })
      expect((await send('GET', `${S}/${id}`)).body).to.deep.equal(made.body)
      const again = await send('PUT', `${S}/${id}`, {})
      expect(again.status).to.equal(200)
      expect(again.body).to.deep.include({
        class: 'short',
        min_points: 1000,
        ranges: {},
        tags: {},
        timestamp_unit: 's',
      })
      expect((await audited(`series/${id}`)).map((row) => (row as Row)['action'])).to.deep.equal([
        'series.create',
        'series.change',
      ])
    })

    it('are made with the defaults by an empty body, and by none', async () => {
      expect((await send('PUT', `${S}/${id}`)).body).to.deep.include({
        class: 'standard',
        min_points: 10_000,
      })
    })

    it('take the class once, until the first version', async () => {
      await send('PUT', `${S}/${id}`, { class: 'standard' })
      expect((await send('PATCH', `${S}/${id}`, { class: 'short' })).body).to.include({ class: 'short' })
      await trained(1)
      await refused(409, 'CONFLICT', send('PATCH', `${S}/${id}`, { class: 'waveform' }), /class short/)
      await refused(409, 'CONFLICT', send('PUT', `${S}/${id}`, { class: 'waveform' }))
      expect((await send('PUT', `${S}/${id}`, { class: 'short' })).status).to.equal(200)
    })

    it('change by what is given, and lose what is null', async () => {
      await send('PUT', `${S}/${id}`, {
        min_points: 60,
        ranges: { axial: { min: 0, max: 1 }, radial: { min: 0, max: 2 } },
        tags: { a: '1', b: '2' },
      })
      const changed = await send('PATCH', `${S}/${id}`, {
        min_points: null,
        max_points: 20_000,
        ranges: { axial: null },
        tags: { b: null, c: '3' },
      })
      expect(changed.body).to.deep.include({
        min_points: 10_000,
        max_points: 20_000,
        ranges: { radial: { min: 0, max: 2 } },
        tags: { a: '1', c: '3' },
      })
      const same = await send('PATCH', `${S}/${id}`, {})
      expect({ ...same.body, updated_at: null }).to.deep.equal({ ...changed.body, updated_at: null })
    })

    const bad: readonly (readonly [what: string, body: unknown, text: RegExp])[] = [
      ['an unknown class', { class: 'long' }, /body\.class/],
      ['fewer points than 50', { min_points: 49 }, /min_points/],
      ['more points than 100,000', { max_points: 100_001 }, /max_points/],
      ['half a point', { min_points: 50.5 }, /min_points/],
      ['a minimum above the maximum', { min_points: 600, max_points: 599 }, /600 is above max_points, 599/],
      ['a maximum below what the class needs', { max_points: 5000 }, /10000 is above max_points, 5000/],
      ['a range the wrong way round', { ranges: { value: { min: 1, max: 1 } } }, /min below max/],
      ['a range without end', '{"ranges":{"value":{"min":0,"max":1e400}}}', /ranges\.value\.max/],
      ['a range of what cannot be a channel', { ranges: { 'Not-a-channel': { min: 0, max: 1 } } }, /ranges/],
      [
        '17 ranges',
        { ranges: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`c${i}`, { min: 0, max: 1 }])) },
        /there can be 16, these are 17/,
      ],
      [
        '21 tags',
        { tags: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`t${i}`, ''])) },
        /at most 20/,
      ],
      ['a tag with an equals sign in its name', { tags: { 'a=b': 'c' } }, /tags/],
      ['a tag of 201 characters', { tags: { a: 'x'.repeat(201) } }, /at most 200/],
      ['a tag that is no text', { tags: { a: 1 } }, /tags/],
      ['what it does not know', { colour: 'red' }, /colour/],
      ['a list', [], /body/],
    ]
    for (const [what, body, text] of bad) {
      it(`refuse ${what}`, async () => {
        const headers = { 'Content-Type': 'application/json' }
        await refused(
          400,
          'INVALID_REQUEST',
          api.ask(`${S}/${id}`, {
            method: 'PUT',
            body: typeof body === 'string' ? body : JSON.stringify(body),
            headers,
          }),
          text,
        )
        await refused(404, 'MODEL_NOT_FOUND', send('GET', `${S}/${id}`))
      })
    }

    it('take no prototype from a body', async () => {
      const headers = { 'Content-Type': 'application/json' }
      const body = '{"tags":{"__proto__":"x","constructor":"y"},"ranges":{"constructor":{"min":0,"max":1}}}'
      const reply = await api.ask(`${S}/${id}`, { method: 'PUT', body, headers })
      expect(reply.body).to.deep.include({
        tags: { constructor: 'y' },
        ranges: { constructor: { min: 0, max: 1 } },
      })
    })

    it('take 50 and 100,000 points, 16 ranges, and 20 tags of 200 characters', async () => {
      const reply = await send('PUT', `${S}/${id}`, {
        min_points: 50,
        max_points: 100_000,
        ranges: Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`c${i}`, { min: 0, max: 1 }])),
        tags: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`t${i}`, 'x'.repeat(200)])),
      })
      expect(reply.status).to.equal(201)
      await refused(
        400,
        'INVALID_REQUEST',
        send('PATCH', `${S}/${id}`, { tags: { more: '' } }),
        /20, this makes 21/,
      )
    })

    it('know no ranges of channels the series does not have', async () => {
      await trained(1)
      await refused(
        422,
        'UNKNOWN_CHANNEL',
        send('PATCH', `${S}/${id}`, { ranges: { axial: { min: 0, max: 1 } } }),
        /value/,
      )
      expect((await send('PATCH', `${S}/${id}`, { ranges: { value: { min: 0, max: 1 } } })).status).to.equal(
        200,
      )
    })
  })

  describe('versions', () => {
    it('are listed, newest first, in pages', async () => {
      await trained(5)
      const names: unknown[] = []
      let cursor = ''
      do {
        const page = await send('GET', `${S}/${id}/versions?page_size=2${cursor}`)
        expect(page.status).to.equal(200)
        names.push(...rowsOf(page).map((row) => row['version']))
        const next = page.body['next_cursor'] as string | null
        cursor = next === null ? '' : `&cursor=${next}`
      } while (cursor !== '')
      expect(names).to.deep.equal(['v5', 'v4', 'v3', 'v2', 'v1'])
      expect(rowsOf(await send('GET', `${S}/${id}/versions?state=broken`))).to.deep.equal([])
    })

    it('tell everything that is kept of them, unrounded', async () => {
      await maker.train(id, { data: `${id} 1`, tags: { shift: 'night' } })
      await trained(2)
      const { body } = await send('GET', `${S}/${id}/versions/v1`)
      expect(body).to.deep.include({
        series_id: id,
        version: 'v1',
        state: 'ready',
        class: 'short',
        channels: ['value'],
        aliases: ['previous'],
        serving: false,
        points_used: 1000,
        first_timestamp: 1_700_000_000,
        last_timestamp: 1_700_059_940,
        baseline: { value: { mean: 0.1 + 0.2, std: 1 } },
        drift_edges: { value: [-1, 1] },
        tags: { shift: 'night' },
        actor: 'test',
        correlation_id: 'trace-1',
        duration_ms: 12,
      })
      expect(body['lineage']).to.deep.equal({ parent: null, run_id: body['run_id'] })
      expect(body['members']).to.deep.equal([
        {
          name: 'zscore',
          family: 'zscore',
          algorithm: 'zscore@1',
          channels: ['value'],
          params: { k: 3 },
          status: 'ready',
          threshold: 0.5,
          flag_rate: 0.01,
          error: null,
        },
      ])
    })

    it('have tags, and nothing else that changes', async () => {
      await trained(1)
      const path = `${S}/${id}/versions/v1`
      expect((await send('PATCH', path, { tags: { a: '1', b: '2' } })).body['tags']).to.deep.equal({
        a: '1',
        b: '2',
      })
      expect((await send('PATCH', path, { tags: { a: null } })).body['tags']).to.deep.equal({ b: '2' })
      await refused(400, 'INVALID_REQUEST', send('PATCH', path, { tags: {}, points_used: 5 }), /points_used/)
      await refused(400, 'INVALID_REQUEST', send('PATCH', path, {}))
      await refused(
        400,
        'INVALID_REQUEST',
        send('PATCH', path, {
          tags: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`t${i}`, ''])),
        }),
        /20, this makes 21/,
      )
      expect(await audited(`series/${id}/v1`)).to.deep.equal([
        { action: 'series.tag', before: {}, after: { a: '1', b: '2' }, actor: 'local' },
        { action: 'series.tag', before: { a: '1', b: '2' }, after: { b: '2' }, actor: 'local' },
      ])
    })
  })

  describe('rollback', () => {
    it('goes to the previous version, and repeating it changes nothing', async () => {
      await trained(3)
      const first = await send('POST', `${S}/${id}/rollback`)
      expect(first.body).to.deep.equal({ series_id: id, version: 'v2', from: 'v3' })
      for (let repeat = 0; repeat < 2; repeat += 1) {
        const again = await send('POST', `${S}/${id}/rollback`, {})
        expect({ status: again.status, body: again.body }).to.deep.equal({
          status: 200,
          body: { series_id: id, version: 'v2', from: 'v2' },
        })
      }
      const moves = (await audited(`series/${id}`)).filter(
        (row) => (row as Row)['action'] === 'series.rollback',
      )
      expect(moves).to.deep.equal([
        { action: 'series.rollback', before: { stable: 3 }, after: { stable: 2 }, actor: 'local' },
      ])
      expect((await send('GET', `${S}/${id}`)).body).to.include({ stable: 'v2', last_version: 'v3' })
    })

    it('goes to any version by name', async () => {
      await trained(3)
      for (const to of ['v1', 'v3', 'v3']) {
        await send('POST', `${S}/${id}/rollback`, { to })
        expect((await send('GET', `${S}/${id}`)).body).to.include({ stable: to })
      }
      await refused(
        404,
        'INVALID_VERSION',
        send('POST', `${S}/${id}/rollback`, { to: 'v4' }),
        /no version v4/,
      )
      await refused(400, 'INVALID_REQUEST', send('POST', `${S}/${id}/rollback`, { to: 'stable' }))
    })

    it('needs a version to go to, with its file', async () => {
      await trained(1)
      await refused(404, 'INVALID_VERSION', send('POST', `${S}/${id}/rollback`), /no version before/)
      await trained(3)
      const where = { series_id: id, version: 2 }
      await api.knex('model_versions').where(where).update({ state: 'archived' })
      await refused(409, 'VERSION_ARCHIVED', send('POST', `${S}/${id}/rollback`, { to: 'v2' }), /restore/)
      await api.knex('model_versions').where(where).update({ state: 'broken' })
      await refused(409, 'CONFLICT', send('POST', `${S}/${id}/rollback`, { to: 'v2' }), /damaged/)
    })
  })

  it('deletes a series; trained again, its numbers go on', async () => {
    await trained(3)
    const gone = await send('DELETE', `${S}/${id}`)
    expect({ status: gone.status, body: gone.body }).to.deep.equal({
      status: 202,
      body: { series_id: id, status: 'deleted', versions: 3 },
    })
    await refused(404, 'MODEL_NOT_FOUND', send('GET', `${S}/${id}`))
    await refused(404, 'MODEL_NOT_FOUND', send('GET', `${S}/${id}/versions/v3`))
    await refused(404, 'MODEL_NOT_FOUND', send('DELETE', `${S}/${id}`))
    expect(rowsOf(await send('GET', `${V}?prefix=${id}`))).to.deep.equal([])
    await trained(1)
    expect((await send('GET', `${S}/${id}`)).body).to.include({ stable: 'v4', previous: null, versions: 1 })
  })

  it('restores a version that was archived, and does so once', async () => {
    await trained(1)
    await maker.train(id, { data: `${id} 2` }, 1)
    const third = await maker.train(id, { data: `${id} 3` }, 1)
    await api.services.series.putAway(third.archived)
    const path = `${S}/${id}/versions/v1`
    expect((await send('GET', path)).body).to.include({ state: 'archived' })
    for (let repeat = 0; repeat < 2; repeat += 1) {
      const restored = await send('POST', `${path}/restore`)
      expect({ status: restored.status, state: restored.body['state'] }).to.deep.equal({
        status: 200,
        state: 'ready',
      })
    }
    expect(await audited(`series/${id}/v1`)).to.have.length(1)
    await api.knex('model_versions').where({ series_id: id, version: 1 }).update({ state: 'broken' })
    await refused(409, 'CONFLICT', send('POST', `${path}/restore`), /train it again/)
  })

  describe('search', () => {
    const found = async (path: string): Promise<string[]> => {
      const reply = await send('GET', path)
      expect(reply.status, reply.text).to.equal(200)
      return rowsOf(reply).map((row) => String(row['series_id']))
    }

    it('finds series by what they are', async () => {
      const made = [`${id}_a`, `${id}_b`, `${id.toUpperCase()}_a`]
      for (const [i, one] of made.entries())
        await send('PUT', `${S}/${one}`, {
          class: i === 0 ? 'short' : 'standard',
          tags: { of: id, n: String(i), same: '=' },
        })
      const [a, b, upper] = made
      expect(await found(`${S}?tag=of=${id}`)).to.deep.equal([upper, b, a])
      expect(await found(`${S}?tag=of=${id}&sort=series_id`)).to.deep.equal([upper, a, b])
      expect(await found(`${S}?prefix=${id}_`)).to.deep.equal([b, a])
      expect(await found(`${S}?prefix=${id}_&class=short`)).to.deep.equal([a])
      expect(await found(`${S}?tag=of=${id}&tag=n=1&tag=same==`)).to.deep.equal([b])
      const at = (await send('GET', `${S}/${b ?? ''}`)).body['created_at'] as string
      expect(await found(`${S}?tag=of=${id}&created_from=2099-01-01T00:00:00Z`)).to.deep.equal([])
      expect(await found(`${S}?tag=of=${id}&created_to=${at.slice(0, 4)}-01-01T00:00:00Z`)).to.deep.equal([])
      expect(
        await found(`${S}?tag=of=${id}&created_from=${at.slice(0, 4)}-01-01T00:00:00%2B02:00`),
      ).to.have.length(3)
    })

    it('finds versions by what they are', async () => {
      const other = `${id}_other`
      await maker.train(id, { data: `${id} 1`, tags: { of: id }, points: 1000 })
      await maker.train(id, { data: `${id} 2`, tags: { of: id, env: 'prod' }, points: 2000 })
      await maker.train(other, { data: `${other} 1`, tags: { of: id }, points: 3000 })
      const names = async (query: string): Promise<string[]> => {
        const reply = await send('GET', `${V}?tag=of=${id}&${query}`)
        expect(reply.status, reply.text).to.equal(200)
        return rowsOf(reply).map((row) => `${String(row['series_id'])} ${String(row['version'])}`)
      }
      const [one, two, three] = [`${id} v1`, `${id} v2`, `${other} v1`]
      expect(await names('')).to.deep.equal([three, two, one])
      expect(await names('sort=series_id')).to.deep.equal([two, one, three])
      expect(await names(`prefix=${other}`)).to.deep.equal([three])
      expect(await names('tag=env=prod')).to.deep.equal([two])
      expect(await names('family=zscore')).to.have.length(3)
      expect(await names('family=autoencoder')).to.deep.equal([])
      expect(await names('class=short')).to.have.length(3)
      expect(await names('class=waveform')).to.deep.equal([])
      expect(await names('state=ready')).to.have.length(3)
      expect(await names('state=archived')).to.deep.equal([])
      expect(await names('alias=stable')).to.deep.equal([three, two])
      expect(await names('alias=previous')).to.deep.equal([one])
      expect(await names('points_min=2000&points_max=2000')).to.deep.equal([two])
      expect(await names('points_min=2001')).to.deep.equal([three])
      const hash = rowsOf(await send('GET', `${V}?prefix=${other}`))[0]?.['data_hash']
      expect(await names(`data_hash=${String(hash)}`)).to.deep.equal([three])
    })

    const bad = [
      'page_size=0',
      'page_size=501',
      'sort=name',
      'tag=env',
      'tag==prod',
      'tag=a-_.=1&tag=b=1&tag=c=1&tag=d=1&tag=e=1&tag=f=1',
      'prefix=a-b',
      'class=long',
      'created_from=yesterday',
      'cursor=abc',
    ]
    for (const query of bad) {
      it(`refuses ${query}`, async () => {
        await refused(400, 'INVALID_REQUEST', send('GET', `${S}?${query}`))
        await refused(400, 'INVALID_REQUEST', send('GET', `${V}?${query}`))
      })
    }
    for (const query of ['family=forest', 'state=gone', 'alias=canary', 'points_min=-1', 'data_hash=abc']) {
      it(`refuses ${query}`, () => refused(400, 'INVALID_REQUEST', send('GET', `${V}?${query}`)))
    }

    it('refuses cursors that were changed, and those of other lists', async () => {
      await trained(3)
      const first = await send('GET', `${V}?prefix=${id}&page_size=1`)
      const cursor = String(first.body['next_cursor'])
      expect((await send('GET', `${V}?prefix=${id}&page_size=2&cursor=${cursor}`)).status).to.equal(200)
      for (const query of [
        `prefix=${id}&cursor=${cursor.slice(0, -1)}`,
        `prefix=${id}&cursor=A${cursor.slice(1)}`,
        `prefix=${id}&cursor=${cursor}AA`,
        `prefix=${id}x&cursor=${cursor}`,
        `prefix=${id}&sort=series_id&cursor=${cursor}`,
        `cursor=${cursor}`,
      ])
        await refused(400, 'INVALID_REQUEST', send('GET', `${V}?${query}`), /next_cursor/)
      await refused(400, 'INVALID_REQUEST', send('GET', `${S}?prefix=${id}&cursor=${cursor}`))
      await refused(400, 'INVALID_REQUEST', send('GET', `${S}/${id}/versions?cursor=${cursor}`))
    })
  })
})
