/** All commands of `vigia`, and what their failures look like. */
import { Command, CommanderError } from 'commander'
import { ConfigError } from '../shared/config.ts'
import { AppError, messageOf } from '../shared/core/errors.ts'
import { packageVersion } from '../shared/platform/run-process.ts'
import { registerAnomalies } from './commands/anomalies.ts'
import { registerChanges } from './commands/changes.ts'
import { registerClassify, registerTiers } from './commands/classify.ts'
import { registerDemo } from './commands/demo.ts'
import { registerDetect } from './commands/detect.ts'
import { registerDoctor } from './commands/doctor.ts'
import { registerForecast } from './commands/forecast.ts'
import { registerFeatures } from './commands/features.ts'
import { registerForecasts } from './commands/forecasts.ts'
import { registerHolidays } from './commands/holidays.ts'
import { registerIncidents } from './commands/incidents.ts'
import { registerImport } from './commands/import.ts'
import { registerKeys } from './commands/keys.ts'
import { registerMigrate } from './commands/migrate.ts'
import { registerModels } from './commands/models.ts'
import { registerMutes } from './commands/mutes.ts'
import { registerAdvice, registerRecommend } from './commands/recommend.ts'
import { registerReplay } from './commands/replay.ts'
import { registerReport } from './commands/report.ts'
import { registerRuns } from './commands/runs.ts'
import { registerSchedules } from './commands/schedules.ts'
import { registerScore } from './commands/score.ts'
import { registerSeries } from './commands/series.ts'
import { registerTrain } from './commands/train.ts'
import { registerUp } from './commands/up.ts'
import { registerWebhooks } from './commands/webhooks.ts'
import { printJson } from './output.ts'
import { openSystem } from './system.ts'
import type { Opener, System } from './system.ts'
import { forTerminal } from './wording.ts'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

type Environment = Readonly<Record<string, string | undefined>>

/** @param opener opens what commands work on */
export const buildProgram = (environment: Environment, opener: Opener): Command => {
  const program = new Command('vigia')
    .description('Watches advertising accounts and says what is odd, how bad it is, and since when.')
    .version(packageVersion())
    // What stands behind a command is the command's: `series show ID --version v3`.
    .enablePositionalOptions()
    .showHelpAfterError('(run with --help to see how)')
    .exitOverride()
  registerUp(program, opener)
  registerDemo(program, opener)
  registerMigrate(program, environment)
  registerImport(program, opener)
  registerTrain(program, opener)
  registerDetect(program, opener)
  registerAnomalies(program, opener)
  registerIncidents(program, opener)
  registerFeatures(program, opener)
  registerClassify(program, opener)
  registerTiers(program, opener)
  registerReport(program, opener)
  registerRecommend(program, opener)
  registerAdvice(program, opener)
  registerForecasts(program, opener)
  registerScore(program)
  registerReplay(program, opener, environment)
  registerForecast(program)
  registerSeries(program, opener)
  registerModels(program, opener)
  registerRuns(program, opener)
  registerSchedules(program, opener)
  registerWebhooks(program, opener)
  registerMutes(program, opener)
  registerHolidays(program, opener)
  registerChanges(program, opener)
  registerKeys(program, opener)
  registerDoctor(program, environment)
  return program
}

/** Says what went wrong: people read it on stderr, machines as the one object on stdout. @returns the exit code */
export const reportFailure = (error: unknown, json: boolean): number => {
  if (error instanceof CommanderError) {
    // Commander has printed its own message to stderr, or the help that was asked for.
    if (error.exitCode === 0) return DONE
    const message = error.code === 'commander.help' ? 'name a command' : error.message.replace(/^error: /, '')
    if (json) printJson({ error: { code: 'INVALID_REQUEST', message } })
    return WRONG_USAGE
  }
  const known = error instanceof AppError
  const code = known ? error.code : error instanceof ConfigError ? 'INVALID_REQUEST' : 'INTERNAL'
  const said = forTerminal(messageOf(error))
  if (json) printJson({ error: { code, message: said, ...(known ? error.extra : {}) } })
  else {
    process.stderr.write(`vigia: ${said}\n`)
    const fields = known ? (error.extra.errors ?? []) : []
    if (fields.length > 1)
      for (const { field, message } of fields) process.stderr.write(`  ${field}: ${message}\n`)
    if (code === 'INTERNAL' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  }
  return code === 'INVALID_REQUEST' ? WRONG_USAGE : FAILED
}

/** Ends by itself when asked to; a demo that closes after its findings does not. */
const staysUp = (argv: readonly string[]): boolean =>
  argv[2] === 'up' || (argv[2] === 'demo' && !argv.includes('--once'))

interface Interruption {
  /** Whether the command was cut short: what it says from now on is of no interest. */
  readonly asked: () => boolean
  /** Takes the handlers away. */
  forget(): void
}

/**
 * A command cut short closes what it opened, for nobody else would stop its PostgreSQL, and then ends by the
 * signal. A second signal ends it at once.
 */
const closeOnSignal = (close: () => Promise<void>): Interruption => {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  let asked = false
  const forget = (): void => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    asked = true
    forget()
    void close().finally(() => process.kill(process.pid, signal))
  }
  for (const signal of signals) process.on(signal, onSignal)
  return { asked: () => asked, forget }
}

/** Runs one command to its end. @returns the exit code */
export const runCommand = async (argv: readonly string[], environment: Environment): Promise<number> => {
  const opened: Promise<System>[] = []
  const close = async (): Promise<void> => {
    // One that could not be opened has closed itself.
    for (const opening of await Promise.allSettled(opened))
      if (opening.status === 'fulfilled') await opening.value.close()
  }
  const interruption = staysUp(argv) ? null : closeOnSignal(close)
  const opener: Opener = async () => {
    // A command speaks for itself; only `up` has a log worth following.
    const isUp = argv[2] === 'up'
    const opening = openSystem({
      environment,
      service: isUp ? 'up' : 'cli',
      migrates: isUp || argv[2] === 'demo',
      ...(isUp ? {} : { logLevel: 'warn' as const }),
    })
    opened.push(opening)
    const system = await opening
    if (interruption?.asked()) throw new Error('the command was cut short')
    return system
  }
  try {
    await buildProgram(environment, opener).parseAsync([...argv])
    return Number(process.exitCode ?? DONE)
  } catch (error) {
    return interruption?.asked() ? FAILED : reportFailure(error, argv.includes('--json'))
  } finally {
    await close()
    interruption?.forget()
  }
}
