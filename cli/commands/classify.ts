/** `vigia classify`: how well each entity does, found out now. `vigia tiers`: as it was last found. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { TIERS } from '../../ml/classify/tier.ts'
import type { ClassificationRow } from '../../shared/classification/classifications.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { EntityId, LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { figure } from '../../shared/detection/words.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import { classifyLevel } from '../../shared/jobs/classification.ts'
import { toStepPayload } from '../../shared/jobs/step.ts'
import type { Services } from '../../shared/services.ts'
import { describeRun, exitCodeOf, followRuns } from '../follow.ts'
import { clip, printable } from '../../shared/core/columns.ts'
import { printJson, printLine, remark, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'
import { runJson } from './runs.ts'

const PAGE_SIZE = 200
/** With it the table is at most 118 columns wide, up to costs of 999.99. */
const NAME_WIDTH = 28

const invalid = (message: string): AppError => new AppError('INVALID_REQUEST', message)

const levelOption = (): Option =>
  new Option('--entity-type <level>', 'the level').choices(LEVELS).default('campaign')

export interface TierWish {
  readonly config: Pick<AdsConfig, 'id'>
  readonly level: Level
  /** Null: all. */
  readonly entityIds: readonly string[] | null
  /** Null: the newest of each entity. */
  readonly day: LocalDate | null
}

/** Tiers as they are stored, worst first, and of those alike the surest. */
export const storedTiers = async (
  { classification }: Pick<Services, 'classification'>,
  { config, level, entityIds, day }: TierWish,
): Promise<readonly ClassificationRow[]> => {
  const wanted = entityIds && new Set(entityIds)
  const rows: ClassificationRow[] = []
  for (let page = 1; ; page += 1) {
    const found = await classification.list(
      { configId: config.id, entityType: level, ...(day === null ? { newest: true } : { day }) },
      { page, pageSize: PAGE_SIZE, afterId: null },
    )
    rows.push(...found.data.filter((row) => wanted === null || wanted.has(row.entity_id)))
    if (page * PAGE_SIZE >= found.total) break
  }
  return rows.toSorted(
    (a, b) =>
      TIERS.indexOf(a.tier) - TIERS.indexOf(b.tier) ||
      b.confidence - a.confidence ||
      a.entity_id.localeCompare(b.entity_id),
  )
}

/** Enqueues the classification. @throws AppError INVALID_REQUEST for a day that is not over */
export const startClassification = async (
  services: Services,
  { config, level, entityIds, day, force }: TierWish & { readonly force: boolean },
): Promise<{ readonly runId: string; readonly day: LocalDate }> => {
  const payload = await toStepPayload({ configId: config.id, entityIds, day, force }, services)
  const { id } = await services.enqueue(classifyLevel[level], payload, { actor: 'cli' })
  return { runId: id, day: payload.day }
}

const wordsOf = (tier: string): string => tier.toLowerCase().replaceAll('_', ' ')

const changeOf = (row: ClassificationRow): string =>
  row.previous_tier === null || row.direction === 'stable'
    ? '-'
    : `${row.direction === 'improved' ? 'up' : 'down'} from ${wordsOf(row.previous_tier)}`

const moneyOf = (row: ClassificationRow, name: string, currency: string): string => {
  const value = row.metrics_snapshot[name]
  return figure(typeof value === 'number' ? value : null, 'cpl', currency)
}

export const renderTiers = (rows: readonly ClassificationRow[], currency: string): string =>
  renderTable<ClassificationRow>(
    [
      { title: 'Tier', cell: (row) => wordsOf(row.tier) },
      { title: 'Name', cell: (row) => clip(printable(row.entity_name ?? '') || row.entity_id, NAME_WIDTH) },
      { title: 'Sure', align: 'right', cell: (row) => `${Math.round(row.confidence * 100)}%` },
      { title: 'A lead', align: 'right', cell: (row) => moneyOf(row, 'cpl_7d', currency) },
      { title: 'Account', align: 'right', cell: (row) => moneyOf(row, 'avg_cpl', currency) },
      { title: 'Days', align: 'right', cell: (row) => String(row.days_in_tier) },
      { title: 'Change', cell: changeOf },
      { title: 'As of', cell: (row) => row.classification_date },
    ],
    rows,
  )

interface ClassifyOptions {
  readonly config?: string
  readonly entityType: Level
  readonly entityId?: string[]
  readonly date?: string
  readonly force?: boolean
  readonly json?: boolean
}

export const registerClassify = (program: Command, open: Opener): void => {
  program
    .command('classify')
    .description('finds out how well each entity does, now')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(levelOption())
    .option('--entity-id <id...>', 'only these')
    .option('--date <date>', 'the day to classify by; default: the newest complete day with figures')
    .option('--force', 'also where a valid tier is known')
    .option('--json', 'one JSON object')
    .action(async (options: ClassifyOptions) => {
      // A slip of the finger is told at once, before a database is started.
      if (options.date !== undefined && !LocalDate.safeParse(options.date).success)
        throw invalid('--date: is a date such as 2026-03-10')
      for (const id of options.entityId ?? []) {
        const checked = EntityId.safeParse(id)
        if (!checked.success) throw invalid(`--entity-id: ${checked.error.issues[0]?.message}`)
      }
      const system = await open()
      const { services } = system
      const config = await system.configOf(options.config)
      const entityIds = options.entityId ?? null
      const wish = { config, level: options.entityType, entityIds, day: options.date ?? null }
      const { runId, day } = await startClassification(services, { ...wish, force: options.force ?? false })
      await system.ensureWorkers()
      const runs = await followRuns(services, [runId], 'classifying')
      const [run] = runs
      process.exitCode = exitCodeOf(runs)
      const rows = await storedTiers(services, { ...wish, day })
      if (options.json) {
        printJson({
          config_id: config.id,
          date: day,
          run: run ? runJson(run) : null,
          classifications: rows,
        })
        return
      }
      if (run && (run.status !== 'succeeded' || run.counts.skipped > 0)) remark(describeRun(run))
      printLine(rows.length === 0 ? `No tiers of ${day}.` : renderTiers(rows, config.currency))
    })
}

export const registerTiers = (program: Command, open: Opener): void => {
  program
    .command('tiers')
    .description('how well each entity does, worst first, as last classified')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(levelOption())
    .option('--json', 'one JSON object')
    .action(async (options: { config?: string; entityType: Level; json?: boolean }) => {
      const system = await open()
      const config = await system.configOf(options.config)
      const rows = await storedTiers(system.services, {
        config,
        level: options.entityType,
        entityIds: null,
        day: null,
      })
      if (options.json) printJson({ config_id: config.id, classifications: rows })
      else if (rows.length === 0)
        printLine(`No tiers yet; find them out with "vigia classify --config ${config.id}".`)
      else printLine(renderTiers(rows, config.currency))
    })
}
