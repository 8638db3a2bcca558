import { expect } from 'chai'
import { loadConfig } from '../../../../shared/config.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { toLocalDate } from '../../../../shared/core/days.ts'
import { judgementParams } from '../../../../shared/detection/params.ts'
import { mostUrgentFirst } from '../../../../shared/replay/incidents.ts'
import { replayFolder } from '../../../../shared/replay/replay-folder.ts'
import type { FolderReplay } from '../../../../shared/replay/replay-folder.ts'
import { describeTotals } from '../../../../shared/replay/words.ts'
import { trainingSettings } from '../../../../shared/training/settings.ts'
import { renderReplay } from '../../../../cli/findings/replay.ts'
import { FIRST_DAY, openFolderDesk, stoppedAd, STOPPED_DAY } from '../../../support/replay-folders.ts'
import type { FolderDesk } from '../../../support/replay-folders.ts'

describe('shared/replay/words', () => {
  let desk: FolderDesk
  let replay: FolderReplay
  before(async () => {
    desk = await openFolderDesk()
    const config = loadConfig({})
    const folder = await desk.read({
      'export.csv': stoppedAd(),
      'labels.csv': `account_id,level,entity_id,start,end\nact_1,ad,4,${toLocalDate(FIRST_DAY + STOPPED_DAY)},${toLocalDate(FIRST_DAY + STOPPED_DAY + 2)}\n`,
    })
    replay = await replayFolder(
      folder,
      {
        from: null,
        to: null,
        trainEveryDays: 7,
        params: judgementParams(config),
        forests: { ...trainingSettings(config), useForests: false },
      },
      computeInPlace,
    )
  })
  after(() => desk.close())

  it('sums up days, incidents, signals, judges, and how it fares against labels', () => {
    const lines = describeTotals(replay.report)
    expect(lines[0]).to.equal('Looked at 39 days, 5 January 2026 to 12 February 2026, of 4 entities.')
    expect(lines[1]).to.match(
      /^\d+ incidents? would have been told of, [\d.]+ a day(?:; \d+ more kept quiet)?\.$/,
    )
    expect(lines[3]).to.equal('No models: statistics judged alone.')
    expect(lines[4]).to.match(
      /^Against labels: recall 100% \(1 of 1 told of\), precision [\d.]+% \(\d+ of \d+ alerted episodes\)\.$/,
    )
  })

  it('says that it knows neither precision nor recall without labels', () => {
    const totals = { ...replay.report.totals, labels: 0, recall: null, precision: null }
    expect(describeTotals({ ...replay.report, totals }).at(-1)).to.equal(
      'No labels fall into these days: precision and recall are unknown.',
    )
  })

  it('shows the loudest first, and no more than one reads', () => {
    const one = replay.report.incidents.find(({ alerted }) => alerted)
    if (!one) throw new Error('nothing was told')
    const money = (amount: number) => ({ amount, currency: 'BRL' })
    const many = Array.from({ length: 16 }, (_, i) => ({
      ...one,
      severity: 'LOW' as const,
      money: money(i - 20),
    }))
    const ordered = mostUrgentFirst([...many, { ...one, severity: 'CRITICAL', money: null }])
    expect(ordered.slice(0, 3).map((each) => each.money?.amount)).to.deep.equal([undefined, -20, -19])
    const text = renderReplay(ordered, ['Sum.'], { colour: false, withAccount: true })
    expect(text.match(/^LOW /gm)).to.have.length(14)
    expect(text).to.include('CRITICAL  act_1, campaign "Summer", 4 February')
    expect(text.split('\n').slice(-3)).to.deep.equal([
      '... and 2 more, less urgent: --from and --to look at fewer days',
      '',
      'Sum.',
    ])
  })

  it('has nothing but the totals to show when nothing was told', () => {
    expect(renderReplay([], ['Sum.'], { colour: false, withAccount: false })).to.equal('Sum.')
  })
})
