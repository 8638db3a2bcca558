#!/usr/bin/env node
/**
 * `vigia <command>`. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { AppError, messageOf } from '../shared/core/errors.ts'
import { registerScore } from './commands/score.ts'
import { printJson } from './output.ts'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

const version = (): string => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

export const buildProgram = (): Command => {
  const program = new Command('vigia')
    .description('Watches advertising accounts and says what is odd, how bad it is, and since when.')
    .version(version())
    .showHelpAfterError('(run with --help to see how)')
    .exitOverride()
  registerScore(program)
  return program
}

/** Says what went wrong, for people on stderr, with `--json` as the one object on stdout. */
const report = (error: unknown, json: boolean): number => {
  if (error instanceof CommanderError) {
    // Commander has printed its own message (or the help that was asked for).
    return error.exitCode === 0 ? DONE : WRONG_USAGE
  }
  const known = error instanceof AppError
  const code = known ? error.code : 'INTERNAL'
  if (json) printJson({ error: { code, message: messageOf(error), ...(known ? error.extra : {}) } })
  else {
    process.stderr.write(`vigia: ${messageOf(error)}\n`)
    if (known) for (const field of error.extra.errors ?? []) process.stderr.write(`  ${field.field}: ${field.message}\n`)
    else if (error instanceof Error && error.stack) process.stderr.write(`${error.stack}\n`)
  }
  return code === 'INVALID_REQUEST' ? WRONG_USAGE : FAILED
}

const main = async (argv: readonly string[]): Promise<number> => {
  try {
    await buildProgram().parseAsync([...argv])
    return DONE
  } catch (error) {
    return report(error, argv.includes('--json'))
  }
}

process.exitCode = await main(process.argv)
