/** `vigia holidays`: days on which an account is not itself. */
import { createReadStream } from 'node:fs'
import type { Command } from 'commander'
import { printable } from '../../shared/core/columns.ts'
import { AppError } from '../../shared/core/errors.ts'
import { HolidayCalendar } from '../../shared/entities/holidays.ts'
import type { DatedHoliday } from '../../shared/entities/holidays.ts'
import { sizeOfFile } from '../input.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'
import { checked } from './webhooks.ts'

export const registerHolidays = (program: Command, open: Opener): void => {
  const holidays = program.command('holidays').description('holidays of a config')
  holidays
    .command('list', { isDefault: true })
    .description('holidays of a year: its own, and those of its country')
    .option('--config <id or name>', 'needed when there are several')
    .option('--year <year>', 'default: this one')
    .option('--json', 'one JSON object')
    .action(async (options: { config?: string; year?: string; json?: boolean }) => {
      const year = options.year ?? String(new Date().getUTCFullYear())
      if (!/^(19[7-9]\d|2\d{3})$/.test(year))
        throw new AppError('INVALID_REQUEST', '--year: is a year such as 2026')
      const { services, configOf } = await open()
      const config = await configOf(options.config)
      const { country, region } = await services.holidays.calendar(config.id)
      const days = await services.holidays.between(config.id, `${year}-01-01`, `${year}-12-31`)
      if (options.json) {
        printJson({ config_id: config.id, country, region, holidays: days })
        return
      }
      if (country === null)
        printLine('No country is set: "vigia holidays country BR" adds its national holidays.')
      if (days.length === 0) {
        printLine(`There is no holiday in ${year}.`)
        return
      }
      printLine(
        renderTable(
          [
            { title: 'Date', cell: (day: DatedHoliday) => day.date },
            { title: 'Days', align: 'right', cell: (day) => String(day.days) },
            {
              title: 'Of',
              cell: (day) =>
                day.source === 'own' ? 'the account' : [country, region].filter(Boolean).join('-'),
            },
            { title: 'Name', cell: (day) => printable(day.name) },
          ],
          days.toSorted((a, b) => (a.date < b.date ? -1 : Number(a.date > b.date))),
        ),
      )
    })
  holidays
    .command('country <country>')
    .description('whose national holidays count, e.g. BR; none: no country')
    .option('--region <region>', 'a state of it, e.g. SP')
    .option('--config <id or name>', 'needed when there are several')
    .option('--json', 'one JSON object')
    .action(async (text: string, options: { region?: string; config?: string; json?: boolean }) => {
      const country = text.toLowerCase() === 'none' ? null : text.toUpperCase()
      const region = options.region?.toUpperCase() ?? null
      checked(HolidayCalendar, { country, region, days: [] })
      const { services, configOf, audited } = await open()
      const config = await configOf(options.config)
      const { days } = await services.holidays.calendar(config.id)
      await services.holidays.replace(config.id, { country, region, days })
      await audited('holidays country', `config/${config.id}`, { country, region })
      if (options.json) printJson({ config_id: config.id, country, region })
      else
        printLine(
          `${printable(config.name)} has the holidays of ${country === null ? 'no country' : region === null ? country : `${country}-${region}`}.`,
        )
    })
  holidays
    .command('import <file>')
    .description('adds days of its own from a CSV with date, and days and name if wanted')
    .option('--config <id or name>', 'needed when there are several')
    .option('--json', 'one JSON object')
    .action(async (file: string, options: { config?: string; json?: boolean }) => {
      await sizeOfFile(file)
      const { services, configOf, audited } = await open()
      const config = await configOf(options.config)
      const report = await services.holidays.importDays(config.id, createReadStream(file))
      await audited('holidays import', `config/${config.id}`, report)
      if (options.json) printJson({ config_id: config.id, ...report })
      else
        printLine(
          `${report.days_written} holiday${report.days_written === 1 ? '' : 's'} of ${report.rows_read} row${report.rows_read === 1 ? '' : 's'}.`,
        )
    })
}
