import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { ArtifactFormatError } from '../../../../ml/artifact/safetensors.ts'
import {
  createJudge,
  decodeEntityForest,
  fitEntityForest,
  type EntityForestParams,
  type Sha256,
} from '../../../../ml/detectors/entity-forest.ts'
import {
  ancestorsOf,
  createPool,
  decodePooledForest,
  encodePooledForest,
  entityRows,
  judgePooledDay,
  pooledFingerprintOf,
  scaleBefore,
} from '../../../../ml/detectors/pooled-forest.ts'
import { buildFrame, repeat, type DayRow } from '../build-frame.ts'

const FIRST = 20_000
const NOTHING_EXCLUDED: ReadonlySet<number> = new Set()
const PARAMS: EntityForestParams = { trees: 20, contamination: 0.1, randomState: 42 }
const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** An ordinary ad `times` as large as another; every day a little different, nothing random. */
const ordinaryDays = (days: number, times = 1, shift = 0): DayRow[] =>
  Array.from({ length: days }, (_, n) => {
    const i = n + shift
    return {
      spend: times * (50 + ((i * 37) % 23)),
      impressions: times * (4000 + ((i * 101) % 900)),
      clicks: times * (50 + ((i * 13) % 17)),
      leads: times * (2 + ((i * 7) % 5)),
      reach: times * (3000 + ((i * 53) % 400)),
    }
  })
const rowsOf = (id: string, days: readonly DayRow[], excluded = NOTHING_EXCLUDED) =>
  entityRows(id, buildFrame(FIRST, [...days]), excluded)
const poolOf = (...entities: ReturnType<typeof rowsOf>[]) => {
  const pool = createPool()
  for (const entity of entities) pool.add(entity)
  return pool
}
/** Three ads of an ad set: small, middle, large. */
const familyPool = (days = 30) =>
  poolOf(...[1, 5, 40].map((times, i) => rowsOf(`a${i}`, ordinaryDays(days, times, 5 * i))))

