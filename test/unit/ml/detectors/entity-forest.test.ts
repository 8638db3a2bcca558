import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { ArtifactFormatError } from '../../../../ml/artifact/safetensors.ts'
import {
  buildEntityMatrix,
  createJudge,
  decodeEntityForest,
  drawEntityForestSeeds,
  encodeEntityForest,
  fingerprintOf,
  fitEntityForest,
  judgeDay,
  rarityOf,
  type EntityForestParams,
  type Sha256,
} from '../../../../ml/detectors/entity-forest.ts'
import { DEFAULT_FOREST, fitForest } from '../../../../ml/detectors/isolation-forest.ts'
import { buildFrame, repeat, type DayRow } from '../build-frame.ts'

const FIRST = 20_000
const NOTHING_EXCLUDED: ReadonlySet<number> = new Set()
const PARAMS: EntityForestParams = { trees: 100, contamination: 0.1, randomState: 42 }
const IDENTITY = {
  configId: 12,
  entityType: 'ad',
  entityId: '120210000000000001',
  trainStart: '2025-01-01',
  trainEnd: '2025-03-31',
  trainedAt: '2025-04-01T07:00:00.000Z',
}

const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** An ordinary ad: every day a little different, nothing random. */
const ordinaryDay = (i: number): DayRow => ({
  spend: 50 + ((i * 37) % 23),
  impressions: 4000 + ((i * 101) % 900),
  clicks: 50 + ((i * 13) % 17),
  leads: 2 + ((i * 7) % 5),
  reach: 3000 + ((i * 53) % 400),
})
const ordinaryDays = (days: number): DayRow[] => Array.from({ length: days }, (_, i) => ordinaryDay(i))
const typicalDay: DayRow = { spend: 61, impressions: 4450, clicks: 58, leads: 4, reach: 3200 }
const oddDay: DayRow = { spend: 400, impressions: 9000, clicks: 15, leads: 0, reach: 3100 }

const matrixOf = (days: number) =>
  buildEntityMatrix(buildFrame(FIRST, ordinaryDays(days)), null, NOTHING_EXCLUDED)
const judgeOf = (days: number) => createJudge(fitEntityForest(matrixOf(days), PARAMS))

