/** `vigia series` as people run it: processes in an empty folder, on the embedded database. */
import { expect } from 'chai'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { channelName, parseTime, readCsv } from '../../../cli/series/read-csv.ts'
import { HOT, LOW, sensorCsv, sensorReadings } from '../../../bench/serve/sensor.ts'
import { openCommands } from '../../support/cli.ts'
import type { CommandEnded, Commands } from '../../support/cli.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { temporaryFolder } from '../../support/folders.ts'

const PUMP = fileURLToPath(new URL('../../../../cli/demo/data/pump.csv', import.meta.url))

describe('vigia series', () => {
  let folder: string
  let database: TestDatabase
  let commands: Commands
  before(async () => {
    folder = await temporaryFolder()
    database = await openTestDatabase()
    commands = await openCommands({ cwd: folder, env: { DATABASE_URL: database.url } })
  })
  after(async () => {
    await commands.close()
    await rm(folder, { recursive: true, force: true })
    await database.close()
  })

  const run = (...args: string[]): Promise<CommandEnded> => commands.run(['series', ...args])
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await run(...args, '--json')
    expect(code, stderr).to.equal(0)
    return JSON.parse(stdout) as Record<string, unknown>
  }

  it('the bundled file is what its script makes', async () => {
    expect(await readFile(PUMP, 'utf8')).to.equal(sensorCsv(sensorReadings()))
  })

  it('takes a newcomer from a CSV to a plot in two commands', async () => {
    const trained = await run('train', PUMP, '--series', 'pump_7')
    expect(trained.code, trained.stderr).to.equal(0)
    expect(trained.stdout).to.contain('Trained pump_7 v1: 4032 points')
    expect(trained.stdout).to.contain('vigia series plot pump_7')
    const plotted = await run('plot', 'pump_7')
    expect(plotted.code, plotted.stderr).to.equal(0)
    expect(plotted.stdout).to.match(/^pump_7\.html: 4032 points of v1, \d+ of them odd to zscore\.\n$/)
    const page = await readFile(join(folder, 'pump_7.html'), 'utf8')
    expect(page).to.contain('<svg').and.not.to.contain('<form')
  })

  it('finds both faults of the pump', async () => {
    const { rows } = (await json('predict', PUMP, '--series', 'pump_7', '--models', 'all')) as {
      rows: { time: string; channel: string }[]
    }
    const readings = sensorReadings()
    const timeOf = (row: number): string =>
      new Date(readings[row]?.timeMs ?? 0).toISOString().slice(0, 19).replace('T', ' ')
    const odd = new Set(rows.map(({ time, channel }) => `${channel} ${time}`))
    const share = ([from, to]: readonly [number, number], channel: string): number => {
      let found = 0
      for (let row = from; row <= to; row++) if (odd.has(`${channel} ${timeOf(row)}`)) found++
      return found / (to - from + 1)
    }
    expect(share(HOT, 'temperature_c')).to.be.above(0.8)
    expect(share(LOW, 'pressure_bar')).to.equal(1)
  })

  it('keeps versions, goes back and tags', async () => {
    expect(await json('train', PUMP, '--series', 'pump_7')).to.include({ version: 'v1', created: false })
    expect(
      await json('train', PUMP, '--series', 'pump_7', '--models', 'isolation_forest', '--tag', 'env=prod'),
    ).to.include({ version: 'v2', created: true, serving: true })
    expect(await json('train', PUMP, '--series', 'pump_7', '--models', 'zscore', '--hold')).to.include({
      version: 'v3',
      serving: false,
    })
    expect(await json('rollback', 'pump_7')).to.deep.equal({ series_id: 'pump_7', from: 'v2', to: 'v1' })
    expect(await json('rollback', 'pump_7', '--to', 'v3')).to.include({ to: 'v3' })
    const { versions } = (await json('versions', 'pump_7')) as {
      versions: { version: string; aliases: string[] }[]
    }
    expect(versions.map(({ version }) => version)).to.deep.equal(['v3', 'v2', 'v1'])
    expect((await json('tag', 'pump_7', 'v2', 'env=', 'site=south'))['tags']).to.deep.equal({ site: 'south' })
    expect(await json('show', 'pump_7')).to.include({ version: 'v3' })
    const compared = await json('compare', 'pump_7', 'v1', 'v2')
    expect(compared).to.include({ from: 'v1', to: 'v2', same_data: true, same_models: false })
    const told = await run('compare', 'pump_7', '1', '2')
    expect(told.stdout)
      .to.contain('pressure_bar')
      .and.to.match(/^zscore: removed$/m)
    const { series } = (await json('list')) as { series: { series_id: string; stable: string }[] }
    expect(series.map(({ series_id: id, stable }) => [id, stable])).to.deep.equal([['pump_7', 'v3']])
  })

  it('judges one point', async () => {
    const point = 'timestamp=1760000000,temperature_c=90,pressure_bar=6.5'
    expect(await json('predict', '--series', 'pump_7', '--point', point)).to.include({ judged: 1, odd: 1 })
  })

  it('says what is wrong with a file by its line, and with a name by what there is', async () => {
    const bad = async (text: string, ...args: string[]): Promise<string> => {
      await writeFile(join(folder, 'bad.csv'), text)
      const { code, stderr } = await run('train', 'bad.csv', '--series', 'bad', ...args)
      expect(code).to.equal(1)
      return stderr
    }
    const rows = (n: number): string =>
      Array.from({ length: n }, (_, i) => `${1_700_000_000 + i},${i % 7}`).join('\n')
    expect(await bad('time,a\n2026-01-01,1\nsoon,2\n')).to.contain('bad.csv, line 3: "soon" is not a time')
    expect(await bad('time,a\n2026-01-01,1\n2026-01-02,x\n')).to.contain(
      'bad.csv, line 3, a: "x" is not a number',
    )
    expect(await bad('when,a\n2026-01-01,1\n')).to.contain('name the time with --time, one of when, a')
    expect(await bad(`time,a\n${rows(60)}\n1700000059,3\n`)).to.contain('line 62: row 60 repeats 1700000059')
    expect(await bad(`time,a\n${rows(49)}\n`)).to.contain('needs 1000 points, got 49')
    expect((await run('plot', 'nobody')).stderr).to.contain('there is no series nobody')
    expect((await run('show', 'pump_7', '--version', 'v9')).stderr).to.contain('has no version v9')
    expect((await run('delete', 'pump_7')).stderr).to.contain('say --yes')
    expect((await run('train', PUMP)).code).to.equal(2)
  })

  it('deletes a series, whose numbers go on', async () => {
    expect(await json('delete', 'pump_7', '--yes')).to.deep.equal({ series_id: 'pump_7', versions: 3 })
    expect((await run('show', 'pump_7')).code).to.equal(1)
    expect(await json('train', PUMP, '--series', 'pump_7')).to.include({ version: 'v4', created: true })
  })
})