describe('ml/detectors/pooled-forest', () => {
  describe('ancestors', () => {
    it('are listed nearest first, the account under the number of its config', () => {
      const head = { parentId: 's1', campaignId: 'c1' }
      expect(ancestorsOf('ad', head, 12)).to.deep.equal([
        { level: 'adset', id: 's1' },
        { level: 'campaign', id: 'c1' },
        { level: 'account', id: '12' },
      ])
      expect(ancestorsOf('adset', { parentId: 'c1', campaignId: 'c1' }, 12)).to.deep.equal([
        { level: 'campaign', id: 'c1' },
        { level: 'account', id: '12' },
      ])
      expect(ancestorsOf('campaign', { parentId: null, campaignId: 'c1' }, 12)).to.deep.equal([
        { level: 'account', id: '12' },
      ])
    })
  })

  describe("an entity's rows", () => {
    const days: DayRow[] = [
      { spend: 50, impressions: 1000, clicks: 10, leads: 0, reach: 500 },
      { spend: 60, impressions: 1000, clicks: 20, leads: 4, reach: 800 },
      { spend: 90, impressions: 2000, clicks: 60, leads: 6, reach: 0 },
    ]

    it('are multiples of its medians, cpl of its reference, frequency as it is', () => {
      // Medians: spend 60, leads 4, ctr 2%. Reference 200 / 10 = 20.
      const { n, values, leadlessSpend, spend, leads } = rowsOf('a1', days)
      expect(n).to.equal(3)
      expect([...values].map((value) => Number(value.toFixed(6)))).to.deep.equal(
        [
          [50 / 60, 70 / 20, 1 / 2, 2, 0],
          [1, 16 / 20, 1, 1.25, 1],
          [1.5, 110 / 7 / 20, 1.5, 1, 1.5],
        ]
          .flat()
          .map((value) => Number(value.toFixed(6))),
      )
      expect({ leadlessSpend, spend, leads }).to.deep.equal({ leadlessSpend: null, spend: 200, leads: 10 })
    })

    it('divide by 1 where a median is 0', () => {
      const idle = [...repeat(3, { spend: 0, impressions: 1000 }), { spend: 7, impressions: 1000, leads: 3 }]
      const { values } = rowsOf('a1', idle)
      expect([values[15], values[19]]).to.deep.equal([7, 3])
    })

    it('leave out days without impressions and those labelled true_positive, also from the medians', () => {
      const wild = { spend: 9000, impressions: 1000, clicks: 10, leads: 1, reach: 500 }
      const { n, values } = rowsOf('a1', [...days, wild, { spend: 5, impressions: 0 }], new Set([FIRST + 3]))
      expect(n).to.equal(3)
      expect(values[0]).to.equal(50 / 60)
    })
  })

  describe('a pool', () => {
    it('is in order of days, with the spend per lead of all of it as its reference', () => {
      const { rows, n, features, cplRef } = poolOf(
        rowsOf('a1', repeat(2, { spend: 30, impressions: 1000, leads: 1 })),
        rowsOf('a2', [{ spend: 40, impressions: 1000, leads: 1 }]),
      ).matrix(99)
      expect(cplRef).to.equal(100 / 3)
      expect(features).to.deep.equal(['spend', 'cpl', 'ctr', 'frequency', 'leads'])
      expect(n).to.equal(3)
      // Of each entity's own reference: (30 + 30) / 2 / 30.
      expect([rows[0], rows[1], rows[11]]).to.deep.equal([1, 1, 1])
    })

    it('takes the cost per lead of the ancestor for an entity without leads, in the pool or above it', () => {
      const leadless = rowsOf('a1', repeat(1, { spend: 50, impressions: 1000 }))
      const alone = poolOf(leadless).matrix(20)
      // (50 + 20) / (0 + 1) / 20
      expect([alone.cplRef, alone.rows[1]]).to.deep.equal([20, 3.5])
      const among = poolOf(leadless, rowsOf('a2', [{ spend: 50, impressions: 1000, leads: 4 }])).matrix(20)
      expect(among.cplRef).to.equal(25)
      // (50 + 25) / 25 of the one, (50 + 12.5) / 5 / 12.5 of the other.
      expect([among.rows[1], among.rows[6]]).to.have.members([3, 1])
    })

    it('has no cpl column when nobody has leads', () => {
      const { features, rows, cplRef } = poolOf(
        rowsOf('a1', repeat(2, { spend: 5, impressions: 100 })),
      ).matrix(null)
      expect(features).to.deep.equal(['spend', 'ctr', 'frequency', 'leads'])
      expect(rows).to.have.length(8)
      expect(cplRef).to.equal(null)
    })

    it('keeps a sample even over entities and days, the same in whatever order they come', () => {
      const entities = Array.from({ length: 40 }, (_, i) => rowsOf(`a${i}`, ordinaryDays(90, 1, i)))
      const drawn = (order: readonly number[]) => {
        const pool = createPool(500)
        for (const i of order) pool.add(entities[i]!)
        return { rows: pool.rows, matrix: pool.matrix(null) }
      }
      const inOrder = drawn(entities.map((_, i) => i))
      expect(inOrder.rows).to.equal(3600)
      expect(inOrder.matrix.n).to.equal(500)
      fc.assert(
        fc.property(
          fc.shuffledSubarray(
            entities.map((_, i) => i),
            { minLength: 40 },
          ),
          (order) => {
            expect(drawn(order)).to.deep.equal(inOrder)
          },
        ),
        { numRuns: 10 },
      )
      // Every entity has its share: one of spend alone tells them apart.
      const marked = createPool(500)
      entities.forEach((entity, i) => {
        marked.add({ ...entity, values: entity.values.map((_, at) => (at % 5 === 0 ? i : entity.days[0]!)) })
      })
      const { rows } = marked.matrix(null)
      const perEntity = new Map<number, number>()
      for (let at = 0; at < rows.length; at += 5)
        perEntity.set(rows[at]!, (perEntity.get(rows[at]!) ?? 0) + 1)
      expect(perEntity.size).to.equal(40)
      expect(Math.max(...perEntity.values())).to.be.lessThan(30)
    })

    it('keeps all rows up to its bound, and exactly so many beyond', () => {
      for (const [days, kept] of [
        [9, 9],
        [10, 10],
        [11, 10],
        [60, 10],
      ] as const) {
        const pool = createPool(10)
        pool.add(rowsOf('a1', ordinaryDays(days)))
        expect([pool.rows, pool.matrix(null).n]).to.deep.equal([days, kept])
      }
    })
  })

  describe('the scale of an entity', () => {
    const frame = buildFrame(FIRST, ordinaryDays(20, 3))

    it('needs seven days with impressions before the day', () => {
      expect(scaleBefore(frame, FIRST + 6, 56, NOTHING_EXCLUDED)).to.equal(null)
      expect(scaleBefore(frame, FIRST + 7, 56, NOTHING_EXCLUDED)?.rows).to.equal(7)
      expect(scaleBefore(frame, FIRST + 7, 56, new Set([FIRST + 2]))).to.equal(null)
      const pausing = buildFrame(FIRST, [
        ...ordinaryDays(6),
        { spend: 0, impressions: 0 },
        ...ordinaryDays(2),
      ])
      expect(scaleBefore(pausing, FIRST + 7, 56, NOTHING_EXCLUDED)).to.equal(null)
      expect(scaleBefore(pausing, FIRST + 8, 56, NOTHING_EXCLUDED)?.rows).to.equal(7)
    })

    it('knows nothing of the day itself, of later days, or of those before its window', () => {
      const cut = buildFrame(FIRST, ordinaryDays(10, 3))
      expect(scaleBefore(frame, FIRST + 10, 56, NOTHING_EXCLUDED)).to.deep.equal(
        scaleBefore(cut, FIRST + 10, 56, NOTHING_EXCLUDED),
      )
      expect(scaleBefore(frame, FIRST + 20, 8, NOTHING_EXCLUDED)?.rows).to.equal(8)
    })
  })

  describe('judging', () => {
    const judge = createJudge(fitEntityForest(familyPool().matrix(null), PARAMS))
    /** A new ad, ten times the first of the family. */
    const young = (last: DayRow) => buildFrame(FIRST, [...ordinaryDays(7, 10), last])
    const judged = (last: DayRow) => {
      const frame = young(last)
      const scale = scaleBefore(frame, FIRST + 7, 56, NOTHING_EXCLUDED)
      if (!scale) throw new Error('no scale')
      return judgePooledDay(judge, frame, FIRST + 7, scale)
    }
    const usual: DayRow = { spend: 610, impressions: 44_500, clicks: 580, leads: 40, reach: 32_000 }

    it('finds a usual day usual and an odd one odd, on an ad of another size', () => {
      const [ordinary, odd] = [judged(usual), judged({ ...usual, spend: 4000, leads: 0 })]
      expect(ordinary?.isAnomaly).to.equal(false)
      expect(odd?.isAnomaly).to.equal(true)
      expect(odd?.rarity).to.be.lessThan(ordinary?.rarity ?? 0)
    })

    it("answers in the entity's own units", () => {
      const verdict = judged(usual)
      expect(verdict?.features[0]).to.equal('spend')
      expect(verdict?.values[0]).to.equal(610)
      expect(verdict?.medians[0]).to.be.within(550, 650)
      expect(verdict?.q05[0]).to.be.within(450, 560)
      expect(verdict?.q95[0]).to.be.within(650, 760)
      // (610 + reference) / 41, which is near the reference.
      expect(verdict?.values[1]).to.be.within(10, 20)
      expect(verdict?.medians[1]).to.be.within(10, 25)
    })

    it('names the metric that moved, with shares that sum to 1', () => {
      const named = (last: DayRow): string => {
        const verdict = judged(last)
        const shares = Array.from(verdict?.contributions ?? [])
        expect(shares.reduce((sum, share) => sum + share, 0)).to.be.closeTo(1, 1e-12)
        return verdict?.features[shares.indexOf(Math.max(...shares))] ?? ''
      }
      expect(named({ ...usual, clicks: 5800 })).to.equal('ctr')
      expect(named({ ...usual, reach: 4450 })).to.equal('frequency')
    })

    it('does not judge a day without impressions or without a row', () => {
      const frame = young({ spend: 0, impressions: 0 })
      const scale = scaleBefore(frame, FIRST + 7, 56, NOTHING_EXCLUDED)!
      expect(judgePooledDay(judge, frame, FIRST + 7, scale)).to.equal(null)
      expect(judgePooledDay(judge, frame, FIRST + 8, scale)).to.equal(null)
    })
  })

  describe('an artifact', () => {
    const identity = {
      configId: 12,
      entityType: 'ad',
      ancestor: { level: 'campaign', id: '345' },
      trainStart: '2025-01-01',
      trainEnd: '2025-03-31',
      trainedAt: '2025-04-01T07:00:00.000Z',
    } as const
    const matrix = familyPool(90).matrix(null)
    const model = fitEntityForest(matrix, PARAMS)
    const file = encodePooledForest(model, PARAMS, identity, sha256)

    it('reads back as what was written', () => {
      expect(decodePooledForest(file, sha256).model).to.deep.equal(model)
    })

    it("is not taken for an entity's own forest", () => {
      expect(() => decodeEntityForest(file, sha256)).to.throw(
        ArtifactFormatError,
        'pooled_isolation_forest@1',
      )
    })

    it('has the same bytes and fingerprint for the same days, and others for others', () => {
      const again = familyPool(90).matrix(null)
      expect(pooledFingerprintOf(again, PARAMS, sha256)).to.equal(pooledFingerprintOf(matrix, PARAMS, sha256))
      const bytes = encodePooledForest(fitEntityForest(again, PARAMS), PARAMS, identity, sha256)
      expect(Buffer.compare(bytes, file)).to.equal(0)
      expect(pooledFingerprintOf(familyPool(89).matrix(null), PARAMS, sha256)).to.not.equal(
        pooledFingerprintOf(matrix, PARAMS, sha256),
      )
    })
  })
})
