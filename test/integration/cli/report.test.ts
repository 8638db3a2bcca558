import { expect } from 'chai'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { adDays, insertDays, newConfig } from '../../support/accounts.ts'
import { openCommands } from '../../support/cli.ts'
import type { CommandEnded, Commands } from '../../support/cli.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { temporaryFolder } from '../../support/folders.ts'

const DAY = '2026-03-10'

describe('vigia report', () => {
  let database: TestDatabase
  let commands: Commands
  let folder: string
  let configId: number
  before(async () => {
    database = await openTestDatabase()
    folder = await temporaryFolder()
    commands = await openCommands({ cwd: folder, env: { HOME: folder, DATABASE_URL: database.url } })
    configId = await newConfig(database.knex)
    await insertDays(database.knex, configId, adDays('a1', 20, DAY, { adsetId: 's1', campaignId: 'c1' }))
  })
  after(async () => {
    await commands.close()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const run = (...args: string[]): Promise<CommandEnded> =>
    commands.run(['report', '--config', String(configId), ...args])

  it('prints text, and says in it what has not been computed', async () => {
    const { code, stdout, stderr } = await run()
    expect(code, stderr).to.equal(0)
    for (const title of ['HOW IT WENT', 'WHAT IS ODD', 'WHAT TO DO', 'HOW EACH CAMPAIGN DOES', 'NEXT WEEK'])
      expect(stdout).to.include(title)
    expect(stdout).to.include(`vigia classify --config ${configId}`)
    expect(stderr).to.equal('')
  })

  it('prints one JSON object, of the day asked for', async () => {
    const { code, stdout } = await run('--json', '--date', '2026-03-05')
    expect(code).to.equal(0)
    expect(stdout.trimEnd().split('\n')).to.have.length(1)
    expect(JSON.parse(stdout)).to.include({ date: '2026-03-05' })
  })

  it('writes the page into a file, or to stdout without one', async () => {
    const { code, stdout, stderr } = await run('--html', 'report.html')
    expect(code, stderr).to.equal(0)
    expect(stdout).to.equal('')
    expect(stderr).to.include('report.html')
    const page = await readFile(join(folder, 'report.html'), 'utf8')
    expect(page).to.match(/^<!doctype html>/)
    expect((await run('--html')).stdout).to.equal(page)
  })

  it('says that a file cannot be written, and which', async () => {
    await mkdir(join(folder, 'folder'))
    for (const path of ['nowhere/report.html', 'folder']) {
      const { code, stdout, stderr } = await run('--html', path)
      expect(code).to.equal(1)
      expect(stdout).to.equal('')
      expect(stderr).to.match(/^vigia: .*cannot be written/)
      expect(stderr).to.include(path)
      expect(stderr.trimEnd().split('\n')).to.have.length(1)
    }
  })

  it('tells wrong usage from failure', async () => {
    const both = await run('--html', 'both.html', '--json')
    expect(both.code).to.equal(2)
    expect(JSON.parse(both.stdout)).to.have.nested.property('error.code', 'INVALID_REQUEST')
    expect(await run('--date', 'yesterday')).to.deep.include({ code: 2, stdout: '' })
    expect(await run('--date', '2999-01-01')).to.deep.include({ code: 2, stdout: '' })
    expect((await run('--nonsense')).code).to.equal(2)
    expect((await run('--config', 'nobody')).code).to.equal(1)
  })
})
