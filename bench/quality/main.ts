/**
 * `npm run bench:quality`: what the judge of shifts says of made-up accounts with labelled faults. Options:
 * --set report|tune (seeds 601-606 or 1-6)  --seeds 601,602  --quick (one seed)  --false (what was false)
 * --out FILE (bench/results/quality.json for the whole report)
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { printLine, remark } from '../../cli/output.ts'
import { judgeClassic } from './classic.ts'
import { leadingCases, LEADING_FAULTS } from './leading.ts'
import type { LeadingCase } from './leading.ts'
import { compare, extraAlerts, judgeAccount, noFindings } from './measure.ts'
import type { Findings, Verdicts } from './measure.ts'
import { measureReplay } from './replay.ts'
import {
  leadingRowsOf,
  makeRowsOf,
  renderLeading,
  renderMakes,
  renderRows,
  renderTypes,
  rowsOf,
  typeRowsOf,
} from './report.ts'
import type { Measured } from './report.ts'
import { ROUGH_STYLES, roughAccount } from './rough.ts'
import type { RoughName } from './rough.ts'
import { asSeen, LASTING_FAULTS, simulateAccount } from './simulate.ts'
import type { Account, AccountOptions } from './simulate.ts'

const SETS = { tune: 1, report: 601 } as const
const SEEDS_OF_SET = 6
/** Accounts of each other make, per seed; every other seed has the sizes the one before has not. */
const ACCOUNTS_OF_MAKE = 2
/** Accounts per seed in which the forest is asked what made a day odd. */
const ACCOUNTS_OF_LEADING = 9
const ROUGH_NAMES = Object.keys(ROUGH_STYLES) as RoughName[]
const DAYS = 120
const AMPLITUDES = [0.1, 0.25, 0.4] as const
const LEADS_PER_AD = [1, 4, 12] as const
const REPLAYED_DAYS = 90
/** About 387 entities, as the shape of that name in bench/accounts.ts has. */
const REPLAYED_ENTITIES = 387

