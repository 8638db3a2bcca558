/** The API process: `node dist/api/main.js`. */
import { config as readDotenv } from 'dotenv'
import { endWith, runProcess } from '../shared/platform/run-process.ts'
import { composeApi } from './compose.ts'

readDotenv({ quiet: true })
endWith(await runProcess('api', process.env, composeApi))
