import { expect } from 'chai'
import { loadConfig } from '../../../../shared/config.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { toLocalDate } from '../../../../shared/core/days.ts'
import { judgementParams } from '../../../../shared/detection/params.ts'
import { replayFolder } from '../../../../shared/replay/replay-folder.ts'
import type { FolderReplay } from '../../../../shared/replay/replay-folder.ts'
import { describeTotals, mostUrgentFirst, toldIncidents } from '../../../../shared/replay/words.ts'
import { trainingSettings } from '../../../../shared/training/settings.ts'
import { renderReplay } from '../../../../cli/findings/replay.ts'
import { FIRST_DAY, openFolderDesk } from '../../../support/replay-folders.ts'
import type { FolderDesk } from '../../../support/replay-folders.ts'

const DAYS = 40
const FAULT = 30

/** An ad whose spend stops for three days, beside one that goes on, in an export of Brazilian reals. */
const stoppedAd = (): string => {
  const rows = ['A', 'B'].flatMap((ad, i) =>
    Array.from({ length: DAYS }, (_, t) => {
      const isOut = ad === 'B' && t >= FAULT && t < FAULT + 3
      const spend = isOut ? 0 : 100 + 7 * Math.sin(t * 2.3 + i)
      const figures = isOut ? '0,0,0,0,0' : `${spend.toFixed(2)},${4000 + 31 * t},3000,80,8`
      return `1,Summer,2,Lookalikes,${3 + i},Video ${ad},${toLocalDate(FIRST_DAY + t)},${figures}`
    }),
  )
  return [
    'Campaign ID,Campaign name,Ad set ID,Ad set name,Ad ID,Ad name,Day,Amount spent (BRL),Impressions,Reach,Clicks (all),Leads',
    ...rows,
    '',
  ].join('\n')
}

describe('shared/replay/words', () => {
  let desk: FolderDesk
  let replay: FolderReplay
  before(async () => {
    desk = await openFolderDesk()
    const config = loadConfig({})
    const folder = await desk.read({
      'export.csv': stoppedAd(),
      'labels.csv': `account_id,level,entity_id,start,end\nact_1,ad,4,${toLocalDate(FIRST_DAY + FAULT)},${toLocalDate(FIRST_DAY + FAULT + 2)}\n`,
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

  it('tells an incident in the sentence a live one is told in, with names and currency', () => {
    const told = replay.accounts.flatMap(toldIncidents)
    const about = told.find(({ sentence }) => sentence.includes('Video B'))
    expect(about?.sentence).to.match(/BRL/)
    expect(about?.campaign).to.equal('campaign "Summer"')
    expect(about?.from).to.equal(FIRST_DAY + FAULT)
    expect(about?.isOver).to.equal(true)
  })

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
    const [one] = replay.accounts.flatMap(toldIncidents)
    if (!one) throw new Error('nothing was told')
    const many = Array.from({ length: 16 }, (_, i) => ({ ...one, severity: 'LOW' as const, money: i }))
    const ordered = mostUrgentFirst([...many, { ...one, severity: 'CRITICAL', money: 0 }])
    expect(ordered.map(({ money }) => money).slice(0, 3)).to.deep.equal([0, 15, 14])
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
