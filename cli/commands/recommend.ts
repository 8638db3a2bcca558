/** `vigia recommend`: what to do, found out now. `vigia advice`: what was found, and what people make of it. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { LocalDate } from '../../shared/core/days.ts'
import { EntityId, LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import { recommendLevel } from '../../shared/jobs/recommendation.ts'
import { toStepPayload } from '../../shared/jobs/step.ts'
import { DecisionReason } from '../../shared/recommendation/recommendations.ts'
import type { RecommendationRow } from '../../shared/recommendation/recommendations.ts'
import type { Services } from '../../shared/services.ts'
import { describeRun, exitCodeOf, followRuns } from '../follow.ts'
import { printable } from '../../shared/core/columns.ts'
import { printJson, printLine, remark } from '../output.ts'
import type { Opener } from '../system.ts'
import { runJson } from './runs.ts'

const PAGE_SIZE = 200

const invalid = (message: string): AppError => new AppError('INVALID_REQUEST', message)

/** Enqueues advice on every level, and with it what it needs. @returns the ids of the runs */
export const startAdvice = async (
  services: Services,
  config: Pick<AdsConfig, 'id'>,
  day: LocalDate | null,
): Promise<readonly string[]> => {
  const payload = await toStepPayload({ configId: config.id, entityIds: null, day }, services)
  const ids: string[] = []
  for (const level of LEVELS) {
    ids.push((await services.enqueue(recommendLevel[level], payload, { actor: 'cli' })).id)
  }
  return ids
}

/** What stands, the most urgent first. */
const activeAdvice = async (
  { recommendation }: Pick<Services, 'recommendation'>,
  config: Pick<AdsConfig, 'id'>,
  levels: readonly Level[],
  entityIds: readonly string[] | null = null,
): Promise<readonly RecommendationRow[]> => {
  const wanted = entityIds && new Set(entityIds)
  const rows: RecommendationRow[] = []
  for (const entityType of levels) {
    for (let page = 1; ; page += 1) {
      const found = await recommendation.list(
        { configId: config.id, entityType, status: 'active' },
        { page, pageSize: PAGE_SIZE, afterId: null },
      )
      rows.push(...found.data.filter((row) => wanted === null || wanted.has(row.entity_id)))
      if (page * PAGE_SIZE >= found.total) break
    }
  }
  return rows.toSorted((a, b) => b.priority - a.priority || b.confidence - a.confidence || a.id - b.id)
}

/** Names are imported: what could move a cursor is left out. */
const nameOf = (row: RecommendationRow): string => printable(row.entity_name ?? '') || row.entity_id

const printAdvice = (rows: readonly RecommendationRow[]): void => {
  if (rows.length === 0) printLine('Nothing to do.')
  for (const row of rows) {
    printLine(`${String(row.id).padStart(5)}  ${row.title}: ${row.entity_type} ${nameOf(row)}`)
    printLine(`       ${row.reasoning.sentence}`)
  }
}

const levelOption = (): Option =>
  new Option('--entity-type <level>', 'the level; default: all').choices(LEVELS)

interface RecommendOptions {
  readonly config?: string
  readonly entityType?: Level
  readonly entityId?: string[]
  readonly date?: string
  readonly forceRefresh?: boolean
  readonly json?: boolean
}

export const registerRecommend = (program: Command, open: Opener): void => {
  program
    .command('recommend')
    .description(
      'finds out what to do about each entity, now; tiers and forecasts come first where they are missing',
    )
    .option('--config <id or name>', 'needed when there are several')
    .addOption(levelOption())
    .option('--entity-id <id...>', 'only these')
    .option('--date <date>', 'the day to judge by; default: the newest complete day with figures')
    .option('--force-refresh', 'makes active advice anew; what is no longer true expires')
    .option('--json', 'one JSON object')
    .action(async (options: RecommendOptions) => {
      // A slip of the finger is told at once, before a database is started.
      if (options.date !== undefined && !LocalDate.safeParse(options.date).success)
        throw invalid('--date: is a date such as 2026-03-10')
      if (options.entityId && options.entityType === undefined)
        throw invalid('--entity-id: needs --entity-type campaign, adset or ad')
      for (const id of options.entityId ?? []) {
        const checked = EntityId.safeParse(id)
        if (!checked.success) throw invalid(`--entity-id: ${checked.error.issues[0]?.message}`)
      }
      const system = await open()
      const { services } = system
      const config = await system.configOf(options.config)
      const entityIds = options.entityId ?? null
      const levels = options.entityType === undefined ? LEVELS : [options.entityType]
      const payload = await toStepPayload(
        { configId: config.id, entityIds, day: options.date ?? null, force: options.forceRefresh ?? false },
        services,
      )
      await system.ensureWorkers()
      const ids: string[] = []
      for (const level of levels) {
        ids.push((await services.enqueue(recommendLevel[level], payload, { actor: 'cli' })).id)
      }
      const runs = await followRuns(services, ids, 'advising')
      process.exitCode = exitCodeOf(runs)
      const rows = await activeAdvice(services, config, levels, entityIds)
      if (options.json) {
        printJson({ config_id: config.id, runs: runs.map(runJson), recommendations: rows })
        return
      }
      for (const run of runs)
        if (run.status !== 'succeeded' || run.counts.skipped > 0) remark(describeRun(run))
      printAdvice(rows)
    })
}

export const registerAdvice = (program: Command, open: Opener): void => {
  const advice = program.command('advice').description('what to do, as last found out')
  advice
    .command('list', { isDefault: true })
    .description('what stands, the most urgent first')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(levelOption())
    .option('--json', 'one JSON object')
    .action(async (options: { config?: string; entityType?: Level; json?: boolean }) => {
      const system = await open()
      const config = await system.configOf(options.config)
      const levels = options.entityType === undefined ? LEVELS : [options.entityType]
      const rows = await activeAdvice(system.services, config, levels)
      if (options.json) printJson({ config_id: config.id, recommendations: rows })
      else printAdvice(rows)
    })
  for (const verb of ['apply', 'dismiss'] as const) {
    advice
      .command(`${verb} <id>`)
      .description(
        verb === 'apply'
          ? 'notes that it was followed; what came of it is looked at a week later'
          : 'puts it aside; it is not given again for two weeks',
      )
      .option('--reason <text>', 'why')
      .option('--json', 'one JSON object')
      .action(async (text: string, options: { reason?: string; json?: boolean }) => {
        const id = Number(text)
        if (!Number.isSafeInteger(id) || id < 1) throw invalid('ID: is a number of "vigia advice list"')
        const reason = DecisionReason.optional().safeParse(options.reason)
        if (!reason.success) throw invalid(`--reason: ${reason.error.issues[0]?.message}`)
        const { services, audited } = await open()
        const row = await services.recommendation[verb](id, {
          actor: 'cli',
          reason: reason.data ?? null,
        })
        await audited(`advice ${verb}`, `recommendation/${id}`, { status: row.status, reason: row.reason })
        if (options.json) printJson(row)
        else printLine(`${row.title} for ${row.entity_type} ${nameOf(row)} is ${row.status}.`)
      })
  }
}
