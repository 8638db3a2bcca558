import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  describeScores,
  parseScoreOptions,
  scoreFile,
  type ScoreOptions,
} from '../../../cli/commands/score.ts'
import { DEFAULT_FOREST } from '../../../ml/detectors/isolation-forest.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { storedCases } from '../ml/detectors/sklearn-cases.ts'

const TOLERANCE = 1e-12

const refusalOf = async (attempt: () => unknown): Promise<AppError> => {
  try {
    await attempt()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('cli/commands/score', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vigia-score-'))
  })
  after(() => rm(folder, { recursive: true }))

  const file = async (name: string, contents: string | Uint8Array): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, contents)
    return path
  }
  const csvOf = (rows: readonly (readonly number[])[]): string =>
    `${[rows[0]?.map((_, i) => `x${i}`), ...rows].map((row) => row?.map(String).join(',')).join('\n')}\n`

  for (const stored of storedCases()) {
    const { name, params } = stored
    const options: ScoreOptions = {
      contamination: String(params.contamination),
      maxSamples: String(params.max_samples),
      randomState: String(params.random_state),
      trees: String(params.n_estimators),
    }

    it(`answers as scikit-learn does on ${name}, on the rows it fits and on others`, async () => {
      const train = await file(`${name}.csv`, csvOf(stored.X))
      const query = await file(`${name}-query.csv`, csvOf(stored.query.X))
      const answers = [
        [await scoreFile(train, options), stored],
        [await scoreFile(query, { ...options, train }), stored.query],
      ] as const
      for (const [{ scores }, expected] of answers) {
        expect(scores.offset).to.be.closeTo(stored.offset_, TOLERANCE)
        expect(scores.rows.map((row) => row.predict)).to.deep.equal(expected.predict)
        for (const [i, row] of scores.rows.entries()) {
          expect(row.score_samples).to.be.closeTo(expected.score_samples[i] as number, TOLERANCE)
          expect(row.decision_function).to.be.closeTo(expected.decision_function[i] as number, TOLERANCE)
        }
      }
    })
  }

  describe('the options', () => {
    it('are those of scikit-learn, with a contamination of 0.1 and seed 42, when none are given', () => {
      expect(parseScoreOptions({})).to.deep.equal({ columns: null, fill: null, forest: DEFAULT_FOREST })
    })

    it('are read from text', () => {
      const given = { columns: ' a, b', contamination: 'auto', randomState: '0', trees: '7', fill: '-1e-7' }
      expect(parseScoreOptions(given)).to.deep.equal({
        columns: ['a', 'b'],
        fill: -1e-7,
        forest: { ...DEFAULT_FOREST, contamination: 'auto', randomState: 0, trees: 7 },
      })
    })

    it('tell a number of rows from a fraction', () => {
      const maxSamples = (text: string) => parseScoreOptions({ maxSamples: text }).forest.maxSamples
      expect(maxSamples('auto')).to.equal('auto')
      expect(maxSamples('1')).to.deep.equal({ count: 1 })
      expect(maxSamples('1.0')).to.deep.equal({ fraction: 1 })
      expect(maxSamples('.5')).to.deep.equal({ fraction: 0.5 })
    })

    it('reach up to their bounds', () => {
      const { forest } = parseScoreOptions({
        contamination: '0.5',
        randomState: '4294967295',
        trees: '10000',
      })
      expect(forest).to.include({ contamination: 0.5, randomState: 4_294_967_295, trees: 10_000 })
    })

    const wrong: readonly ScoreOptions[] = [
      ...['0', '0.51', '-0.1', 'NaN', 'much', ''].map((contamination) => ({ contamination })),
      ...['-1', '1.5', '4294967296', 'x', ''].map((randomState) => ({ randomState })),
      ...['0', '10001', '1e3', ''].map((trees) => ({ trees })),
      ...['0', '0.0', '1.1', '-5', 'all', ''].map((maxSamples) => ({ maxSamples })),
      ...['', 'a,', ','].map((columns) => ({ columns })),
      ...['', 'none', '1e39', 'Infinity'].map((fill) => ({ fill })),
    ]
    for (const options of wrong) {
      it(`are refused by name: ${JSON.stringify(options)}`, async () => {
        const [name = ''] = Object.keys(options)
        const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
        const error = await refusalOf(() => parseScoreOptions(options))
        expect(error.code).to.equal('INVALID_REQUEST')
        expect(error.message).to.include(flag)
      })
    }
  })

  it('refuses a file that is not there as wrong usage, one that is not UTF-8 as a bad file', async () => {
    const missing = await refusalOf(() => scoreFile(join(folder, 'missing.csv'), {}))
    expect(missing.code).to.equal('INVALID_REQUEST')
    expect(missing.message).to.include('missing.csv cannot be read')
    const latin1 = await file('latin1.csv', Buffer.from('é\n1\n', 'latin1'))
    const other = await refusalOf(() => scoreFile(latin1, {}))
    expect(other.code).to.equal('INVALID_CSV')
    expect(other.message).to.include('UTF-8')
  })

  it('shows the most unusual rows first, with their lines and cells as written', async () => {
    const ordinary = Array.from({ length: 60 }, (_, i) => `${i % 7},${10 + ((i * 3) % 11)},n${i}`)
    const path = await file('odd.csv', ['a,b,name', ...ordinary, '1e3,-5.50,odd'].join('\n'))
    const lines = describeScores(await scoreFile(path, { contamination: '0.01' })).split('\n')
    expect(lines[0]).to.match(/^1 of 61 rows is unusual: a score above 0\.\d{4} .* The 10 most unusual:$/)
    expect(lines[2]).to.match(/^line +score +unusual +a +b$/)
    expect(lines[3]).to.match(/^ +62 +0\.\d{4} +yes +1e3 +-5\.50$/)
    expect(lines[4]).to.match(/ no /)
    expect(lines).to.have.length(13)
  })

  it('shows all rows of a short file', async () => {
    const path = await file('short.csv', 'a\n1\n')
    expect(describeScores(await scoreFile(path, {})).split('\n')).to.deep.equal([
      '0 of 1 row are unusual: a score above 0.5000 (0 normal, 1 anomalous).',
      '',
      'line   score  unusual  a',
      '   2  0.5000  no       1',
    ])
  })
})
