/** `vigia schedules`: the timetable, and stopping or starting parts of it. */
import type { Command } from 'commander'
import type { ScheduleView } from '../../shared/schedules/schedule.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Opener } from '../system.ts'

const localTime = (instant: Date | null, timeZone: string): string =>
  instant
    ? new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'short', timeZone }).format(instant)
    : '-'

const scheduleJson = (schedule: ScheduleView): Record<string, unknown> => ({
  id: schedule.id,
  job: schedule.job,
  cron: schedule.cronInForce,
  timezone: schedule.timezone,
  paused: schedule.paused,
  next_run_at: schedule.nextRunAt?.toISOString() ?? null,
  last_run: schedule.lastRun
    ? {
        run_id: schedule.lastRun.runId,
        scheduled_at: schedule.lastRun.scheduledAt.toISOString(),
        status: schedule.lastRun.status,
      }
    : null,
})

export const registerSchedules = (program: Command, open: Opener): void => {
  const schedules = program.command('schedules').description('when jobs start by themselves')
  schedules
    .command('list', { isDefault: true })
    .description('the timetable with next and last runs')
    .option('--json', 'one JSON object')
    .action(async (options: { json?: boolean }) => {
      const { services } = await open()
      const rows = await services.schedules.list()
      if (options.json) {
        printJson({ schedules: rows.map(scheduleJson) })
        return
      }
      if (rows.length === 0) {
        printLine('The timetable is empty: a scheduler writes it when it first starts ("vigia up").')
        return
      }
      printLine(
        renderTable(
          [
            { title: 'Schedule', cell: (row: ScheduleView) => row.id },
            { title: 'Cron', cell: (row) => row.cronInForce },
            { title: 'Zone', cell: (row) => row.timezone },
            {
              title: 'Next',
              cell: (row) => (row.paused ? 'paused' : localTime(row.nextRunAt, row.timezone)),
            },
            { title: 'Last', cell: (row) => localTime(row.lastRun?.scheduledAt ?? null, row.timezone) },
            { title: 'Result', cell: (row) => row.lastRun?.status ?? '-' },
          ],
          rows,
        ),
      )
    })
  for (const verb of ['pause', 'resume'] as const) {
    schedules
      .command(`${verb} <id>`)
      .description(
        verb === 'pause' ? 'starts nothing until it is resumed' : 'goes on from now; nothing is caught up',
      )
      .option('--json', 'one JSON object')
      .action(async (id: string, options: { json?: boolean }) => {
        const { services, audited } = await open()
        const after = await services.schedules.change(id, { paused: verb === 'pause' })
        await audited(`schedules ${verb}`, `schedule/${id}`, { paused: after.paused })
        if (options.json) printJson(scheduleJson(after))
        else if (after.paused) printLine(`${id} is paused.`)
        else
          printLine(`${id} runs next at ${localTime(after.nextRunAt, after.timezone)} (${after.timezone}).`)
      })
  }
}
