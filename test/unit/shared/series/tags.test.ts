import { expect } from 'chai'
import { AppError } from '../../../../shared/core/errors.ts'
import { changeTags, Tags, TagText } from '../../../../shared/series/tags.ts'

const many = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, `${i}`]))

describe('tags', () => {
  it('are at most 20, with names of 64 and values of 200 characters', () => {
    expect(Tags.safeParse(many(20)).success).to.equal(true)
    expect(Tags.safeParse(many(21)).success).to.equal(false)
    expect(Tags.safeParse({ [`a${'b'.repeat(63)}`]: 'x'.repeat(200) }).success).to.equal(true)
    expect(Tags.safeParse({ [`a${'b'.repeat(64)}`]: 'x' }).success).to.equal(false)
    expect(Tags.safeParse({ a: 'x'.repeat(201) }).success).to.equal(false)
  })

  for (const key of ['', '1a', '_a', 'a b', 'a=b', 'é']) {
    it(`have no name like ${JSON.stringify(key)}`, () => {
      expect(Tags.safeParse({ [key]: 'x' }).success).to.equal(false)
    })
  }

  it('have values people can read, in any script', () => {
    for (const value of ['', 'Halle 3, Süd', '工場', '=', '🔧'])
      expect(Tags.safeParse({ a: value }).success, value).to.equal(true)
    for (const value of ['a\nb', '\u0000', '\ud800'])
      expect(Tags.safeParse({ a: value }).success, JSON.stringify(value)).to.equal(false)
  })

  it('are written env=prod in queries; what follows the first sign is the value', () => {
    expect(TagText.parse('env=prod')).to.deep.equal(['env', 'prod'])
    expect(TagText.parse('env=')).to.deep.equal(['env', ''])
    expect(TagText.parse('q=a=b')).to.deep.equal(['q', 'a=b'])
    for (const text of ['', 'env', '=prod', '1=2'])
      expect(TagText.safeParse(text).success, text).to.equal(false)
  })

  it('change one by one, and go when they are null', () => {
    const tags = { a: '1', b: '2' }
    expect(changeTags(tags, { b: null, c: '3', gone: null })).to.deep.equal({ a: '1', c: '3' })
    expect(changeTags(tags, {})).to.deep.equal(tags)
    expect(Object.keys(changeTags(many(20), { t0: null, more: 'x' }))).to.have.length(20)
    expect(() => changeTags(many(20), { more: 'x' })).to.throw(AppError, '20, this makes 21')
  })
})
