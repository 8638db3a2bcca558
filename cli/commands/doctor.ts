/** `vigia doctor`: is everything vigia needs there, and what to do where it is not. */
import type { Command } from 'commander'
import { systemClock } from '../../shared/core/clock.ts'
import { packageVersion } from '../../shared/platform/run-process.ts'
import { examine } from '../doctor/examine.ts'
import type { Check, Diagnosis } from '../doctor/examine.ts'
import { printJson, printLine, renderTable } from '../output.ts'

type Environment = Readonly<Record<string, string | undefined>>

const SUMMARY = {
  ok: 'Everything is in order.',
  warning: 'vigia can work; see the warnings.',
  problem: 'Something has to be done first; see the problems.',
} as const

/** As it is written in an environment. */
const settingText = (value: unknown): string =>
  typeof value === 'string' ? value : Array.isArray(value) ? value.join(',') : JSON.stringify(value)

/** The diagnosis for people, the settings in force last. */
export const describeDiagnosis = ({ status, checks, configuration }: Diagnosis): string => {
  const table = renderTable<Check>(
    [
      { title: 'Check', cell: ({ check }) => check },
      { title: 'State', cell: (row) => row.status },
      {
        title: 'What',
        cell: ({ message, advice }) => (advice === null ? message : `${message} -> ${advice}`),
      },
    ],
    checks,
  )
  const settings = Object.entries(configuration ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [`  ${name}=${settingText(value)}`],
  )
  return [
    table,
    ...(settings.length > 0 ? ['', 'Settings in force:', ...settings] : []),
    '',
    SUMMARY[status],
  ].join('\n')
}

export const registerDoctor = (program: Command, environment: Environment): void => {
  program
    .command('doctor')
    .description('checks versions, settings, connections, storage and clock, and says what to do')
    .option('--json', 'one JSON object')
    .action(async (options: { json?: boolean }) => {
      const diagnosis = await examine({
        environment,
        clock: systemClock,
        version: packageVersion(),
        nodeVersion: process.versions.node,
      })
      if (options.json) printJson(diagnosis)
      else printLine(describeDiagnosis(diagnosis))
      process.exitCode = diagnosis.status === 'problem' ? 1 : 0
    })
}
