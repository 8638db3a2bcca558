import { expect } from 'chai'
import { buildOpenApi } from '../../../api/openapi.ts'
import type { Route } from '../../../api/route.ts'
import { allRoutes } from '../../../api/routes/all.ts'
import { ERRORS } from '../../../shared/core/errors.ts'

interface Operation {
  readonly responses: Readonly<Record<string, unknown>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly responses: Readonly<Record<string, { readonly description: string }>>
    readonly schemas: Readonly<Record<string, unknown>>
  }
}

describe('the OpenAPI page', () => {
  const document = buildOpenApi(allRoutes, '0') as unknown as Document
  const operations = allRoutes.map((route) => {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    return { route, statuses: Object.keys(document.paths[path]?.[route.method]?.responses ?? {}) }
  })

  it('names every declared reply of every route', () => {
    for (const { route, statuses } of operations)
      expect(statuses, route.path).to.include.members(Object.keys(route.reply))
  })

  it('names what a write can be refused with, and does not for reads', () => {
    const ofWrites = ['409', '413', '415']
    const own = (route: Route): string[] => (route.codes ?? []).map((code) => String(ERRORS[code].status))
    for (const { route, statuses } of operations) {
      if (route.method === 'get') {
        const asked = new Set(own(route))
        const strange = statuses.filter((status) => ofWrites.includes(status) && !asked.has(status))
        expect(strange, route.path).to.deep.equal([])
      } else expect(statuses, route.path).to.include.members(ofWrites)
      expect(statuses.includes('422'), `${route.method} ${route.path}`).to.equal(
        route.method === 'post' || (route.codes ?? []).some((code) => ERRORS[code].status === 422),
      )
    }
  })

  it('names what a schema defines once, and refers to it', () => {
    const text = JSON.stringify(document)
    expect(text).not.to.include('$defs')
    const referred = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name)
    expect(Object.keys(document.components.schemas)).to.include.members(referred)
    expect(referred).to.include.members(['CampaignFeatures', 'AdsetFeatures', 'AdFeatures'])
  })

  it('names what holds where nothing is given, also for what is read from digits', () => {
    const { post } = document.paths['/api/v1/webhooks'] as { readonly post: unknown }
    expect(JSON.stringify(post)).to.match(/"config_id":\{[^}]*\{[^}]*\}[^}]*\}\],"default":null\}/)
  })

  it('names the texts a reply comes in beside JSON', () => {
    const content = (path: string): string[] => {
      const reply = document.paths[path]?.['get']?.responses['200'] as { readonly content: object }
      return Object.keys(reply.content)
    }
    expect(content('/api/v1/reports/daily')).to.deep.equal(['application/json', 'text/html', 'text/plain'])
    expect(content('/api/v1/configs')).to.deep.equal(['application/json'])
    expect(document.components.schemas).to.include.keys('DailyReport')
  })

  it('explains each status by all codes a client can branch on', () => {
    for (const [code, { status }] of Object.entries(ERRORS))
      expect(document.components.responses[`Problem${status}`]?.description).to.include(`\`${code}\``)
  })
})
