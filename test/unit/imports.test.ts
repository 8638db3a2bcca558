/**
 * A rule that never fires is no rule: each one is shown a planted breach in a scratch copy of the tree.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'

const ROOT = process.cwd()

interface Breach {
  /** The rule that must fire; null: none may. */
  readonly rule: string | null
  readonly files: Readonly<Record<string, string>>
}

const BREACHES: readonly Breach[] = [
  {
    rule: 'ml-is-pure',
    files: { 'ml/a.ts': `import { readFileSync } from 'node:fs'\nexport const a = readFileSync` },
  },
  {
    rule: 'shared-never-looks-up',
    files: {
      'shared/a.ts': `import { b } from '../db/b.ts'\nexport const a = b`,
      'db/b.ts': 'export const b = 1',
    },
  },
  {
    rule: 'db-never-looks-up',
    files: {
      'db/a.ts': `import { b } from '../api/b.ts'\nexport const a = b`,
      'api/b.ts': 'export const b = 1',
    },
  },
  {
    rule: 'processes-are-strangers',
    files: {
      'workers/a.ts': `import type { B } from '../api/b.ts'\nexport const a: B = 1`,
      'api/b.ts': 'export type B = number',
    },
  },
  {
    rule: 'only-roots-open-stores',
    files: {
      'api/a.ts': `import { b } from '../db/b.ts'\nexport const a = b`,
      'db/b.ts': 'export const b = 1',
    },
  },
  {
    rule: 'nothing-imports-cli',
    files: {
      'api/a.ts': `import { b } from '../cli/b.ts'\nexport const a = b`,
      'cli/b.ts': 'export const b = 1',
    },
  },
  {
    rule: 'web-stands-alone',
    files: {
      'web/a.ts': `import type { B } from '../shared/b.ts'\nexport const a: B = 1`,
      'shared/b.ts': 'export type B = number',
    },
  },
  {
    rule: 'nothing-imports-web',
    files: {
      'api/a.ts': `import { b } from '../web/b.ts'\nexport const a = b`,
      'web/b.ts': 'export const b = 1',
    },
  },
  {
    rule: 'product-without-harness',
    files: {
      'cli/a.ts': `import { b } from '../test/b.ts'\nexport const a = b`,
      'test/b.ts': 'export const b = 1',
    },
  },
  ...Object.entries({
    tensorflow: '@tensorflow/tfjs-core',
    augurs: '@bsull/augurs/ets',
    bullmq: 'bullmq',
    knex: 'knex',
    express: 'express',
    'node-cron': 'node-cron',
    commander: 'commander',
  }).map(([name, pkg]) => ({
    rule: `${name}-has-one-home`,
    files: { 'shared/a.ts': `import * as p from '${pkg}'\nexport const a = p` },
  })),
]

const COMPILED_BREACHES: readonly Breach[] = [
  {
    rule: 'db-takes-types-from-shared',
    files: {
      'dist/db/a.js': `import { b } from '../shared/runs/b.js'\nexport const a = b`,
      'dist/shared/runs/b.js': 'export const b = 1',
    },
  },
  {
    rule: 'no-circles',
    files: {
      'dist/ml/a.js': `import { b } from './b.js'\nexport const a = () => b`,
      'dist/ml/b.js': `import { a } from './a.js'\nexport const b = () => a`,
    },
  },
]

/** What is no breach. */
const ALLOWED: Breach = {
  rule: null,
  files: {
    'db/a.ts': `import type { B } from '../shared/runs/b.ts'\nexport const a: B = 1`,
    'shared/runs/b.ts': 'export type B = number',
  },
}

/** The files of breach `n`, so named that all breaches fit into one tree. */
const planted = ({ files }: Breach, n: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(files).map(([name, text]) => [
      name.replace(/\.(?=\w+$)/, `${n}.`),
      text.replace(/(?<=\/[ab])(?=\.\w+')/, String(n)),
    ]),
  )

/** Names of the rules that fire on the files of each breach, by the configuration file `config`. */
const violated = async (
  config: string,
  folders: readonly string[],
  breaches: readonly Breach[],
): Promise<readonly (readonly string[])[]> => {
  const scratch = await mkdtemp(join(tmpdir(), 'vigia-imports-'))
  try {
    await cp(join(ROOT, config), join(scratch, config))
    await cp(join(ROOT, 'tsconfig.json'), join(scratch, 'tsconfig.json'))
    await symlink(join(ROOT, 'node_modules'), join(scratch, 'node_modules'))
    const trees = breaches.map(planted)
    for (const [name, text] of trees.flatMap((files) => Object.entries(files))) {
      await mkdir(dirname(join(scratch, name)), { recursive: true })
      await writeFile(join(scratch, name), `${text}\n`)
    }
    const bin = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
    const present = new Set(trees.flatMap(Object.keys).map((name) => name.split('/')[0] ?? ''))
    const stdout = await new Promise<string>((resolve) => {
      execFile(
        process.execPath,
        [
          bin,
          '--config',
          config,
          '--output-type',
          'json',
          ...folders.filter((folder) => present.has(folder)),
        ],
        { cwd: scratch, maxBuffer: 64 << 20 },
        (_error, out) => resolve(out),
      )
    })
    const { summary } = JSON.parse(stdout) as {
      summary: { violations: { from: string; rule: { name: string } }[] }
    }
    return trees.map((files) =>
      summary.violations.filter(({ from }) => from in files).map(({ rule }) => rule.name),
    )
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

describe('import rules', () => {
  for (const [what, config, folders, breaches] of [
    [
      'a planted breach',
      '.dependency-cruiser.cjs',
      ['ml', 'shared', 'db', 'api', 'workers', 'scheduler', 'cli', 'web', 'test'],
      [...BREACHES, ALLOWED],
    ],
    ['compiled code', '.dependency-cruiser.compiled.cjs', ['dist'], COMPILED_BREACHES],
  ] as const) {
    describe(`on ${what}`, () => {
      let fired: readonly (readonly string[])[]
      before(async () => {
        fired = await violated(config, folders, breaches)
      })
      breaches.forEach(({ rule }, n) => {
        if (rule === null)
          it('let db take types from shared', () => {
            expect(fired[n]).to.deep.equal([])
          })
        else
          it(`${rule} fires`, () => {
            expect(fired[n]).to.include(rule)
          })
      })
    })
  }
})
