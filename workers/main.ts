/** A worker process: `node dist/workers/main.js`. */
import { config as readDotenv } from 'dotenv'
import { runProcess } from '../shared/platform/run-process.ts'
import { composeWorkers } from './compose.ts'

readDotenv({ quiet: true })
process.exitCode = await runProcess('workers', process.env, composeWorkers)
