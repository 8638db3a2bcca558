/** `vigia replay --dir` as people run it, on folders that are not as they should be: a process, no database. */
import { expect } from 'chai'
import { openCommands } from '../../support/cli.ts'
import type { CommandEnded, Commands } from '../../support/cli.ts'
import { openFolderDesk } from '../../support/replay-folders.ts'
import type { ReplayReport } from '../../../shared/replay/report.ts'
import type { Files, FolderDesk } from '../../support/replay-folders.ts'

const EXPORT =
  'Campaign ID,Campaign name,Ad set ID,Ad set name,Ad ID,Ad name,Day,Amount spent (BRL),Impressions,Reach,Clicks (all),Leads'

describe('vigia replay --dir', () => {
  let desk: FolderDesk
  let commands: Commands
  before(async () => {
    desk = await openFolderDesk()
    commands = await openCommands({ cwd: await desk.write({}), env: {} })
  })
  after(async () => {
    await commands.close()
    await desk.close()
  })

  const run = async (files: Files, ...args: string[]): Promise<CommandEnded> => {
    const folder = await desk.write(files)
    return commands.run(['replay', '--dir', folder, ...args], folder)
  }

  it('refuses a folder in one sentence that names the file and what to do, and prints nothing else', async () => {
    const [people, machine] = await Promise.all([
      run({ 'daily.csv': 'date,level,entity_id,spend\n2026-03-01,ad,x,1\n' }),
      run({ 'my export.csv': `${EXPORT}\n1,C,2,S,3,A,2026-03-01,NaN,10,9,1,1\n` }, '--json'),
    ])
    expect(people).to.deep.include({ code: 1, stdout: '' })
    expect(people.stderr).to.match(/^vigia: daily\.csv lacks account_id, impressions[^\n]*\n$/)
    expect(machine.code).to.equal(1)
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

  it('refuses options that cannot be meant with exit code 2, before anything is read or opened', async () => {
    const cases: readonly (readonly [readonly string[], string])[] = [
      [['--from', '2026-03-02', '--to', '2026-03-01'], '--from: must not be after --to'],
      [['--train-every', '0'], '--train-every: is a whole number from 1 to 365'],
      [['--config', '1'], '--dir: is instead of --config'],
      [['--fdr-q', '2'], '--fdr-q: is a number from 0.0001 to 1, not "2"'],
      [['--z-threshold', ''], '--z-threshold: is a number from 0.1 to 100, not ""'],
      [['--lag-days', '29'], '--lag-days: is a whole number from 0 to 28'],
    ]
    const ended = await Promise.all(cases.map(([args]) => run({}, ...args)))
    ended.forEach(({ code, stdout, stderr }, i) => {
      expect([code, stdout]).to.deep.equal([2, ''])
      expect(stderr).to.include(cases[i]?.[1])
    })
  })

  it('prints nothing but one object of days, totals and incidents for machines, and sentences for people', async () => {
    const rows = Array.from({ length: 30 }, (_, t) => {
      const spend = t === 20 ? 0 : 100 + 5 * Math.sin(2.3 * t)
      const figures = t === 20 ? '0,0,0,0,0' : `${spend.toFixed(2)},4000,3000,80,8`
      return `1,Summer,2,Lookalikes,3,Video,2026-03-${String(t + 1).padStart(2, '0')},${figures}`
    })
    const files = { 'export.csv': [EXPORT, ...rows, ''].join('\n') }
    const [machine, people] = await Promise.all([
      run(files, '--json', '--train-every', '7'),
      run(files, '--from', '2026-03-20', '--to', '2026-03-25'),
    ])
    const answer = JSON.parse(machine.stdout) as ReplayReport
    expect(Object.keys(answer)).to.deep.equal(['days', 'totals', 'incidents'])
    const day = answer.days.find(({ date }) => date === '2026-03-21')
    expect(day?.anomalies[0]).to.have.all.keys(
      'account_id',
      'entity_type',
      'entity_id',
      'anomaly_date',
      'type',
      'metric',
      'severity',
      'polarity',
      'alerted',
      'incident',
    )
    expect(answer.incidents.map(({ id }) => id)).to.include(day?.anomalies[0]?.incident)
    expect(people).to.include({ code: 0, stderr: '' })
    expect(people.stdout).to.match(/^HIGH +campaign "Summer", /)
    expect(people.stdout).to.match(/spent nothing instead of [\d.]+ BRL a day/)
    expect(people.stdout).to.include('Looked at 6 days, 20 March 2026 to 25 March 2026, of 3 entities.')
  })
})
