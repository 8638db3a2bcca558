/** A worker process: `node dist/workers/main.js`. */
import { config as readDotenv } from 'dotenv'
import { endWith, runProcess } from '../shared/platform/run-process.ts'
import { composeWorkers } from './compose.ts'

readDotenv({ quiet: true })
endWith(await runProcess('workers', process.env, composeWorkers))