const { values: options } = parseArgs({
  options: {
    set: { type: 'string', default: 'report' },
    seeds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    false: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})

const seedsOf = (): number[] => {
  if (options.seeds !== undefined) {
    const seeds = options.seeds.split(',').map(Number)
    if (seeds.every(Number.isInteger)) return seeds
    throw new Error(`--seeds: ${options.seeds} is no list of whole numbers`)
  }
  const first = options.set === 'tune' ? SETS.tune : options.set === 'report' ? SETS.report : null
  if (first === null) throw new Error(`--set: ${options.set} is neither tune nor report`)
  return Array.from({ length: options.quick ? 1 : SEEDS_OF_SET }, (_, i) => first + i)
}

const accountOf = (seed: number, index: number, change: Partial<AccountOptions> = {}): Account =>
  simulateAccount({
    seed,
    index,
    days: DAYS,
    weekdayAmplitude: AMPLITUDES[index % AMPLITUDES.length] as number,
    leadsPerAd: LEADS_PER_AD[index % LEADS_PER_AD.length] as number,
    campaigns: 3,
    faults: 0,
    partialEnd: true,
    ...change,
  })

/** Judges `count` accounts of every seed. */
const findingsOf = (
  title: string,
  seeds: readonly number[],
  count: number,
  make: (seed: number, index: number) => Account,
  judge: (account: Account) => Verdicts = judgeAccount,
): Findings => {
  const startMs = performance.now()
  const findings = noFindings()
  for (const seed of seeds) {
    for (let index = 0; index < count; index++) {
      const account = make(seed, index)
      compare(account, judge(account), findings)
    }
  }
  remark(`${title}: ${seeds.length * count} accounts, ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
  return findings
}

/** What the forest names first on odd days of clear faults. */
const leadingOf = (seeds: readonly number[]): LeadingCase[] => {
  const startMs = performance.now()
  const cases = seeds.flatMap((seed) =>
    Array.from({ length: ACCOUNTS_OF_LEADING }, (_, index) =>
      leadingCases(accountOf(seed, index + 400, { faults: 8, types: LEADING_FAULTS, partialEnd: false })),
    ).flat(),
  )
  remark(`leading features: ${cases.length} odd days, ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
  return cases
}

const CPL_RISES = [
  [1.5, 1.75],
  [1.75, 2.5],
  [2.5, 4],
] as const

/** Accounts seen on twenty of their days, against the same accounts seen whole. */
const extrasOf = (seeds: readonly number[]): number => {
  let extra = 0
  for (const seed of seeds) {
    const account = accountOf(seed, seed % 3, { partialEnd: false, faults: 3 })
    const whole = judgeAccount(account)
    for (let days = 60; days < DAYS - 4; days += 11)
      extra += extraAlerts(whole, judgeAccount(asSeen(account, days, seed)))
  }
  return extra
}

/** About as many entities as the accounts of the main benchmark. */
const largeAccount = (seed: number): Account => {
  let campaigns = 20
  let account = accountOf(seed, 1, { days: REPLAYED_DAYS, campaigns })
  const entitiesOf = ({ ads }: Account): number =>
    ads.length +
    new Set(ads.map(({ adsetId }) => adsetId)).size +
    new Set(ads.map((ad) => ad.campaignId)).size
  while (entitiesOf(account) < REPLAYED_ENTITIES) {
    campaigns++
    account = accountOf(seed, 1, { days: REPLAYED_DAYS, campaigns })
  }
  return account
}

const measure = async (seeds: readonly number[]): Promise<Measured> => ({
  clean: findingsOf('clean', seeds, 6, (seed, index) => accountOf(seed, index)),
  doubled: findingsOf('doubled', seeds, 6, (seed, index) => accountOf(seed, index, { campaigns: 6 })),
  weekly: findingsOf('weekly', seeds, 6, (seed, index) =>
    accountOf(seed, index + 100, { weekdayAmplitude: 0.4 }),
  ),
  faulty: findingsOf('faulty', seeds, 9, (seed, index) => accountOf(seed, index, { faults: 8 })),
  cpl: findingsOf('cost per lead', seeds, 6, (seed, index) =>
    accountOf(seed, index + 200, {
      weekdayAmplitude: 0.2,
      leadsPerAd: 12,
      faults: 6,
      types: ['cvr_drop'],
      faultLevel: 'ad',
      faultDays: [7, 14],
      cplRise: CPL_RISES[index % CPL_RISES.length] as readonly [number, number],
    }),
  ),
  joint: findingsOf('joint', seeds, 3, (seed, index) =>
    accountOf(seed, index + 300, { faults: 6, types: ['joint'] }),
  ),
  lasting: findingsOf('lasting', seeds, 6, (seed, index) =>
    accountOf(seed, index + 500, { faults: 8, types: LASTING_FAULTS, lastingShare: 1 }),
  ),
  makes: Object.fromEntries(
    ROUGH_NAMES.map((name) => [
      name,
      findingsOf(`other make, ${name}`, seeds, ACCOUNTS_OF_MAKE, (seed, index) =>
        roughAccount(seed, ACCOUNTS_OF_MAKE * (seed % 2) + index, true, name),
      ),
    ]),
  ) as Measured['makes'],
  classic: findingsOf(
    'the gate that was replaced, clean',
    seeds,
    1,
    (seed, index) => accountOf(seed, index),
    judgeClassic,
  ),
  extraAlerts: extrasOf(seeds),
  leading: leadingOf(seeds),
  replay: await measureReplay(largeAccount(seeds[0] as number)),
})

const seeds = seedsOf()
const measured = await measure(seeds)
const rows = rowsOf(measured)
const types = typeRowsOf(measured.faulty)
const makes = makeRowsOf(measured.makes)
const leading = leadingRowsOf(measured.leading)
printLine(renderRows(rows))
printLine()
printLine(renderTypes(types))
printLine()
printLine(renderMakes(makes))
printLine()
printLine(renderLeading(leading))
if (options.false) {
  const { clean, faulty, cpl } = measured
  for (const [name, { falseBy }] of Object.entries({ clean, faulty, cpl, ...measured.makes })) {
    const worst = [...falseBy].toSorted(([, a], [, b]) => b - a).slice(0, 14)
    printLine(`\n${name}: ${worst.map(([what, n]) => `${what}: ${n}`).join('; ')}`)
  }
}
const wholeReport = options.set === 'report' && options.seeds === undefined && !options.quick
const out = options.out ?? (wholeReport ? 'bench/results/quality.json' : undefined)
if (out !== undefined) {
  const command = ['npm run bench:quality', ...process.argv.slice(2)].join(' ')
  writeFileSync(out, `${JSON.stringify({ command, seeds, rows, types, makes, leading }, null, 2)}\n`)
}
if (rows.some(({ ok }) => ok === false)) process.exitCode = 1
