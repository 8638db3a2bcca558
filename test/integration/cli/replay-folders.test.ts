/** `vigia replay --dir` as people run it, on folders that are not as they should be: a process, no database. */
import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { openFolderDesk } from '../../support/replay-folders.ts'
import type { Files, FolderDesk } from '../../support/replay-folders.ts'

const CLI = fileURLToPath(new URL('../../../cli/main.js', import.meta.url))
const EXPORT =
  'Campaign ID,Campaign name,Ad set ID,Ad set name,Ad ID,Ad name,Day,Amount spent (BRL),Impressions,Reach,Clicks (all),Leads'

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

describe('vigia replay --dir', () => {
  let desk: FolderDesk
  before(async () => {
    desk = await openFolderDesk()
  })
  after(() => desk.close())

  const run = async (files: Files, ...args: string[]): Promise<Ended> => {
    const folder = await desk.write(files)
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [CLI, 'replay', '--dir', folder, ...args],
        { cwd: folder, env: { PATH: process.env['PATH'] ?? '' } },
        (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
      )
    })
  }

  it('refuses a folder in one sentence that names the file and what to do, and prints nothing else', async () => {
    const [people, machine] = await Promise.all([
      run({ 'daily.csv': 'date,level,entity_id,spend\n2026-03-01,ad,x,1\n' }),
      run({ 'my export.csv': `${EXPORT}\n1,C,2,S,3,A,2026-03-01,NaN,10,9,1,1\n` }, '--json'),
    ])
    expect(people).to.deep.include({ code: 1, stdout: '' })
    expect(people.stderr).to.match(/^vigia: daily\.csv lacks account_id, impressions[^\n]*\n$/)
    expect(machine.code).to.equal(2)
    const answer = JSON.parse(machine.stdout || machine.stderr) as { error: { message: string } }
    expect(answer.error.message).to.include('my export.csv, line 2').and.include('"NaN" is not a number')
  })

  it('replays what can be used, and says beside the one object on stdout what could not', async () => {
    const { code, stdout, stderr } = await run(
      {
        'export.csv': [
          EXPORT,
          '1,C,2,S,3,A,2026-03-01,5,10,9,1,1',
          '1,C,2,S,3,A,2026-03-02,-5,10,9,1,1',
          '1,C,2,S,3,A,2026-03-03,5,10,9,1,1',
          '1,C,2,S,3,A,2026-03-03,6,10,9,1,1',
          '',
        ].join('\n'),
        'labels.csv':
          'account_id,level,entity_id,start,end\nact_1,ad,nobody,2026-03-01,2026-03-01\nact_1,ad,3,2026-03-01,2026-03-01\n',
      },
      '--json',
    )
    expect(code).to.equal(0)
    expect(stdout.indexOf('\n')).to.equal(stdout.length - 1)
    const { totals } = JSON.parse(stdout) as { totals: Record<string, unknown> }
    expect(totals).to.include({ accounts: 1, entities: 3, days: 2, labels: 1 })
    const remarks = stderr.trimEnd().split('\n')
    expect(remarks).to.have.length(3)
    expect(remarks[0]).to.include('export.csv, line 3').and.include('negative')
    expect(remarks[1]).to.include('act_1').and.include('ad 3 on 2026-03-03')
    expect(remarks[2]).to.include('labels.csv').and.include('ad nobody')
  })
})
