#!/usr/bin/env node
/** `vigia <command>`. Exit codes: 0 done, 1 failed, 2 wrong usage. */
import { config as readDotenv } from 'dotenv'
import { runCommand } from './program.ts'

readDotenv({ quiet: true })
process.exitCode = await runCommand(process.argv, process.env)
