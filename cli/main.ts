#!/usr/bin/env node
/** `vigia <command>`. Exit codes: 0 done, 1 failed, 2 wrong usage. */
import { config as readDotenv } from 'dotenv'
import { endWith } from '../shared/platform/run-process.ts'
import { runCommand } from './program.ts'

/** Whoever read the output has seen enough, e.g. `vigia runs list | head`: the rest of the work goes on. */
const ignoreClosedPipe = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EPIPE') throw error
}
process.stdout.on('error', ignoreClosedPipe)
process.stderr.on('error', ignoreClosedPipe)
readDotenv({ quiet: true })
endWith(await runCommand(process.argv, process.env))
