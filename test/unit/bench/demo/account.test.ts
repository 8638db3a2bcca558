import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { BREAKS, DEMO_DAYS, demoChanges, demoCsv, demoRows } from '../../../../bench/demo/account.ts'
import { computeInPlace } from '../../../../shared/compute-in-place.ts'
import { loadConfig } from '../../../../shared/config.ts'
import { judgementParams } from '../../../../shared/detection/params.ts'
import { replayFolder } from '../../../../shared/replay/replay-folder.ts'
import { toldIncidents } from '../../../../shared/replay/words.ts'
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
      const { accounts } = await replayFolder(
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
      const told = accounts.flatMap(toldIncidents)
      expect(told.map(({ from, campaign, isOver }) => [from - first, campaign, isOver])).to.have.deep.members(
        [
          [BREAKS[0]?.from, 'campaign "Retargeting | 30 days"', false],
          [BREAKS[1]?.from, 'campaign "Spring offer | Leads"', false],
          [BREAKS[2]?.from, 'campaign "New gym | Centro"', false],
          [BREAKS[3]?.from, 'campaign "Newsletter"', true],
        ],
      )
    } finally {
      await desk.close()
    }
  })
})