describe('ml/detectors/entity-forest', () => {
  describe('the training matrix', () => {
    it('smooths the cost per lead: reference 20, 50 spent without leads is 70, 60 spent on 4 leads is 16', () => {
      // 200 spent on 10 leads in all: the entity's own reference is 20.
      const frame = buildFrame(FIRST, [
        { spend: 50, impressions: 1000, leads: 0 },
        { spend: 60, impressions: 1000, leads: 4 },
        { spend: 90, impressions: 1000, leads: 6 },
      ])
      const { rows, features, cplRef } = buildEntityMatrix(frame, 99, NOTHING_EXCLUDED)
      expect(cplRef).to.equal(20)
      expect(features).to.deep.equal(['spend', 'cpl', 'ctr', 'frequency', 'leads'])
      expect([rows[1], rows[6]]).to.deep.equal([70, 16])
    })

    it("takes the ancestor's cost per lead when the entity has no leads", () => {
      const frame = buildFrame(FIRST, repeat(3, { spend: 50, impressions: 1000 }))
      const { rows, cplRef } = buildEntityMatrix(frame, 20, NOTHING_EXCLUDED)
      expect(cplRef).to.equal(20)
      expect(rows[1]).to.equal(70)
    })

    it('has no cpl column when nobody has leads', () => {
      const frame = buildFrame(FIRST, repeat(3, { spend: 50, impressions: 1000, clicks: 10, reach: 500 }))
      const { rows, n, features, cplRef } = buildEntityMatrix(frame, null, NOTHING_EXCLUDED)
      expect(cplRef).to.equal(null)
      expect(features).to.deep.equal(['spend', 'ctr', 'frequency', 'leads'])
      expect(n).to.equal(3)
      expect([...rows.subarray(0, 4)]).to.deep.equal([50, 1, 2, 0])
    })

    it('leaves out days without impressions and days that were labelled, but counts their leads', () => {
      const frame = buildFrame(FIRST, [
        { spend: 10, impressions: 100, leads: 1 },
        { spend: 30, impressions: 0, leads: 1 },
        { spend: 20, impressions: 1, leads: 0 },
        { spend: 60, impressions: 100, leads: 2 },
      ])
      const { rows, n, cplRef } = buildEntityMatrix(frame, null, new Set([FIRST + 3]))
      expect(n).to.equal(2)
      expect([rows[0], rows[5]]).to.deep.equal([10, 20])
      expect(rows.length).to.equal(10)
      expect(cplRef).to.equal(30)
    })

    it('takes an unknown frequency, and one of nobody reached, for 1', () => {
      const frame = buildFrame(FIRST, [
        { impressions: 100, leads: 1 },
        { impressions: 100, leads: 1, reach: 0 },
        { impressions: 100, leads: 1, reach: 50 },
      ])
      const { rows } = buildEntityMatrix(frame, null, NOTHING_EXCLUDED)
      expect([rows[3], rows[8], rows[13]]).to.deep.equal([1, 1, 2])
    })
  })

  describe('the fit', () => {
    it('is the Isolation Forest of the matrix, its offset turned round', () => {
      const matrix = matrixOf(90)
      const model = fitEntityForest(matrix, PARAMS)
      const { state } = fitForest(matrix.rows, 90, 5, DEFAULT_FOREST)
      expect(model.forest).to.deep.equal(state)
      expect(model.threshold).to.equal(-state.offset)
      expect(model.samples).to.equal(90)
    })

    it('scores each day by a forest that did not see its fold', () => {
      const matrix = matrixOf(53)
      const { oofScores } = fitEntityForest(matrix, PARAMS)
      const expected: number[] = []
      for (let fold = 0; fold < 5; fold += 1) {
        const seen: number[] = []
        const held: Float32Array[] = []
        for (let i = 0; i < 53; i += 1) {
          const row = matrix.rows.subarray(i * 5, i * 5 + 5)
          if (i % 5 === fold) held.push(Float32Array.from(row))
          else seen.push(...row)
        }
        const { scorer } = fitForest(seen, seen.length / 5, 5, { ...DEFAULT_FOREST, trees: 20 })
        expected.push(...held.map((row) => -scorer.scoreRow(row)))
      }
      expect([...oofScores]).to.deep.equal(expected.toSorted((a, b) => a - b))
    })

    it('knows the median and the 5% and 95% quantiles of each feature', () => {
      const frame = buildFrame(
        FIRST,
        Array.from({ length: 21 }, (_, i) => ({
          spend: i,
          impressions: 100,
          clicks: 3,
          leads: 1,
          reach: 100,
        })),
      )
      const { medians, q05, q95 } = fitEntityForest(buildEntityMatrix(frame, null, NOTHING_EXCLUDED), PARAMS)
      expect([medians[0], q05[0], q95[0]]).to.deep.equal([10, 1, 19])
      expect([medians[2], q05[2], q95[2]]).to.deep.equal([3, 3, 3])
    })

    it('takes seeds drawn beforehand', () => {
      const matrix = matrixOf(50)
      expect(fitEntityForest(matrix, PARAMS, drawEntityForestSeeds(PARAMS))).to.deep.equal(
        fitEntityForest(matrix, PARAMS),
      )
    })
  })

  describe('rarity', () => {
    // 0.1, 0.2 .. 1.0: the 90th percentile is 0.91, one score lies 0.09 beyond it.
    const tenths = Float64Array.from({ length: 10 }, (_, i) => (i + 1) / 10)

    it('counts the scores at least as high, up to the 90th percentile', () => {
      expect(rarityOf(tenths, 0)).to.equal(1)
      expect(rarityOf(tenths, 0.5)).to.equal(7 / 11)
      expect(rarityOf(tenths, 0.51)).to.equal(6 / 11)
      expect(rarityOf(tenths, 0.9)).to.equal(3 / 11)
    })

    it('falls exponentially beyond it', () => {
      expect(rarityOf(tenths, 0.92)).to.be.closeTo(0.1 * Math.exp(-0.01 / 0.09), 1e-12)
      expect(rarityOf(tenths, 1)).to.be.closeTo(0.1 / Math.E, 1e-12)
      expect(rarityOf(tenths, 1.09)).to.be.closeTo(0.1 / Math.E ** 2, 1e-12)
    })

    it('is never below one in a million', () => {
      expect(rarityOf(tenths, 100)).to.equal(1e-6)
    })

    it('has no tail to measure when all scores are alike', () => {
      const alike = new Float64Array(10).fill(0.5)
      expect(rarityOf(alike, 0.5)).to.equal(1)
      expect(rarityOf(alike, 0.4)).to.equal(1)
      expect(rarityOf(alike, 0.51)).to.equal(1e-6)
    })

    it('takes scores that differ by rounding alone for the same', () => {
      const alike = new Float64Array(10).fill(0.5)
      expect(rarityOf(alike, 0.500_000_000_000_000_7)).to.equal(1)
      expect(rarityOf(tenths, 0.5 + 1e-13)).to.equal(7 / 11)
    })
  })

  describe('the judgement of a day', () => {
    const judge = judgeOf(90)
    const frame = buildFrame(FIRST + 90, [typicalDay, oddDay, { spend: 5, impressions: 0 }])

    it('lets an ordinary day pass and finds an odd one, rarer', () => {
      const ordinary = judgeDay(judge, frame, FIRST + 90)
      const odd = judgeDay(judge, frame, FIRST + 91)
      expect(ordinary).to.include({ isAnomaly: false })
      expect(odd).to.include({ isAnomaly: true })
      expect(odd?.score).to.be.greaterThan(odd?.threshold ?? 1)
      expect(odd?.rarity)
        .to.be.lessThan(0.1)
        .and.lessThan(ordinary?.rarity ?? 0)
    })

    it('shares the score among the features', () => {
      for (const day of [FIRST + 90, FIRST + 91]) {
        const shares = Array.from(judgeDay(judge, frame, day)?.contributions ?? [])
        expect(shares.reduce((sum, share) => sum + share, 0)).to.be.closeTo(1, 1e-12)
        expect(Math.min(...shares)).to.be.at.least(0)
      }
    })

    it('gives each feature the same share when none explains the score', () => {
      const constant = buildFrame(
        FIRST,
        repeat(60, { spend: 10, impressions: 100, clicks: 1, leads: 1, reach: 50 }),
      )
      const flat = createJudge(fitEntityForest(buildEntityMatrix(constant, null, NOTHING_EXCLUDED), PARAMS))
      const verdict = judgeDay(flat, constant, FIRST)
      expect(Array.from(verdict?.contributions ?? [])).to.deep.equal(repeat(5, 0.2))
      expect(verdict).to.include({ isAnomaly: false, rarity: 1 })
    })

    it('is none on a day without impressions, without a row, or with numbers beyond float32', () => {
      const beyond = buildFrame(FIRST, [{ ...oddDay, spend: 1e39 }])
      expect(judgeDay(judge, frame, FIRST + 92)).to.equal(null)
      expect(judgeDay(judge, frame, FIRST + 93)).to.equal(null)
      expect(judgeDay(judge, beyond, FIRST)).to.equal(null)
    })
  })

  describe('the artifact', () => {
    const matrix = matrixOf(90)
    const model = fitEntityForest(matrix, PARAMS)
    const file = encodeEntityForest(model, PARAMS, IDENTITY, sha256)
    const days = buildFrame(FIRST + 90, [ordinaryDay(90), oddDay])
    const judgements = (judge = createJudge(model)) => [
      judgeDay(judge, days, FIRST + 90),
      judgeDay(judge, days, FIRST + 91),
    ]
    const expected = judgements()

    it('of the same days and parameters has the same bytes and fingerprint', () => {
      const again = encodeEntityForest(fitEntityForest(matrixOf(90), PARAMS), PARAMS, IDENTITY, sha256)
      expect(Buffer.compare(again, file)).to.equal(0)
      expect(fingerprintOf(matrixOf(90), PARAMS, sha256)).to.equal(fingerprintOf(matrix, PARAMS, sha256))
    })

    it('of other days or parameters has another fingerprint', () => {
      const prints = [
        fingerprintOf(matrix, PARAMS, sha256),
        fingerprintOf(matrixOf(89), PARAMS, sha256),
        fingerprintOf({ ...matrix, cplRef: 1 }, PARAMS, sha256),
        fingerprintOf(matrix, { ...PARAMS, trees: 99 }, sha256),
        fingerprintOf(matrix, { ...PARAMS, contamination: 0.2 }, sha256),
        fingerprintOf(matrix, { ...PARAMS, randomState: 43 }, sha256),
      ]
      expect(new Set(prints).size).to.equal(prints.length)
    })

    it('comes back as the model it was', () => {
      const decoded = decodeEntityForest(file.slice(), sha256)
      expect(decoded.model).to.deep.equal(model)
      expect(judgements(decoded)).to.deep.equal(expected)
    })

    it('comes back without a cpl column too', () => {
      const frame = buildFrame(
        FIRST,
        ordinaryDays(60).map((day) => ({ ...day, leads: 0 })),
      )
      const leadless = fitEntityForest(buildEntityMatrix(frame, null, NOTHING_EXCLUDED), PARAMS)
      const bytes = encodeEntityForest(leadless, PARAMS, IDENTITY, sha256)
      expect(decodeEntityForest(bytes, sha256).model).to.deep.equal(leadless)
    })

    it('of 90 days takes at most 40 KB', () => {
      expect(file.length).to.be.at.most(40_000)
    })

    it('with one byte other is refused or judges all the same', () => {
      const headerEnd = 8 + Number(new DataView(file.buffer).getBigUint64(0, true))
      // Every byte of the header, and as many spread over the tensors as make 2,000 or more.
      const step = Math.max(1, Math.floor((file.length - headerEnd) / Math.max(1000, 2000 - headerEnd)))
      let refused = 0
      let tried = 0
      for (let at = 0; at < file.length; at += at < headerEnd ? 1 : step) {
        const damaged = file.slice()
        damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
        tried += 1
        try {
          expect(judgements(decodeEntityForest(damaged, sha256)), `byte ${at}`).to.deep.equal(expected)
        } catch (error) {
          if (!(error instanceof ArtifactFormatError)) throw error
          refused += 1
        }
      }
      expect(tried).to.be.at.least(2000)
      expect(refused).to.be.greaterThan(tried / 2)
    })

    it('with another digit in a number that judges is refused', () => {
      const text = Buffer.from(file).toString('latin1')
      for (const pattern of [
        /"threshold":"0\.(\d)/,
        /cpl_ref\\":(\d)/,
        /"samples":"(\d)/,
        /max_samples\\":(\d)/,
      ]) {
        const found = pattern.exec(text)
        if (!found) throw new Error(`${pattern} is not in the header`)
        const damaged = file.slice()
        const at = found.index + found[0].length - 1
        damaged[at] = found[1] === '1' ? 0x32 : 0x31
        expect(() => decodeEntityForest(damaged, sha256), String(pattern)).to.throw(ArtifactFormatError)
      }
    })

    it('of another format or algorithm is refused', () => {
      const replaced = (from: string, to: string): Uint8Array =>
        Uint8Array.from(Buffer.from(Buffer.from(file).toString('latin1').replace(from, to), 'latin1'))
      expect(() => decodeEntityForest(replaced('vigia.model/1', 'vigia.model/2'), sha256)).to.throw(
        ArtifactFormatError,
        'vigia.model/2',
      )
      expect(() => decodeEntityForest(replaced('isolation_forest@1', 'isolation_forest@2'), sha256)).to.throw(
        ArtifactFormatError,
        'isolation_forest@2',
      )
    })

    it('cut short is refused', () => {
      for (const length of [0, 7, 8, 100, file.length - 1])
        expect(() => decodeEntityForest(file.slice(0, length), sha256)).to.throw(ArtifactFormatError)
    })
  })
})
