/** `vigia runs`: what ran, what it did, and how to stop it. */
import type { Command } from 'commander'
import { AppError } from '../../shared/core/errors.ts'
import { RUN_STATUSES } from '../../shared/runs/run.ts'
import type { Run } from '../../shared/runs/run.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'

const seconds = (run: Run): string => {
  if (!run.startedAt) return '-'
  const end = run.finishedAt ?? run.updatedAt
  return `${((end.getTime() - run.startedAt.getTime()) / 1000).toFixed(1)} s`
}

const reasonsText = (run: Run): string =>
  Object.entries(run.reasons)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ')

const countsText = ({ counts }: Run): string => `${counts.done} / ${counts.skipped} / ${counts.failed}`

/** The run as `--json` prints it. */
export const runJson = (run: Run): Record<string, unknown> => ({
  id: run.id,
  job: run.job,
  key: run.key,
  config_id: run.configId,
  status: run.status,
  progress: run.progress,
  counts: run.counts,
  reasons: run.reasons,
  result: run.result,
  error: run.error,
  attempt: run.attempt,
  created_at: run.createdAt.toISOString(),
  started_at: run.startedAt?.toISOString() ?? null,
  finished_at: run.finishedAt?.toISOString() ?? null,
})

const statusOf = (text: string | undefined): Run['status'] | undefined => {
  if (text === undefined) return undefined
  const status = RUN_STATUSES.find((known) => known === text)
  if (!status) throw new AppError('INVALID_REQUEST', `--status: is one of ${RUN_STATUSES.join(', ')}`)
  return status
}

interface ListOptions {
  readonly config?: string
  readonly job?: string
  readonly status?: string
  readonly limit: string
  readonly json?: boolean
}

export const registerRuns = (program: Command, open: Opener): void => {
  const runs = program.command('runs').description('what ran, what it did, what it skipped and why')
  runs
    .command('list')
    .description('newest first')
    .option('--config <id or name>', 'of one config')
    .option('--job <name>', 'e.g. train.config')
    .option('--status <status>', RUN_STATUSES.join(', '))
    .option('--limit <n>', 'rows, 1 to 200', '20')
    .option('--json', 'one JSON object')
    .action(async (options: ListOptions) => {
      const status = statusOf(options.status)
      const pageSize = Number(options.limit)
      if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > 200) {
        throw new AppError('INVALID_REQUEST', '--limit: is a whole number from 1 to 200')
      }
      const { services, configOf } = await open()
      const config = options.config === undefined ? null : await configOf(options.config)
      const page = await services.runs.list(
        {
          configIds: null,
          ...(config ? { configId: config.id } : {}),
          ...(options.job === undefined ? {} : { job: options.job }),
          ...(status ? { status } : {}),
        },
        { page: 1, pageSize, afterId: null },
      )
      if (options.json) {
        printJson({ total: page.total, runs: page.data.map(runJson) })
        return
      }
      if (page.data.length === 0) {
        printLine('Nothing has run yet.')
        return
      }
      printLine(
        renderTable(
          [
            { title: 'Run', cell: (run: Run) => run.id },
            { title: 'Job', cell: (run) => run.job },
            { title: 'Status', cell: (run) => run.status },
            { title: 'Created', cell: (run) => run.createdAt.toISOString().slice(0, 19) },
            { title: 'Took', align: 'right', cell: seconds },
            { title: 'Done/skipped/failed', align: 'right', cell: countsText },
            { title: 'Why', cell: reasonsText },
          ],
          page.data,
        ),
      )
    })
  runs
    .command('show <id>')
    .description('all that is known of one run')
    .option('--json', 'one JSON object')
    .action(async (id: string, options: { json?: boolean }) => {
      const { services } = await open()
      const run = await services.runs.get(id)
      if (options.json) {
        printJson(runJson(run))
        return
      }
      printLine(`${run.job}  ${run.id}`)
      printLine(
        `status    ${run.status}${run.status === 'running' ? ` (${Math.round(run.progress * 100)}%)` : ''}`,
      )
      printLine(`key       ${run.key}`)
      printLine(`created   ${run.createdAt.toISOString()} by ${run.actor}`)
      printLine(`took      ${seconds(run)}, execution ${run.attempt}`)
      printLine(
        `counts    ${run.counts.done} done, ${run.counts.skipped} skipped, ${run.counts.failed} failed`,
      )
      if (reasonsText(run)) printLine(`reasons   ${reasonsText(run)}`)
      if (run.result) printLine(`result    ${JSON.stringify(run.result)}`)
      if (run.error !== null) printLine(`error     ${run.error}`)
    })
  runs
    .command('cancel <id>')
    .description('a queued run ends at once, a running one within about a second')
    .option('--json', 'one JSON object')
    .action(async (id: string, options: { json?: boolean }) => {
      const { services } = await open()
      const { status } = await services.runs.cancel(id)
      if (options.json) printJson({ id, status })
      else printLine(status === 'cancelled' ? `Run ${id} is cancelled.` : `Run ${id} was asked to end.`)
    })
}
