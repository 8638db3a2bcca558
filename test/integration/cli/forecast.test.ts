/** `vigia forecast` as people run it: a process in an empty folder, without any database. */
import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openCommands } from '../../support/cli.ts'
import type { CommandEnded, Commands } from '../../support/cli.ts'
import { temporaryFolder } from '../../support/folders.ts'

const CLI = fileURLToPath(new URL('../../../cli/main.js', import.meta.url))
const DAY_MS = 86_400_000

const dayOf = (i: number): string => new Date(Date.UTC(2026, 0, 5) + i * DAY_MS).toISOString().slice(0, 10)
const valueOf = (i: number): number => 100 + 10 * (i % 7) + ((i * 37) % 11)

describe('vigia forecast', () => {
  let folder: string
  let commands: Commands
  before(async () => {
    folder = await temporaryFolder()
    commands = await openCommands({ cwd: folder, env: {} })
  })
  after(async () => {
    await commands.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** @param text of the file; null: there is none */
  const run = async (text: string | null, ...args: string[]): Promise<CommandEnded> => {
    if (text !== null) await writeFile(join(folder, 'sales.csv'), text)
    return commands.run(['forecast', text === null ? 'nowhere.csv' : 'sales.csv', ...args])
  }
  /** In a process of its own, whose packages write where they like. */
  const start = async (
    text: string,
    ...args: string[]
  ): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    await writeFile(join(folder, 'sales.csv'), text)
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [CLI, 'forecast', 'sales.csv', ...args],
        { cwd: folder, env: { PATH: process.env['PATH'] ?? '' } },
        (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
      )
    })
  }
  const days = Array.from({ length: 70 }, (_, i) => `${dayOf(i)};${String(valueOf(i)).replace('.', ',')}`)
  const daily = `\ufeffds;y\r\n${days.join('\r\n')}\r\n`

  it('prints one object and nothing else, and opens no database', async () => {
    const { code, stdout, stderr } = await start(daily, '--horizon', '9', '--json')
    expect(stderr).to.equal('')
    expect(code).to.equal(0)
    expect(stdout.indexOf('\n')).to.equal(stdout.length - 1)
    const answer = JSON.parse(stdout) as { series: { id: string; model: string; points: object[] }[] }
    expect(Object.keys(answer)).to.deep.equal(['series'])
    expect(answer.series.map((one) => [Object.keys(one), one.id, typeof one.model])).to.deep.equal([
      [['id', 'model', 'points'], 'y', 'string'],
    ])
    const points = answer.series[0]?.points as {
      date: string
      predicted: number
      lower: number
      upper: number
    }[]
    expect(points.map(({ date }) => date)).to.deep.equal(Array.from({ length: 9 }, (_, i) => dayOf(70 + i)))
    for (const point of points) {
      expect(Object.keys(point)).to.deep.equal(['date', 'predicted', 'lower', 'upper'])
      expect(point.lower).to.be.at.most(point.predicted)
      expect(point.upper).to.be.at.least(point.predicted)
    }
    expect(await readdir(folder)).not.to.include('.vigia')
  })

  it('forecasts many series on threads, in the order of the file, and warns on stderr', async () => {
    const names = Array.from({ length: 9 }, (_, i) => `s${(i * 5) % 9}`)
    const rows = names.flatMap((name) =>
      Array.from({ length: 30 }, (_, i) => `${name},${dayOf(i)},${valueOf(i)}`),
    )
    const text = ['series,date,value', ...rows, `s0,${dayOf(3)},1`, `short,${dayOf(29)},4`].join('\n')
    const { code, stdout, stderr } = await start(text, '--horizon', '2', '--json')
    expect(code).to.equal(0)
    const { series } = JSON.parse(stdout) as {
      series: { id: string; points: { date: string; predicted: number }[] }[]
    }
    expect(series.map(({ id }) => id)).to.deep.equal([...names, 'short'])
    for (const { points } of series)
      expect(points.map(({ date }) => date)).to.deep.equal([dayOf(30), dayOf(31)])
    expect(series.at(-1)?.points.map(({ predicted }) => predicted)).to.deep.equal([4, 4])
    expect(stderr).to.contain('vigia: series "s0": some stamps come more than once')
    expect(stderr).to.match(/^vigia: 10 series \("s0", "s5", "s1" and 7 more\): too few values/m)
  })

  it('prints a table for people', async () => {
    const { code, stdout } = await run(daily, '--horizon', '2', '--metric', 'Y', '--date', 'ds')
    expect(code).to.equal(0)
    expect(stdout).to.match(
      /^y \([a-z ]+\)\ndate +forecast +95% from +to\n2026-03-16 +[\d.]+ +[\d.]+ +[\d.]+\n/,
    )
  })

  it('answers 2 to wrong usage and 1 to a file it cannot forecast, with --json as an object', async () => {
    for (const args of [
      ['--horizon', '0'],
      ['--horizon', '367'],
      [],
      ['--horizon', '7', '--metric', 'cost'],
    ]) {
      const { code, stdout, stderr } = await run(daily, ...args)
      expect([code, stdout], args.join(' ')).to.deep.equal([2, ''])
      expect(stderr).to.match(/--horizon|--metric/)
    }
    expect((await run(null, '--horizon', '7')).code).to.equal(2)
    const bad = await run('ds,y\n2026-03-10,1\n2026-03-11,1e400\n', '--horizon', '7', '--json')
    expect(bad.code).to.equal(1)
    expect(JSON.parse(bad.stdout)).to.deep.equal({
      error: {
        code: 'INVALID_CSV',
        message:
          'sales.csv, line 3, column "y": "1e400" is beyond the largest number (1.8e308); scale the column',
      },
    })
  })
})
