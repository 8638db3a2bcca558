import { expect } from 'chai'
import * as fc from 'fast-check'
import { ConfigDraft, ConfigPatch, slugOf } from '../../../../shared/entities/configs.ts'

const DRAFT = { name: 'Loja', account_id: 'act_1', timezone: 'America/Sao_Paulo' }
const problemsOf = (draft: unknown): string[] =>
  (ConfigDraft.safeParse(draft).error?.issues ?? []).map(({ path }) => path.join('.'))

describe('slug of a name', () => {
  for (const [name, slug] of [
    ['Demo account', 'demo-account'],
    ['Loja São João', 'loja-sao-joao'],
    ['  --A  &  B!-- ', 'a-b'],
    ['act_1', 'act-1'],
    ['x'.repeat(150), 'x'.repeat(100)],
  ] as const) {
    it(`of ${JSON.stringify(name.slice(0, 20))} is ${JSON.stringify(slug.slice(0, 20))}`, () => {
      expect(slugOf(name)).to.equal(slug)
    })
  }

  it('is a hash when nothing of the name is left, and always an account id', () => {
    expect(slugOf('日本')).to.match(/^n_[0-9a-f]{16}$/)
    expect(slugOf('日本')).not.to.equal(slugOf('中国'))
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        expect(problemsOf({ ...DRAFT, account_id: slugOf(name) })).to.deep.equal([])
      }),
    )
  })
})

describe('draft of a config', () => {
  it('is in BRL unless it says otherwise, and codes may be in lower case', () => {
    expect(ConfigDraft.parse(DRAFT).currency).to.equal('BRL')
    expect(ConfigDraft.parse({ ...DRAFT, currency: 'usd' }).currency).to.equal('USD')
  })

  it('needs a zone, a currency and an account that exist', () => {
    expect(problemsOf({ ...DRAFT, timezone: undefined })).to.deep.equal(['timezone'])
    expect(problemsOf({ ...DRAFT, timezone: 'Mars/Olympus' })).to.deep.equal(['timezone'])
    expect(problemsOf({ ...DRAFT, currency: 'XYZ' })).to.deep.equal(['currency'])
    expect(problemsOf({ ...DRAFT, account_id: '../1' })).to.deep.equal(['account_id'])
    expect(problemsOf({ ...DRAFT, name: '  ' })).to.deep.equal(['name'])
    expect(problemsOf({ ...DRAFT, name: 'a\u001b[31m' })).to.deep.equal(['name'])
    expect(problemsOf({ ...DRAFT, source_url: 'ftp://x' })).to.deep.equal(['source_url'])
    expect(problemsOf({ ...DRAFT, source_url: 'file:///etc/passwd' })).to.deep.equal(['source_url'])
    expect(problemsOf({ ...DRAFT, source_url: 'https://example.com/hook' })).to.deep.equal([])
    const lag = (attribution_lag_days: unknown) => problemsOf({ ...DRAFT, attribution_lag_days })
    for (const days of [undefined, 0, 28]) expect(lag(days), String(days)).to.deep.equal([])
    for (const days of [-1, 29, 1.5, '3', null])
      expect(lag(days), String(days)).to.deep.equal(['attribution_lag_days'])
  })

  it('can be patched in name, state, zone, source and lag only', () => {
    expect(ConfigPatch.safeParse({ is_active: false }).success).to.equal(true)
    expect(ConfigPatch.safeParse({ source_url: null }).success).to.equal(true)
    expect(ConfigPatch.safeParse({ attribution_lag_days: 0 }).success).to.equal(true)
    expect(ConfigPatch.safeParse({ attribution_lag_days: 29 }).success).to.equal(false)
    expect(ConfigPatch.safeParse({}).success).to.equal(false)
    expect(ConfigPatch.safeParse({ currency: 'USD' }).success).to.equal(false)
    expect(ConfigPatch.safeParse({ id: 3 }).success).to.equal(false)
  })
})
