import { expect } from 'chai'
import { loadConfig } from '../../../../shared/config.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { judgementParams } from '../../../../shared/detection/params.ts'
import { replayFolder } from '../../../../shared/replay/replay-folder.ts'
import type { ReplayIncident } from '../../../../shared/replay/incidents.ts'
import type { ReplayAnomaly, ReplayDay } from '../../../../shared/replay/report.ts'
import { replayResult } from '../../../../shared/replay/result.ts'
import type { ConfigReplay } from '../../../../shared/replay/replay-config.ts'
import { trainingSettings } from '../../../../shared/training/settings.ts'
import { dailyFile, FIRST_DAY, openFolderDesk } from '../../../support/replay-folders.ts'
import type { FolderDesk } from '../../../support/replay-folders.ts'
import { toLocalDate } from '../../../../shared/core/days.ts'

const DAYS = 30
const STOP = 20
const ASKED = {
  configId: 7,
  from: toLocalDate(FIRST_DAY),
  to: toLocalDate(FIRST_DAY + DAYS - 2),
  entityType: null,
  trainEveryDays: 1,
  overrides: { fdr_q: 0.05 },
}

describe('shared/replay/result', () => {
  let desk: FolderDesk
  let replay: ConfigReplay
  before(async () => {
    desk = await openFolderDesk()
    const rows = Array.from({ length: DAYS }, (_, t) => {
      const figures = t === STOP ? '0,0,0,0,0' : `${(100 + 5 * Math.sin(2.3 * t)).toFixed(2)},4000,80,8,3000`
      return `act_1,${toLocalDate(FIRST_DAY + t)},campaign,c1,,${figures},`
    })
    const folder = await desk.read({ 'daily.csv': dailyFile(rows) })
    const config = loadConfig({ USE_ISOLATION_FOREST: 'false' })
    const { report, accounts } = await replayFolder(
      folder,
      {
        from: null,
        to: null,
        trainEveryDays: 1,
        params: judgementParams(config),
        forests: trainingSettings(config),
      },
      computeInPlace,
    )
    const [one] = accounts
    if (!one) throw new Error('no account')
    replay = { report, ...one }
  })
  after(() => desk.close())

  it('says what was asked, counts what each day held, and tells incidents in sentences', () => {
    const result = replayResult(ASKED, replay) as {
      readonly per_day: readonly Readonly<Record<string, unknown>>[]
      readonly incidents: readonly Readonly<Record<string, unknown>>[]
    }
    expect(result).to.deep.include({
      config_id: 7,
      entity_type: null,
      train_every: 1,
      overrides: { fdr_q: 0.05 },
    })
    const date = toLocalDate(FIRST_DAY + STOP)
    const day = result.per_day.find((one) => one['date'] === date)
    expect(day).to.include({ new_alerted_incidents: 1 })
    expect(result.per_day.reduce((sum, one) => sum + Number(one['new_alerted_incidents']), 0)).to.equal(
      replay.report.totals.alerted_incidents,
    )
    expect(result.incidents[0]).to.include({ campaign_id: 'c1', date_from: date, status: 'resolved' })
    expect(result.incidents[0]?.['sentence']).to.match(/^Campaign c1 spent nothing/)
  })

  const anomaly = (alerted: boolean): ReplayAnomaly => ({
    account_id: 'act_1',
    entity_type: 'campaign',
    entity_id: 'c1',
    anomaly_date: ASKED.from,
    type: 'spend_drop',
    metric: 'spend',
    severity: 'HIGH',
    polarity: 'bad',
    alerted,
    incident: null,
  })
  const listed = (told: number, quiet: number): { readonly told: number; readonly quiet: number } => {
    const half = (n: number): ReplayAnomaly[] =>
      Array.from({ length: n }, (_, i) => anomaly(i < n - quiet / 2))
    const days = [half((told + quiet) / 2), half((told + quiet) / 2)].map((anomalies) => ({
      date: ASKED.from,
      anomalies,
    }))
    const result = replayResult(ASKED, { ...replay, report: { ...replay.report, days } })
    const all = (result['days'] as readonly ReplayDay[]).flatMap(({ anomalies }) => anomalies)
    const alerted = all.filter((one) => one.alerted).length
    return { told: alerted, quiet: all.length - alerted }
  }

  it('lists two hundred incidents somebody was told of, the causes of as many of them as there is room for', () => {
    const [one] = replay.report.incidents
    if (!one) throw new Error('nothing was told')
    const cause = { ...one.cause, depth: 1, share: 0.1, observed: null, expected: null }
    const listedOf = (
      count: number,
      change: Partial<ReplayIncident>,
    ): readonly { readonly causes: readonly object[] | null }[] => {
      const incidents = Array.from({ length: count }, () => ({ ...one, ...change }))
      return replayResult(ASKED, { ...replay, report: { ...replay.report, incidents } })[
        'incidents'
      ] as ReplayIncident[]
    }
    expect(listedOf(200, {})).to.have.length(200)
    expect(listedOf(201, {})).to.have.length(200)
    expect(listedOf(3, { alerted: false })).to.have.length(0)
    const wide = listedOf(21, { causes: Array.from({ length: 100 }, () => cause) })
    expect(wide.map(({ causes }) => causes?.length ?? null)).to.deep.equal([
      ...Array.from({ length: 20 }, () => 100),
      null,
    ])
  })

  it('lists five thousand anomalies; of more those somebody was told of, as many of them', () => {
    expect(listed(1000, 4000)).to.deep.equal({ told: 1000, quiet: 4000 })
    expect(listed(1002, 4000)).to.deep.equal({ told: 1002, quiet: 0 })
    expect(listed(5002, 0)).to.deep.equal({ told: 5000, quiet: 0 })
  })
})
