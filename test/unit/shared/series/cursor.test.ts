import { expect } from 'chai'
import fc from 'fast-check'
import { AppError } from '../../../../shared/core/errors.ts'
import { readCursor, writeCursor } from '../../../../shared/series/cursor.ts'

const SECRET = 'secret of the tests'
const ASKED = ['versions', 'created_at', [['prefix', 'pump_']]]
const keys = fc.array(fc.oneof(fc.string(), fc.maxSafeInteger()), { minLength: 1, maxLength: 3 })

const refusalOf = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return error instanceof AppError ? error.code : error
  }
  return undefined
}

describe('a signed cursor', () => {
  it('gives back the key it was made of', () => {
    fc.assert(
      fc.property(keys, (key) => {
        fc.pre(JSON.stringify(key).length < 300)
        expect(readCursor(SECRET, ASKED, writeCursor(SECRET, ASKED, key))).to.deep.equal(key)
      }),
    )
  })

  it('is refused with any byte changed, under another secret, and for another list', () => {
    fc.assert(
      fc.property(keys, fc.nat(), fc.integer({ min: 1, max: 255 }), (key, place, change) => {
        fc.pre(JSON.stringify(key).length < 300)
        const cursor = writeCursor(SECRET, ASKED, key)
        const bytes = Buffer.from(cursor, 'base64url')
        const at = place % bytes.length
        bytes[at] = (bytes[at] ?? 0) ^ change
        const changed = bytes.toString('base64url')
        expect(refusalOf(() => readCursor(SECRET, ASKED, changed))).to.equal('INVALID_REQUEST')
        expect(refusalOf(() => readCursor('another', ASKED, cursor))).to.equal('INVALID_REQUEST')
        expect(refusalOf(() => readCursor(SECRET, ['series'], cursor))).to.equal('INVALID_REQUEST')
      }),
    )
  })

  it('is refused when it is anything else', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 900 }), (text) => {
        expect(refusalOf(() => readCursor(SECRET, ASKED, text))).to.equal('INVALID_REQUEST')
      }),
    )
  })
})
