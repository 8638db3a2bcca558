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
  readonly rule: string
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

/** Names of the rules that fire on `files`, by the configuration file `config`. */
const violated = async (
  config: string,
  folders: readonly string[],
  files: Breach['files'],
): Promise<string[]> => {
  const scratch = await mkdtemp(join(tmpdir(), 'vigia-imports-'))
  try {
    await cp(join(ROOT, config), join(scratch, config))
    await cp(join(ROOT, 'tsconfig.json'), join(scratch, 'tsconfig.json'))
    await symlink(join(ROOT, 'node_modules'), join(scratch, 'node_modules'))
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(scratch, name)), { recursive: true })
      await writeFile(join(scratch, name), `${text}\n`)
    }
    const bin = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
    const present = new Set(Object.keys(files).map((name) => name.split('/')[0] ?? ''))
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
    const report = JSON.parse(stdout) as { summary: { violations: { rule: { name: string } }[] } }
    return report.summary.violations.map((violation) => violation.rule.name)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

describe('import rules', () => {
  const sources = ['ml', 'shared', 'db', 'api', 'workers', 'scheduler', 'cli', 'web', 'test']
  for (const { rule, files } of BREACHES) {
    it(`${rule} fires on a planted breach`, async () => {
      expect(await violated('.dependency-cruiser.cjs', sources, files)).to.include(rule)
    })
  }
  for (const { rule, files } of COMPILED_BREACHES) {
    it(`${rule} fires on compiled code`, async () => {
      expect(await violated('.dependency-cruiser.compiled.cjs', ['dist'], files)).to.include(rule)
    })
  }

  it('lets db take types from shared', async () => {
    const files = {
      'db/a.ts': `import type { B } from '../shared/runs/b.ts'\nexport const a: B = 1`,
      'shared/runs/b.ts': 'export type B = number',
    }
    expect(await violated('.dependency-cruiser.cjs', sources, files)).to.deep.equal([])
  })
})
