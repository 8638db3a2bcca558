/** A scheduler process: `node dist/scheduler/main.js`. */
import { config as readDotenv } from 'dotenv'
import { endWith, runProcess } from '../shared/platform/run-process.ts'
import { composeScheduler } from './compose.ts'

readDotenv({ quiet: true })
endWith(await runProcess('scheduler', process.env, composeScheduler))
