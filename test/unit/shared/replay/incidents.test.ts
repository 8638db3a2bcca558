import { expect } from 'chai'
import { loadConfig } from '../../../../shared/config.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { toLocalDate } from '../../../../shared/core/days.ts'
import { judgementParams } from '../../../../shared/detection/params.ts'
import type { JudgementParams } from '../../../../shared/detection/params.ts'
import type { ReplayIncident } from '../../../../shared/replay/incidents.ts'
import { replayFolder } from '../../../../shared/replay/replay-folder.ts'
import type { ReplayReport } from '../../../../shared/replay/report.ts'
import { trainingSettings } from '../../../../shared/training/settings.ts'
import { FIRST_DAY, openFolderDesk, stoppedAd, STOPPED_DAY } from '../../../support/replay-folders.ts'
import type { FolderDesk } from '../../../support/replay-folders.ts'

const dateOf = (t: number): string => toLocalDate(FIRST_DAY + t)

describe('shared/replay/incidents', () => {
  let desk: FolderDesk
  before(async () => {
    desk = await openFolderDesk()
  })
  after(() => desk.close())

  const replayed = async (
    { from, to }: { readonly from?: number; readonly to?: number } = {},
    changes: Partial<JudgementParams> = {},
  ): Promise<ReplayReport> => {
    const config = loadConfig({})
    const folder = await desk.read({ 'export.csv': stoppedAd() })
    const { report } = await replayFolder(
      folder,
      {
        from: from === undefined ? null : FIRST_DAY + from,
        to: to === undefined ? null : FIRST_DAY + to,
        trainEveryDays: 7,
        params: { ...judgementParams(config), ...changes },
        forests: { ...trainingSettings(config), useForests: false },
      },
      computeInPlace,
    )
    return report
  }
  const ofVideoB = ({ incidents }: ReplayReport): ReplayIncident => {
    const found = incidents.find(({ date_from: from }) => from === dateOf(STOPPED_DAY))
    if (!found) throw new Error('nothing was told')
    return found
  }

  it('say what those of a config say: what, where, who is to blame, what it cost, in one sentence', async () => {
    const report = await replayed()
    const incident = ofVideoB(report)
    const video = { entity_type: 'ad', entity_id: '4', name: 'Video B' }
    expect(incident).to.deep.include({
      account_id: 'account',
      campaign_id: '1',
      campaign_name: 'Summer',
      cause: video,
      metric: 'spend',
      direction: 'down',
      type: 'zero_spend',
      polarity: 'bad',
      date_from: dateOf(STOPPED_DAY),
      date_to: dateOf(STOPPED_DAY + 2),
      alerted: true,
      opened_date: dateOf(STOPPED_DAY),
      resolved_date: dateOf(STOPPED_DAY + 4),
      status: 'resolved',
    })
    expect(incident.sentence).to.match(/"Video B".*BRL/)
    expect(incident.money?.currency).to.equal('BRL')
    expect(incident.money?.amount).to.be.within(-305, -285)
  })

  it('bear the ids the anomalies name, each once, and their causes the shares of a whole', async () => {
    const { days, incidents } = await replayed()
    const named = days.flatMap(({ anomalies }) =>
      anomalies.flatMap(({ incident }) => (incident === null ? [] : [incident])),
    )
    expect(incidents.map(({ id }) => id)).to.have.members([...new Set(named)])
    for (const { id, findings, causes } of incidents) {
      expect(findings).to.equal(named.filter((name) => name === id).length)
      for (const depth of new Set(causes.map((cause) => cause.depth))) {
        const shares = causes.filter((cause) => cause.depth === depth).map(({ share }) => share)
        expect(shares.reduce((sum, share) => sum + share, 0)).to.be.closeTo(1, 1e-5)
      }
    }
  })

  it('go on until two days after the last one of them have been looked at', async () => {
    const [open, over] = await Promise.all([
      replayed({ to: STOPPED_DAY + 3 }),
      replayed({ to: STOPPED_DAY + 4 }),
    ])
    expect(ofVideoB(open)).to.include({ status: 'open', resolved_date: null })
    expect(ofVideoB(over)).to.include({ status: 'resolved', resolved_date: dateOf(STOPPED_DAY + 4) })
  })

  it('of some days are those their anomalies belong to, opened when they were', async () => {
    const [late, before, after] = await Promise.all([
      replayed({ from: STOPPED_DAY + 1 }),
      replayed({ to: STOPPED_DAY - 1 }),
      replayed({ from: STOPPED_DAY + 3 }),
    ])
    expect(ofVideoB(late)).to.include({ opened_date: dateOf(STOPPED_DAY), alerted: true })
    for (const { incidents } of [before, after])
      expect(incidents.map(({ date_from: from }) => from)).to.not.include(dateOf(STOPPED_DAY))
  })

  it('that nobody is told of are there all the same, opened on no day', async () => {
    const incident = ofVideoB(await replayed({}, { alarmBudget: 0 }))
    expect(incident).to.include({ alerted: false, opened_date: null, status: 'resolved' })
  })

  it('of the same figures are the same bytes', async () => {
    const [one, other] = await Promise.all([replayed(), replayed()])
    expect(JSON.stringify(one)).to.equal(JSON.stringify(other))
  })
})
