/** `vigia anomalies`: what was found, and what people make of it. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { ANOMALY_STATUSES, FEEDBACK_VERDICTS, Notes } from '../../shared/detection/anomalies.ts'
import type { AnomalyFilter, AnomalyRow, AnomalyStatus } from '../../shared/detection/anomalies.ts'
import type { Services } from '../../shared/services.ts'
import { whatHappened } from '../../shared/detection/words.ts'
import { printable } from '../../shared/core/columns.ts'
import { renderFindings } from '../findings/table.ts'
import { daysBack, MOST_DAYS_BACK, newestDays } from '../input.ts'
import { printJson, printLine } from '../output.ts'
import type { Opener } from '../system.ts'
import { idOf } from './webhooks.ts'

const SHOWN = 40
const PAGE_SIZE = 200

const all = async (
  { anomalies }: Pick<Services, 'anomalies'>,
  filter: AnomalyFilter,
): Promise<AnomalyRow[]> => {
  const rows: AnomalyRow[] = []
  for (let page = 1; ; page += 1) {
    const found = await anomalies.list(filter, { page, pageSize: PAGE_SIZE, afterId: null })
    rows.push(...found.data)
    if (page * PAGE_SIZE >= found.total) return rows
  }
}

interface ListOptions {
  readonly config?: string
  readonly entityType?: Level
  readonly status?: AnomalyStatus
  readonly days: string
  readonly json?: boolean
}

const registerList = (anomalies: Command, open: Opener): void => {
  anomalies
    .command('list', { isDefault: true })
    .description('findings nobody has resolved, newest and worst first')
    .option('--config <id or name>', 'needed when there are several')
    .addOption(new Option('--entity-type <level>', 'the level; default: all').choices(LEVELS))
    .addOption(new Option('--status <status>', 'those of one status').choices(ANOMALY_STATUSES))
    .option('--days <n>', `how many days up to the newest one with figures, 1 to ${MOST_DAYS_BACK}`, '7')
    .option('--json', 'one JSON object')
    .action(async (options: ListOptions) => {
      // A slip of the finger is told at once, before a database is started.
      const days = daysBack(options.days)
      const { services, configOf } = await open()
      const config = await configOf(options.config)
      const found = await all(services, {
        configId: config.id,
        ...(await newestDays(services, config, days)),
        ...(options.entityType === undefined ? {} : { entityType: options.entityType }),
        ...(options.status === undefined ? {} : { status: options.status }),
      })
      const rows = options.status === undefined ? found.filter((row) => row.status !== 'resolved') : found
      if (options.json) printJson({ config_id: config.id, anomalies: rows })
      else
        printLine(
          renderFindings(rows, {
            currency: config.currency,
            colour: process.stdout.isTTY,
            limit: SHOWN,
            forDecisions: true,
          }),
        )
    })
}

/** Names are imported: what could move a cursor is left out. */
const told = (row: AnomalyRow): string => {
  const name = printable(row.entity_name ?? '') || row.entity_id
  return `${whatHappened(row)}, ${row.entity_type} ${name}, ${row.anomaly_date}`
}

/** @throws AppError INVALID_REQUEST */
export const notesOf = (text: string | undefined): string | null => {
  const notes = Notes.optional().safeParse(text)
  if (!notes.success) throw new AppError('INVALID_REQUEST', `--notes: ${notes.error.issues[0]?.message}`)
  return notes.data ?? null
}

const registerDecision = (anomalies: Command, open: Opener, verb: 'acknowledge' | 'resolve'): void => {
  anomalies
    .command(`${verb} <id>`)
    .description(
      verb === 'acknowledge'
        ? 'marks a finding as seen'
        : 'closes a finding, whatever it was; it is not raised again',
    )
    .option('--notes <text>', 'what is known of it')
    .option('--json', 'one JSON object')
    .action(async (text: string, options: { notes?: string; json?: boolean }) => {
      const id = idOf(text, 'vigia anomalies list')
      const notes = notesOf(options.notes)
      const { services, audited } = await open()
      const row = await services.anomalies[verb](id, { actor: 'cli', notes, at: services.clock.now() })
      await audited(`anomalies ${verb}`, `anomaly/${id}`, { status: row.status, notes: row.notes })
      if (options.json) printJson(row)
      else printLine(`${told(row)}: ${row.status}.`)
    })
}

const isVerdict = (text: string): text is (typeof FEEDBACK_VERDICTS)[number] =>
  (FEEDBACK_VERDICTS as readonly string[]).includes(text)

const registerFeedback = (anomalies: Command, open: Opener): void => {
  anomalies
    .command('feedback <id> <verdict>')
    .description(
      'true_positive: it was real, its day is not trained on; false_positive: it was none, it takes more to be told again',
    )
    .option('--notes <text>', 'why')
    .option('--json', 'one JSON object')
    .action(async (text: string, verdict: string, options: { notes?: string; json?: boolean }) => {
      const id = idOf(text, 'vigia anomalies list')
      if (!isVerdict(verdict))
        throw new AppError('INVALID_REQUEST', `VERDICT: is ${FEEDBACK_VERDICTS.join(' or ')}`)
      const notes = notesOf(options.notes)
      const { services, audited } = await open()
      const row = await services.anomalies.feedback(id, {
        verdict,
        actor: 'cli',
        notes,
        at: services.clock.now(),
      })
      const after = { status: row.status, verdict: row.verdict, notes: row.notes }
      await audited('anomalies feedback', `anomaly/${id}`, after)
      if (options.json) printJson(row)
      else printLine(`${told(row)}: ${verdict.replace('_', ' ')}, ${row.status}.`)
    })
}

export const registerAnomalies = (program: Command, open: Opener): void => {
  const anomalies = program.command('anomalies').description('what was found, and what you make of it')
  registerList(anomalies, open)
  registerDecision(anomalies, open, 'acknowledge')
  registerDecision(anomalies, open, 'resolve')
  registerFeedback(anomalies, open)
}
