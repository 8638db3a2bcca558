/** The commands as people run them: real processes in a folder of their own, on the embedded database. */
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { openEmbeddedPostgres } from '../../db/embedded/server.ts'
import type { EmbeddedPostgres } from '../../db/embedded/server.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { openCommands } from '../support/cli.ts'
import type { Commands } from '../support/cli.ts'
import { THROW_AWAY } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/folders.ts'
import { startProcess } from '../support/processes.ts'

const CLI = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
const REPORT = fileURLToPath(new URL('../../../test/fixtures/meta/meta_export_pt.csv', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

type Json = Record<string, unknown>

/** Settings of whoever runs the tests are not those of the commands. */
const environmentOf = (more: Readonly<Record<string, string>>): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: process.env['HOME'] ?? '',
  ...more,
})

describe('commands', () => {
  let folder: string
  before(async () => {
    folder = await temporaryFolder()
  })
  after(() => rm(folder, { recursive: true, force: true }))
  const running = new Set<ChildProcess>()
  // A command that takes too long fails its own test, not those after it.
  afterEach(() => {
    for (const child of running) child.kill()
  })

  /** Runs commands where their processes are not what a test is about. */
  let commands: Commands | undefined
  const run = (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> =>
    commands && !env ? commands.run(args) : start(args, env)
  const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    new Promise((resolve) => {
      const options = { cwd: folder, env: environmentOf({ PORT: '0', ...env }), maxBuffer: 64 << 20 }
      const child: ChildProcess = execFile(process.execPath, [CLI, ...args], options, (_, stdout, stderr) => {
        running.delete(child)
        resolve({ code: child.exitCode, stdout, stderr })
      })
      running.add(child)
    })
  /** stdout holds one object on one line and nothing else. */
  const jsonOf = ({ stdout, stderr }: Ended): Json => {
    const lines = stdout.split('\n')
    expect(lines.length, `${stdout}\n${stderr}`).to.equal(2)
    expect(lines[1]).to.equal('')
    return JSON.parse(lines[0] ?? '') as Json
  }
  const done = async (...args: string[]): Promise<Json> => {
    const ended = await run([...args, '--json'])
    expect(ended.code, `${args.join(' ')}: ${ended.stdout}${ended.stderr}`).to.equal(0)
    return jsonOf(ended)
  }
  const refused = async (code: number, ...args: string[]): Promise<string> => {
    const ended = await run([...args, '--json'])
    expect(ended.code, `${args.join(' ')}: ${ended.stdout}${ended.stderr}`).to.equal(code)
    return (jsonOf(ended)['error'] as { message: string }).message
  }
  const postmaster = async (): Promise<number | null> => {
    const text = await readFile(join(folder, '.vigia/database/data/postmaster.pid'), 'utf8').catch(() => '')
    return Number(text.split('\n')[0]) || null
  }
  /** A server takes its file away before it ends. */
  const gone = (pid: number): Promise<boolean> =>
    eventually('the end of the database server', () => {
      try {
        process.kill(pid, 0)
        return false
      } catch {
        return true
      }
    })

  it('show the demo from nothing to findings, and leave no database running', async () => {
    const found = await done('demo', '--once')
    expect(found).to.include({ config_id: 1, url: null })
    const incidents = found['incidents'] as Json[]
    // The breaks that were put in and still go on, each once; the one of a day is over, the raised budget is known.
    expect(
      incidents.map((one) => [one['campaign_name'], one['metric'], one['direction'], one['status']]),
    ).to.have.deep.members([
      ['Retargeting | 30 days', 'spend', 'down', 'open'],
      ['New gym | Centro', 'ctr', 'down', 'open'],
      ['Spring offer | Leads', 'cpl', 'up', 'open'],
    ])
    expect(found['folded']).to.deep.equal({ quiet: 0, over: 1 })
    const anomalies = found['anomalies'] as Json[]
    const levels = new Set(anomalies.map((one) => one['entity_type']))
    expect([...levels]).to.have.members(['campaign', 'adset', 'ad'])
    expect(await postmaster()).to.equal(null)
  })

  it('show the demo again to people, in at most 120 columns', async () => {
    const { code, stdout } = await run(['demo', '--once'])
    expect(code).to.equal(0)
    const [before = '', screen = ''] = stdout.split('\n\n$ vigia incidents\n\n')
    expect(before).to.contain('in 4 incidents')
    expect(screen).to.match(/^ +\d+ +CRITICAL +\S/)
    for (const name of ['"First month free"', '"Carousel: prices"', '"Neighbours 5 km"'])
      expect(screen).to.contain(name)
    for (const line of stdout.split('\n')) expect(line.length, line).to.be.at.most(120)
  })

  it('import a report, check it, and tell what ran', async () => {
    const imported = await done('import', REPORT, '--config', 'Loja', '--timezone', 'America/Sao_Paulo')
    expect(imported).to.include({ config_created: true, rows_rejected: 0 })
    const config = String(imported['config_id'])
    expect(await done('import', REPORT, '--config', config)).to.include({ duplicate: true })
    const date = String(imported['date_to'])
    const checked = await done('detect', '--config', 'Loja', '--date', date, '--entity-type', 'campaign')
    expect((checked['runs'] as Json[]).map((one) => one['status'])).to.deep.equal(['succeeded'])
    expect(checked).to.include({ date_from: date, date_to: date })
    const runs = await done('runs', 'list', '--config', config)
    expect((runs['runs'] as Json[]).map((one) => one['job'])).to.deep.equal(['detect.campaign'])
    const { id } = (runs['runs'] as Json[])[0] as { id: string }
    expect(await done('runs', 'show', id)).to.include({ id, status: 'succeeded' })
  })

  describe('on a database that runs already', () => {
    let postgres: EmbeddedPostgres
    before(async () => {
      const home = join(folder, '.vigia')
      postgres = await openEmbeddedPostgres({ home, logger: silentLogger, settings: THROW_AWAY })
      commands = await openCommands({ cwd: folder, env: environmentOf({ PORT: '0' }) })
    })
    after(async () => {
      await commands?.close()
      commands = undefined
      await postgres.release()
    })

    it('make, list and revoke keys', async () => {
      const { key } = await done('keys', 'create', 'ci', '--role', 'trainer')
      expect(key).to.match(/^vg_/)
      expect((await run(['keys', 'list', '--json'])).stdout).not.to.contain(String(key))
      expect(await done('keys', 'revoke', 'ci')).to.deep.equal({ name: 'ci', revoked: true })
      const listed = (await done('keys', 'list'))['keys'] as Json[]
      expect(listed.map((one) => [one['name'], one['revoked_at'] === null])).to.deep.equal([['ci', false]])
      const limits = { predict_per_address: null, predict_per_series: { points: 30_000, seconds: 1 } }
      const flags = ['--limit', 'predict_per_address=off', 'predict_per_series=30000/1']
      expect((await done('keys', 'create', 'gateway', ...flags))['limits']).to.deep.equal(limits)
      expect((await run(['keys', 'list'])).stdout).to.match(
        /predict_per_series 30000\/1, predict_per_address off/,
      )
      await done('keys', 'revoke', 'gateway')
    })

    it('migrate a schema that is current without doing anything', async () => {
      expect(await done('migrate')).to.deep.equal({ direction: 'up', migrations: [] })
    })

    it('describe themselves', async () => {
      const names = [
        'up',
        'demo',
        'migrate',
        'import',
        'train',
        'detect',
        'score',
        'models',
        'runs',
        'schedules',
        'keys',
        'doctor',
      ]
      const { code, stdout } = await run(['--help'])
      expect(code).to.equal(0)
      for (const name of names) expect(stdout).to.match(new RegExp(`^  ${name} `, 'm'))
      expect((await run(['detect', '--help'])).code).to.equal(0)
      expect((await start(['--version'])).stdout).to.match(/^\d+\.\d+\.\d+\n$/)
    })

    it('refuse what they do not understand with exit code 2', async () => {
      expect(await refused(2, 'detect', '--bogus')).to.contain('--bogus')
      expect(await refused(2, 'bogus')).to.contain('bogus')
      expect(await refused(2, 'detect', '--days', '8')).to.contain('1 to 7')
      expect(await refused(2, 'runs', 'list', '--status', 'odd')).to.contain('succeeded')
      expect(await refused(2, 'import', 'missing.csv', '--config', 'x')).to.contain('missing.csv')
      expect((await run(['import', REPORT])).code).to.equal(2)
      expect((await start([])).code).to.equal(2)
    })

    it('say what there is when a name is unknown, with exit code 1', async () => {
      expect(await refused(1, 'detect', '--config', 'nope')).to.contain('Demo account')
      expect(await refused(1, 'detect')).to.contain('--config')
      expect(await refused(1, 'keys', 'revoke', 'nobody')).to.contain('nobody')
      const { code, stdout, stderr } = await run(['detect', '--config', 'nope'])
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
      expect(stderr)
        .to.match(/^vigia: .*nope/)
        .and.not.to.contain('    at ')
    })
  })

  it('name every wrong setting at once, with exit code 2', async () => {
    const wrong = { PORT: 'x', WORKER_CONCURRENCY: '0', DATABASE_URL: 'mysql://x' }
    const ended = await run(['runs', 'list', '--json'], wrong)
    expect(ended.code).to.equal(2)
    const { message } = jsonOf(ended)['error'] as { message: string }
    for (const name of Object.keys(wrong)) expect(message).to.contain(`${name}:`)
    const doctor = await run(['doctor', '--json'], wrong)
    expect(doctor.code).to.equal(1)
    expect((jsonOf(doctor)['checks'] as Json[]).filter((one) => one['status'] === 'problem')).to.have.length(
      3,
    )
  })

  it('say which setting to change when VIGIA_HOME cannot be used, with exit code 1', async () => {
    await writeFile(join(folder, 'file'), '')
    const ended = await run(['runs', 'list', '--json'], { VIGIA_HOME: join(folder, 'file', 'home') })
    expect(ended.code).to.equal(1)
    expect((jsonOf(ended)['error'] as { message: string }).message).to.contain('VIGIA_HOME')
  })

  it('close the database when a reader of their output leaves early', async () => {
    const child = spawn(process.execPath, [CLI, 'runs', 'list', '--json'], {
      cwd: folder,
      env: environmentOf({ PORT: '0' }),
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    child.stdout.destroy()
    const [code] = (await once(child, 'exit')) as [number]
    expect(code).to.equal(0)
    expect(await postmaster()).to.equal(null)
  })

  it('close the database when they are ended half-way', async () => {
    const child = spawn(process.execPath, [CLI, 'demo', '--once'], {
      cwd: folder,
      env: environmentOf({ PORT: '0' }),
      stdio: 'ignore',
    })
    const pid = await eventually('a database', postmaster)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).to.deep.equal([null, 'SIGTERM'])
    await gone(pid)
  })

  describe('that stay', () => {
    it('serve everything in one process and end with exit code 0, leaving nothing behind', async () => {
      const { config_id: config } = await done('import', REPORT, '--config', 'Loja')
      const up = startProcess(CLI, {
        args: ['up', '--json'],
        cwd: folder,
        env: { PORT: '0', LOG_LEVEL: 'warn', VIGIA_HOME: '.vigia' },
      })
      let pid: number | null = null
      try {
        const { url } = JSON.parse(await up.line(/^\{"url"/)) as { url: string }
        pid = await postmaster()
        expect(pid).not.to.equal(null)
        for (const path of [
          '/livez',
          '/readyz',
          `/api/v1/ml/anomalies?config_id=${String(config)}&entity_type=all`,
          '/docs',
          '/metrics',
          '/admin/queues',
        ]) {
          const reply = await fetch(`${url}${path}`)
          expect(reply.status, path).to.equal(200)
          expect((await reply.text()).length, path).to.be.greaterThan(0)
        }
        const port = new URL(url).port
        // Other commands join the database that runs.
        const doctor = await run(['doctor', '--json'], { PORT: port })
        const states = Object.fromEntries(
          (jsonOf(doctor)['checks'] as Json[]).map((one) => [one['check'], one['status']]),
        )
        expect(states).to.include({
          workers: 'ok',
          schedules: 'ok',
          api: 'ok',
          migrations: 'ok',
          queues: 'ok',
        })
        expect(doctor.code).to.equal(0)
        const schedules = (await done('schedules', 'list'))['schedules'] as Json[]
        expect(schedules.length).to.be.greaterThan(3)
        const taken = await run(['up', '--json'], { PORT: port })
        expect(taken.code).to.equal(1)
        expect((jsonOf(taken)['error'] as { message: string }).message).to.contain(`port ${port}`)
        expect((await fetch(`${url}/livez`)).status).to.equal(200)
      } finally {
        expect(await up.end('SIGTERM')).to.deep.equal({ code: 0, signal: null })
      }
      expect(await postmaster()).to.equal(null)
      await gone(pid ?? 0)
    })
  })

  describe('doctor', () => {
    const problemsOf = (diagnosis: Json): Json[] =>
      (diagnosis['checks'] as Json[]).filter((one) => one['status'] === 'problem')

    it('finds a system at rest able to work, and shows no secret', async () => {
      const diagnosis = await done('doctor')
      expect(diagnosis['status']).to.equal('warning')
      const secret = await run(['doctor'], { JWT_SECRET: 'a'.repeat(40) })
      expect(secret.stdout).to.contain('JWT_SECRET=***').and.not.to.contain('aaaa')
    })

    it('finds a database that is away, a Redis that is away and another program at the port', async () => {
      const away = await run(['doctor', '--json'], { DATABASE_URL: 'postgres://u:topsecret@127.0.0.1:1/x' })
      expect(away.code).to.equal(1)
      expect(away.stdout).not.to.contain('topsecret')
      expect(problemsOf(jsonOf(away)).map((one) => one['check'])).to.deep.equal(['postgresql'])

      const other = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'))
      other.listen(0, '127.0.0.1')
      await once(other, 'listening')
      const PORT = String((other.address() as AddressInfo).port)
      const busy = await run(['doctor', '--json'], { PORT, REDIS_URL: 'redis://127.0.0.1:1' })
      other.close()
      expect(busy.code).to.equal(1)
      expect(problemsOf(jsonOf(busy)).map((one) => one['check'])).to.deep.equal(['queues', 'api'])
    })

    it('finds a folder of artifacts that cannot be written to', async () => {
      await mkdir(join(folder, 'shut'))
      await writeFile(join(folder, 'shut', 'file'), '')
      await chmod(join(folder, 'shut'), 0o500)
      const ended = await run(['doctor', '--json'], { MODELS_STORAGE_PATH: join(folder, 'shut', 'file') })
      expect(ended.code).to.equal(1)
      expect(problemsOf(jsonOf(ended)).map((one) => [one['check'], one['advice']])).to.deep.equal([
        ['storage', 'set MODELS_STORAGE_PATH to a folder you may write to'],
      ])
    })
  })
})
