import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { BREAKS, DEMO_DAYS, demoChanges, demoCsv, demoRows } from '../../../../bench/demo/account.ts'
import { toLocalDate } from '../../../../shared/core/days.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { loadConfig } from '../../../../shared/config.ts'
import { judgementParams } from '../../../../shared/detection/params.ts'
import { replayFolder } from '../../../../shared/replay/replay-folder.ts'
import { trainingSettings } from '../../../../shared/training/settings.ts'
import { openFolderDesk } from '../../../support/replay-folders.ts'

const bundled = (name: string): Promise<string> =>
  readFile(new URL(`../../../../../cli/demo/data/${name}`, import.meta.url), 'utf8')

describe('the account of the demo', () => {
  it('is the one in the package', async () => {
    expect(await bundled('account.csv')).to.equal(demoCsv(demoRows()))
    expect(await bundled('changes.csv')).to.equal(demoChanges())
  })

  it('has nothing to tell of in its last two weeks but its breaks, each once, and not the budget that was raised', async () => {
    const desk = await openFolderDesk()
    try {
      const config = loadConfig({})
      const folder = await desk.read({ 'account.csv': demoCsv(demoRows()), 'changes.csv': demoChanges() })
      const first = folder.accounts[0]?.firstDay ?? 0
      const { report } = await replayFolder(
        folder,
        {
          from: first + DEMO_DAYS - 14,
          to: null,
          trainEveryDays: 7,
          params: judgementParams(config),
          forests: { ...trainingSettings(config), useForests: false },
        },
        computeInPlace,
      )
      const told = report.incidents.filter(({ alerted }) => alerted)
      const dayOf = (one: (typeof BREAKS)[number] | undefined): string =>
        toLocalDate(first + (one?.from ?? 0))
      expect(
        told.map(({ date_from: from, campaign_name: campaign, status }) => [from, campaign, status]),
      ).to.have.deep.members([
        [dayOf(BREAKS[0]), 'Retargeting | 30 days', 'open'],
        [dayOf(BREAKS[1]), 'Spring offer | Leads', 'open'],
        [dayOf(BREAKS[2]), 'New gym | Centro', 'open'],
        [dayOf(BREAKS[3]), 'Newsletter', 'resolved'],
      ])
    } finally {
      await desk.close()
    }
  })
})
