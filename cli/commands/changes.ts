/** `vigia changes`: what was done to an account, so that what follows from it is no surprise. */
import { createReadStream } from 'node:fs'
import type { Command } from 'commander'
import { printable } from '../../shared/core/columns.ts'
import type { BudgetChangesReport } from '../../shared/entities/imports.ts'
import { sizeOfFile } from '../input.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'

type Rejected = BudgetChangesReport['errors'][number]

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

/** The report for people. */
const describeChanges = (report: BudgetChangesReport): string => {
  const lines = [
    `${plural(report.changes_imported, 'change of a budget', 'changes of budgets')} of ${plural(report.rows_read, 'row', 'rows')}; ${report.changes_changed} new or different, ${plural(report.rows_ignored, 'row', 'rows')} not needed.`,
    ...report.warnings.map((warning) => `! ${warning}`),
  ]
  if (report.rows_rejected > 0) {
    lines.push(
      '',
      `${plural(report.rows_rejected, 'row was', 'rows were')} rejected:`,
      renderTable(
        [
          { title: 'line', align: 'right', cell: (row: Rejected) => String(row.line) },
          { title: 'column', cell: (row) => row.column },
          { title: 'reason', cell: (row) => printable(row.reason) },
        ],
        report.errors,
      ),
    )
    const more = report.rows_rejected - report.errors.length
    if (more > 0) lines.push(`... and ${plural(more, 'row', 'rows')} more`)
  }
  return lines.join('\n')
}

export const registerChanges = (program: Command, open: Opener): void => {
  const changes = program.command('changes').description('what was done to an account')
  changes
    .command('import <file>')
    .description(
      'changes of budgets from a CSV with entity_id, kind (budget, mix_start, mix_end), date and factor',
    )
    .option('--config <id or name>', 'needed when there are several')
    .option('--json', 'one JSON object')
    .action(async (file: string, options: { config?: string; json?: boolean }) => {
      await sizeOfFile(file)
      const { services, configOf, audited } = await open()
      const config = await configOf(options.config)
      const report = await services.imports.importChanges(config.id, createReadStream(file))
      const { errors, warnings, ...counts } = report
      await audited('changes import', `config/${config.id}`, counts)
      if (options.json) printJson({ config_id: config.id, ...counts, warnings, errors })
      else printLine(describeChanges(report))
      // A file of which no row could be used did not do what was asked.
      if (report.rows_rejected > 0 && report.changes_imported === 0) process.exitCode = 1
    })
}
