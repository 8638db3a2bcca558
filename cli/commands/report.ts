/** `vigia report`: the morning report, to read here, to keep as a page, or for a machine. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { LocalDate } from '../../shared/core/days.ts'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import { renderHtml } from '../../shared/report/html.ts'
import { renderText } from '../../shared/report/text.ts'
import { printJson, remark } from '../output.ts'
import type { Opener } from '../system.ts'

interface ReportOptions {
  readonly config?: string
  readonly date?: string
  readonly html?: string | true
  readonly json?: boolean
}

export const registerReport = (program: Command, open: Opener): void => {
  program
    .command('report')
    .description('the morning report: how it went, what is odd, what to do, what comes next')
    .option('--config <id or name>', 'needed when there are several')
    .option('--date <date>', 'the day it is about; default: the newest complete day with figures')
    .option('--html [file]', 'as a page, into the file or to stdout')
    .option('--json', 'one JSON object')
    .action(async (options: ReportOptions) => {
      if (options.date !== undefined && !LocalDate.safeParse(options.date).success)
        throw new AppError('INVALID_REQUEST', '--date: is a date such as 2026-03-10')
      if (options.html !== undefined && options.json)
        throw new AppError('INVALID_REQUEST', '--html and --json: choose one')
      const { services, configOf } = await open()
      const config = await configOf(options.config)
      const report = await services.reports.daily(config.id, options.date ?? null)
      if (options.json) printJson(report)
      else if (options.html === undefined) process.stdout.write(renderText(report))
      else if (options.html === true) process.stdout.write(renderHtml(report))
      else {
        try {
          await writeFile(options.html, renderHtml(report))
        } catch (error) {
          // Said well and still not possible: no wrong usage.
          throw new AppError(
            'CONFLICT',
            `${options.html} cannot be written: ${messageOf(error)}`,
            {},
            { cause: error },
          )
        }
        remark(`Written to ${options.html}; open it in a browser.`)
      }
    })
}
