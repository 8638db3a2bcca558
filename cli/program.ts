/** All commands of `vigia`, and what their failures look like. */
import { Command, CommanderError } from 'commander'
import { ConfigError } from '../shared/config.ts'
import { AppError, messageOf } from '../shared/core/errors.ts'
import { packageVersion } from '../shared/platform/run-process.ts'
import { registerDemo } from './commands/demo.ts'
import { registerDetect } from './commands/detect.ts'
import { registerDoctor } from './commands/doctor.ts'
import { registerImport } from './commands/import.ts'
import { registerKeys } from './commands/keys.ts'
import { registerMigrate } from './commands/migrate.ts'
import { registerModels } from './commands/models.ts'
import { registerRuns } from './commands/runs.ts'
import { registerSchedules } from './commands/schedules.ts'
import { registerScore } from './commands/score.ts'
import { registerTrain } from './commands/train.ts'
import { registerUp } from './commands/up.ts'
import { printJson } from './output.ts'
import { openSystem } from './system.ts'
import type { Opener } from './system.ts'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

type Environment = Readonly<Record<string, string | undefined>>

/** @param opener opens what commands work on */
export const buildProgram = (environment: Environment, opener: Opener): Command => {
  const program = new Command('vigia')
    .description('Watches advertising accounts and says what is odd, how bad it is, and since when.')
    .version(packageVersion())
    .showHelpAfterError('(run with --help to see how)')
    .exitOverride()
  registerUp(program, opener)
  registerDemo(program, opener)
  registerMigrate(program, environment)
  registerImport(program, opener)
  registerTrain(program, opener)
  registerDetect(program, opener)
  registerScore(program)
  registerModels(program, opener)
  registerRuns(program, opener)
  registerSchedules(program, opener)
  registerKeys(program, opener)
  registerDoctor(program, environment)
  return program
}

/** Says what went wrong: people read it on stderr, machines as the one object on stdout. @returns the exit code */
export const reportFailure = (error: unknown, json: boolean): number => {
  if (error instanceof CommanderError) {
    // Commander has printed its own message, or the help that was asked for.
    return error.exitCode === 0 ? DONE : WRONG_USAGE
  }
  const known = error instanceof AppError
  const code = known ? error.code : error instanceof ConfigError ? 'INVALID_REQUEST' : 'INTERNAL'
  if (json) printJson({ error: { code, message: messageOf(error), ...(known ? error.extra : {}) } })
  else {
    process.stderr.write(`vigia: ${messageOf(error)}\n`)
    const fields = known ? (error.extra.errors ?? []) : []
    if (fields.length > 1)
      for (const { field, message } of fields) process.stderr.write(`  ${field}: ${message}\n`)
    if (code === 'INTERNAL' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  }
  return code === 'INVALID_REQUEST' ? WRONG_USAGE : FAILED
}

/** Runs one command to its end. @returns the exit code */
export const runCommand = async (argv: readonly string[], environment: Environment): Promise<number> => {
  const closers: (() => Promise<void>)[] = []
  const opener: Opener = async () => {
    // A command speaks for itself; only `up` has a log worth following.
    const isUp = argv[2] === 'up'
    const system = await openSystem({
      environment,
      service: isUp ? 'up' : 'cli',
      migrates: isUp || argv[2] === 'demo',
      ...(isUp ? {} : { logLevel: 'warn' as const }),
    })
    closers.push(() => system.close())
    return system
  }
  try {
    await buildProgram(environment, opener).parseAsync([...argv])
    return Number(process.exitCode ?? DONE)
  } catch (error) {
    return reportFailure(error, argv.includes('--json'))
  } finally {
    for (const close of closers) await close()
  }
}
