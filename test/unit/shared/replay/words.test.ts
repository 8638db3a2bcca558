import { expect } from 'chai'
import { loadConfig } from '../../../../shared/config.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { toLocalDate } from '../../../../shared/core/days.ts'
import { judgementParams } from '../../../../shared/detection/params.ts'
import { replayFolder } from '../../../../shared/replay/replay-folder.ts'
import type { FolderReplay } from '../../../../shared/replay/replay-folder.ts'
import type { ReplayTotals } from '../../../../shared/replay/report.ts'
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
      /^Against labels: recall 100% \(1 of 1 told of\), precision [\d.]+% \(\d+ of \d+ alerted episodes?\)\.$/,
    )
  })

  it('says that it knows neither precision nor recall without labels', () => {
    const totals = { ...replay.report.totals, labels: 0, recall: null, precision: null }
    expect(describeTotals({ ...replay.report, totals }).at(-1)).to.equal(
      'No labels fall into these days: precision and recall are unknown.',
    )
  })

  it('tells episodes nobody said anything of from wrong ones', () => {
    const told = (totals: Partial<ReplayTotals>): string | undefined =>
      describeTotals({ ...replay.report, totals: { ...replay.report.totals, ...totals } }).at(-1)
    const some = { labels: 3, labels_told: 3, recall: 1, alerted_episodes: 44 }
    expect(
      told({ ...some, alerted_episodes_right: 7, alerted_episodes_wrong: 1, precision: 7 / 8 }),
    ).to.equal(
      'Against labels: recall 100% (3 of 3 told of), precision 87.5% (7 of 8 alerted episodes that labels speak of, 44 in all).',
    )
    expect(
      told({
        labels: 0,
        labels_told: 0,
        recall: null,
        alerted_episodes: 1,
        alerted_episodes_right: 0,
        alerted_episodes_wrong: 1,
        precision: 0,
      }),
    ).to.equal('Against labels: recall unknown, precision 0% (0 of 1 alerted episode).')
    expect(told({ ...some, alerted_episodes: 0, precision: null })).to.match(
      /as nobody was told of anything\.$/,
    )
    expect(told({ ...some, alerted_episodes_right: 0, alerted_episodes_wrong: 0, precision: null })).to.match(
      /as labels speak of nothing that was told\.$/,
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
      sentence: `Cost ${i - 20}.`,
    }))
    const critical = { ...one, severity: 'CRITICAL' as const, money: null }
    const quiet = { ...one, alerted: false, severity: 'CRITICAL' as const }
    const incidents = [quiet, ...many, critical]
    const options = { colour: false, withAccount: true }
    const text = renderReplay(incidents, ['Sum.'], { ...options, all: false })
    const head = 'CRITICAL  act_1, campaign "Summer", 4 February to 6 February'
    expect(text.match(/^[A-Z]+ .*$/gm)?.slice(0, 2)).to.deep.equal([
      head,
      head.replace('CRITICAL', 'LOW     '),
    ])
    expect(text.match(/Cost -\d+/g)).to.deep.equal(Array.from({ length: 14 }, (_, i) => `Cost ${i - 20}`))
    expect(text.split('\n').slice(-3)).to.deep.equal([
      '... and 2 more, less urgent: --all lists them, --from and --to look at fewer days',
      '',
      'Sum.',
    ])
    const whole = renderReplay(incidents, ['Sum.'], { ...options, all: true })
    expect(whole.match(/^[A-Z]+ .*$/gm)).to.have.length(18)
    expect(whole).to.not.include('... and')
    // After all that somebody was told of, though it is as severe.
    expect(whole.match(/^[A-Z]+ .*$/gm)?.at(-1)).to.equal(
      'CRITICAL  act_1, campaign "Summer", not told of, 4 February to 6 February',
    )
  })

  it('says why models judged no entity on its eighth day, where trainings are seldom', () => {
    const { totals } = replay.report
    const judged = { own: 90, adset: 0, campaign: 0, account: 0, baseline: 10 }
    const lineOf = (baseline: number): string | undefined =>
      describeTotals({
        ...replay.report,
        totals: { ...totals, judged_by: judged, eighth_days_judged_by: { ...judged, own: 4, baseline } },
      })[3]
    expect(lineOf(0)).to.match(/; of 4 entities on their eighth day 100% by a model\.$/)
    expect(lineOf(96)).to.match(
      /; of 100 entities on their eighth day 4% by a model: there is none before a training on enough days \(--train-every\)\.$/,
    )
  })

  it('has nothing but the totals to show when nothing was told', () => {
    expect(renderReplay([], ['Sum.'], { colour: false, withAccount: false, all: true })).to.equal('Sum.')
  })
})