describe('a CSV as a series', () => {
  let folder: string
  before(async () => {
    folder = await temporaryFolder()
  })
  after(() => rm(folder, { recursive: true, force: true }))
  const read = async (text: string, wish = {}): ReturnType<typeof readCsv> => {
    await writeFile(join(folder, 'f.csv'), text)
    return readCsv(join(folder, 'f.csv'), wish)
  }

  it('reads times in all the ways they are written', () => {
    const noon = Date.UTC(2026, 2, 31, 12)
    for (const text of [
      '2026-03-31T12:00:00Z',
      '2026-03-31 12:00',
      '2026-03-31 12:00:00.000',
      '2026-03-31T09:00:00-03:00',
      '2026-03-31T09:00-0300',
      String(noon / 1000),
      String(noon),
    ])
      expect(parseTime(text), text).to.equal(noon)
    expect(parseTime('2026-03-31')).to.equal(Date.UTC(2026, 2, 31))
    for (const text of ['', 'noon', '31/03/2026', '2026-3-31', '12:00'])
      expect(parseTime(text), text).to.be.NaN
  })

  it('makes channels of titles', () => {
    expect(channelName('Temperature (°C)')).to.equal('temperature_c')
    expect(channelName('Pressão média')).to.equal('pressao_media')
    expect(channelName('2nd stage')).to.equal('c_2nd_stage')
    expect(channelName('T')).to.equal('t_')
  })

  it('takes all columns of numbers, one of them as the value, or those asked for', async () => {
    const text = 'ds;name;a;B c\n2026-01-01;x;1;2\n2026-01-02;y;3;4e1\n'
    const all = await read(text)
    expect(all.channels).to.deep.equal({ a: [1, 3], b_c: [2, 40] })
    expect(all.timestampUnit).to.equal('s')
    expect(all.lines).to.deep.equal([2, 3])
    expect((await read(text, { channels: ['b C'] })).channels).to.deep.equal({ value: [2, 40] })
  })

  it('keeps milliseconds where there are any', async () => {
    const { timestampUnit, timestamps } = await read('t,v\n1700000000500,1\n1700000001000,2\n')
    expect(timestampUnit).to.equal('ms')
    expect(timestamps).to.deep.equal([1_700_000_000_500, 1_700_000_001_000])
  })
})
