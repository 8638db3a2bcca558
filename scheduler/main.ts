/** A scheduler process: `node dist/scheduler/main.js`. */
import { config as readDotenv } from 'dotenv'
import { runProcess } from '../shared/platform/run-process.ts'
import { composeScheduler } from './compose.ts'

readDotenv({ quiet: true })
process.exitCode = await runProcess('scheduler', process.env, composeScheduler)
